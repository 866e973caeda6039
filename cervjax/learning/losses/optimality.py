"""Distance from the optimum's own conditions."""

from typing import ClassVar, Literal

from jaxtyping import Array, Float

from .base import AbstractLoss, LossContext, mean_square, register_loss


@register_loss
class OptimalityLoss(AbstractLoss):
    """Distance from the optimum's own conditions."""

    name: ClassVar[str] = "optimality"
    needs: ClassVar[Literal["labels", "mechanics", "either"]] = "mechanics"
    schedule: ClassVar[Literal["labels", "physics", "constant"]] = "physics"

    def __call__(self, context: LossContext) -> Float[Array, ""]:
        return mean_square((context.residuals.optimality) / context.scales.activation)
