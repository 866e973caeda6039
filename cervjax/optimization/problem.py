"""The problem of static optimization: share a few torques among many bounded actuators.

    minimize    sum_k weight_k |x_k|^p
    subject to  matrix @ x = target,   lower <= x <= upper

Its dual has one multiplier per equation, and the actuators follow from the multipliers in closed
form.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from cervjax.math.contraction import contract


class ActivationProblem(NamedTuple):
    """Actuators are muscles (control = activation) and reserves.

    Attributes:
        matrix: generalized force per unit control; N m.
        target: generalized forces to supply; N m.
        lower, upper: bounds of the controls.
        weight: positive weights of the objective.
    """

    matrix: Float[Array, "equations actuators"]
    target: Float[Array, " equations"]
    lower: Float[Array, " actuators"]
    upper: Float[Array, " actuators"]
    weight: Float[Array, " actuators"]


def reduced_costs(
    problem: ActivationProblem, multipliers: Float[Array, " equations"]
) -> Float[Array, " actuators"]:
    """`matrix^T @ multipliers`: the gain of the Lagrangian per unit of each control."""
    return contract("ek,e->k", problem.matrix, multipliers)


def controls_from(
    problem: ActivationProblem, costs: Float[Array, " actuators"], exponent: float
) -> Float[Array, " actuators"]:
    """The controls that minimize the Lagrangian at the reduced costs `costs`."""
    scaled = costs / (exponent * problem.weight)
    if exponent != 2.0:
        # Zero has an infinite slope: the safe root keeps gradients there finite.
        size = jnp.abs(scaled)
        scaled = jnp.sign(scaled) * jnp.where(size > 0, size, 1.0) ** (1 / (exponent - 1))
    return jnp.clip(scaled, problem.lower, problem.upper)


def generated_force(
    problem: ActivationProblem, controls: Float[Array, " actuators"]
) -> Float[Array, " equations"]:
    """`matrix @ controls`."""
    return contract("ek,k->e", problem.matrix, controls)


def objective(
    problem: ActivationProblem, controls: Float[Array, " actuators"], exponent: float
) -> Float[Array, ""]:
    """The weighted sum of powers of the controls."""
    return jnp.sum(problem.weight * jnp.abs(controls) ** exponent)
