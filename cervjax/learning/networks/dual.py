"""The network that predicts multipliers of static optimization: kind dual."""

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cervjax.learning.config import NetworkConfig
from cervjax.learning.inputs import AnyArray, NetworkInputs
from cervjax.learning.rows import TrainingRows
from cervjax.model import Model
from cervjax.optimization import TorqueEquation, controls_from, reduced_costs, solve_dual

from .base import (
    AbstractForceNetwork,
    ActuatorBounds,
    NetworkParts,
    Normalization,
    Prediction,
    Spreads,
    register_network,
)
from .trunks import AbstractTrunk


@register_network("dual")
class DualNetwork(AbstractForceNetwork):
    """Inputs to the multipliers of static optimization; kind dual.

    Activations are `clip(A^T lambda / 2)` with A the torque of a unit of each activation, from the
    row's mechanics: within their bounds whatever the network says. `config.newton_steps` Newton
    steps of the direct solver then polish the balance, from where the network points.
    """

    config: NetworkConfig = eqx.field(static=True)
    trunk: AbstractTrunk
    motion: Normalization
    person: Normalization
    actuation: ActuatorBounds
    multipliers: Normalization

    @classmethod
    def outputs(cls, model: Model) -> int:
        return model.topology.num_free

    @classmethod
    def fresh(cls, parts: NetworkParts, model: Model) -> Self:
        return cls(*parts, Normalization.unit(model.topology.num_free))

    @property
    def needs_equation(self) -> bool:
        """Always."""
        return True

    def __call__(self, inputs: NetworkInputs, equation: TorqueEquation | None = None) -> Prediction:
        return self.polished(inputs, equation, self.config.newton_steps)

    def differentiable(
        self, inputs: NetworkInputs, equation: TorqueEquation | None = None
    ) -> Prediction:
        return self.polished(inputs, equation, 0)

    def normalized(self, rows: TrainingRows, equation: TorqueEquation, spreads: Spreads) -> Self:
        found = multipliers_of(self.actuation, rows.reserve_force)
        return eqx.tree_at(lambda n: n.multipliers, self, Normalization.of(found))

    def polished(
        self, inputs: NetworkInputs, equation: TorqueEquation | None, newton_steps: int
    ) -> Prediction:
        """The prediction after `newton_steps` Newton steps; 0 has gradients, more have none.

        Args:
            inputs: of the row.
            equation: the row's torque equation.
            newton_steps: of the direct solver.

        Returns:
            The prediction.

        Raises:
            ValueError: `equation` is missing.
        """
        if equation is None:
            raise ValueError("a dual network needs the row's mechanics; see `torque_equation`")
        problem = self.actuation.problem(equation)
        multipliers = self.multipliers.undo(self.trunk(self.features(inputs)))
        if newton_steps:
            state = solve_dual(problem, 2.0, newton_steps, jax.lax.stop_gradient(multipliers))
            controls = controls_from(problem, state.reduced_costs(problem), 2.0)
            activation = controls[: len(self.actuation.lower)]
        else:
            costs = reduced_costs(problem, multipliers)
            controls = 0.5 * costs
            activation = self.actuation.bounded(controls[: len(self.actuation.lower)])
        carried = controls[len(self.actuation.lower) :] * self.actuation.reserve
        return Prediction(activation, activation * equation.capacity, carried)


def multipliers_of(
    actuation: ActuatorBounds, reserve_force: Float[AnyArray, "*rows free"]
) -> Array:
    """The multipliers (per N m) behind the reserves of an optimum: they are never at a bound."""
    return 2 * jnp.asarray(reserve_force) / actuation.reserve**2
