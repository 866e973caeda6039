"""What a muscle's path is made of, in OpenSim's terms; m, rad."""

import functools
import math
from dataclasses import dataclass
from typing import Literal, TypeVar

from .functions import Function

Vec3 = tuple[float, float, float]


class AbstractPathComponent:
    """What a muscle's path is made of; frozen dataclasses with a `name`.

    A class beside `PathPoint` needs a path element (`cervjax.model.register_path_element`), and
    `register_path_component` to be stored in tables.
    """

    __slots__ = ()

    name: str

    def attached_to(self) -> tuple[str, ...]:
        """Names of the bodies that the component is fixed in.

        Returns:
            Names, which the model must have.
        """
        return ()

    def follows(self) -> tuple[str, ...]:
        """Names of the coordinates that the component looks at.

        Returns:
            Names, which the model must have.
        """
        return ()


PATH_COMPONENTS: dict[str, type[AbstractPathComponent]] = {}
"""Classes of path components by the names that tables have for them."""

_Component = TypeVar("_Component", bound=AbstractPathComponent)


def register_path_component(component: type[_Component]) -> type[_Component]:
    """Make a class of path components known to tables.

    Args:
        component: a frozen dataclass of plain values.

    Returns:
        The class itself: this is a decorator.
    """
    PATH_COMPONENTS[component.__name__] = component
    return component


@register_path_component
@dataclass(frozen=True, slots=True)
class PathPoint(AbstractPathComponent):
    """A point of a muscle's path; `location` in m in the frame of `body`."""

    name: str
    body: str
    location: Vec3

    def attached_to(self) -> tuple[str, ...]:
        """The body.

        Returns:
            One name.
        """
        return (self.body,)


@register_path_component
@dataclass(frozen=True, slots=True)
class MovingPathPoint(AbstractPathComponent):
    """OpenSim's MovingPathPoint: it moves in its body with a coordinate.

    Attributes:
        location: m in the frame of `body`, each along one axis, of the coordinate (rad or m), which
            is held inside its range.
        coordinate: name, for each axis; empty where the axis does not move.
    """

    name: str
    body: str
    location: tuple[Function, Function, Function]
    coordinate: tuple[str, str, str]

    def attached_to(self) -> tuple[str, ...]:
        """The body.

        Returns:
            One name.
        """
        return (self.body,)

    def follows(self) -> tuple[str, ...]:
        """The coordinates.

        Returns:
            Names.
        """
        return tuple(dict.fromkeys(c for c in self.coordinate if c))


@register_path_component
@dataclass(frozen=True, slots=True)
class ConditionalPathPoint(AbstractPathComponent):
    """OpenSim's ConditionalPathPoint: part of the path while a coordinate is in a range.

    Attributes:
        location: m in the frame of `body`.
        coordinate: name.
        range: rad or m; OpenSim widens it by 1e-5 at both ends.
    """

    name: str
    body: str
    location: Vec3
    coordinate: str
    range: tuple[float, float]

    def attached_to(self) -> tuple[str, ...]:
        """The body.

        Returns:
            One name.
        """
        return (self.body,)

    def follows(self) -> tuple[str, ...]:
        """The coordinate.

        Returns:
            One name.
        """
        return (self.coordinate,)


@dataclass(frozen=True, slots=True)
class MultivariatePolynomialFunction:
    """OpenSim's polynomial of several variables.

    Attributes:
        coefficients: of `monomials`, in their order.
        dimension: number of variables.
        order: largest sum of exponents.
    """

    coefficients: tuple[float, ...]
    dimension: int
    order: int


@functools.cache
def monomials(dimension: int, order: int) -> tuple[tuple[int, ...], ...]:
    """Exponents of all monomials, in the order of OpenSim's MultivariatePolynomialFunction.

    Args:
        dimension: number of variables.
        order: largest sum of exponents.

    Returns:
        One row per monomial, one exponent per variable.
    """
    if dimension == 0:
        return ((),)
    return tuple(
        (first, *rest)
        for first in range(order + 1)
        for rest in monomials(dimension - 1, order - first)
    )


@register_path_component
@dataclass(frozen=True, slots=True)
class FunctionBasedPath(AbstractPathComponent):
    """OpenSim's FunctionBasedPath: a whole path given by its length alone.

    Attributes:
        coordinates: names, of the variables of `length_function`.
        length_function: m, of the coordinates in rad or m.
    """

    name: str
    coordinates: tuple[str, ...]
    length_function: MultivariatePolynomialFunction

    def follows(self) -> tuple[str, ...]:
        """The coordinates.

        Returns:
            Names.
        """
        return self.coordinates

    def problems(self) -> list[str]:
        """What does not fit together.

        Returns:
            Phrases; none where all is well.
        """
        function, found = self.length_function, []
        needed = math.comb(function.dimension + function.order, function.order)
        if not self.coordinates or len(set(self.coordinates)) != len(self.coordinates):
            found.append("it needs one or more coordinates, each once")
        if function.dimension != len(self.coordinates):
            found.append(
                f"its polynomial has {function.dimension} variables for "
                f"{len(self.coordinates)} coordinates"
            )
        elif len(function.coefficients) != needed:
            found.append(
                f"its polynomial of order {function.order} in {function.dimension} variables has "
                f"{len(function.coefficients)} coefficients, not {needed}"
            )
        return found


WrapMethod = Literal["hybrid", "midpoint", "axial"]


@dataclass(frozen=True, slots=True)
class PathWrap:
    """OpenSim's PathWrap: that a path may wrap over an object.

    Attributes:
        wrap_object: name.
        method: of ellipsoids.
        range: first and last point of the path between which it may, counted from 1; -1 for the
            path's own ends.
    """

    name: str
    wrap_object: str
    method: WrapMethod = "hybrid"
    range: tuple[int, int] = (-1, -1)
