"""Passive forces along coordinates, in OpenSim's terms and in SI units: N m or N, rad or m."""

from dataclasses import dataclass
from typing import TypeVar

from .expressions import Expression, parse_expression


@dataclass(frozen=True, slots=True)
class AbstractCoordinateForce:
    """A force along a coordinate that follows from its value and its speed.

    Attributes:
        coordinate: name.
    """

    name: str
    coordinate: str

    def problems(self) -> list[str]:
        """What is impossible.

        Returns:
            Phrases; none where all is well.
        """
        return []


COORDINATE_FORCES: dict[str, type[AbstractCoordinateForce]] = {}
"""Classes of such forces by their names in tables, which are OpenSim's."""

_Force = TypeVar("_Force", bound=AbstractCoordinateForce)


def register_coordinate_force(kind: type[_Force]) -> type[_Force]:
    """Make a class of forces along coordinates known to tables.

    Args:
        kind: a frozen dataclass of plain values.

    Returns:
        The class itself: this is a decorator.
    """
    COORDINATE_FORCES[kind.__name__] = kind
    return kind


@register_coordinate_force
@dataclass(frozen=True, slots=True)
class CoordinateLimitForce(AbstractCoordinateForce):
    """Springs and dampers that set in beyond two limits. OpenSim's file has them in degrees for a
    rotational coordinate; here they are in radians.

    Attributes:
        upper_limit, lower_limit: rad or m.
        upper_stiffness, lower_stiffness: N m/rad or N/m, reached `transition` beyond the limit.
        damping: N m s/rad or N s/m, likewise.
        transition: rad or m.
    """

    upper_stiffness: float = 1.0
    upper_limit: float = 0.0
    lower_stiffness: float = 1.0
    lower_limit: float = 0.0
    damping: float = 0.001
    transition: float = 0.1

    def problems(self) -> list[str]:
        """Stiffnesses and a transition that are not positive.

        Returns:
            Phrases.
        """
        positive = ("upper_stiffness", "lower_stiffness", "transition")
        return [f"{n} must be positive" for n in positive if not getattr(self, n) > 0]


@register_coordinate_force
@dataclass(frozen=True, slots=True)
class SpringGeneralizedForce(AbstractCoordinateForce):
    """A spring and a damper along a coordinate: `-stiffness (q - rest_length) - viscosity qdot`.

    Attributes:
        stiffness: N m/rad or N/m.
        rest_length: rad or m.
        viscosity: N m s/rad or N s/m.
    """

    stiffness: float = 0.0
    rest_length: float = 0.0
    viscosity: float = 0.0


@register_coordinate_force
@dataclass(frozen=True, slots=True)
class ExpressionBasedCoordinateForce(AbstractCoordinateForce):
    """A force given by an expression of `q` and `qdot`, as OpenSim's parser (Lepton) reads it.

    Attributes:
        expression: N m or N.
    """

    expression: str = "0.0"

    def parsed(self) -> Expression:
        """What the expression says.

        Returns:
            A tree of operations.

        Raises:
            ValueError: it is none that is known here.
        """
        return parse_expression(self.expression, ("q", "qdot"))

    def problems(self) -> list[str]:
        """An expression that cannot be read.

        Returns:
            Why not.
        """
        try:
            self.parsed()
        except ValueError as error:
            return [str(error)]
        return []
