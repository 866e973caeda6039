import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from cervjax.kinematics import body_poses
from cervjax.motion.recordings import read_orientations_csv
from cervjax.motion.recordings.orientation_csv import COLUMNS
from cervjax.motion.synthesis import coordinate_shares
from cervjax.tracking import OrientationKinematics, PoseStatus

TURNS = Rotation.from_rotvec(np.random.default_rng(0).uniform(-0.5, 0.5, (16, 3)))


@pytest.fixture(scope="module")
def task(tracked, model):
    return OrientationKinematics.of(model)


@pytest.fixture(scope="module")
def solve():
    return jax.jit(lambda task, model, turn: jax.vmap(lambda r: task(model, r))(turn))


@pytest.fixture(scope="module")
def head(model):
    """Orientation of the head in the torso's frame."""
    index = model.body_index("skull")
    return jax.jit(lambda q: body_poses(model, q).rotation[index])


def test_the_head_is_turned_as_seen_and_shared_naturally(task, model, solve, head, tracked):
    """To 1e-6: away from limits three angles and three shares are six equations."""
    pose = solve(task, model, jnp.asarray(TURNS.as_matrix()))
    assert np.all(np.asarray(pose.status) == PoseStatus.CONVERGED)
    neutral = Rotation.from_matrix(head(jnp.zeros(6)))
    for q, wanted in zip(pose.q, TURNS, strict=True):
        found = Rotation.from_matrix(head(q)) * neutral.inv()
        assert (found * wanted.inv()).magnitude() < 1e-6
    np.testing.assert_allclose(coordinate_shares(model.topology) @ pose.q.T, 0.0, atol=1e-6)


def test_at_limits_no_neighbour_is_better(task, model, solve, head):
    """Turns that the limits cut off: SciPy, begun there, gains less than 1e-6 of the cost. (There
    may be other minima: which coordinate gives way is a choice.)"""
    far = Rotation.from_rotvec(np.array([[0.05, 1.3, 0.1], [0.8, 0.1, 0.05], [0.2, 1.3, -0.2]]))
    pose = solve(task, model, jnp.asarray(np.tile(far.as_matrix(), (6, 1, 1))[:16]))
    assert np.all(np.asarray(pose.status) == PoseStatus.CONVERGED)
    neutral = Rotation.from_matrix(head(jnp.zeros(6)))
    prior = np.asarray(task.prior)
    ends = np.asarray(task.low), np.asarray(task.high)
    for k, wanted in enumerate(far):

        def residual(q, wanted=wanted):
            off = Rotation.from_matrix(head(jnp.asarray(q))) * (wanted * neutral).inv()
            return np.r_[off.as_rotvec(), prior @ q]

        found = np.asarray(pose.q[k])
        theirs = least_squares(residual, found, bounds=ends, xtol=1e-12, ftol=1e-12)
        assert 0.5 * np.sum(residual(found) ** 2) <= theirs.cost * (1 + 1e-6)
        assert pose.error[k] > np.radians(1)


def test_gradients(task, model):
    """Against central differences: 1e-5, because the share pulls the head off by 1e-5 rad, and the
    matrix of Gauss and Newton leaves out what that bends."""
    axis = jnp.array([0.2, -0.3, 0.4])

    @jax.jit
    def q_of(amount):
        angle = jnp.sqrt(jnp.sum(axis**2)) * (1 + amount)
        unit = axis / jnp.sqrt(jnp.sum(axis**2))
        skew = jnp.cross(unit[:, None], jnp.eye(3), axis=0)
        turn = jnp.eye(3) + jnp.sin(angle) * skew + (1 - jnp.cos(angle)) * skew @ skew
        return task(model, turn).q

    forward, reverse = jax.jit(jax.jacfwd(q_of))(0.0), jax.jit(jax.jacrev(q_of))(0.0)
    differences = (q_of(1e-5) - q_of(-1e-5)) / 2e-5
    np.testing.assert_allclose(forward, differences, atol=1e-5)
    np.testing.assert_allclose(reverse, forward, atol=1e-10)


def write(path, time, torso, head):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in np.column_stack([time, torso, head]):
            writer.writerow(["" if np.isnan(x) else repr(float(x)) for x in row])
    return path


@pytest.fixture
def recorded():
    """Sensors that sit anyhow on a person who rests for a second, then turns: ground z up."""
    time = np.arange(150) / 50
    angle = np.clip(time - 1.0, 0.0, None) * 0.4
    ground = Rotation.from_euler("x", 90, degrees=True)  # y up to z up
    heading = Rotation.from_euler("y", 50, degrees=True)
    turned = Rotation.from_rotvec(np.outer(angle, [0.0, 1.0, 0.0]))
    on_torso = Rotation.from_euler("zx", [12, 20], degrees=True)
    on_head = Rotation.from_euler("xyz", [70, -40, 100], degrees=True)
    torso = ground * heading * on_torso * Rotation.identity(len(time))
    head = ground * heading * turned * on_head
    return time, torso.as_quat(scalar_first=True), head.as_quat(scalar_first=True), turned


def test_how_sensors_sit_drops_out(tmp_path, recorded):
    """Even of sensors that change the sign of their quaternions: 1e-9 rad."""
    time, torso, head, turned = recorded
    head[::2] *= -1
    file = write(tmp_path / "imu.csv", time, torso, head)
    found = read_orientations_csv(file, up="z").against_neutral(0.0, 1.0)
    assert np.max((found.relative * turned.inv()).magnitude()) < 1e-9
    np.testing.assert_allclose(found.gravity, np.tile([0, -9.80665, 0], (150, 1)), atol=1e-9)


def test_short_gaps_are_bridged_and_long_ones_refused(tmp_path, recorded):
    time, torso, head, turned = recorded
    head[100:103] = np.nan
    found = read_orientations_csv(write(tmp_path / "a.csv", time, torso, head))
    found = found.against_neutral(0.0, 1.0)
    assert np.max((found.relative * turned.inv()).magnitude()) < 1e-6
    head[100:120] = np.nan
    with pytest.raises(ValueError, match=r"head is not known for 0\.42 s"):
        read_orientations_csv(write(tmp_path / "b.csv", time, torso, head))


def test_what_is_no_recording_of_sensors_is_refused(tmp_path, recorded):
    time, torso, head, _ = recorded
    with pytest.raises(ValueError, match="lengths 2 to 2, not 1"):
        read_orientations_csv(write(tmp_path / "a.csv", time, torso, 2 * head))
    with pytest.raises(ValueError, match="times needed"):
        read_orientations_csv(write(tmp_path / "b.csv", time[::-1], torso, head))
    upright = Rotation.from_euler("y", -90, degrees=True) * Rotation.identity(len(time))
    upright = write(tmp_path / "c.csv", time, upright.as_quat(scalar_first=True), torso)
    standing = read_orientations_csv(upright)
    with pytest.raises(ValueError, match="nearly vertical"):
        standing.against_neutral(0.0, 1.0)
    moving = read_orientations_csv(write(tmp_path / "d.csv", time, torso, head))
    with pytest.raises(ValueError, match="head turns by"):
        moving.against_neutral(0.0, 3.0)
    (tmp_path / "e.csv").write_text("time,torso_w\n0,1\n")
    with pytest.raises(ValueError, match="has no column torso_x"):
        read_orientations_csv(tmp_path / "e.csv")
    (tmp_path / "f.csv").write_text(",".join(COLUMNS) + "\n" + "0,a" + ",0" * 7 + "\n")
    with pytest.raises(ValueError, match=r"f\.csv, line 2"):
        read_orientations_csv(tmp_path / "f.csv")
