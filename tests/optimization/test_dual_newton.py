"""The optimizer against solvers that share nothing with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import qpax
from scipy.optimize import lsq_linear, minimize

from cervjax.dynamics import mechanics
from cervjax.muscle import rigid_tendon_state
from cervjax.optimization import (
    ActivationProblem,
    SolverResult,
    accurate_reduced_costs,
    certify,
    controls_from,
    solve_dual,
)
from cervjax.people import PopulationBox
from tests.helpers import random_motion, single

CASES = 500


@pytest.fixture(scope="module")
def frames(personalizer, neck):
    """Torques and full-activation moments of 500 persons, from rest to extreme motion."""
    parts = [
        random_motion(neck, CASES // 5, k, part=part, speed=speed, acceleration=acceleration)
        for k, (part, speed, acceleration) in enumerate(
            [(0.3, 0.3, 1.0), (0.6, 1.0, 5.0), (0.8, 2.0, 10.0), (1.0, 3.0, 20.0), (1.0, 5.0, 60.0)]
        )
    ]
    motion = [jnp.asarray(np.concatenate(x)) for x in zip(*parts, strict=True)]
    people = PopulationBox().sample(CASES, 0)

    def frame(subject, q, qd, qdd):
        model = personalizer(subject)
        state = mechanics(model, q, qd, qdd)
        active = rigid_tendon_state(
            model.muscles, state.length, state.lengthening_speed
        ).opensim_active_force
        return state.moment_arm * active, state.generalized_force

    return jax.jit(jax.vmap(frame))(people, *motion)


def _problems(frames, reserve, dtype):
    matrix, target = frames
    count = len(target)
    reserves = np.broadcast_to(reserve * np.eye(6), (count, 6, 6))
    low = np.concatenate([np.full(72, 0.01), np.full(6, -1000.0)])
    high = np.concatenate([np.full(72, 1.0), np.full(6, 1000.0)])
    return ActivationProblem(
        jnp.asarray(np.concatenate([matrix, reserves], axis=2), dtype),
        jnp.asarray(target, dtype),
        *(jnp.asarray(np.broadcast_to(x, (count, 78)), dtype) for x in (low, high)),
        jnp.ones((count, 78), dtype),
    )


def _solve(problems, exponent=2.0, max_steps=60):
    def one(problem):
        state = solve_dual(problem, exponent, max_steps)
        costs = state.reduced_costs(problem)
        controls = controls_from(problem, costs, exponent)
        return controls, certify(problem, controls, state, exponent)

    return jax.jit(jax.vmap(one))(problems)


def test_the_optimum_does_not_depend_on_where_the_iteration_starts(frames):
    """From multipliers that are far off, as an untrained network's, to the same controls."""
    problems = _problems(frames, 1.0, jnp.float64)
    controls, _ = _solve(problems)
    wrong = jnp.asarray(np.random.default_rng(0).normal(size=(CASES, 6)))

    def one(problem, start):
        state = solve_dual(problem, 2.0, 60, start)
        untouched = solve_dual(problem, 2.0, 0, start)
        again = controls_from(problem, state.reduced_costs(problem), 2.0)
        return again, untouched.multipliers, certify(problem, again, state, 2.0).result

    again, untouched, result = jax.jit(jax.vmap(one))(problems, wrong)
    assert np.all(result == SolverResult.CONVERGED)
    np.testing.assert_allclose(again, controls, atol=1e-9)
    np.testing.assert_array_equal(untouched, wrong)


def _scipy(matrix, target, reserve):
    """The same optimum as a bounded least-squares problem: reserves eliminated exactly."""
    rows = np.concatenate([np.eye(72), matrix / reserve])
    right = np.concatenate([np.zeros(72), target / reserve])
    return lsq_linear(rows, right, (0.01, 1.0), method="bvls", tol=1e-15).x


@pytest.mark.parametrize("reserve", [1.0, 0.1])
def test_500_cases_against_scipy(frames, reserve):
    """float64 to 1e-8. Cases with muscles at their upper bound are among them."""
    controls, certificate = _solve(_problems(frames, reserve, jnp.float64))
    assert np.all(np.asarray(certificate.result) == SolverResult.CONVERGED)
    assert certificate.kkt_residual.max() <= 1e-8
    reference = np.array(
        [_scipy(np.asarray(m), np.asarray(t), reserve) for m, t in zip(*frames, strict=True)]
    )
    assert np.any(reference > 1 - 1e-9), "no case saturates a muscle"
    np.testing.assert_allclose(controls[:, :72], reference, atol=1e-8)


@pytest.mark.parametrize("reserve", [1.0, 0.1])
def test_500_cases_in_float32(frames, reserve):
    """float32 to 2e-4 of the optimum of the same (rounded) numbers, every case converged.

    With reserves of 0.1 N m and saturated muscles multipliers reach 1e3: without compensated sums
    one case in forty fails here.
    """
    rounded = _problems(frames, reserve, jnp.float32)
    controls, certificate = _solve(rounded, max_steps=100)
    exact, _ = _solve(jax.tree.map(lambda x: x.astype(jnp.float64), rounded))
    assert np.all(np.asarray(certificate.result) == SolverResult.CONVERGED)
    assert certificate.kkt_residual.max() <= 1e-4
    np.testing.assert_allclose(controls[:, :72], exact[:, :72], atol=2e-4)


def test_compensated_sums_are_those_of_twice_the_precision():
    rng = np.random.default_rng(0)
    matrix = jnp.asarray(rng.normal(size=(6, 78)), jnp.float32)
    many = jnp.asarray(1e3 * rng.normal(size=6), jnp.float32)
    rest = jnp.asarray(1e-5 * rng.normal(size=6), jnp.float32)
    problem = ActivationProblem(matrix, many, matrix[0], matrix[0], matrix[0])
    exact = np.asarray(matrix, float).T @ (np.asarray(many, float) + np.asarray(rest, float))
    found = jax.jit(accurate_reduced_costs)(problem, many, rest)
    # Half a unit in the last place of the result, not of its terms.
    np.testing.assert_allclose(found, exact, rtol=6.1e-8, atol=1e-9)


@pytest.mark.parametrize("reserve", [1.0, 0.1])
def test_500_cases_against_qpax(frames, reserve):
    """float64 to 1e-8 of an interior-point solver run to the end of its iterations."""
    problems = _problems(frames, reserve, jnp.float64)
    controls, _ = _solve(problems)
    eye = jnp.eye(78)

    def one(problem):
        return qpax.solve_qp(
            2 * eye,
            jnp.zeros(78),
            problem.matrix,
            problem.target,
            jnp.concatenate([eye, -eye]),
            jnp.concatenate([problem.upper, -problem.lower]),
            solver_tol=1e-11,
        )[0]

    reference = jax.jit(lambda all: jax.lax.map(one, all, batch_size=50))(problems)
    np.testing.assert_allclose(controls[:, :72], reference[:, :72], atol=1e-8)


@pytest.mark.parametrize("exponent", [3.0, 5.0])
def test_other_exponents_against_slsqp(frames, exponent):
    """A general nonlinear solver reaches no better objective, and the certificate agrees."""
    problems = _problems(frames, 1.0, jnp.float64)
    picked = jax.tree.map(lambda x: x[::50], problems)
    controls, certificate = _solve(picked, exponent, 200)
    assert np.all(np.asarray(certificate.result) == SolverResult.CONVERGED)
    assert certificate.kkt_residual.max() <= 1e-8
    for i in range(4):
        problem = jax.tree.map(np.asarray, single(picked, i))
        found = minimize(
            lambda x: np.sum(np.abs(x) ** exponent),
            np.asarray(controls[i]) * 0.9 + 0.01,
            jac=lambda x: exponent * np.sign(x) * np.abs(x) ** (exponent - 1),
            bounds=list(zip(problem.lower, problem.upper, strict=True)),
            constraints={
                "type": "eq",
                "fun": lambda x, p=problem: p.matrix @ x - p.target,
                "jac": lambda x, p=problem: p.matrix,
            },
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-12},
        )
        ours = float(np.sum(np.abs(controls[i]) ** exponent))
        assert ours <= found.fun * (1 + 1e-6)


def test_the_certificate_bounds_the_distance_to_the_optimum(frames):
    """A wrong answer cannot pass: gap and residuals grow with a perturbation of the optimum."""
    problem = single(_problems(frames, 1.0, jnp.float64), 0)
    state = solve_dual(problem, 2.0, 60)
    controls = controls_from(problem, state.reduced_costs(problem), 2.0)
    good = certify(problem, controls, state, 2.0)
    worse = certify(problem, controls.at[3].add(1e-3), state, 2.0)
    assert good.kkt_residual < 1e-12
    assert good.duality_gap < 1e-12
    assert worse.kkt_residual >= 1e-3 * 0.99
    assert worse.primal_residual > 0


def test_failures_have_names(frames):
    problems = _problems(frames, 1.0, jnp.float64)
    problem = single(problems, 0)

    def outcome(problem, steps=60):
        state = solve_dual(problem, 2.0, steps)
        controls = controls_from(problem, state.reduced_costs(problem), 2.0)
        return SolverResult(int(certify(problem, controls, state, 2.0).result))

    assert outcome(problem) is SolverResult.CONVERGED
    assert outcome(problem, 1) is SolverResult.MAX_STEPS_REACHED
    nan = problem._replace(target=problem.target.at[0].set(jnp.nan))
    assert outcome(nan) is SolverResult.NOT_FINITE
    muscles_only = ActivationProblem(
        problem.matrix[:, :72],
        problem.target + 1e3,
        problem.lower[:72],
        problem.upper[:72],
        problem.weight[:72],
    )
    assert outcome(muscles_only) is SolverResult.INFEASIBLE
    assert all(r.message for r in SolverResult)
