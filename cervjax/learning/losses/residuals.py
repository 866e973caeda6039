"""How far a prediction is from what mechanics and optimality ask for; no label is looked at."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cervjax.learning.networks import ActuatorBounds, Prediction
from cervjax.math import inverse_spd, solve_spd
from cervjax.math.contraction import contract
from cervjax.optimization import (
    TorqueEquation,
    controls_from,
    generated_force,
    least_squares_multipliers,
    reduced_costs,
)

_RIDGE = 0.02
"""Of the mean curvature, added where muscles at their bounds leave the dual little of it."""


class Residuals(NamedTuple):
    """Residuals of one row.

    Attributes:
        balance: N m, what muscles and the reserves that go with them supply less what is needed.
        bounds: activation beyond its bounds, or below zero force (as activation).
        optimality: activation less the one that a Newton step towards the optimum ends at.
    """

    balance: Float[Array, " free"]
    bounds: Float[Array, " muscles"]
    optimality: Float[Array, " muscles"]


def residuals(
    prediction: Prediction, equation: TorqueEquation, actuation: ActuatorBounds
) -> Residuals:
    """Residuals of one row; vmap for many. All are zero at the optimum and only there.

    At the optimum activations are `clip(A^T lambda / 2)`. Multipliers are fitted to the predicted
    activations that are inside their bounds, by least squares; the Newton step that repairs the
    torque balance then says where the activations should have been. Its length is the distance to
    the optimum as long as no muscle reaches or leaves a bound, in activations, where the torque
    residual alone is dominated by the muscles with the longest arms and says nothing of how the
    load is shared.

    Returns:
        Torque balance in N m, bounds and optimality in activations.
    """
    problem = actuation.problem(equation)
    activation, force = jnp.asarray(prediction.activation), jnp.asarray(prediction.force)
    fixed = jax.lax.stop_gradient(activation)
    count = len(fixed)
    lower, upper = actuation.lower, actuation.upper
    edge = 1e-4 * (upper - lower)
    inside = (fixed > lower + edge) & (fixed < upper - edge)
    free = jnp.where(inside, equation.matrix, 0.0)
    curvature = contract("im,jm->ij", free, equation.matrix)
    eye = jnp.eye(len(curvature), dtype=curvature.dtype)
    weak = jnp.diag(0.1 * actuation.reserve**2)
    multipliers = solve_spd(curvature + weak, 2 * contract("fm,m->f", free, fixed))

    def controls(multipliers: Array) -> Array:
        return controls_from(problem, reduced_costs(problem, multipliers), 2.0)

    shortfall = problem.target - generated_force(problem, controls(multipliers))
    hessian = 0.5 * (curvature + jnp.diag(actuation.reserve**2))
    hessian = hessian + _RIDGE * jnp.trace(hessian) / len(hessian) * eye
    better = controls(multipliers + contract("ij,j->i", inverse_spd(hessian), shortfall))[:count]

    carried = 0.5 * actuation.reserve**2 * multipliers
    torque = contract("fm,m->f", equation.moment_arm, force) + carried
    # A muscle that pushes is as far beyond its bound as its force is below zero.
    pushing = jnp.minimum(force, 0.0) / jnp.maximum(equation.capacity, 1.0)
    beyond = jnp.maximum(activation - upper, 0.0) - jnp.maximum(lower - activation, 0.0)
    return Residuals(
        torque - equation.target, beyond + pushing, activation - jax.lax.stop_gradient(better)
    )


def least_squares_activation(
    equation: TorqueEquation, actuation: ActuatorBounds
) -> Float[Array, " muscles"]:
    """Activations (no unit) of least squares cut off at their bounds: a size without any label."""
    problem = actuation.problem(equation)
    multipliers = least_squares_multipliers(problem)
    cost = reduced_costs(problem, multipliers)
    return controls_from(problem, cost, 2.0)[: len(actuation.lower)]
