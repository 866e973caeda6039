"""What a muscle's path does between two fixed points where it is not straight.

A path element is one file: a class of `AbstractPathElement`, registered for the classes of path
components of a `ModelSpec` that it evaluates. It gives the length of its stretches, the lines along
which they pull on bodies, and how their length changes with the coordinates while all bodies are
held: what a point that moves in its body adds.
"""

import abc
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple, Self, TypeVar

import equinox as eqx
from jaxtyping import Array, Float

from cervjax.spec import AbstractPathComponent, AbstractWrapObject, ModelSpec, PathWrap


class Stretch(NamedTuple):
    """A part of a muscle's path between two fixed points.

    Attributes:
        muscle: index.
        first, last: indices of the fixed points into `Model.path_point_location`; -1 for a whole
            path, which has none there.
        first_body, last_body: indices of the bodies that these are fixed in.
        components: what lies between them, in order; all of a whole path.
        wraps: of a whole path.
    """

    muscle: int
    first: int
    last: int
    first_body: int
    last_body: int
    components: tuple[AbstractPathComponent, ...]
    wraps: tuple[PathWrap, ...] = ()


class Line(NamedTuple):
    """A straight line along which a stretch pulls two bodies together.

    Attributes:
        muscle: index.
        first, last: indices of the bodies.
    """

    muscle: int
    first: int
    last: int


class PathFrame(NamedTuple):
    """Where everything is in one frame.

    Attributes:
        q: rad or m.
        coordinate: rad or m, all of the model's coordinates.
        coordinate_rate: their change with `q`.
        rotation: of each body, to ground.
        position: m, of each body's origin in ground.
        point: m, of each fixed path point in ground.
    """

    q: Float[Array, " q"]
    coordinate: Float[Array, " coordinates"]
    coordinate_rate: Float[Array, "coordinates q"]
    rotation: Float[Array, "bodies 3 3"]
    position: Float[Array, "bodies 3"]
    point: Float[Array, "points 3"]


class PathLines(NamedTuple):
    """What the stretches of one element do in one frame.

    Attributes:
        length: m, of each stretch.
        pull: force of a unit tension on each line's first body, in ground; zero for a line that
            does not pull. A straight line's is the unit vector from its first to its last end.
        couple: m, moment of it about ground's origin; a straight line's is `cross(start, pull)`.
        own_rate: m/rad (or m/m), change of each stretch's length with `q`, all bodies held.
        spin: m, added to `couple` for the lengthening speed alone: an error of OpenSim's, where it
            is repeated.
    """

    length: Float[Array, " stretches"]
    pull: Float[Array, "lines 3"]
    couple: Float[Array, "lines 3"]
    own_rate: Float[Array, "stretches q"]
    spin: Float[Array, "lines 3"] | None = None


class AbstractPathElement(eqx.Module):
    """All stretches of one kind, in every muscle.

    Attributes:
        whole: whether stretches are whole paths, from a muscle's origin to its insertion.
        has_lines: whether it tells where muscles pull, as loads of joints need.
        stretches: which they are; static.
    """

    whole: ClassVar[bool] = False
    has_lines: ClassVar[bool] = True

    stretches: eqx.AbstractVar[tuple[Stretch, ...]]

    @classmethod
    @abc.abstractmethod
    def build(cls, stretches: Sequence[Stretch], spec: ModelSpec) -> Self:
        """The element of `stretches`.

        Args:
            stretches: all of this kind; indices of bodies count ground first.
            spec: of the model.

        Returns:
            Numbers as leaves, the rest static.
        """

    @abc.abstractmethod
    def lines(self) -> tuple[Line, ...]:
        """The lines of all stretches.

        Returns:
            A fixed number; one that is not always there has a zero `pull`.
        """

    @abc.abstractmethod
    def evaluate(self, frame: PathFrame) -> PathLines:
        """The stretches in one frame; vmap for many.

        Args:
            frame: where everything is.

        Returns:
            Lengths (m), lines, and own rates.
        """

    @abc.abstractmethod
    def scaled(self, scale: Float[Array, "bodies 3"]) -> Self:
        """The element of a person whose bodies are scaled.

        Args:
            scale: of each body along its axes.

        Returns:
            Numbers given in the frame of a body, scaled with it.

        Raises:
            ValueError: the element does not follow scaled bodies.
        """

    def reproducing_opensim(self) -> Self:
        """The element that also repeats where OpenSim's own lengths and moment arms do not fit.

        Returns:
            Itself where there is no such difference.
        """
        return self

    def written(self, k: int) -> tuple[AbstractPathComponent, ...]:
        """The components of a stretch with the numbers that the element holds.

        Args:
            k: which stretch.

        Returns:
            As many as the stretch has; its own where the element holds no others.
        """
        return self.stretches[k].components

    def written_wraps(
        self, wrap_objects: Sequence[AbstractWrapObject]
    ) -> tuple[AbstractWrapObject, ...]:
        """Wrap objects with the numbers that the element holds.

        Args:
            wrap_objects: of the spec that it was built from.

        Returns:
            As many; those given where the element holds no others.
        """
        return tuple(wrap_objects)


PATH_ELEMENTS: dict[type[AbstractPathComponent], type[AbstractPathElement]] = {}
"""The element that evaluates each class of path components."""

_Element = TypeVar("_Element", bound=AbstractPathElement)


def register_path_element(
    *components: type[AbstractPathComponent],
) -> Callable[[type[_Element]], type[_Element]]:
    """Make a class evaluate path components.

    Args:
        components: classes of components; a stretch with any of them is the element's.

    Returns:
        A decorator that gives back the class.
    """

    def known(element: type[_Element]) -> type[_Element]:
        PATH_ELEMENTS.update(dict.fromkeys(components, element))
        return element

    return known
