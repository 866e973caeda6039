"""Terms of the loss of a force network."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .config import LossWeights
from .inputs import AnyArray
from .networks import Actuation, FeedForwardNetwork, ForceNetwork, Prediction
from .residuals import least_squares_activation, residuals
from .rows import Balance, TrainingRows

_LEAST_FORCE, _LEAST_ACTIVATION = 0.25, 0.005
"""N, 1. Least spreads: muscles that rest but in a row of a thousand do not rule the loss."""


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


def joined_losses(known: Losses, asked: Losses, *, labels: bool) -> Losses:
    """Terms with labels and terms without; what muscles can do is one of the former if `labels`."""
    both = jax.tree.map(jnp.add, known, asked)
    return both._replace(capacity=known.capacity if labels else asked.capacity)


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
    def of(
        cls, rows: TrainingRows, balance: Balance, actuation: Actuation, *, labels: bool
    ) -> "Scales":
        """Standard deviations over `rows`.

        Args:
            balance: mechanics of some of the rows.
            labels: whether labels may be looked at; otherwise activations are those of least
                squares, and of one spread.
        """
        activation = jnp.maximum(_spread(rows.activation), _LEAST_ACTIVATION)
        force = jnp.maximum(_spread(rows.force), _LEAST_FORCE)
        if not labels:
            guess = jax.vmap(lambda b: least_squares_activation(b, actuation))(balance)
            # One size for all: muscles that least squares leaves at rest may well work.
            activation = jnp.full_like(activation, jnp.sqrt(jnp.mean(_spread(guess) ** 2)))
            force = activation * jnp.mean(jnp.asarray(balance.capacity), axis=0)
        return cls(
            force,
            activation,
            _spread(balance.capacity),
            _spread(balance.target),
        )


def label_losses(
    network: ForceNetwork, rows: TrainingRows, balance: Balance | None, scales: Scales
) -> Losses:
    """The terms that compare with labels and force curves; the others are zero.

    A dual network is judged before its Newton steps, which have no gradient.

    Args:
        balance: of the rows; a dual network alone looks at it.
    """
    predicted, strength = _predicted(network, rows, balance)
    zero = jnp.zeros(())
    return Losses(
        force=_mean_square((predicted.force - rows.force) / scales.force),
        activation=_mean_square((predicted.activation - rows.activation) / scales.activation),
        capacity=zero
        if strength is None
        else _mean_square((strength - rows.capacity) / scales.capacity),
        balance=zero,
        bounds=zero,
        optimality=zero,
    )


def physics_losses(
    network: ForceNetwork, rows: TrainingRows, balance: Balance, scales: Scales
) -> Losses:
    """The terms that need no label, what muscles can do among them; the others are zero."""
    predicted, strength = _predicted(network, rows, balance)
    left = jax.vmap(residuals, in_axes=(0, 0, None))(predicted, balance, network.actuation)
    zero = jnp.zeros(())
    return Losses(
        force=zero,
        activation=zero,
        capacity=zero
        if strength is None
        else _mean_square((strength - balance.capacity) / scales.capacity),
        balance=_mean_square(left.balance / scales.torque),
        bounds=_mean_square(left.bounds / scales.activation),
        optimality=_mean_square(left.optimality / scales.activation),
    )


def _predicted(
    network: ForceNetwork, rows: TrainingRows, balance: Balance | None
) -> tuple[Prediction, Array | None]:
    """What the network says before anything without gradient, and capacity if it says that."""
    if not isinstance(network, FeedForwardNetwork):
        return jax.vmap(lambda i, b: network.polished(i, b, 0))(rows.inputs, balance), None
    activation, force, strength = jax.vmap(network.heads)(rows.inputs)
    reserves = jnp.zeros((len(rows), len(network.actuation.reserve)), force.dtype)
    return Prediction(activation, force, reserves), strength


def _spread(values: Float[AnyArray, "rows n"]) -> Float[Array, " n"]:
    spread = jnp.std(jnp.asarray(values), axis=0)
    return jnp.where(spread > 1e-8, spread, 1.0)


def _mean_square(values: AnyArray) -> Float[Array, ""]:
    return jnp.mean(jnp.asarray(values) ** 2)
