"""Distance of forces from the labels."""

from typing import ClassVar, Literal

from jaxtyping import Array, Float

from .base import AbstractLoss, LossContext, mean_square, register_loss


@register_loss
class ForceLoss(AbstractLoss):
    """Distance of forces from the labels."""

    name: ClassVar[str] = "force"
    needs: ClassVar[Literal["labels", "mechanics", "either"]] = "labels"
    schedule: ClassVar[Literal["labels", "physics", "constant"]] = "labels"

    def __call__(self, context: LossContext) -> Float[Array, ""]:
        return mean_square((context.prediction.force - context.rows.force) / context.scales.force)
