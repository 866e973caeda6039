"""Networks that see inputs alone: kinds direct, physics, label-free."""

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cervjax.learning.config import NetworkConfig
from cervjax.learning.inputs import NetworkInputs
from cervjax.learning.rows import TrainingRows
from cervjax.model import Model
from cervjax.optimization import TorqueEquation

from .base import (
    LEAK,
    AbstractForceNetwork,
    ActuatorBounds,
    NetworkParts,
    Normalization,
    Prediction,
    Spreads,
    register_network,
)
from .trunks import AbstractTrunk


@register_network("direct", "physics", "label-free")
class FeedForwardNetwork(AbstractForceNetwork):
    """Inputs to activations and forces, nothing between: kinds direct, physics, label-free.

    With the head `bounded` it says what a muscle should do, cut off at the bounds, and what it
    can do (capacity); force is their product. With `linear`, activation and force are two linear
    outputs that nothing bounds or ties together, as in the source paper.
    """

    config: NetworkConfig = eqx.field(static=True)
    trunk: AbstractTrunk
    motion: Normalization
    person: Normalization
    actuation: ActuatorBounds
    activation: Normalization
    strength: Normalization

    @classmethod
    def outputs(cls, model: Model) -> int:
        return 2 * len(model.topology.muscles)

    @classmethod
    def fresh(cls, parts: NetworkParts, model: Model) -> Self:
        muscles = len(model.topology.muscles)
        return cls(*parts, Normalization.unit(muscles), Normalization.unit(muscles))

    def __call__(self, inputs: NetworkInputs, equation: TorqueEquation | None = None) -> Prediction:
        return self.differentiable(inputs)._replace(capacity=None)

    def differentiable(
        self, inputs: NetworkInputs, equation: TorqueEquation | None = None
    ) -> Prediction:
        activation, force, capacity = self.heads(inputs)
        return Prediction(activation, force, jnp.zeros_like(self.actuation.reserve), capacity)

    def heads(
        self, inputs: NetworkInputs
    ) -> tuple[Float[Array, " m"], Float[Array, " m"], Float[Array, " m"] | None]:
        """Outputs of one row.

        Args:
            inputs: of the row.

        Returns:
            Activation, force (N), and capacity (N; None with a linear head).
        """
        share, strength = jnp.split(self.trunk(self.features(inputs)), 2)
        activation, strength = self.activation.undo(share), self.strength.undo(strength)
        if self.config.head == "linear":
            return activation, strength, None
        activation = self.actuation.bounded(activation)
        beyond = LEAK * (strength - jax.lax.stop_gradient(strength))
        capacity = jnp.maximum(strength, 0.0) + beyond
        return activation, activation * capacity, capacity

    def normalized(self, rows: TrainingRows, equation: TorqueEquation, spreads: Spreads) -> Self:
        activation, capacity = spreads.activation_mean, jnp.asarray(equation.capacity)
        if self.config.head == "bounded":
            strength = Normalization.of(capacity)
        elif spreads.labels:
            strength = Normalization.of(rows.force)
        else:
            strength = Normalization(activation * jnp.mean(capacity, axis=0), spreads.force)
        return eqx.tree_at(
            lambda n: (n.activation, n.strength),
            self,
            (Normalization(activation, spreads.activation), strength),
        )
