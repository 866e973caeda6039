"""The torque equation of a frame, and the one way from it to a problem of static optimization."""

from typing import NamedTuple, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.model import Model

from .problem import ActivationProblem


class TorqueEquation(NamedTuple):
    """What muscles have to supply in a frame, and what they have to give.

    `moment_arm @ (activation * capacity) + reserves = target`.

    Attributes:
        moment_arm: m.
        capacity: N, force of each muscle at full activation.
        target: N m, the generalized forces to supply; passive forces are taken off already.
    """

    moment_arm: Float[Array, "*rows free muscles"]
    capacity: Float[Array, "*rows muscles"]
    target: Float[Array, "*rows free"]

    @property
    def matrix(self) -> Float[Array, "*rows free muscles"]:
        """N m that a unit of each activation supplies."""
        return self.moment_arm * self.capacity[..., None, :]


class Reserves(NamedTuple):
    """Reserve actuators beside the muscles.

    Attributes:
        matrix: N m (N for a translation) that a unit of each control supplies.
        lower, upper: bounds of the controls.
    """

    matrix: Float[Array, "free reserves"]
    lower: Float[Array, " reserves"]
    upper: Float[Array, " reserves"]

    @classmethod
    def of_model(cls, model: Model, arm: Float[Array, "q reserves"]) -> Self:
        """The reserves of `model` in a frame.

        Args:
            model: whose actuators beside the muscles they are.
            arm: what a unit of each reserve's force supplies; see `Mechanics.reserve_arm`.

        Returns:
            One column per reserve.
        """
        reserves = model.reserves
        matrix = arm[: model.topology.num_free] * reserves.optimal_force
        return cls(matrix, reserves.min_control, reserves.max_control)

    @classmethod
    def one_each(cls, optimal_force: Float[Array, " free"], limit: float = np.inf) -> Self:
        """One reserve in each free coordinate.

        Args:
            optimal_force: N m (N for a translation) at a control of one.
            limit: of the controls, either way.

        Returns:
            As many reserves as coordinates.
        """
        ends = jnp.full_like(optimal_force, limit)
        return cls(jnp.diag(optimal_force), -ends, ends)


def activation_problem(
    equation: TorqueEquation,
    lower: Float[Array, " muscles"],
    upper: Float[Array, " muscles"],
    reserves: Reserves,
    weight: Float[Array, " muscles"] | None = None,
) -> ActivationProblem:
    """The problem of sharing a frame's torques among muscles and reserves.

    Args:
        equation: of the frame.
        lower: of the activations.
        upper: of the activations.
        reserves: beside the muscles; they have weight one.
        weight: of the activations in the objective; one if None.

    Returns:
        The problem; its controls are the activations, then the reserves.
    """
    matrix = equation.matrix
    muscles = jnp.ones_like(lower) if weight is None else weight
    return ActivationProblem(
        jnp.concatenate([matrix, reserves.matrix], axis=1),
        equation.target,
        jnp.concatenate([lower, reserves.lower]),
        jnp.concatenate([upper, reserves.upper]),
        jnp.concatenate([muscles, jnp.ones_like(reserves.lower)]),
    )
