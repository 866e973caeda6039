import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.model import Model
from cervjax.muscle import compliant_tendon_state, fiber_equilibrium, millard_force_curves
from cervjax.spec import DeGrooteFreglyCurves, MillardCurves, ThelenCurves
from conversion.opensim_muscle_engine import OpensimMuscles
from tests.helpers import random_motion

KINDS = {
    "Millard": {},
    "Thelen": {"curves": ThelenCurves(), "fiber_damping": 0.0},
    # OpenSim leaves fiber damping out where this muscle's tendon is compliant.
    "DeGrooteFregly": {
        "curves": DeGrooteFreglyCurves(),
        "fiber_damping": 0.0,
        "minimum_activation": 0.0,
    },
}
STEEP = 1.3
"""rad, pennation at optimal fiber length of every sixth muscle: near the limit of 1.47."""


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def spec(neck, kind):
    """All 72 muscles of one kind; some of them pennated as steeply as muscles may be."""
    muscles = [dataclasses.replace(m, **KINDS[kind]) for m in neck.muscles]
    for i in range(0, len(muscles), 6):
        muscles[i] = dataclasses.replace(muscles[i], pennation_angle_at_optimal=STEEP)
    return dataclasses.replace(neck, muscles=tuple(muscles))


@pytest.fixture(scope="module")
def muscles(spec):
    return Model.from_spec(spec).muscles


@pytest.fixture(scope="module")
def engine(spec):
    return OpensimMuscles(spec)


@pytest.fixture(scope="module")
def equilibrium(muscles):
    return jax.jit(lambda a, length: fiber_equilibrium(muscles, a, length))


@pytest.fixture(scope="module")
def moving(muscles):
    return jax.jit(lambda a, fiber, length: compliant_tendon_state(muscles, a, fiber, length))


def _poses(spec, count):
    q, _, _ = random_motion(spec, count, 3)
    rng = np.random.default_rng(4)
    activation = rng.uniform(0.0, 1.0, (count, len(spec.muscles)))
    # A smooth muscle without any activation or damping has no speed that balances its tendon.
    smooth = isinstance(spec.muscles[0].curves, DeGrooteFreglyCurves)
    activation[0], activation[1] = (0.01 if smooth else 0.0), 1.0
    return zip(q, activation, strict=True)


def test_fibers_at_rest_are_opensims(spec, muscles, engine, equilibrium):
    """1e-6 of max isometric force: OpenSim stops where its own residual is below 1e-8 of it."""
    for q, activation in _poses(spec, 6):
        reference = engine.equilibrium(q, activation)
        found = equilibrium(activation, reference.length)
        off = np.abs(found.tendon_force - reference.tendon_force) / muscles.max_isometric_force
        np.testing.assert_array_less(np.where(found.slack, 0.0, off), 1e-6)
        assert not np.any(np.isnan(reference.tendon_force[~found.slack]))
        np.testing.assert_array_less(np.abs(found.imbalance), 1e-12)


def test_moving_fibers_are_opensims(spec, muscles, engine, equilibrium, moving, kind):
    """Force to 1e-9 of max isometric force and speed to 1e-7 of the greatest: OpenSim iterates.

    Fibers from shorter than they can be to stretched, tendons from slack to overstretched.
    """
    # Without damping the smooth muscle's speed is exponential in its force.
    spread = 0.01 if kind == "DeGrooteFregly" else 0.6
    rng = np.random.default_rng(5)
    optimal = np.asarray(muscles.optimal_fiber_length)
    stopped = slack = 0
    for q, activation in _poses(spec, 6):
        length = engine.equilibrium(q, activation).length
        resting = equilibrium(activation, length).fiber_length
        fiber = resting * (1 + spread * rng.uniform(-1, 1, len(optimal)))
        excitation = rng.uniform(size=len(optimal))
        # OpenSim's smooth muscle knows no least length.
        least = muscles.least_fiber_length if kind == "DeGrooteFregly" else muscles.fiber_height
        fiber = np.maximum(fiber, 1.001 * np.asarray(least))
        reference = engine(q, excitation, activation, fiber)
        found = moving(activation, fiber, reference.length)
        scale = np.maximum(muscles.max_isometric_force, reference.tendon_force)
        off = (found.tendon_force - reference.tendon_force) / scale
        np.testing.assert_allclose(off, 0.0, atol=1e-9)
        top = optimal * np.asarray(muscles.max_contraction_velocity)
        scale = np.maximum(1.0, np.abs(reference.fiber_velocity) / top)
        off = (found.fiber_velocity - reference.fiber_velocity) / top / scale
        np.testing.assert_allclose(np.where(scale < 100, off, 0.0), 0.0, atol=1e-7)
        rate = muscles.activation_rate(jnp.asarray(excitation), jnp.asarray(activation))
        np.testing.assert_allclose(rate, reference.activation_rate, rtol=1e-12)
        stopped += int(found.stopped.sum())
        slack += int((np.asarray(found.tendon_force) <= 0).sum())
    if spread > 0.5:
        assert stopped > 0, "the spread no longer reaches the shortest fibers; widen it"
        assert slack > 0, "the spread no longer reaches slack tendons; widen it"


def test_a_path_too_short_is_called_slack(muscles, equilibrium):
    found = equilibrium(np.full(72, 0.5), 0.9 * np.asarray(muscles.tendon_slack_length))
    assert found.slack.all()
    np.testing.assert_array_less(found.tendon_force, 1e-12)
    np.testing.assert_allclose(found.fiber_length, muscles.least_fiber_length)


def test_derivatives_are_those_of_the_implicit_function(muscles, equilibrium):
    """Forward and reverse, against central differences of relative step 1e-5: 1e-5 of the largest,
    as a tendon's curvature leaves."""
    length = muscles.tendon_slack_length + muscles.optimal_fiber_length
    names = ("optimal_fiber_length", "tendon_slack_length", "pennation_angle_at_optimal")
    damped = dataclasses.replace(muscles, fiber_damping=jnp.full(72, 0.1))
    activation = jnp.linspace(0.05, 0.95, 72)
    fiber = equilibrium(activation, length).fiber_length

    def changed(change):
        scaled = {n: getattr(muscles, n) * (1 + change[k]) for k, n in enumerate(names)}
        return dataclasses.replace(damped, **scaled), activation * (1 + change[3])

    @jax.jit
    def resting(change):
        muscles, activation = changed(change)
        return fiber_equilibrium(muscles, activation, length).tendon_force

    @jax.jit
    def speed(change):
        muscles, activation = changed(change)
        state = compliant_tendon_state(muscles, activation, 0.998 * fiber, length)
        return state.norm_fiber_velocity

    for function in (resting, speed):
        forward = jax.jit(jax.jacfwd(function))(jnp.zeros(4))
        reverse = jax.jit(jax.jacrev(function))(jnp.zeros(4))
        steps = 1e-5 * jnp.eye(4)
        differences = [(function(step) - function(-step)) / 2e-5 for step in steps]
        largest = np.abs(forward).max()
        np.testing.assert_allclose(forward / largest, np.stack(differences, 1) / largest, atol=1e-5)
        np.testing.assert_allclose(forward / largest, reverse / largest, atol=1e-8)


def test_a_curve_and_a_slope_are_solved_to_rounding():
    """Force-velocity with damping: force from far below to far above, activation from none on.
    The derivative is that of the implicit function, 1 / (scale y' + slope): 1e-6, as the curve's
    curvature makes of the root's rounding."""
    curve = millard_force_curves([MillardCurves()]).velocity
    rng = np.random.default_rng(6)
    scale, value = rng.uniform(0, 1, 20_000), rng.uniform(-0.5, 2.0, 20_000)
    scale[:100] = 0.0
    slope = np.full_like(scale, 0.1)
    found = jax.jit(lambda *x: curve.solve(*x))(scale, slope, value)
    np.testing.assert_allclose(scale * curve(found) + slope * found, value, atol=1e-13)
    ones = np.ones_like(scale)
    derivative = jax.jit(lambda *x: jax.jvp(lambda v: curve.solve(*x, v), (value,), (ones,))[1])
    tangent = jax.jit(lambda x: jax.jvp(curve, (x,), (ones,))[1])
    expected = 1 / (scale * tangent(found) + slope)
    np.testing.assert_allclose(derivative(scale, slope), expected, rtol=1e-6)
