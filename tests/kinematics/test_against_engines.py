"""Poses, lengths, moment arms and inverse dynamics against OpenSim and MuJoCo."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.dynamics import mechanics
from cervjax.kinematics import body_poses
from cervjax.model import Model
from cervjax.people import Personalizer, Subject
from cervjax.spec import shipped_neck
from conversion.mujoco_engine import MujocoNeck
from conversion.opensim_engine import OpensimNeck
from tests.helpers import random_motion, single

SUBJECTS = [
    {},
    {"neck_length": 0.9, "shoulder_width": 0.92, "head_mass": 0.85},
    {"neck_length": 1.2, "shoulder_width": 1.1, "head_mass": 1.3, "flexor_strength": 0.7},
]


def _frames(model, motion):
    def frame(q, qd, qdd):
        return mechanics(model, q, qd, qdd), body_poses(model, q)

    dtype = model.dtype
    return jax.jit(jax.vmap(frame))(*(jnp.asarray(x, dtype) for x in motion))


@pytest.fixture(scope="module", params=range(3), ids=["model", "short", "long"])
def person(request, published):
    """A person's spec, made by our own scaling, with the inertia as published."""
    personalizer = Personalizer(published)
    return personalizer(Subject.of(**SUBJECTS[request.param])).to_spec(published)


@pytest.mark.parametrize(
    ("dtype", "length_tolerance", "force_tolerance"),
    # float64: the figure, far above rounding. float32: seven digits of half a meter, and
    # of torques up to some 30 N m.
    [(jnp.float64, 1e-9, 1e-8), (jnp.float32, 1e-6, 1e-4)],
)
def test_opensim(person, dtype, length_tolerance, force_tolerance):
    model = Model.from_spec(person, dtype=dtype)
    engine = OpensimNeck(person, Model.from_spec(person))
    motion = random_motion(person, 60, 3)
    frames, poses = _frames(model, motion)
    for i in range(60):
        ours, reference = single(frames, i), engine(*(x[i] for x in motion), moment_arms=i < 4)
        np.testing.assert_allclose(poses.position[i, 1:], reference.position, atol=length_tolerance)
        np.testing.assert_allclose(poses.rotation[i, 1:], reference.rotation, atol=length_tolerance)
        np.testing.assert_allclose(ours.length, reference.length, atol=length_tolerance)
        if reference.moment_arm is not None:
            np.testing.assert_allclose(ours.moment_arm, reference.moment_arm, atol=length_tolerance)
        np.testing.assert_allclose(
            ours.generalized_force, reference.generalized_force, atol=force_tolerance
        )


def test_mujoco(person):
    spec = dataclasses.replace(person, bushings=())
    model = Model.from_spec(spec)
    engine = MujocoNeck(spec, model)
    motion = random_motion(spec, 100, 4)
    frames, poses = _frames(model, motion)
    for i in range(100):
        ours, reference = single(frames, i), engine(*(x[i] for x in motion))
        np.testing.assert_allclose(poses.position[i, 1:], reference.position, atol=1e-9)
        np.testing.assert_allclose(ours.length, reference.length, atol=1e-9)
        np.testing.assert_allclose(ours.moment_arm, reference.moment_arm, atol=1e-9)
        np.testing.assert_allclose(ours.generalized_force, reference.generalized_force, atol=1e-8)


def test_a_prescribed_torso_is_mujocos():
    """A moving torso: base acceleration and inclination reach the neck."""
    spec = dataclasses.replace(shipped_neck(), bushings=())
    torso = ("gndpitch", "gndroll", "gndyaw", "spine_tx", "spine_ty", "spine_tz")
    unlocked = dataclasses.replace(
        spec,
        joints=tuple(
            dataclasses.replace(
                j, coordinates=tuple(dataclasses.replace(c, locked=False) for c in j.coordinates)
            )
            for j in spec.joints
        ),
    )
    model = Model.from_spec(spec, prescribed=torso)
    free = Model.from_spec(unlocked)
    engine = MujocoNeck(unlocked, free)
    rng = np.random.default_rng(5)
    motion = [0.3 * rng.normal(size=(10, 12)) for _ in range(3)]
    order = [free.topology.coordinates.index(c) for c in model.topology.coordinates]
    frames, _ = _frames(model, [x[:, order] for x in motion])
    for i in range(10):
        reference = engine(*(x[i] for x in motion))
        np.testing.assert_allclose(
            frames.generalized_force[i], reference.generalized_force[order], atol=1e-8
        )
        np.testing.assert_allclose(frames.moment_arm[i], reference.moment_arm[order], atol=1e-9)


def test_lengthening_speed_is_the_rate_of_length(model, neck):
    q, qd, qdd = (jnp.asarray(x[0]) for x in random_motion(neck, 1, 6))

    def length(t):
        return mechanics(model, q + t * qd, qd, qdd).length

    _, rate = jax.jit(lambda: jax.jvp(length, (0.0,), (1.0,)))()
    frame = jax.jit(mechanics)(model, q, qd, qdd)
    np.testing.assert_allclose(frame.lengthening_speed, rate, atol=1e-13)


def test_reference_muscle_lengths_and_moment_arms(nominal, data):
    """OpenSim's MuscleAnalysis on real movements; its files keep eight decimals."""
    from cervjax.motion import read_storage

    model = Model.from_spec(nominal)
    folder = data / "opensim_reference" / "nominal" / "rotation"
    lengths = read_storage(folder / "MuscleAnalysis_Length.sto")
    motion = read_storage(data / "opensim_reference" / "rotation.sto")
    rows = np.searchsorted(motion.time, lengths.time - 1e-6)
    q = np.column_stack([motion.column(c) for c in model.topology.coordinates])[rows]
    frames, _ = _frames(model, (q, 0 * q, 0 * q))
    np.testing.assert_allclose(frames.length, lengths.data, atol=1e-8)
    for k, name in enumerate(model.topology.coordinates):
        arms = read_storage(folder / f"MuscleAnalysis_MomentArm_{name}.sto")
        np.testing.assert_allclose(frames.moment_arm[:, k], arms.data, atol=1e-8)
