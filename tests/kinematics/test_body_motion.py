"""Motion of the head against OpenSim, and against SciPy's rotation spline."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cervjax.kinematics import body_motion
from cervjax.motion.recordings.sensors import SensorRecording
from cervjax.motion.synthesis import MovementOptions, MovementSampler
from conversion.opensim_engine import OpensimNeck
from tests.helpers import random_motion


def test_position_and_velocity_against_opensim(neck, model):
    engine = OpensimNeck(neck, model)
    body = model.body_index("skull")
    motion = random_motion(neck, 5, 4)
    ours = jax.jit(jax.vmap(lambda *x: body_motion(model, body, *x)))(*map(jnp.asarray, motion))
    for i in range(5):
        reference = engine(*(x[i] for x in motion), moment_arms=False)
        names = [b.name for b in neck.bodies]
        k = names.index("skull")
        np.testing.assert_allclose(ours.rotation[i], reference.rotation[k], atol=1e-12)
        np.testing.assert_allclose(ours.position[i], reference.position[k], atol=1e-12)
        spin, speed = engine.body_velocity("skull")
        np.testing.assert_allclose(ours.angular_velocity[i], spin, atol=1e-10)
        np.testing.assert_allclose(ours.velocity[i], speed, atol=1e-10)


@pytest.fixture(scope="module")
def recorded(neck, model):
    """A smooth movement at 100 Hz, and the head's motion in it."""
    time = np.arange(300) / 100
    sampler = MovementSampler.of(neck, MovementOptions(mix={"combined": 1.0}))
    sample = sampler(jax.random.key(1), jnp.asarray(time))
    body = model.body_index("skull")
    return time, jax.vmap(lambda *x: body_motion(model, body, *x))(*sample)


def test_accelerations_against_differences_of_velocities(recorded):
    time, head = recorded
    for rate, change in (
        (head.angular_velocity, head.angular_acceleration),
        (head.velocity, head.acceleration),
    ):
        middle = (np.asarray(rate)[2:] - np.asarray(rate)[:-2]) / (time[2:] - time[:-2])[:, None]
        size = np.abs(change).max()
        # Second-order differences at 100 Hz of movements below 6 Hz.
        np.testing.assert_allclose(change[1:-1], middle, atol=2e-3 * size)


def test_a_recording_of_two_sensors_has_the_heads_rates(recorded):
    time, head = recorded
    torso = Rotation.from_euler("zyx", np.outer(np.sin(3 * time), [0.3, 0.2, 0.1]))
    seen = SensorRecording.of(
        time,
        torso.as_quat(scalar_first=True),
        (torso * Rotation.from_matrix(np.asarray(head.rotation))).as_quat(scalar_first=True),
    )
    inner = slice(20, -20)
    np.testing.assert_allclose(seen.orientation, head.rotation, atol=1e-9)
    np.testing.assert_allclose(
        seen.angular_velocity[inner], head.angular_velocity[inner], atol=1e-5
    )
    np.testing.assert_allclose(
        seen.angular_acceleration[inner], head.angular_acceleration[inner], atol=0.01
    )
    np.testing.assert_allclose(np.linalg.norm(seen.gravity, axis=1), 9.80665)
    np.testing.assert_allclose(torso.apply(seen.gravity)[:, 1], -9.80665)
    half = seen.resample(50.0)
    np.testing.assert_allclose(half.orientation, seen.orientation[::2], atol=1e-9)


def test_recordings_that_are_none(recorded):
    time, _ = recorded
    still = np.tile([1.0, 0, 0, 0], (len(time), 1))
    with pytest.raises(ValueError, match="four or more"):
        SensorRecording.of(time[:3], still[:3], still[:3])
    with pytest.raises(ValueError, match="quaternions of length 2"):
        SensorRecording.of(time, still, 2 * still)


def test_the_torso_has_no_motion(model):
    still = jnp.zeros(6)
    with pytest.raises(ValueError, match="fixed to ground"):
        body_motion(model, model.body_index("spine"), still, still, still)
