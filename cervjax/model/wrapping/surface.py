"""What a wrap object does to a straight segment of a path, as OpenSim decides it.

A surface is one file: a class of `AbstractWrapSurface`, registered for a class of wrap objects.
"""

import abc
from collections.abc import Callable
from enum import IntEnum
from typing import ClassVar, NamedTuple, TypeVar, get_args

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from cervjax.math.rotation import dot
from cervjax.spec import AbstractWrapObject, WrapMethod

from .vectors import length_of, unit


class WrapOutcome(IntEnum):
    """OpenSim's `WrapObject::WrapAction`.

    NO_WRAP: the segment passes by. INSIDE_RADIUS: an end of it is inside. WRAPPED: it is wrapped,
    and another segment may be wrapped with less change. MANDATORY: it runs through the surface.
    """

    NO_WRAP = 0
    INSIDE_RADIUS = 1
    WRAPPED = 2
    MANDATORY = 3


class Wrapped(NamedTuple):
    """A segment over a surface, in the surface's frame.

    Attributes:
        outcome: a `WrapOutcome`.
        first, last: m, where the path comes onto the surface, and where it leaves it.
        length: m, on the surface.
    """

    outcome: Int[Array, ""]
    first: Float[Array, " 3"]
    last: Float[Array, " 3"]
    length: Float[Array, ""]

    def change(self, start: Float[Array, " 3"], end: Float[Array, " 3"]) -> Float[Array, ""]:
        """By how much (m) the way over the surface is longer than the segment (ends in m)."""
        way = length_of(self.first - start) + self.length + length_of(end - self.last)
        return way - length_of(end - start)


class Side(NamedTuple):
    """Which half of a surface a path has to be on.

    Attributes:
        axis: unit vector of the surface's frame.
        sign: of the component along it; zero where any side will do.
    """

    axis: Float[Array, " 3"]
    sign: Float[Array, ""]

    def of(self, point: Float[Array, " 3"]) -> Bool[Array, ""]:
        """Whether a point (m) is on the half that is asked for; zero counts as positive."""
        along = jnp.sum(self.axis * point)
        return jnp.where(along >= 0, 1.0, -1.0) == self.sign

    def outcome(
        self,
        start: Float[Array, " 3"],
        end: Float[Array, " 3"],
        near: Float[Array, " 3"],
        through: Bool[Array, ""],
    ) -> Int[Array, ""]:
        """What becomes of a segment where a side is asked for.

        Args:
            start, end: m, of the segment.
            near: m, its point that is nearest to the surface's middle.
            through: whether it runs through the surface.

        Returns:
            A `WrapOutcome`; a segment with neither end on the side is wrapped in any case.
        """
        starts, ends = self.of(start), self.of(end)
        aside = (starts != ends) & ~self.of(near)
        missed = jnp.where(aside, int(WrapOutcome.WRAPPED), int(WrapOutcome.NO_WRAP))
        on_side = jnp.where(through, int(WrapOutcome.MANDATORY), missed)
        return jnp.where(starts | ends, on_side, int(WrapOutcome.WRAPPED))


class WrapTask(NamedTuple):
    """What a segment is to be wrapped over.

    Attributes:
        size: m, see `AbstractWrapSurface.size`.
        side: that is asked for.
        method: index into `WRAP_METHODS`.
    """

    size: Float[Array, " n"]
    side: Side
    method: Int[Array, ""]


WRAP_METHODS = get_args(WrapMethod)
"""Names of the ways to choose the plane of a path over an ellipsoid."""


class Look(NamedTuple):
    """What a choice between segments asks of each.

    Attributes:
        outcome: a `WrapOutcome`.
        change: m, by how much wrapping makes the path longer; asked of `WRAPPED` ones only.
    """

    outcome: Int[Array, ""]
    change: Float[Array, ""]


def nearest_pair(
    firsts: tuple[Float[Array, " 3"], Float[Array, " 3"]],
    lasts: tuple[Float[Array, " 3"], Float[Array, " 3"]],
    spoke: Callable[[Float[Array, " 3"]], Float[Array, " 3"]],
) -> tuple[Float[Array, " 3"], Float[Array, " 3"]]:
    """Of two tangent points at either end of a path, those with the least angle between them.

    Args:
        firsts, lasts: m.
        spoke: from a tangent point to the direction that is compared.

    Returns:
        One of each, m.
    """
    pairs = [(first, last) for first in firsts for last in lasts]
    closeness = jnp.stack([dot(unit(spoke(a)), unit(spoke(b))) for a, b in pairs])
    # OpenSim takes a later pair where two are equally near.
    best = 3 - jnp.argmax(closeness[::-1])
    first, last = (jnp.stack(points) for points in zip(*pairs, strict=True))
    return first[best], last[best]


class AbstractWrapSurface(abc.ABC):
    """The geometry of one kind of wrap object; functions of arrays, no state.

    Attributes:
        sizes: how many numbers `size` has.
    """

    sizes: ClassVar[int]

    @staticmethod
    @abc.abstractmethod
    def size(wrap_object: AbstractWrapObject) -> tuple[float, ...]:
        """The numbers that make it large or small.

        Args:
            wrap_object: of the kind.

        Returns:
            m, as many for every object of the kind.
        """

    @staticmethod
    @abc.abstractmethod
    def scaled(
        size: Float[Array, " n"], stretch: Float[Array, " 3"], factors: Float[Array, " 3"]
    ) -> Float[Array, " n"]:
        """The size in a person whose body is scaled, as `Model.scale` has it.

        Args:
            size: m.
            stretch: how much longer vectors along the axes of the surface's frame become.
            factors: of the body along its own axes.

        Returns:
            m.
        """

    @staticmethod
    @abc.abstractmethod
    def resized(wrap_object: AbstractWrapObject, size: tuple[float, ...]) -> AbstractWrapObject:
        """The wrap object with another size.

        Args:
            wrap_object: of the kind.
            size: m.

        Returns:
            A copy.
        """

    @staticmethod
    @abc.abstractmethod
    def wrap(
        task: WrapTask, start: Float[Array, " 3"], end: Float[Array, " 3"], *, alone: bool
    ) -> Wrapped:
        """The segment from `start` to `end` over the surface.

        Args:
            task: the surface.
            start, end: m, in the surface's frame.
            alone: whether it is the only surface of the path; OpenSim then leaves the tangent
                points of cylinders where it finds them first.

        Returns:
            What OpenSim's `wrapLine` does; finite also where it is not used.
        """

    @classmethod
    def look(cls, task: WrapTask, start: Float[Array, " 3"], end: Float[Array, " 3"]) -> Look:
        """What becomes of a segment; cheaper than `wrap` where a kind knows how.

        Args:
            task: the surface.
            start, end: m, in the surface's frame.

        Returns:
            See `Look`.
        """
        found = cls.wrap(task, start, end, alone=True)
        return Look(found.outcome, found.change(start, end))


WRAP_SURFACES: dict[type[AbstractWrapObject], type[AbstractWrapSurface]] = {}
"""The geometry of each class of wrap objects."""

_Surface = TypeVar("_Surface", bound=AbstractWrapSurface)


def register_wrap_surface(
    kind: type[AbstractWrapObject],
) -> Callable[[type[_Surface]], type[_Surface]]:
    """Make a geometry known.

    Args:
        kind: the class of wrap objects that has it.

    Returns:
        A decorator that gives back the class.
    """

    def known(surface: type[_Surface]) -> type[_Surface]:
        WRAP_SURFACES[kind] = surface
        return surface

    return known
