"""People of any model: ratios of bodies' sizes and masses, and of muscles' strengths."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Integer, PRNGKeyArray

from cervjax.model import Model

from .body_personalizer import AbstractPersonalizer, AbstractSubject
from .body_scaling import InertiaRule, default_lengths
from .person import MEASUREMENTS, Person
from .sobol import MOST_DIMENSIONS, sobol_points

Quantity = Literal["size", "mass", "strength"]
_LIMITS: dict[str, tuple[float, float]] = {
    "size": (0.5, 2.0),
    "mass": (0.1, 10.0),
    "strength": (0.05, 20.0),
}
"""Ratios beyond these are taken for a mistake in units."""


@dataclass(frozen=True)
class Ratio:
    """One way in which people differ from a model, and how much.

    Attributes:
        range: least and greatest ratio to the model; people lie evenly between.
        quantity: `size` of bodies, `mass` (and inertia) of bodies, or `strength` of muscles: their
            max isometric force.
        of: names of the bodies, or of the muscles; all if empty.
        axes: of a size, along which of the bodies' axes: `x`, `yz`, ...
    """

    range: tuple[float, float]
    quantity: Quantity = "size"
    of: tuple[str, ...] = ()
    axes: str = "xyz"

    def __post_init__(self) -> None:
        if self.quantity not in _LIMITS:
            raise ValueError(f"quantity = {self.quantity!r} is none of {', '.join(_LIMITS)}")
        least, most = _LIMITS[self.quantity]
        low, high = self.range
        if not least <= low <= high <= most:
            raise ValueError(
                f"range = {self.range} of a {self.quantity} is not two increasing ratios to the "
                f"model in [{least:g}, {most:g}]"
            )
        if len(set(self.of)) < len(self.of):
            raise ValueError(f"of = {self.of} names something twice")
        if self.quantity != "size" and self.axes != "xyz":
            raise ValueError(f"axes = {self.axes!r} of a {self.quantity}; only sizes have axes")
        if not self.axes or set(self.axes) - set("xyz") or len(set(self.axes)) < len(self.axes):
            raise ValueError(f"axes = {self.axes!r} are not letters of xyz, each once")


class BodySubject(AbstractSubject):
    """A person of any model.

    Attributes:
        ratios: in the order of `BodyPersonalizer.ratio_names`; no unit.
    """

    ratios: Float[Array, "*n ratios"]

    def as_vector(self) -> Float[Array, "*n ratios"]:
        """The ratios.

        Returns:
            In the order of the personalizer's `ratio_names`; no unit.
        """
        return self.ratios


class BodyPersonalizer(AbstractPersonalizer):
    """Makes a person's model from any model; see `AbstractPersonalizer`.

    Several ratios of the same body or muscle multiply.

    Attributes:
        model: that ratios of one stand for.
        path_length: m, of the muscles of `model` in its default pose.
        inertia: how the inertia of a stretched body follows; see `Personalizer`.
        ratios: by their names, what each changes.
    """

    model: Model
    path_length: Float[Array, " muscles"]
    inertia: InertiaRule = eqx.field(static=True)
    ratios: tuple[tuple[str, Ratio], ...] = eqx.field(static=True)

    @classmethod
    def of(
        cls, model: Model, ratios: Mapping[str, Ratio], *, inertia: InertiaRule = "affine"
    ) -> "BodyPersonalizer":
        """Prepare to scale a model.

        Args:
            model: to scale.
            ratios: by their names, in which people differ.
            inertia: how the inertia of a stretched body follows; see `Personalizer`.

        Returns:
            A function of a `BodySubject`.

        Raises:
            ValueError: there is no ratio, or one names a body or a muscle that the model lacks.
        """
        if not ratios:
            raise ValueError("ratios name nothing in which people differ from the model")
        for name, ratio in ratios.items():
            topology = model.topology
            strength = ratio.quantity == "strength"
            known = topology.muscles if strength else topology.bodies[1:]
            unknown = sorted(set(ratio.of) - set(known))
            if unknown:
                kind = "muscles" if strength else "bodies"
                raise ValueError(
                    f"the ratio {name!r} is of {', '.join(map(repr, unknown))}; the {kind} of "
                    f"{topology.name!r} are {', '.join(known)}"
                )
        return cls(model, default_lengths(model), inertia, tuple(ratios.items()))

    @property
    def ratio_names(self) -> tuple[str, ...]:
        """In the order in which they were given."""
        return tuple(name for name, _ in self.ratios)

    def subject(self, vector: Float[Array, "*n ratios"]) -> BodySubject:
        """A subject from its ratios; see `AbstractPersonalizer`.

        Args:
            vector: no unit.

        Returns:
            A `BodySubject`.
        """
        return BodySubject(vector)

    def body_scale(self, subject: AbstractSubject) -> Float[Array, "bodies 3"]:
        """By what each body is longer along its axes.

        Args:
            subject: one person.

        Returns:
            Ground first; no unit.
        """
        scale = jnp.ones_like(self.model.body_mass_center)
        for k, ratio in self._of("size"):
            columns = np.array(["xyz".index(axis) for axis in ratio.axes])
            rows = self._bodies(ratio)[:, None]
            scale = scale.at[rows, columns].multiply(subject.as_vector()[k])
        return scale

    def heavier(self, subject: AbstractSubject) -> Float[Array, " bodies"]:
        """By what each body's mass and inertia are larger.

        Args:
            subject: one person.

        Returns:
            Ground first; no unit.
        """
        heavier = jnp.ones_like(self.model.body_mass)
        for k, ratio in self._of("mass"):
            heavier = heavier.at[self._bodies(ratio)].multiply(subject.as_vector()[k])
        return heavier

    def stronger(self, subject: AbstractSubject) -> Float[Array, " muscles"]:
        """By what each muscle's max isometric force is larger.

        Args:
            subject: one person.

        Returns:
            No unit.
        """
        strength, muscles = jnp.ones_like(self.path_length), self.model.topology.muscles
        for k, ratio in self._of("strength"):
            members = np.array([muscles.index(name) for name in ratio.of or muscles], int)
            strength = strength.at[members].multiply(subject.as_vector()[k])
        return strength

    def _of(self, quantity: Quantity) -> list[tuple[int, Ratio]]:
        return [(k, r) for k, (_, r) in enumerate(self.ratios) if r.quantity == quantity]

    def _bodies(self, ratio: Ratio) -> np.ndarray:
        names = self.model.topology.bodies
        return np.array([names.index(name) for name in ratio.of or names[1:]], int)


class RatioPopulation(eqx.Module):
    """People whose ratios fill their ranges evenly: a Sobol sequence, and beyond its dimensions
    independent numbers.

    Attributes:
        low, high: ends of each ratio.
        planes: groups of coordinates that have a range of motion, all of it.
    """

    low: Float[Array, " ratios"]
    high: Float[Array, " ratios"]
    planes: int = eqx.field(static=True)

    @classmethod
    def of(
        cls, ratios: Mapping[str, Ratio], planes: int, dtype: DTypeLike | None = None
    ) -> "RatioPopulation":
        """The population that fills the ranges.

        Args:
            ratios: in which people differ, in the order of the personalizer's.
            planes: groups of coordinates of the sampler of movements.
            dtype: of all numbers; JAX's default if None.

        Returns:
            A function of a person's index and a key.
        """
        ends = np.array([ratio.range for ratio in ratios.values()], float)
        return cls(jnp.asarray(ends[:, 0], dtype), jnp.asarray(ends[:, 1], dtype), planes)

    def __call__(self, index: Integer[Array, ""], key: PRNGKeyArray) -> Person:
        """Person `index` of the sequence that `key` shifts."""
        dtype, count = self.low.dtype, self.low.shape[0]
        filled = min(count, MOST_DIMENSIONS)
        shift = jax.random.bits(key, (filled,), jnp.uint32)
        point = sobol_points(index.astype(jnp.uint32), filled, shift).astype(dtype)
        if count > filled:
            own = jax.random.fold_in(key, index)
            point = jnp.concatenate([point, jax.random.uniform(own, (count - filled,), dtype)])
        return Person(
            sex=jnp.full((), -1, jnp.int32),
            measurement=jnp.full((len(MEASUREMENTS),), jnp.nan, dtype),
            subject=BodySubject(self.low + (self.high - self.low) * point),
            range_of_motion=jnp.ones((self.planes,), dtype),
        )
