import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import opensim
import pytest

from cervjax.motion import (
    CoordinateRangeWarning,
    LockedCoordinateWarning,
    Motion,
    Storage,
    inverse_dynamics_derivatives,
    read_storage,
)
from cervjax.motion.synthesis import MovementSampler, sample_motion

FREE = ("pitch2", "roll2", "yaw2", "pitch1", "roll1", "yaw1")


def _storage(columns=FREE, value=0.1, in_degrees=False, frames=20):
    time = np.arange(frames) / 100
    return Storage("test", tuple(columns), time, np.full((frames, len(columns)), value), in_degrees)


def test_coupled_coordinates_stay_radians_even_in_degrees(neck):
    """OpenSim writes coordinates of motion type *coupled* unscaled: all six of HYOID."""
    motion = Motion.from_storage(_storage(in_degrees=True), neck)
    assert np.all(motion.q == 0.1)


def test_rotational_coordinates_in_degrees_are_converted(neck):
    joints = tuple(
        dataclasses.replace(
            j,
            coordinates=tuple(
                dataclasses.replace(c, motion_type="rotational") for c in j.coordinates
            ),
        )
        for j in neck.joints
    )
    rotational = dataclasses.replace(neck, joints=joints)
    motion = Motion.from_storage(_storage(value=5.0, in_degrees=True), rotational)
    np.testing.assert_allclose(motion.q, np.deg2rad(5.0))


def test_states_files_are_read_by_their_paths(neck):
    columns = [f"/jointset/auxt1jnt/{name}/value" for name in FREE]
    assert np.all(Motion.from_storage(_storage(columns), neck).q == 0.1)


def test_a_missing_coordinate_is_named(neck):
    with pytest.raises(ValueError, match=r"no column for the coordinate\(s\) yaw1"):
        Motion.from_storage(_storage(FREE[:5]), neck)


def test_degrees_taken_for_radians_are_warned_of(neck):
    with pytest.warns(CoordinateRangeWarning) as caught:
        Motion.from_storage(_storage(value=20.0), neck)
    told = [str(warning.message) for warning in caught]
    assert len(told) == 6
    assert "'pitch2' runs from 20 to 20" in told[0]
    assert "are these degrees?" in told[0]


def test_a_moving_torso_is_warned_of(neck):
    with pytest.warns(LockedCoordinateWarning, match="gndpitch"):
        Motion.from_storage(_storage((*FREE, "gndpitch")), neck)


def test_the_recorded_motion_is_read_in_radians(neck, data):
    """The header says degrees; the six coordinates run over a normal neck's range in radians."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        motion = Motion.from_storage(
            read_storage(data / "head_motion" / "IK_head_rotation.mot"), neck
        )
    total = np.rad2deg(motion.q[:, [2, 5]].sum(axis=1))
    assert 60 < np.ptp(total) < 180


def test_derivatives_are_opensims_splines():
    """Against OpenSim's GCVSpline of degree five, ends included."""
    rng = np.random.default_rng(0)
    time = np.cumsum(rng.uniform(0.005, 0.02, 40))
    values = np.cumsum(rng.normal(size=40)) * 0.01
    table = opensim.TimeSeriesTable()
    table.setColumnLabels(["s"])
    for t, value in zip(time, values, strict=True):
        table.appendRow(t, opensim.RowVector([value]))
    splines = opensim.GCVSplineSet(table, ["s"], 5, 0.0)
    spline = splines.get(0)
    ours = inverse_dynamics_derivatives(time, values[:, None])
    for order, mine in ((1, ours.velocity), (2, ours.acceleration)):
        components = opensim.StdVectorInt()
        for _ in range(order):
            components.push_back(0)
        expected = [spline.calcDerivative(components, opensim.Vector(1, t)) for t in time]
        np.testing.assert_allclose(mine[:, 0], expected, rtol=1e-7, atol=1e-6)


def test_too_few_frames_are_refused(neck):
    motion = Motion.from_storage(_storage(frames=5), neck)
    with pytest.raises(ValueError, match="5 frames; a quintic spline needs at least 6"):
        motion.analyze_derivatives()


def test_lowpass_keeps_slow_and_removes_fast(neck):
    motion = sample_motion(neck, 1, duration=3.0)
    noise = 0.01 * np.sin(2 * np.pi * 30 * motion.time)[:, None]
    noisy = dataclasses.replace(motion, q=motion.q + noise)
    np.testing.assert_allclose(noisy.lowpass(6.0).q[50:-50], motion.q[50:-50], atol=2e-3)
    with pytest.raises(ValueError, match="between 0 and 50 Hz"):
        motion.lowpass(80.0)


def test_sampled_movements_are_smooth_inside_the_range_and_exactly_differentiated(neck):
    sampler = MovementSampler.of(neck)
    key = jax.random.key(4)

    def at(t):
        return sampler(key, t[None]).q[0]

    times = jnp.linspace(0.0, 5.0, 50)
    sample = sampler(key, times)
    velocity = jax.vmap(jax.jacfwd(at))(times)
    acceleration = jax.vmap(jax.jacfwd(jax.jacfwd(at)))(times)
    np.testing.assert_allclose(sample.qd, velocity, atol=1e-12)
    np.testing.assert_allclose(sample.qdd, acceleration, atol=1e-11)
    many = jax.vmap(lambda k: sampler(k, times).q)(jax.random.split(key, 100))
    assert np.all(np.asarray(many) >= np.asarray(sampler.low))
    assert np.all(np.asarray(many) <= np.asarray(sampler.high))
