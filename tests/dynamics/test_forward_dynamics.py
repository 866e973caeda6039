import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import opensim
import pytest

from cervjax.dynamics import (
    JointLimits,
    accelerations,
    body_load,
    evaluate_frame,
    inverse_dynamics,
    mass_matrix,
    mechanical_energy,
)
from cervjax.kinematics import body_poses, muscle_paths
from cervjax.model import Model
from conversion.mujoco_engine import MujocoNeck
from tests.helpers import central_difference, random_motion, single

TORSO = ("gndpitch", "gndroll", "gndyaw", "spine_tx", "spine_ty", "spine_tz")


@pytest.fixture(scope="module")
def riding(neck):
    """On a torso that is moved."""
    return Model.from_spec(neck, prescribed=TORSO)


def test_the_mass_matrix_is_mujocos(neck, model):
    """1e-9 kg m^2: MuJoCo's file rounds numbers to 12 digits."""
    engine = MujocoNeck(neck, model)
    ours = jax.jit(lambda q: mass_matrix(model, q))
    for q in random_motion(neck, 10, 0)[0]:
        np.testing.assert_allclose(ours(q), engine.mass_matrix(q), atol=1e-9)


def test_accelerations_are_those_that_inverse_dynamics_was_given(neck, riding):
    """To rounding, 1e-9 rad/s^2 of hundreds, on a torso that turns and accelerates too. Inverse
    dynamics is checked against OpenSim and MuJoCo."""
    q, qd, qdd = random_motion(neck, 20, 1)
    rng = np.random.default_rng(2)
    torso = rng.normal(size=(3, 20, 6)) * np.array([0.3, 1.0, 5.0])[:, None, None]
    whole = [np.hstack([a, b]) for a, b in zip((q, qd, qdd), torso, strict=True)]

    @jax.jit
    @jax.vmap
    def both(q, qd, qdd):
        frame = evaluate_frame(riding, q, qd)
        torque = inverse_dynamics(riding, q, qd, qdd)
        return accelerations(riding, frame, torque, qdd[6:]), frame.lengthening_speed

    found, speed = both(*map(jnp.asarray, whole))
    np.testing.assert_allclose(found, qdd, atol=1e-9)

    def lengths(t, k):
        at = jnp.asarray(whole[0][k] + t * whole[1][k])
        return muscle_paths(riding, at).length

    rate = jax.jit(lambda k: jax.jvp(lambda t: lengths(t, k), (0.0,), (1.0,))[1], static_argnums=0)
    for k in range(3):
        np.testing.assert_allclose(speed[k], rate(k), atol=1e-12)


def test_muscles_pull_with_their_moment_arms(neck, model):
    """Which are OpenSim's; 1e-11 N m of tens."""
    rng = np.random.default_rng(3)

    @jax.jit
    def both(q, force):
        frame = evaluate_frame(model, q, jnp.zeros(6))
        return frame.muscle_torque(force), muscle_paths(model, q).moment_arm @ force

    for q in random_motion(neck, 10, 4)[0]:
        ours, theirs = both(q, rng.uniform(0, 200, 72))
        np.testing.assert_allclose(ours, theirs, atol=1e-11)


def test_a_load_works_along_the_way_of_its_point(neck, model):
    """Virtual work: the generalized force is the force along the point's motion, to rounding."""
    skull = model.body_index("skull")
    point, force = jnp.array([0.05, 0.1, -0.02]), jnp.array([10.0, -20.0, 5.0])

    def place(q):
        poses = body_poses(model, q)
        return poses.position[skull] + poses.rotation[skull] @ point

    def work(q):
        frame = evaluate_frame(model, q, jnp.zeros(6))
        return body_load(model, frame, skull, force, jnp.zeros(3), point)

    q = jnp.asarray(random_motion(neck, 1, 5, part=0.5)[0][0])
    expected = force @ jax.jit(jax.jacfwd(place))(q)
    np.testing.assert_allclose(jax.jit(work)(q), expected, atol=1e-12)


def test_energy_changes_by_the_power_of_what_acts(neck, model):
    """Passive and with damping: dE/dt = - power of the bushings' dampers, 1e-8 W."""
    q, qd = (jnp.asarray(x[0]) for x in random_motion(neck, 1, 6, part=0.5)[:2])

    @jax.jit
    def rate(q, qd):
        qdd = accelerations(model, evaluate_frame(model, q, qd), jnp.zeros(6))
        return jax.jvp(lambda q, v: mechanical_energy(model, q, v), (q, qd), (qd, qdd))[1]

    undamped = dataclasses.replace(
        model.bushings,
        rotational_damping=0 * model.bushings.rotational_damping,
        translational_damping=0 * model.bushings.translational_damping,
    )
    without = dataclasses.replace(model, bushings=undamped)
    lost = inverse_dynamics(model, q, qd, 0 * q) - inverse_dynamics(without, q, qd, 0 * q)
    assert float(rate(q, qd)) == pytest.approx(-float(lost @ qd), abs=1e-8)
    assert float(lost @ qd) > 0.01


def test_joint_limits_are_opensims(neck):
    """CoordinateLimitForce, inside, in the transition and beyond; 1e-10 N m."""
    limits = JointLimits.of(Model.from_spec(neck), stiffness=30.0, damping=0.4, transition=0.15)
    name = neck.free_coordinates[2]
    low, high = np.degrees(neck.coordinate(name).range)
    engine = opensim.Model()
    body = opensim.Body("b", 1.0, opensim.Vec3(0), opensim.Inertia(1, 1, 1))
    joint = opensim.PinJoint("j", engine.getGround(), body)
    joint.updCoordinate().setName(name)
    engine.addBody(body)
    engine.addJoint(joint)
    per_degree = np.pi / 180
    force = opensim.CoordinateLimitForce(
        name, high, 30.0 * per_degree, low, 30.0 * per_degree, 0.4 * per_degree, np.degrees(0.15)
    )
    engine.addForce(force)
    state = engine.initSystem()
    coordinate = engine.getCoordinateSet().get(name)
    ours = jax.jit(lambda q, qd: limits(q, qd))
    for angle in np.linspace(1.5 * low, 1.5 * high, 41):
        for speed in (-2.0, 0.0, 3.0):
            coordinate.setValue(state, float(np.radians(angle)))
            coordinate.setSpeedValue(state, speed)
            engine.realizeDynamics(state)
            q, qd = jnp.zeros(6).at[2].set(np.radians(angle)), jnp.zeros(6).at[2].set(speed)
            theirs = force.calcLimitForce(state)
            assert float(ours(q, qd)[2]) == pytest.approx(theirs, abs=1e-10)
    with pytest.raises(ValueError, match="stiffness = 0"):
        JointLimits.of(Model.from_spec(neck), stiffness=0.0)


def test_gradients_against_central_differences(neck, model):
    """Of an acceleration in mass, inertia and pose; 1e-6 relative."""
    q, qd = (jnp.asarray(x[0]) for x in random_motion(neck, 1, 7, part=0.5)[:2])
    skull = model.body_index("skull")

    def changed(x):
        heavy = dataclasses.replace(
            model,
            body_mass=model.body_mass.at[skull].multiply(1 + x),
            body_inertia=model.body_inertia.at[skull, 2, 2].multiply(1 + x),
        )
        moved = q.at[0].add(0.3 * x)
        return accelerations(heavy, evaluate_frame(heavy, moved, qd), jnp.zeros(6))[0]

    for gradient in (jax.grad(changed), jax.jacfwd(changed)):
        exact = float(jax.jit(gradient)(0.0))
        assert exact == pytest.approx(central_difference(jax.jit(changed), 0.0), rel=1e-6)
    batch = jax.jit(jax.vmap(lambda q: evaluate_frame(model, q, qd).mass_matrix))(q[None])
    np.testing.assert_allclose(single(batch, 0), mass_matrix(model, q), atol=1e-14)
