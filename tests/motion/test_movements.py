import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.motion import Motion, write_storage
from cervjax.motion.synthesis import (
    PLANES,
    MovementKind,
    MovementOptions,
    MovementSampler,
    RecordedMovements,
    TorsoInclination,
    plane_of_coordinates,
    read_motions,
    sample_motion,
)

TIMES = jnp.linspace(0.0, 20.0, 1001)


def draw(sampler, reach=(1.0, 1.0, 1.0), count=200, seed=0):
    keys = jax.random.split(jax.random.key(seed), count)

    @jax.jit
    def one(keys):
        movements = jax.vmap(lambda k: sampler.draw(k, jnp.array(reach)))(keys)
        return movements, jax.vmap(lambda m: m.at(TIMES))(movements)

    return one(keys)


@pytest.fixture(scope="module")
def sampler(neck):
    return MovementSampler.of(neck)


@pytest.fixture(scope="module")
def drawn(sampler):
    return draw(sampler)


def head_speed(sampler, qd):
    plane = np.array(sampler.plane)
    return np.sqrt(sum(np.asarray(qd)[..., plane == p].sum(axis=-1) ** 2 for p in range(3)))


def test_movements_are_smooth_band_limited_and_in_time_with_their_derivatives(sampler, drawn):
    """Speed, acceleration and jerk against forward-mode derivatives of the positions: 1e-9."""
    movements, _ = drawn
    assert np.max(movements.frequency) <= 2 * np.pi * 6 * (1 + 1e-12)
    one = jax.tree.map(lambda x: x[7], movements)

    def q(t):
        return one.at(t[None]).q[0]

    at = jnp.array([0.3, 7.7])
    sample = one.at(at)
    velocity, acceleration = jax.jacfwd(q), jax.jacfwd(jax.jacfwd(q))
    np.testing.assert_allclose(sample.qd, jax.vmap(velocity)(at), atol=1e-9)
    np.testing.assert_allclose(sample.qdd, jax.vmap(acceleration)(at), atol=1e-9)


def test_movements_stay_inside_a_persons_range_and_below_the_speed_limit(neck):
    reach = (0.6, 0.8, 1.0)
    sampler = MovementSampler.of(neck, MovementOptions(fastest_deg=360.0))
    _, sample = draw(sampler, reach)
    part = np.array(reach)[list(sampler.plane)]
    assert np.all(sample.q >= part * sampler.low - 1e-12)
    assert np.all(sample.q <= part * sampler.high + 1e-12)
    peak = np.rad2deg(head_speed(sampler, sample.qd).max(axis=1))
    assert peak.max() <= 360
    assert peak.max() > 200, "nobody moves fast"
    assert np.median(peak) < 90, "hardly anybody moves slowly"


def test_kinds_are_what_they_are_called(sampler, drawn):
    movements, sample = drawn
    kind = np.asarray(movements.kind)
    assert set(kind) == {k for k in MovementKind if k != MovementKind.RECORDED}
    plane = np.array(sampler.plane)
    moving = np.ptp(np.asarray(sample.q), axis=1) > 1e-9
    planes = np.array([moving[:, plane == p].any(axis=1) for p in range(3)]).T
    assert np.all(planes[kind == MovementKind.PLANAR].sum(axis=1) == 1)
    assert np.all(planes[kind == MovementKind.COMBINED].sum(axis=1) == 3)
    assert np.all(planes[kind == MovementKind.DAILY].sum(axis=1) == 3)
    circling = planes[kind == MovementKind.CIRCUMDUCTION]
    assert np.all(circling == [True, True, False])
    speed = np.rad2deg(head_speed(sampler, sample.qd).max(axis=1))
    assert speed[kind == MovementKind.HOLD].max() < 45
    assert np.any(speed[kind == MovementKind.HOLD] < 1e-9)


def test_pitch_and_roll_of_a_circumduction_are_a_quarter_turn_apart(neck):
    sampler = MovementSampler.of(neck, MovementOptions(mix={"circumduction": 1.0}))
    movements, sample = draw(sampler, count=5)
    for k in range(5):
        pitch, roll = (
            (np.asarray(sample.q)[k, :, i] - float(movements.center[k, i]))
            / float(movements.amplitude[k, i, 0])
            for i in (0, 1)
        )
        np.testing.assert_allclose(pitch**2 + roll**2, 1.0, atol=1e-9)


def test_the_share_of_upper_and_lower_neck_varies(sampler, drawn):
    movements, _ = drawn
    planar = np.asarray(movements.kind) == MovementKind.COMBINED
    use = np.abs(np.asarray(movements.amplitude)[planar]).sum(axis=-1)
    use = use / np.asarray(sampler.high - sampler.low)
    share = use[:, 0] / (use[:, 0] + use[:, 3])
    assert share.min() < 0.3
    assert share.max() > 0.7


def test_upper_and_lower_neck_can_turn_against_each_other(neck):
    """As in drawing the chin in: extended below, bent above, at rest and on the way."""
    sampler = MovementSampler.of(neck, MovementOptions(least_share=None, extent=1.0))
    movements, sample = draw(sampler)
    q, qd = np.asarray(sample.q), np.asarray(sample.qd)
    assert np.all(q >= sampler.low - 1e-9)
    assert np.all(q <= sampler.high + 1e-9)
    assert np.rad2deg(head_speed(sampler, qd)).max() <= 360 + 1e-6
    moving = np.asarray(movements.kind) == MovementKind.COMBINED
    for lower, upper in ((0, 3), (1, 4), (2, 5)):
        for x in (q[moving], qd[moving]):
            # About half; some 35 movements: three standard deviations are 0.25.
            assert 0.25 < np.mean(x[..., upper] * x[..., lower] < 0) < 0.75
    used = np.abs(q).max(axis=(0, 1)) / np.maximum(-sampler.low, sampler.high)
    assert np.all(used > 0.9)
    planar = np.asarray(movements.kind) == MovementKind.PLANAR
    turned = np.ptp(q[planar], axis=1) > 0
    assert np.all(turned.sum(axis=1) == 2)
    circling = np.asarray(movements.kind) == MovementKind.CIRCUMDUCTION
    assert not np.any(q[circling][..., [2, 5]])


def test_planes_by_name_or_given(neck):
    assert [PLANES[p] for p in plane_of_coordinates(neck)] == ["pitch", "roll", "yaw"] * 2
    given = {"pitch": ("pitch1", "pitch2"), "roll": ("roll1",), "yaw": ("yaw1", "yaw2")}
    with pytest.raises(ValueError, match=r"'roll2' .* none of the planes"):
        plane_of_coordinates(neck, given)
    given["yaw"] = ("yaw1", "yaw2", "roll2")
    assert plane_of_coordinates(neck, given)[1] == PLANES.index("yaw")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slowest_deg": 50.0, "fastest_deg": 20.0}, "do not increase"),
        ({"extent": 1.2}, "extent = 1.2"),
        ({"least_share": 1.2}, "least_share = 1.2"),
        ({"band_limit": 0.0}, "band_limit"),
        ({"mix": {"jumping": 1.0}}, "jumping"),
        ({"mix": {"planar": -1.0}}, "not shares"),
    ],
)
def test_impossible_options_are_refused(neck, options, message):
    with pytest.raises(ValueError, match=message):
        MovementSampler.of(neck, MovementOptions(**options))


def test_recorded_frames_are_the_files(neck, sampler, tmp_path):
    """Without variation: positions and derivatives are OpenSim's splines through the file."""
    motion = sample_motion(neck, 3, duration=2.0)
    write_storage(tmp_path / "one.sto", motion.to_storage())
    (read,) = read_motions(tmp_path, neck, lowpass_hz=0.0)
    recorded = RecordedMovements.of([read], sampler, variation=0.0)
    time = jnp.array([0.0, 0.5])
    sample = recorded(jnp.array([0.0, 0.0, 0.5, 0.5]), time, jnp.ones(3))
    whole = motion.analyze_derivatives()
    for ours, theirs in zip(sample, whole, strict=True):
        np.testing.assert_allclose(ours, theirs[[5, 55]], rtol=1e-6, atol=1e-6)


def test_recorded_motions_are_fitted_to_the_person_and_slowed(neck):
    sampler = MovementSampler.of(neck, MovementOptions(fastest_deg=60.0))
    motions = [sample_motion(neck, seed) for seed in (1, 2)]
    recorded = RecordedMovements.of(motions, sampler, variation=0.3)
    chances = jax.random.uniform(jax.random.key(0), (100, 4))
    reach = jnp.array([0.5, 0.5, 0.5])
    sample = jax.vmap(lambda c: recorded(c, jnp.linspace(0, 1, 10), reach))(chances)
    part = np.array([0.5] * 6)
    assert np.all(sample.q >= part * sampler.low - 1e-9)
    assert np.all(sample.q <= part * sampler.high + 1e-9)
    assert np.rad2deg(head_speed(sampler, sample.qd)).max() <= 60 + 1e-6
    with pytest.raises(ValueError, match="no recorded motions"):
        RecordedMovements.of([], sampler)
    with pytest.raises(ValueError, match="variation"):
        RecordedMovements.of(motions, sampler, variation=1.5)
    with pytest.raises(ValueError, match=r"'movement 3' lasts 0\.2 s"):
        RecordedMovements.of([sample_motion(neck, 3, duration=0.2)], sampler)


def test_a_folder_without_motions_is_an_error(neck, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \.mot or \.sto"):
        read_motions(tmp_path, neck)


def test_resampling_keeps_the_motion():
    time = np.linspace(0, 1, 41)
    motion = Motion("m", ("a",), time, np.sin(3 * time)[:, None])
    again = motion.resample(200.0)
    np.testing.assert_allclose(again.q[:, 0], np.sin(3 * again.time), atol=3e-5)
    with pytest.raises(ValueError, match="rate"):
        motion.resample(0.0)


def test_gravity_of_a_leaning_torso():
    """Keeps its size; a torso that leans forwards is pulled forwards (+x)."""
    torso = TorsoInclination.of((0.0, -9.80665, 0.0), upright=0.0, largest_deg=30.0)
    gravity = np.asarray(jax.vmap(torso)(jax.random.split(jax.random.key(0), 500)))
    np.testing.assert_allclose(np.linalg.norm(gravity, axis=1), 9.80665, rtol=1e-12)
    lean = np.rad2deg(np.arccos(-gravity[:, 1] / 9.80665))
    assert 29 < lean.max() <= 30
    forwards = torso.from_uniforms(jnp.array([1.0, 0.0, 0.5]))
    np.testing.assert_allclose(forwards, 9.80665 * np.array([0.5, -np.sqrt(0.75), 0]), atol=1e-12)
    with pytest.raises(ValueError, match="does not act along -y"):
        TorsoInclination.of((0.0, 0.0, -9.8))
