"""What every force network has: inputs and normalizations, and how one is made and told apart.

A network kind is one file: a class of `AbstractForceNetwork` with `@register_network("kind")`.
"""

import abc
from collections.abc import Callable
from typing import NamedTuple, Self, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from cervjax.learning.config import NetworkConfig
from cervjax.learning.inputs import PERSON_INPUTS, AnyArray, NetworkInputs, motion_size
from cervjax.learning.rows import LabelledPose, TrainingRows, pose_equation
from cervjax.model import Model
from cervjax.optimization import (
    ActivationProblem,
    Reserves,
    TorqueEquation,
    activation_problem,
)
from cervjax.people import Personalizer

from .trunks import AbstractTrunk, make_trunk

LEAK = 0.01
"""Slope that a gradient sees beyond a bound, so that a muscle stuck there can come back."""


class Prediction(NamedTuple):
    """Muscle activations and forces that a network predicts for a row.

    Attributes:
        activation: of each muscle.
        force: N.
        reserve_force: N m in each free coordinate; zero where a network has no reserves.
        capacity: N, of each muscle at full activation, from a network that predicts it; None else.
    """

    activation: Float[AnyArray, "*rows muscles"]
    force: Float[AnyArray, "*rows muscles"]
    reserve_force: Float[AnyArray, "*rows free"]
    capacity: Float[AnyArray, "*rows muscles"] | None = None


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
        """`values` with mean zero and spread one, no unit."""
        mean, spread = jax.lax.stop_gradient((self.mean, self.spread))
        return (values - mean) / spread

    def undo(self, values: Float[Array, "*rows n"]) -> Float[Array, "*rows n"]:
        """The inverse of `apply`, in the unit of the training rows."""
        mean, spread = jax.lax.stop_gradient((self.mean, self.spread))
        return values * spread + mean


class ActuatorBounds(eqx.Module):
    """What does not change from row to row of static optimization; constants of a network.

    Attributes:
        lower, upper: bounds of the activations.
        reserve: N m, optimal force of the reserve in each free coordinate.
    """

    lower: Float[Array, " muscles"]
    upper: Float[Array, " muscles"]
    reserve: Float[Array, " free"]

    @classmethod
    def of(cls, model: Model) -> "ActuatorBounds":
        """Those of `model`.

        Returns:
            Reserves in the order of the free coordinates.

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

    def problem(self, equation: TorqueEquation) -> ActivationProblem:
        """Static optimization of one row: the sum of squared activations and reserve controls."""
        lower, upper, reserve = jax.lax.stop_gradient((self.lower, self.upper, self.reserve))
        return activation_problem(equation, lower, upper, Reserves.one_each(reserve))

    def bounded(self, activation: Float[Array, " muscles"]) -> Float[Array, " muscles"]:
        """`activation` inside the bounds, with a small gradient beyond them."""
        lower, upper = jax.lax.stop_gradient((self.lower, self.upper))
        beyond = LEAK * (activation - jax.lax.stop_gradient(activation))
        return jnp.clip(activation, lower, upper) + beyond


class Spreads(NamedTuple):
    """What a network is normalized to, over training rows.

    Attributes:
        activation_mean, activation: mean and spread of the activations.
        force: N, spread of the forces.
        labels: whether labels may be looked at.
    """

    activation_mean: Float[Array, " muscles"]
    activation: Float[Array, " muscles"]
    force: Float[Array, " muscles"]
    labels: bool


class AbstractForceNetwork(eqx.Module):
    """Head motion and a person to muscle activations and forces.

    Attributes:
        config: kind, inputs and size.
        trunk: the weights that are learned.
        motion, person: normalizations of the inputs.
        actuation: bounds and reserves.
    """

    config: eqx.AbstractVar[NetworkConfig]
    trunk: eqx.AbstractVar[AbstractTrunk]
    motion: eqx.AbstractVar[Normalization]
    person: eqx.AbstractVar[Normalization]
    actuation: eqx.AbstractVar[ActuatorBounds]

    @classmethod
    @abc.abstractmethod
    def outputs(cls, model: Model) -> int:
        """Numbers that the trunk puts out for `model`.

        Returns:
            A count.
        """

    @classmethod
    @abc.abstractmethod
    def fresh(cls, parts: "NetworkParts", model: Model) -> Self:
        """A network of `parts`, normalized to nothing yet.

        Returns:
            The network; its own normalizations are `Normalization.unit`.
        """

    @property
    def needs_equation(self) -> bool:
        """Whether a prediction needs the row's torque equation."""
        return False

    @abc.abstractmethod
    def __call__(self, inputs: NetworkInputs, equation: TorqueEquation | None = None) -> Prediction:
        """Activations and forces of one row; vmap for many.

        Args:
            inputs: of the row.
            equation: the row's torque equation; only where `needs_equation`.

        Returns:
            The prediction.
        """

    def differentiable(
        self, inputs: NetworkInputs, equation: TorqueEquation | None = None
    ) -> Prediction:
        """The prediction that losses look at; steps without a gradient are left out.

        Args:
            inputs: of the row.
            equation: see `__call__`.

        Returns:
            The prediction, with the capacity where the network predicts one.
        """
        return self(inputs, equation)

    def normalized(self, rows: TrainingRows, equation: TorqueEquation, spreads: Spreads) -> Self:
        """The network with its outputs normalized to training rows.

        Args:
            rows: on the device.
            equation: of the first of `rows`.
            spreads: over `rows`.

        Returns:
            The same network with other normalizations.
        """
        return self

    def trainable(self) -> PyTree[bool]:
        """What is learned: the floating-point numbers of the trunk.

        A network with other parameters, such as physiological ones, overrides this.

        Returns:
            A tree like the network, true where an array is learned.
        """
        fixed = jax.tree.map(lambda _: False, self)
        learned = jax.tree.map(eqx.is_inexact_array, self.trunk)
        return eqx.tree_at(lambda n: n.trunk, fixed, learned)

    def equation(self, personalizer: Personalizer, pose: LabelledPose) -> TorqueEquation:
        """The torque equation that losses hold the network against.

        Args:
            personalizer: of the population.
            pose: of one row.

        Returns:
            That of the row's person; a network that learns physiology changes it.
        """
        return pose_equation(personalizer, pose)

    def features(self, inputs: NetworkInputs) -> Float[Array, "*frames features"]:
        """Inputs of the trunk: normalized, with a mask of what is known of the person.

        Args:
            inputs: of one row.

        Returns:
            Dimensionless features of each frame.
        """
        known = jnp.isfinite(inputs.person)
        motion, given = jnp.asarray(inputs.motion), jnp.asarray(inputs.person)
        # Where after, not before: NaN must not reach a gradient.
        value = jnp.where(known, given, self.person.mean)
        person = jnp.concatenate([self.person.apply(value), known.astype(value.dtype)])
        motion = self.motion.apply(motion)
        person = jnp.broadcast_to(person, (*motion.shape[:-1], *person.shape))
        return jnp.concatenate([motion, person], axis=-1)


class NetworkParts(NamedTuple):
    """What all networks are made of; see `AbstractForceNetwork`."""

    config: NetworkConfig
    trunk: AbstractTrunk
    motion: Normalization
    person: Normalization
    actuation: ActuatorBounds


NETWORKS: dict[str, type[AbstractForceNetwork]] = {}
"""Class of each network kind."""

_Class = TypeVar("_Class", bound=type[AbstractForceNetwork])


def register_network(*kinds: str) -> Callable[[_Class], _Class]:
    """Make a class known by the names of its kinds.

    Args:
        kinds: values of `NetworkConfig.kind`.

    Returns:
        A decorator that gives back the class.
    """

    def known(network: _Class) -> _Class:
        NETWORKS.update(dict.fromkeys(kinds, network))
        return network

    return known


def make_network(config: NetworkConfig, model: Model, *, key: PRNGKeyArray) -> AbstractForceNetwork:
    """A fresh network for models like `model`, normalized to nothing yet.

    Args:
        config: kind, inputs and size.
        model: with one reserve in each free coordinate.
        key: of the weights.

    Returns:
        A network of the class that is registered for the kind.

    Raises:
        ValueError: there is no such kind or input set, or the model lacks reserves.
    """
    if config.kind not in NETWORKS:
        raise ValueError(f"no network kind {config.kind!r}; there are {', '.join(NETWORKS)}")
    kind = NETWORKS[config.kind]
    motion, person = motion_size(config.inputs, model.topology.num_free), len(PERSON_INPUTS)
    trunk = make_trunk(config, motion + 2 * person, kind.outputs(model), key)
    actuation = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), ActuatorBounds.of(model))
    parts = NetworkParts(
        config, trunk, Normalization.unit(motion), Normalization.unit(person), actuation
    )
    return kind.fresh(parts, model)
