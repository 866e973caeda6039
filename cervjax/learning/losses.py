"""Terms of the loss of a force network."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .config import LossWeights
from .networks import Actuation, FeedForwardNetwork, ForceNetwork, Prediction
from .residuals import least_squares_activation, residuals
from .rows import TrainingRows


class Losses(NamedTuple):
    """Mean squares, each over the spread of its quantity: dimensionless, big muscles and small
    ones alike. Terms are those of `LossWeights`."""

    force: Float[Array, ""]
    activation: Float[Array, ""]
    capacity: Float[Array, ""]
    balance: Float[Array, ""]
    bounds: Float[Array, ""]
    optimality: Float[Array, ""]

    def total(self, weights: LossWeights, labels: Array, physics: Array) -> Float[Array, ""]:
        """The weighted sum.

        Args:
            labels, physics: part of their weights that the terms with and without labels have now.
        """
        return (
            labels * (weights.force * self.force + weights.activation * self.activation)
            + weights.capacity * self.capacity
            + physics
            * (
                weights.balance * self.balance
                + weights.bounds * self.bounds
                + weights.optimality * self.optimality
            )
        )


class Scales(eqx.Module):
    """Spread of what the terms compare, over training rows.

    Attributes:
        force: N.
        activation: dimensionless.
        capacity: N.
        torque: N m.
    """

    force: Float[Array, " muscles"]
    activation: Float[Array, " muscles"]
    capacity: Float[Array, " muscles"]
    torque: Float[Array, " free"]

    @classmethod
    def of(cls, rows: TrainingRows, actuation: Actuation, *, labels: bool) -> "Scales":
        """Standard deviations over `rows`.

        Args:
            labels: whether labels may be looked at; otherwise activations are those of least
                squares.
        """
        activation, force = jnp.asarray(rows.activation), jnp.asarray(rows.force)
        if not labels:
            activation = jax.vmap(lambda b: least_squares_activation(b, actuation))(rows.balance)
            force = activation * rows.balance.capacity
        return cls(
            _spread(force),
            _spread(activation),
            _spread(rows.balance.capacity),
            _spread(rows.balance.target),
        )


def losses(network: ForceNetwork, rows: TrainingRows, scales: Scales) -> Losses:
    """The terms of the loss of `network` on `rows`.

    A dual network is judged before its Newton steps, which have no gradient.
    """
    capacity = jnp.zeros(())
    if isinstance(network, FeedForwardNetwork):
        activation, force, strength = jax.vmap(network.heads)(rows.inputs)
        predicted = Prediction(activation, force, jnp.zeros_like(rows.reserve_force))
        if strength is not None:
            capacity = _mean_square((strength - rows.balance.capacity) / scales.capacity)
    else:
        predicted = jax.vmap(lambda i, b: network.polished(i, b, 0))(rows.inputs, rows.balance)
    left = jax.vmap(residuals, in_axes=(0, 0, None))(predicted, rows.balance, network.actuation)
    return Losses(
        force=_mean_square((predicted.force - rows.force) / scales.force),
        activation=_mean_square((predicted.activation - rows.activation) / scales.activation),
        capacity=capacity,
        balance=_mean_square(left.balance / scales.torque),
        bounds=_mean_square(left.bounds / scales.activation),
        optimality=_mean_square(left.optimality / scales.activation),
    )


def _spread(values: Float[Array, "rows n"]) -> Float[Array, " n"]:
    spread = jnp.std(jnp.asarray(values), axis=0)
    return jnp.where(spread > 1e-8, spread, 1.0)


def _mean_square(values: Array) -> Float[Array, ""]:
    return jnp.mean(values**2)
