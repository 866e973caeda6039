"""Distance of activations from the labels."""

from typing import ClassVar, Literal

from jaxtyping import Array, Float

from .base import AbstractLoss, LossContext, mean_square, register_loss


@register_loss
class ActivationLoss(AbstractLoss):
    """Distance of activations from the labels."""

    name: ClassVar[str] = "activation"
    needs: ClassVar[Literal["labels", "mechanics", "either"]] = "labels"
    schedule: ClassVar[Literal["labels", "physics", "constant"]] = "labels"

    def __call__(self, context: LossContext) -> Float[Array, ""]:
        return mean_square(
            (context.prediction.activation - context.rows.activation) / context.scales.activation
        )
