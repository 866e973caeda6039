"""Actuators beside the muscles, in OpenSim's terms: reserves and residuals; N, N m, m."""

from dataclasses import dataclass
from typing import TypeVar

from .path_components import Vec3


class AbstractActuator:
    """An actuator of `control * optimal_force`; frozen dataclasses with these fields and a name.

    OpenSim's static optimization has the square of its control in the objective.
    """

    __slots__ = ()

    name: str
    optimal_force: float
    min_control: float
    max_control: float

    def attached_to(self) -> tuple[str, ...]:
        """Names of the bodies that it acts on.

        Returns:
            Names, which the model must have; `ground` too.
        """
        return ()

    def acts_along(self) -> str | None:
        """Name of the coordinate that it acts along.

        Returns:
            None for an actuator on bodies.
        """
        return None


ACTUATORS: dict[str, type[AbstractActuator]] = {}
"""Classes of actuators by their names in tables, which are OpenSim's."""

_Actuator = TypeVar("_Actuator", bound=AbstractActuator)


def register_actuator(kind: type[_Actuator]) -> type[_Actuator]:
    """Make a class of actuators known to tables.

    Args:
        kind: a frozen dataclass of plain values.

    Returns:
        The class itself: this is a decorator.
    """
    ACTUATORS[kind.__name__] = kind
    return kind


@register_actuator
@dataclass(frozen=True, slots=True)
class CoordinateActuator(AbstractActuator):
    """A reserve: `control * optimal_force` (N m or N) along `coordinate`."""

    name: str
    coordinate: str
    optimal_force: float = 1.0
    min_control: float = -1000.0
    max_control: float = 1000.0

    def acts_along(self) -> str | None:
        """The coordinate.

        Returns:
            Its name.
        """
        return self.coordinate


@register_actuator
@dataclass(frozen=True, slots=True)
class PointActuator(AbstractActuator):
    """A force on a body: `control * optimal_force` (N) at `point` along `direction`.

    Attributes:
        point: m, in the frame of `body`, or in ground.
        point_is_global: whether it is in ground.
        direction: of any length, in the frame of `body`, or in ground.
        force_is_global: whether it is in ground.
    """

    name: str
    body: str
    point: Vec3 = (0.0, 0.0, 0.0)
    point_is_global: bool = False
    direction: Vec3 = (1.0, 0.0, 0.0)
    force_is_global: bool = False
    optimal_force: float = 1.0
    min_control: float = -1000.0
    max_control: float = 1000.0

    def attached_to(self) -> tuple[str, ...]:
        """The body.

        Returns:
            One name.
        """
        return (self.body,)


@register_actuator
@dataclass(frozen=True, slots=True)
class TorqueActuator(AbstractActuator):
    """A torque of `control * optimal_force` (N m) on `bodyA` about `axis`; the opposite on `bodyB`.

    Attributes:
        axis: of any length, in ground, or in the frame of `bodyA`.
        torque_is_global: whether it is in ground.
    """

    name: str
    bodyA: str
    bodyB: str = "ground"
    axis: Vec3 = (0.0, 0.0, 1.0)
    torque_is_global: bool = True
    optimal_force: float = 1.0
    min_control: float = -1000.0
    max_control: float = 1000.0

    def attached_to(self) -> tuple[str, ...]:
        """Both bodies.

        Returns:
            Two names.
        """
        return self.bodyA, self.bodyB
