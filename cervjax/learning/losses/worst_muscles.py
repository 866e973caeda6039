"""Distance of forces from the labels, of the muscles that are furthest off."""

from typing import ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from .base import AbstractLoss, LossContext, register_loss

_POWER = 3


@register_loss
class WorstMusclesLoss(AbstractLoss):
    """The power mean over the muscles of each one's mean squared error, which the worst dominate.

    The mean of `force` is soon that of the many muscles that are easy to learn, and a network is
    judged by its worst.
    """

    name: ClassVar[str] = "worst_muscles"
    needs: ClassVar[Literal["labels", "mechanics", "either"]] = "labels"
    schedule: ClassVar[Literal["labels", "physics", "constant"]] = "labels"

    def __call__(self, context: LossContext) -> Float[Array, ""]:
        difference = (context.prediction.force - context.rows.force) / context.scales.force
        each = jnp.mean(difference**2, axis=0)
        return jnp.mean(each**_POWER) ** (1 / _POWER)
