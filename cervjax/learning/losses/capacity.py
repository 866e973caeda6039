"""Distance of what muscles can do from the force curves."""

from typing import ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from .base import AbstractLoss, LossContext, mean_square, register_loss


@register_loss
class CapacityLoss(AbstractLoss):
    """Distance of predicted forces at full activation from those of the force curves.

    Zero for a network that predicts no capacity. Labels tell the capacity of a muscle that is
    active; one at rest does not count.
    """

    name: ClassVar[str] = "capacity"
    needs: ClassVar[Literal["labels", "mechanics", "either"]] = "either"

    def __call__(self, context: LossContext) -> Float[Array, ""]:
        predicted = context.prediction.capacity
        if predicted is None:
            return jnp.zeros(())
        known = jnp.asarray(context.rows.capacity if context.labels else context.equation.capacity)
        available = jnp.isfinite(known)
        # Where before, too: NaN must not reach a gradient.
        away = jnp.where(available, predicted - jnp.where(available, known, 0.0), 0.0)
        return mean_square(away / context.scales.capacity)
