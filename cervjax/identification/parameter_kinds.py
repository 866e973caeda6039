"""Kinds of parameters that can be identified: each says what it is of, and how a model gets it.

A new kind is one file: an `AbstractParameterKind` that is registered. Values are factors on the
model's own, or shifts.
"""

import abc
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cervjax.kinematics import muscle_paths
from cervjax.model import Model

_FIBER_LEFT = 0.4
"""Of the fiber's nominal length, that a longer tendon leaves it."""


class Owner(NamedTuple):
    """What one parameter of a kind belongs to.

    Attributes:
        name: of a muscle, or what else it is called.
        index: into the model's arrays.
        low, high: bounds of its value.
    """

    name: str
    index: int
    low: float
    high: float


class AbstractParameterKind(abc.ABC):
    """A kind of parameter.

    Attributes:
        name: of the kind.
        bounds: of its values, unless others are given.
        nominal: value that leaves a model as it is: 1 for factors, 0 for shifts.
        per_muscle: whether it belongs to muscles, which can be chosen.
    """

    name: str
    bounds: tuple[float, float]
    nominal: float = 1.0
    per_muscle: bool = True

    @abc.abstractmethod
    def owners(
        self, model: Model, chosen: tuple[int, ...], head: int, bounds: tuple[float, float]
    ) -> list[Owner]:
        """What has a parameter of this kind.

        Args:
            model: nominal.
            chosen: indices of the muscles whose parameters are wanted.
            head: index of the head's body.
            bounds: of the values.

        Returns:
            Owners, in order; none for a muscle that has nothing of the kind.
        """

    @abc.abstractmethod
    def applied(
        self, model: Model, index: Int[np.ndarray, " n"], values: Float[Array, " n"]
    ) -> Model:
        """`model` with parameters of this kind.

        Args:
            model: whose other parameters stay.
            index: of the owners.
            values: of each.

        Returns:
            Another model.
        """


PARAMETER_KINDS: dict[str, AbstractParameterKind] = {}
"""Every kind by its name."""


def register_parameter(kind: AbstractParameterKind) -> AbstractParameterKind:
    """Make a kind known by its name.

    Args:
        kind: of parameters.

    Returns:
        The kind.
    """
    PARAMETER_KINDS[kind.name] = kind
    return kind


@dataclass(frozen=True)
class MuscleFactor(AbstractParameterKind):
    """A factor on one of `MuscleParameters`, by its name; muscles where it is zero have none."""

    name: str
    bounds: tuple[float, float]

    def owners(
        self, model: Model, chosen: tuple[int, ...], head: int, bounds: tuple[float, float]
    ) -> list[Owner]:
        """Muscles whose own value is positive.

        Returns:
            Owners.
        """
        own, names = np.asarray(getattr(model.muscles, self.name)), model.topology.muscles
        return [Owner(names[k], k, *bounds) for k in chosen if own[k] > 0]

    def applied(
        self, model: Model, index: Int[np.ndarray, " n"], values: Float[Array, " n"]
    ) -> Model:
        """The model with factors on the muscles' values.

        Returns:
            Another model.
        """
        own = getattr(model.muscles, self.name)
        changed = own * jnp.ones_like(own).at[index].set(values)
        return eqx.tree_at(lambda m: getattr(m.muscles, self.name), model, changed)


@dataclass(frozen=True)
class TendonSlackLength(MuscleFactor):
    """Bounds are such that in the default pose the fiber is at least 0.4 and at most 1.6 times as
    long as nominally."""

    name: str = "tendon_slack_length"
    bounds: tuple[float, float] = (0.5, 2.0)

    def owners(
        self, model: Model, chosen: tuple[int, ...], head: int, bounds: tuple[float, float]
    ) -> list[Owner]:
        """Muscles that have a tendon.

        Returns:
            Owners, each with bounds of its own.
        """
        spare = _tendon_range(model)
        return [
            o._replace(low=max(o.low, 1 - spare[o.index]), high=min(o.high, 1 + spare[o.index]))
            for o in super().owners(model, chosen, head, bounds)
        ]


class _HeadKind(AbstractParameterKind):
    """A kind that the head alone has."""

    def owners(
        self, model: Model, chosen: tuple[int, ...], head: int, bounds: tuple[float, float]
    ) -> list[Owner]:
        """The head.

        Returns:
            One owner.
        """
        return [Owner("head", head, *bounds)]


@dataclass(frozen=True)
class HeadFactor(_HeadKind):
    """A factor on the head's mass or inertia, by the name of the array of bodies."""

    name: str
    bounds: tuple[float, float]
    array: str = ""
    per_muscle: bool = False

    def applied(
        self, model: Model, index: Int[np.ndarray, " n"], values: Float[Array, " n"]
    ) -> Model:
        """The model with a factor on the body's array.

        Returns:
            Another model.
        """
        own = getattr(model, self.array)
        factor = jnp.ones(len(own), own.dtype).at[index].set(values)
        changed = own * factor.reshape(-1, *[1] * (own.ndim - 1))
        return eqx.tree_at(lambda m: getattr(m, self.array), model, changed)


@dataclass(frozen=True)
class HeadShift(_HeadKind):
    """A shift of the head's mass center along an axis of its body; m."""

    name: str
    bounds: tuple[float, float]
    axis: int = 0
    nominal: float = 0.0
    per_muscle: bool = False

    def applied(
        self, model: Model, index: Int[np.ndarray, " n"], values: Float[Array, " n"]
    ) -> Model:
        """The model with the mass center shifted.

        Returns:
            Another model.
        """
        moved = model.body_mass_center.at[index, self.axis].add(values)
        return eqx.tree_at(lambda m: m.body_mass_center, model, moved)


for _kind in (
    MuscleFactor("max_isometric_force", (0.2, 4.0)),
    MuscleFactor("optimal_fiber_length", (0.5, 2.0)),
    TendonSlackLength(),
    MuscleFactor("pennation_angle_at_optimal", (0.3, 2.5)),
    HeadFactor("mass", (0.5, 2.0), "body_mass"),
    HeadFactor("inertia", (0.3, 3.0), "body_inertia"),
    HeadShift("mass_center_x", (-0.03, 0.03), 0),
    HeadShift("mass_center_y", (-0.03, 0.03), 1),
    MuscleFactor("max_contraction_velocity", (0.5, 2.0)),
):
    register_parameter(_kind)


def _tendon_range(nominal: Model) -> Float[np.ndarray, " muscles"]:
    """By what part a tendon slack length may change either way."""
    length = np.asarray(muscle_paths(nominal, nominal.default_q).length)
    slack = np.asarray(nominal.muscles.tendon_slack_length)
    # A muscle that is slack in the default pose keeps the range of one with little to spare.
    along = np.maximum(length - slack, 0.1 * np.asarray(nominal.muscles.optimal_fiber_length))
    return (1 - _FIBER_LEFT) * along / np.where(slack > 0, slack, 1.0)
