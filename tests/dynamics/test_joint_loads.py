import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.dynamics import evaluate_frame, joint_loads
from cervjax.optimization import StaticOptimizationSettings, solve_frame
from conversion.opensim_engine import OpensimNeck
from tests.helpers import central_difference, random_motion


@pytest.fixture(scope="module")
def solve(model):
    def frame(q, qd, qdd):
        frame = evaluate_frame(model, q, qd, qdd)
        state, statics = frame.mechanics, frame.joint_statics
        solution = solve_frame(model, state, StaticOptimizationSettings(convention="physical"))
        loads = joint_loads(model.topology, statics, solution.muscle_force)
        return solution, loads

    return jax.jit(frame)


def test_against_opensim(neck, model, solve):
    """1e-9 N and N m: both are exact, and the forces balance to rounding.

    OpenSim derives the accelerations from the forces, so that it also checks these.
    """
    engine = OpensimNeck(neck, model)
    for frame in zip(*random_motion(neck, 20, 3, part=0.8, acceleration=20.0), strict=True):
        solution, loads = solve(*map(jnp.asarray, frame))
        forces = (np.asarray(solution.muscle_force), np.asarray(solution.reserve_force))
        theirs = engine.joint_reactions(frame[0], frame[1], *forces)
        np.testing.assert_allclose(theirs.acceleration, frame[2], atol=1e-7)
        np.testing.assert_allclose(loads.force, theirs.force, atol=1e-8)
        np.testing.assert_allclose(loads.moment, theirs.moment, atol=1e-9)


def test_a_head_at_rest_presses_on_the_atlas_with_its_weight(neck, model):
    """Upright, no muscles: the compression of C0-C1 is the weight of the head."""
    q = jnp.zeros(6)
    statics = jax.jit(lambda q: evaluate_frame(model, q, 0 * q).joint_statics)(q)
    loads = joint_loads(model.topology, statics, jnp.zeros(72))
    weight = 9.80665 * neck.body("skull").mass
    np.testing.assert_allclose(loads.force[-1], [0.0, weight, 0.0], atol=1e-7)


def test_gradient_against_central_differences(model, neck, solve):
    """Compression at C5-C6 by muscle force and by acceleration, 1e-6 relative."""
    q, qd, qdd = (jnp.asarray(x[0]) for x in random_motion(neck, 1, 5, part=0.5))
    force = solve(q, qd, qdd)[0].muscle_force

    def compression(scale):
        statics = evaluate_frame(model, q, qd, scale * qdd).joint_statics
        return joint_loads(model.topology, statics, scale * force).force[2, 1]

    exact = float(jax.grad(compression)(1.0))
    assert exact == pytest.approx(central_difference(jax.jit(compression), 1.0), rel=1e-6)
