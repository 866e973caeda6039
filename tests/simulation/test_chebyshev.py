import diffrax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cervjax.model import Model
from cervjax.simulation import Dynamics, OpenLoop, SimulationSettings, simulate
from cervjax.simulation.chebyshev import RungeKuttaChebyshev, chebyshev_tableau


def solved(rates, start, duration, steps):
    return diffrax.diffeqsolve(
        diffrax.ODETerm(rates),
        RungeKuttaChebyshev(),
        0.0,
        duration,
        duration / steps,
        jnp.asarray(start),
    ).ys[-1]


def test_error_falls_with_the_square_of_the_step():
    """Van der Pol's oscillator, against SciPy's eighth-order method."""

    def rates(time, y, _):
        return jnp.stack([y[1], (1 - y[0] ** 2) * y[1] - y[0]])

    exact = solve_ivp(
        lambda t, y: np.asarray(rates(t, jnp.asarray(y), None)),
        (0, 3),
        [2.0, 0.0],
        method="DOP853",
        rtol=1e-12,
        atol=1e-12,
    ).y[:, -1]
    coarse, fine = (
        np.abs(np.asarray(solved(rates, [2.0, 0.0], 3.0, n)) - exact).max() for n in (40, 80)
    )
    assert 3.3 < coarse / fine < 4.7


def test_real_stiffness_up_to_the_limit_decays():
    """Rates times step from 0 to 93 by magnitude, of which a step leaves 0.95 at most (the paper's
    damping); the classical method of fifth order ends at 3.3."""
    rates = jnp.linspace(0.5, 93.0, 100)
    end = solved(lambda time, y, _: -rates * y, np.ones(100), 30.0, 30)
    assert np.abs(np.asarray(end)).max() < 1.01 * 0.95**30


def test_fast_rotations_decay():
    """Of the upper neck on its tendons: 200 to 900 per s, at a step of 2 ms."""
    for rate in (-320 + 690j, -350 + 550j, -200 + 890j):
        matrix = jnp.array([[rate.real, -rate.imag], [rate.imag, rate.real]])
        end = solved(lambda time, y, _, m=matrix: m @ y, [1.0, 0.0], 0.08, 40)
        assert np.linalg.norm(end) < 0.1


def test_too_few_stages_are_refused():
    with pytest.raises(ValueError, match="stages = 1"):
        chebyshev_tableau(1)


def test_compliant_neck_moves_as_with_another_method(neck):
    """0.01 deg, with less than a third of the evaluations: twelve to a step against six."""
    dynamics = Dynamics(Model.from_spec(neck), "compliant")
    excitation = jnp.asarray(np.random.default_rng(0).uniform(0.02, 0.3, 72))
    start = dynamics.at_rest(
        jnp.radians(jnp.array([3.0, -4.0, 5.0, 2.0, 1.0, -3.0])), 0.2 * excitation
    )
    ends, steps = [], []
    for solver, tolerance in (("tsit5", 1e-6), ("rkc", 1e-4)):
        found = simulate(
            dynamics,
            start,
            OpenLoop.constant(excitation),
            duration=0.2,
            step=0.1,
            settings=SimulationSettings(
                solver=solver, rtol=tolerance, atol=tolerance, adjoint="forward"
            ),
        )
        ends.append(np.degrees(np.asarray(found.states.q)))
        steps.append(int(found.steps))
    np.testing.assert_allclose(ends[1], ends[0], atol=0.01)
    assert 12 * steps[1] < 6 * steps[0] / 3
