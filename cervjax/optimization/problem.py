"""The problem of static optimization: share a few torques among many bounded actuators.

    minimize    sum_k weight_k |x_k|^p
    subject to  matrix @ x = target,   lower <= x <= upper

Its dual has one multiplier per equation, and the actuators follow from the multipliers in closed
form. All functions take arrays with the equation or actuator axes first and any batch axes last,
so that the batch is what the machine's vectors run along.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class ActivationProblem(NamedTuple):
    """Actuators are muscles (control = activation) and reserves.

    Attributes:
        matrix: generalized force per unit control; N m.
        target: generalized forces to supply; N m.
        lower, upper: bounds of the controls.
        weight: positive weights of the objective.
    """

    matrix: Float[Array, "equations actuators *batch"]
    target: Float[Array, "equations *batch"]
    lower: Float[Array, "actuators *batch"]
    upper: Float[Array, "actuators *batch"]
    weight: Float[Array, "actuators *batch"]


def reduced_costs(
    problem: ActivationProblem, multipliers: Float[Array, "equations *batch"]
) -> Float[Array, "actuators *batch"]:
    """`matrix^T @ multipliers`: what a unit of each control is worth."""
    return jnp.sum(problem.matrix * multipliers[:, None], axis=0)


def controls_from(
    problem: ActivationProblem, worth: Float[Array, "actuators *batch"], exponent: float
) -> Float[Array, "actuators *batch"]:
    """The controls that minimize the Lagrangian where a unit of control is worth `worth`."""
    scaled = worth / (exponent * problem.weight)
    if exponent != 2.0:
        # Zero has an infinite slope: the safe root keeps gradients there finite.
        size = jnp.abs(scaled)
        scaled = jnp.sign(scaled) * jnp.where(size > 0, size, 1.0) ** (1 / (exponent - 1))
    return jnp.clip(scaled, problem.lower, problem.upper)


def supplied(
    problem: ActivationProblem, controls: Float[Array, "actuators *batch"]
) -> Float[Array, "equations *batch"]:
    """`matrix @ controls`."""
    return jnp.sum(problem.matrix * controls[None], axis=1)


def objective(
    problem: ActivationProblem, controls: Float[Array, "actuators *batch"], exponent: float
) -> Float[Array, "*batch"]:
    """The weighted sum of powers of the controls."""
    return jnp.sum(problem.weight * jnp.abs(controls) ** exponent, axis=0)
