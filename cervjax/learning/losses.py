"""Losses of a force network: agreement with labels, and balance of torques."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cervjax.contraction import contract

from .data import TrainingRows
from .network import ForceNetwork


class Losses(NamedTuple):
    """Dimensionless mean squares.

    Attributes:
        data: force error over the muscle's spread, so that big muscles do not drown small ones.
        torque: torque-balance residual R F - tau over the spread of the torques.
    """

    data: Float[Array, ""]
    torque: Float[Array, ""]


def losses(
    network: ForceNetwork, rows: TrainingRows, torque_spread: Float[Array, " free"]
) -> Losses:
    """The losses of `network` on `rows`.

    Args:
        torque_spread: N m, standard deviation of the muscle torques.
    """
    predicted = jax.vmap(network)(rows.inputs)
    error = (predicted - rows.force) / network.outputs.spread
    imbalance = contract("rfm,rm->rf", rows.moment_arm, predicted) - rows.muscle_torque
    return Losses(jnp.mean(error**2), jnp.mean((imbalance / torque_spread) ** 2))
