"""Activations beyond their bounds, and muscles that push."""

from typing import ClassVar, Literal

from jaxtyping import Array, Float

from .base import AbstractLoss, LossContext, mean_square, register_loss


@register_loss
class BoundsLoss(AbstractLoss):
    """Activations beyond their bounds, and muscles that push."""

    name: ClassVar[str] = "bounds"
    needs: ClassVar[Literal["labels", "mechanics", "either"]] = "mechanics"
    schedule: ClassVar[Literal["labels", "physics", "constant"]] = "physics"

    def __call__(self, context: LossContext) -> Float[Array, ""]:
        return mean_square((context.residuals.bounds) / context.scales.activation)
