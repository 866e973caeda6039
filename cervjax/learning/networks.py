"""Force networks: one interface, `network(inputs, balance) -> Prediction`, for one row.

`FeedForwardNetwork` sees inputs alone. `DualNetwork` predicts the six multipliers of static
optimization; what each muscle does follows from them in closed form, given the row's mechanics.
"""

import abc
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from cervjax.model import Model
from cervjax.optimization import ActivationProblem, controls_from, reduced_costs, solve_dual

from .config import NetworkConfig
from .inputs import PERSON_INPUTS, AnyArray, NetworkInputs, motion_size
from .rows import Balance
from .trunks import Trunk, make_trunk

_LEAK = 0.01
"""Slope that a gradient sees beyond a bound, so that a muscle stuck there can come back."""


class Prediction(NamedTuple):
    """What a network says of a row.

    Attributes:
        activation: of each muscle.
        force: N.
        reserve_force: N m in each free coordinate; zero where a network has no reserves.
    """

    activation: Float[AnyArray, "*rows muscles"]
    force: Float[AnyArray, "*rows muscles"]
    reserve_force: Float[AnyArray, "*rows free"]


class Normalization(eqx.Module):
    """Mean and spread of a quantity over training rows; constants of a network."""

    mean: Float[Array, " n"]
    spread: Float[Array, " n"]

    @classmethod
    def unit(cls, count: int) -> "Normalization":
        """Mean zero and spread one."""
        return cls(jnp.zeros(count, jnp.float32), jnp.ones(count, jnp.float32))

    @classmethod
    def of(cls, values: Float[AnyArray, "rows n"]) -> "Normalization":
        """Mean and standard deviation of the columns, NaN apart; a constant has spread one."""
        values = jnp.asarray(values, jnp.float32)
        spread, mean = jnp.nanstd(values, axis=0), jnp.nanmean(values, axis=0)
        known = jnp.isfinite(mean)
        return cls(jnp.where(known, mean, 0.0), jnp.where(known & (spread > 1e-8), spread, 1.0))

    def apply(self, values: Float[Array, "*rows n"]) -> Float[Array, "*rows n"]:
        """`values` with mean zero and spread one."""
        mean, spread = jax.lax.stop_gradient((self.mean, self.spread))
        return (values - mean) / spread

    def undo(self, values: Float[Array, "*rows n"]) -> Float[Array, "*rows n"]:
        """The inverse of `apply`."""
        mean, spread = jax.lax.stop_gradient((self.mean, self.spread))
        return values * spread + mean


class Actuation(eqx.Module):
    """What does not change from row to row of static optimization; constants of a network.

    Attributes:
        lower, upper: bounds of the activations.
        reserve: N m, optimal force of the reserve in each free coordinate.
    """

    lower: Float[Array, " muscles"]
    upper: Float[Array, " muscles"]
    reserve: Float[Array, " free"]

    @classmethod
    def of(cls, model: Model) -> "Actuation":
        """Those of `model`.

        Raises:
            ValueError: a free coordinate has no reserve.
        """
        topology = model.topology
        if sorted(topology.reserve_coordinates) != list(range(topology.num_free)):
            raise ValueError(
                "a network needs a neck with one reserve in each free coordinate; "
                "see `ModelSpec.with_reserves`"
            )
        reserve = (
            jnp.zeros(topology.num_free)
            .at[jnp.array(topology.reserve_coordinates)]
            .set(model.reserves.optimal_force)
        )
        return cls(model.muscles.min_control, model.muscles.max_control, reserve)

    def problem(self, balance: Balance) -> ActivationProblem:
        """Static optimization of one row: the sum of squared activations and reserve controls."""
        lower, upper, reserve = jax.lax.stop_gradient((self.lower, self.upper, self.reserve))
        free = jnp.full_like(reserve, jnp.inf)
        return ActivationProblem(
            jnp.concatenate([balance.matrix, jnp.diag(reserve)], axis=1),
            balance.target,
            jnp.concatenate([lower, -free]),
            jnp.concatenate([upper, free]),
            jnp.ones(len(lower) + len(reserve), lower.dtype),
        )

    def bounded(self, activation: Float[Array, " muscles"]) -> Float[Array, " muscles"]:
        """`activation` inside the bounds, with a small gradient beyond them."""
        lower, upper = jax.lax.stop_gradient((self.lower, self.upper))
        beyond = _LEAK * (activation - jax.lax.stop_gradient(activation))
        return jnp.clip(activation, lower, upper) + beyond


class ForceNetwork(eqx.Module):
    """Head motion and a person to muscle activations and forces.

    Attributes:
        config: kind, inputs and size.
        trunk: what is learned.
        motion, person: normalizations of the inputs.
        actuation: bounds and reserves.
    """

    config: eqx.AbstractVar[NetworkConfig]
    trunk: eqx.AbstractVar[Trunk]
    motion: eqx.AbstractVar[Normalization]
    person: eqx.AbstractVar[Normalization]
    actuation: eqx.AbstractVar[Actuation]

    @property
    def needs_balance(self) -> bool:
        """Whether a prediction needs the row's mechanics."""
        return self.config.kind == "dual"

    @abc.abstractmethod
    def __call__(self, inputs: NetworkInputs, balance: Balance | None = None) -> Prediction:
        """Activations and forces of one row; vmap for many."""

    def features(self, inputs: NetworkInputs) -> Float[Array, "*frames features"]:
        """What the trunk sees: normalized, with a mask of what is known of the person."""
        known = jnp.isfinite(inputs.person)
        motion, given = jnp.asarray(inputs.motion), jnp.asarray(inputs.person)
        # Where after, not before: NaN must not reach a gradient.
        value = jnp.where(known, given, self.person.mean)
        person = jnp.concatenate([self.person.apply(value), known.astype(value.dtype)])
        motion = self.motion.apply(motion)
        person = jnp.broadcast_to(person, (*motion.shape[:-1], *person.shape))
        return jnp.concatenate([motion, person], axis=-1)


class FeedForwardNetwork(ForceNetwork):
    """Inputs to activations and forces, nothing between: kinds direct, physics, label-free.

    With the head `bounded` it says what a muscle should do, cut off at the bounds, and what it
    can do (capacity); force is their product. With `linear`, activation and force are two linear
    outputs that nothing bounds or ties together, as in the source paper.
    """

    config: NetworkConfig = eqx.field(static=True)
    trunk: Trunk
    motion: Normalization
    person: Normalization
    actuation: Actuation
    activation: Normalization
    strength: Normalization

    def __call__(self, inputs: NetworkInputs, balance: Balance | None = None) -> Prediction:
        """Activations and forces of one row; `balance` is not looked at."""
        activation, force, _ = self.heads(inputs)
        return Prediction(activation, force, jnp.zeros_like(self.actuation.reserve))

    def heads(
        self, inputs: NetworkInputs
    ) -> tuple[Float[Array, " m"], Float[Array, " m"], Float[Array, " m"] | None]:
        """Activation, force, and capacity (None with a linear head)."""
        share, strength = jnp.split(self.trunk(self.features(inputs)), 2)
        activation, strength = self.activation.undo(share), self.strength.undo(strength)
        if self.config.head == "linear":
            return activation, strength, None
        activation = self.actuation.bounded(activation)
        beyond = _LEAK * (strength - jax.lax.stop_gradient(strength))
        capacity = jnp.maximum(strength, 0.0) + beyond
        return activation, activation * capacity, capacity


class DualNetwork(ForceNetwork):
    """Inputs to the multipliers of static optimization; kind dual.

    Activations are `clip(A^T lambda / 2)` with A the torque of a unit of each activation, from the
    row's mechanics: within their bounds whatever the network says. `config.newton_steps` Newton
    steps of the direct solver then polish the balance, from where the network points.
    """

    config: NetworkConfig = eqx.field(static=True)
    trunk: Trunk
    motion: Normalization
    person: Normalization
    actuation: Actuation
    multipliers: Normalization

    def __call__(self, inputs: NetworkInputs, balance: Balance | None = None) -> Prediction:
        """Activations and forces of one row.

        Raises:
            ValueError: `balance` is missing.
        """
        return self.polished(inputs, balance, self.config.newton_steps)

    def polished(
        self, inputs: NetworkInputs, balance: Balance | None, newton_steps: int
    ) -> Prediction:
        """The prediction after `newton_steps` Newton steps; 0 has gradients, more have none."""
        if balance is None:
            raise ValueError("a dual network needs the row's mechanics; see `frame_balance`")
        problem = self.actuation.problem(balance)
        multipliers = self.multipliers.undo(self.trunk(self.features(inputs)))
        if newton_steps:
            state = solve_dual(problem, 2.0, newton_steps, jax.lax.stop_gradient(multipliers))
            controls = controls_from(problem, state.worth(problem), 2.0)
            activation = controls[: len(self.actuation.lower)]
        else:
            worth = reduced_costs(problem, multipliers)
            controls = 0.5 * worth
            activation = self.actuation.bounded(controls[: len(self.actuation.lower)])
        carried = controls[len(self.actuation.lower) :] * self.actuation.reserve
        return Prediction(activation, activation * balance.capacity, carried)


def multipliers_of(actuation: Actuation, reserve_force: Float[AnyArray, "*rows free"]) -> Array:
    """The multipliers (per N m) behind the reserves of an optimum: they are never at a bound."""
    return 2 * jnp.asarray(reserve_force) / actuation.reserve**2


def make_network(
    config: NetworkConfig, model: Model, *, key: PRNGKeyArray
) -> FeedForwardNetwork | DualNetwork:
    """A fresh network for necks like `model`, normalized to nothing yet.

    Raises:
        ValueError: there is no such input set, or the neck lacks reserves.
    """
    topology = model.topology
    motion, person = motion_size(config.inputs, topology.num_free), len(PERSON_INPUTS)
    muscles = len(topology.muscles)
    outputs = topology.num_free if config.kind == "dual" else 2 * muscles
    trunk = make_trunk(config, motion + 2 * person, outputs, key)
    actuation = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), Actuation.of(model))
    common = (config, trunk, Normalization.unit(motion), Normalization.unit(person), actuation)
    if config.kind == "dual":
        return DualNetwork(*common, Normalization.unit(topology.num_free))
    return FeedForwardNetwork(*common, Normalization.unit(muscles), Normalization.unit(muscles))
