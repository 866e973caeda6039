"""`ModelSpec`: a whole model as plain data, checked when it is made."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from .actuators import AbstractActuator, CoordinateActuator
from .anatomy import Anatomy
from .components import (
    GROUND,
    Body,
    Bushing,
    Coordinate,
    CoordinateCoupler,
    Joint,
    Marker,
    Muscle,
)
from .coordinate_forces import AbstractCoordinateForce
from .path_components import Vec3
from .path_forces import AbstractPathForce
from .validation import validate
from .wraps import AbstractWrapObject

_T = TypeVar("_T", Body, Muscle, Coordinate, AbstractWrapObject)


@dataclass(frozen=True)
class ModelSpec:
    """An OpenSim model in OpenSim's own terms, SI units, parents before children.

    Attributes:
        gravity: m/s^2, in ground.
        groups: muscle groups by name.
        omitted: paths of components of the source that this spec does not carry.
        credits, publications: as in the source file.
        anatomy: what bodies, coordinates, markers and groups stand for.
        wrap_objects: surfaces that paths wrap over.
        coordinate_forces: passive forces along coordinates.
        path_forces: passive forces along paths: ligaments, springs.

    Raises:
        ValueError: a name is missing or doubled, a tree or a function is malformed, or a number
            is not finite or not possible. The message names the component and the remedy.
    """

    name: str
    bodies: tuple[Body, ...]
    joints: tuple[Joint, ...]
    couplers: tuple[CoordinateCoupler, ...] = ()
    muscles: tuple[Muscle, ...] = ()
    bushings: tuple[Bushing, ...] = ()
    markers: tuple[Marker, ...] = ()
    actuators: tuple[AbstractActuator, ...] = ()
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    gravity: Vec3 = (0.0, -9.80665, 0.0)
    credits: str = ""
    publications: str = ""
    omitted: tuple[str, ...] = ()
    anatomy: Anatomy = field(default_factory=Anatomy)
    wrap_objects: tuple[AbstractWrapObject, ...] = ()
    coordinate_forces: tuple[AbstractCoordinateForce, ...] = ()
    path_forces: tuple[AbstractPathForce, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "joints", parents_first(self.joints))
        validate(self)

    @cached_property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """All coordinates, in the order of the joints."""
        return tuple(c for joint in self.joints for c in joint.coordinates)

    @cached_property
    def free_coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates that are neither locked nor driven by a coupler."""
        tied = {coupler.dependent for coupler in self.couplers}
        return tuple(c.name for c in self.coordinates if not c.locked and c.name not in tied)

    def body(self, name: str) -> Body:
        """The body `name`."""
        return _named(self.bodies, name, "body")

    def muscle(self, name: str) -> Muscle:
        """The muscle `name`."""
        return _named(self.muscles, name, "muscle")

    def wrap_object(self, name: str) -> AbstractWrapObject:
        """The wrap object `name`."""
        return _named(self.wrap_objects, name, "wrap object")

    def coordinate(self, name: str) -> Coordinate:
        """The coordinate `name`."""
        return _named(self.coordinates, name, "coordinate")

    def group(self, name: str) -> tuple[str, ...]:
        """The muscles of the group `name`.

        Returns:
            Their names.

        Raises:
            ValueError: there is no such group.
        """
        groups = dict(self.groups)
        if name not in groups:
            raise ValueError(f"no muscle group {name!r}; there are {sorted(groups)}")
        return groups[name]

    def with_reserves(self, optimal_force: float = 1.0) -> "ModelSpec":
        """The same model with one CoordinateActuator `reserve_<coordinate>` per free coordinate.

        Args:
            optimal_force: N m (N for a translation) at a control of one.

        Returns:
            A copy, whose only actuators these are.

        Raises:
            ValueError: `optimal_force` is not positive.
        """
        if not optimal_force > 0:
            raise ValueError(f"optimal_force of reserves must be positive, got {optimal_force}")
        reserves = tuple(
            CoordinateActuator(f"reserve_{name}", name, optimal_force)
            for name in self.free_coordinates
        )
        return dataclasses.replace(self, actuators=reserves)


def _named(items: Sequence[_T], name: str, kind: str) -> _T:
    for item in items:
        if item.name == name:
            return item
    raise ValueError(f"no {kind} {name!r}; there are {[item.name for item in items]}")


def parents_first(joints: Iterable[Joint]) -> tuple[Joint, ...]:
    """`joints` reordered, as little as possible, so that a parent's joint precedes its child's.

    OpenSim's own coordinate order follows the tree; the JointSet of a file need not.

    Returns:
        All of them.

    Raises:
        ValueError: joints form a loop, or hang on a body that none holds.
    """
    waiting, placed, known = list(joints), [], {GROUND}
    while waiting:
        ready = next((j for j in waiting if j.parent.body in known), None)
        if ready is None:
            names = [j.name for j in waiting]
            raise ValueError(f"joints {names} do not reach ground: a loop or a missing body")
        waiting.remove(ready)
        placed.append(ready)
        known.add(ready.child.body)
    return tuple(placed)
