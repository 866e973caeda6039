import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from cervjax.kinematics import marker_bending, marker_motion, marker_positions
from cervjax.tracking import InverseKinematics, PoseStatus
from tests.helpers import TRACKED_MARKERS as NAMES


def test_poses_are_found_again(plain, model, solve, posed):
    """From exact markers: to 1e-6, where the sum of squares is flat to rounding."""
    q, turn, place, seen = posed
    pose = solve(plain, model, jnp.asarray(seen))
    assert np.all(np.asarray(pose.status) == PoseStatus.CONVERGED)
    np.testing.assert_allclose(pose.q, q, atol=1e-6)
    np.testing.assert_allclose(pose.rotation, turn, atol=1e-6)
    np.testing.assert_allclose(pose.position, place, atol=1e-6)
    assert np.max(pose.marker_error) < 1e-6


def test_frames_go_on_without_lost_markers(plain, model, solve, posed):
    q, _, _, seen = posed
    gappy = seen.copy()
    gappy[::3, 5] = np.nan
    gappy[1::3, 2] = np.nan
    gappy[2, [4, 5, 8]] = np.nan
    pose = solve(plain, model, jnp.asarray(gappy))
    told = np.arange(len(q)) != 2
    assert np.all(np.asarray(pose.status)[told] == PoseStatus.CONVERGED)
    np.testing.assert_allclose(np.asarray(pose.q)[told], q[told], atol=1e-5)
    np.testing.assert_array_equal(
        np.isnan(pose.marker_error), np.isnan(gappy[..., 0]) | ~told[:, None]
    )
    assert pose.status[2] == PoseStatus.UNDETERMINED
    assert np.all(np.isnan(pose.q[2]))


def test_the_least_squares_inside_the_limits_is_scipys(plain, model, solve, posed, tracked):
    """Markers off by centimeters and a neck narrower than the movement: SciPy's bounded trust
    region ends no lower (1e-8 of the cost) and at the same coordinates (1e-3 rad)."""
    _, _, _, seen = posed
    seen = seen + np.random.default_rng(1).normal(scale=0.01, size=seen.shape)
    narrow = eqx.tree_at(lambda k: (k.low, k.high), plain, (0.3 * plain.low, 0.3 * plain.high))
    weight = jnp.linspace(0.5, 2.0, len(narrow.markers))
    narrow = eqx.tree_at(lambda k: k.weight, narrow, weight)
    pose = solve(narrow, model, jnp.asarray(seen))
    assert np.all(np.asarray(pose.status) == PoseStatus.CONVERGED)
    held = (pose.q <= narrow.low) | (pose.q >= narrow.high)
    assert np.any(held)
    positions = jax.jit(marker_positions)

    for k in range(4):
        cost = 0.5 * np.sum(weight * pose.marker_error[k] ** 2)

        def residual(x, k=k):
            at = positions(model, jnp.asarray(x[6:])) @ Rotation.from_rotvec(x[:3]).as_matrix().T
            return (np.sqrt(weight)[:, None] * (at + x[3:6] - seen[k])).ravel()

        start = np.r_[
            Rotation.from_matrix(pose.rotation[k]).as_rotvec(), pose.position[k], 0 * pose.q[k]
        ]
        ends = (np.r_[np.full(6, -np.inf), narrow.low], np.r_[np.full(6, np.inf), narrow.high])
        theirs = least_squares(residual, start, bounds=ends, xtol=1e-12, ftol=1e-14, gtol=1e-12)
        assert cost <= theirs.cost * (1 + 1e-8)
        np.testing.assert_allclose(pose.q[k], theirs.x[6:], atol=1e-3)


def test_gradients_in_markers_and_in_where_they_sit(plain, model, posed):
    """By the implicit function theorem, against central differences of the solution: 1e-5."""
    _, _, _, seen = posed
    rng = np.random.default_rng(2)
    frame = jnp.asarray(seen[0] + rng.normal(scale=0.003, size=seen[0].shape))
    moved = jnp.asarray(rng.normal(size=model.marker_location.shape))
    shifted = jnp.asarray(rng.normal(size=frame.shape))

    @jax.jit
    def answer(amount):
        sits = eqx.tree_at(
            lambda m: m.marker_location, model, model.marker_location + amount[0] * moved
        )
        pose = plain(sits, frame + amount[1] * shifted)
        return jnp.concatenate([pose.q, pose.position, pose.rotation.ravel(), pose.marker_error])

    forward = np.asarray(jax.jit(jax.jacfwd(answer))(jnp.zeros(2)))
    reverse = np.asarray(jax.jit(jax.jacrev(answer))(jnp.zeros(2)))
    for k in range(2):
        step = 3e-6 * jnp.eye(2)[k]
        differences = np.asarray((answer(step) - answer(-step)) / 6e-6)
        np.testing.assert_allclose(forward[:, k], differences, atol=1e-5, rtol=1e-4)
    np.testing.assert_allclose(reverse, forward, atol=1e-9)


def test_bending_is_the_second_derivative_of_positions(model):
    rng = np.random.default_rng(3)
    q, pull = jnp.asarray(0.2 * rng.normal(size=6)), jnp.asarray(rng.normal(size=(9, 3)))
    chosen = tuple(range(9))
    motion = jax.jit(marker_motion)(model, q)
    ours = marker_bending(model, q, motion, pull, chosen)
    second = jax.jit(jax.jacfwd(jax.jacfwd(lambda q: jnp.sum(pull * marker_positions(model, q)))))
    np.testing.assert_allclose(ours.coordinates, second(q), atol=1e-12)
    first = jax.jit(jax.jacfwd(lambda q: marker_positions(model, q)))(q)
    np.testing.assert_allclose(motion.jacobian, np.moveaxis(first, 1, 2), atol=1e-12)
    turning = np.einsum("xyz,mqy,mz->xq", _LEVI_CIVITA, motion.jacobian, pull)
    np.testing.assert_allclose(ours.turning, turning, atol=1e-12)


def test_the_natural_share_decides_where_markers_do_not(tracked, model, solve, posed):
    """Markers that slide by 4 mm: the share halves how far upper and lower neck are turned against
    each other at least, and turns the head by less than those 4 mm do."""
    low, high = np.array([tracked.coordinate(n).range for n in tracked.free_coordinates]).T
    plane = np.random.default_rng(5).uniform(0.1, 0.9, (len(posed[0]), 3))
    q = low + np.tile(plane, 2) * (high - low)
    still = np.asarray(jax.jit(jax.vmap(marker_positions, (None, 0)))(model, jnp.asarray(q)))
    seen = still + np.random.default_rng(4).normal(scale=0.004, size=still.shape)
    tasks = [InverseKinematics.of(model, NAMES, share_weight=w) for w in (0.0, 1e-4)]
    found = [solve(task, model, jnp.asarray(seen)[:, : len(NAMES)]) for task in tasks]
    assert np.all(np.asarray(found[1].status) == PoseStatus.CONVERGED)
    settled = np.asarray(found[0].status) == PoseStatus.CONVERGED
    apart = [np.abs(np.asarray(p.q) - q)[settled].mean() for p in found]
    assert apart[1] < 0.5 * apart[0]
    head = [np.asarray(p.q)[:, :3] + np.asarray(p.q)[:, 3:] for p in found]
    assert np.median(np.abs(head[1] - head[0])[settled]) < np.radians(3)


def test_frames_without_a_pose_do_not_spoil_the_gradient_of_others(plain, model, posed):
    seen = posed[3][:2].copy()
    seen[1, [4, 5, 8]] = np.nan

    def loss(model):
        pose = jax.vmap(lambda frame: plain(model, frame))(jnp.asarray(seen))
        return jnp.sum(jnp.where((pose.status == PoseStatus.CONVERGED)[:, None], pose.q, 0.0))

    gradient = jax.jit(jax.grad(loss, allow_int=True))(model).marker_location
    assert np.all(np.isfinite(gradient))
    assert np.any(np.asarray(gradient) != 0)


def test_markers_in_line_tell_no_pose(plain, model, solve, posed):
    """The spine's markers alone, and markers that weigh nothing."""
    in_line = eqx.tree_at(
        lambda m: m.marker_location,
        model,
        model.marker_location.at[:3].set(
            jnp.array([[-0.1, 0.1, 0], [-0.1, 0.2, 0], [-0.1, 0.3, 0]])
        ),
    )
    seen = posed[3].copy()
    seen[:, 3] = np.nan
    assert np.all(solve(plain, in_line, jnp.asarray(seen)).status == PoseStatus.UNDETERMINED)
    weightless = eqx.tree_at(
        lambda k: k.weight, plain, plain.weight.at[jnp.array([4, 5, 8])].set(0.0)
    )
    assert np.all(solve(weightless, model, jnp.asarray(posed[3])).status == PoseStatus.UNDETERMINED)


def test_what_cannot_be_tracked_is_refused(tracked, model):
    with pytest.raises(ValueError, match="has no marker NOSE"):
        InverseKinematics.of(model, (*NAMES, "NOSE"))
    with pytest.raises(ValueError, match="2 move with the head and 4 with the torso"):
        InverseKinematics.of(model, NAMES[:6])
    with pytest.raises(ValueError, match=r"weight -1\.0 of marker 'LAH'"):
        InverseKinematics.of(model, NAMES, weights={"LAH": -1.0})
    with pytest.raises(ValueError, match="of those with weight, 2 move"):
        InverseKinematics.of(model, NAMES, weights={"LAH": 0.0, "RPH": 0.0})
    with pytest.raises(ValueError, match="share_weight"):
        InverseKinematics.of(model, NAMES, share_weight=-1.0)


_LEVI_CIVITA = np.zeros((3, 3, 3))
_LEVI_CIVITA[0, 1, 2] = _LEVI_CIVITA[1, 2, 0] = _LEVI_CIVITA[2, 0, 1] = 1
_LEVI_CIVITA[0, 2, 1] = _LEVI_CIVITA[2, 1, 0] = _LEVI_CIVITA[1, 0, 2] = -1
