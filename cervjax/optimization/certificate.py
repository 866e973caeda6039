"""Proof that an answer is the optimum: computed from the answer, not from the iteration."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .dual_newton import DualState
from .problem import ActivationProblem, controls_from, generated_force, objective
from .result import SolverResult


class Certificate(eqx.Module):
    """How good an answer is.

    Attributes:
        primal_residual: N m, largest imbalance of a generalized force.
        kkt_residual: dimensionless; the largest of: distance of a control from the one that its
            own gradient asks for, violation of a bound, and primal residual over the largest
            generalized force (at least 1 N m).
        duality_gap: objective minus dual objective, in units of the objective.
        iterations: Newton steps taken.
        result: a `SolverResult`; CONVERGED where the KKT residual is at most `kkt_tolerance`,
            1e-8 in float64 and 5e-5 in float32.
    """

    primal_residual: Float[Array, "*batch"]
    kkt_residual: Float[Array, "*batch"]
    duality_gap: Float[Array, "*batch"]
    iterations: Int[Array, "*batch"]
    result: Int[Array, "*batch"]

    @property
    def converged(self) -> Bool[Array, "*batch"]:
        """Whether the result is CONVERGED."""
        return self.result == SolverResult.CONVERGED


def kkt_tolerance(dtype: jnp.dtype) -> float:
    """The largest KKT residual, no unit, of an answer that counts as the optimum."""
    return 1e-8 if dtype == jnp.float64 else 5e-5


def certify(
    problem: ActivationProblem,
    controls: Float[Array, " actuators"],
    state: DualState,
    exponent: float,
) -> Certificate:
    """The certificate of `controls` with the multipliers in `state`."""
    multipliers = state.multipliers
    costs = state.reduced_costs(problem)
    imbalance = jnp.max(jnp.abs(problem.target - generated_force(problem, controls)))
    outside = jnp.max(jnp.maximum(problem.lower - controls, controls - problem.upper))

    # The natural residual of stationarity: one step down the Lagrangian's gradient, scaled by the
    # curvature of p = 2, projected on the bounds, must not move the control.
    marginal = exponent * problem.weight * jnp.sign(controls) * jnp.abs(controls) ** (exponent - 1)
    downhill = controls - (marginal - costs) / (2 * problem.weight)
    moved = jnp.max(jnp.abs(controls - jnp.clip(downhill, problem.lower, problem.upper)))
    scale = jnp.maximum(1.0, jnp.max(jnp.abs(problem.target)))
    kkt = jnp.maximum(jnp.maximum(moved, outside), imbalance / scale)

    inner = controls_from(problem, costs, exponent)
    dual = jnp.sum(multipliers * problem.target) - jnp.sum(costs * inner)
    dual = dual + objective(problem, inner, exponent)
    gap = objective(problem, controls, exponent) - dual

    # Farkas: multipliers whose value exceeds whatever bounded actuators can supply.
    best = jnp.where(costs > 0, problem.upper, problem.lower)
    most = jnp.sum(jnp.where(costs == 0, 0.0, costs * jnp.where(costs == 0, 0.0, best)))
    wanted = jnp.sum(multipliers * problem.target)
    eps = jnp.finfo(problem.target.dtype).eps
    impossible = wanted - most > 1e3 * eps * (jnp.abs(wanted) + jnp.abs(most))
    finite = jnp.isfinite(kkt) & jnp.isfinite(gap)
    result = jnp.where(
        ~finite,
        SolverResult.NOT_FINITE,
        jnp.where(
            kkt <= kkt_tolerance(problem.target.dtype),
            SolverResult.CONVERGED,
            jnp.where(impossible, SolverResult.INFEASIBLE, SolverResult.MAX_STEPS_REACHED),
        ),
    )
    return Certificate(imbalance, kkt, gap, state.iterations, result.astype(jnp.int32))
