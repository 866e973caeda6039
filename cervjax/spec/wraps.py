"""Surfaces that paths wrap over, in OpenSim's terms; m, rad."""

from dataclasses import dataclass
from typing import Literal, TypeVar

from .path_components import Vec3

Quadrant = Literal["all", "x", "-x", "y", "-y", "z", "-z"]


@dataclass(frozen=True, slots=True)
class AbstractWrapObject:
    """A surface fixed in a body; frozen dataclasses of plain values.

    Attributes:
        body: name of the body.
        translation: m, of the surface's frame in the body's.
        xyz_body_rotation: rad, body-fixed X-Y-Z angles of the surface's frame.
        quadrant: half of the surface that paths have to be on; `all` for the nearer side.
        active: whether paths wrap over it at all.
    """

    name: str
    body: str
    translation: Vec3 = (0.0, 0.0, 0.0)
    xyz_body_rotation: Vec3 = (0.0, 0.0, 0.0)
    quadrant: Quadrant = "all"
    active: bool = True

    def problems(self) -> list[str]:
        """Sizes that are impossible.

        Returns:
            Names; none where all is well.
        """
        return []


WRAP_OBJECTS: dict[str, type[AbstractWrapObject]] = {}
"""Classes of wrap objects by their names in tables, which are OpenSim's."""

_Wrap = TypeVar("_Wrap", bound=AbstractWrapObject)


def register_wrap_object(kind: type[_Wrap]) -> type[_Wrap]:
    """Make a class of wrap objects known to tables.

    Args:
        kind: a frozen dataclass of plain values.

    Returns:
        The class itself: this is a decorator.
    """
    WRAP_OBJECTS[kind.__name__] = kind
    return kind


@register_wrap_object
@dataclass(frozen=True, slots=True)
class WrapCylinder(AbstractWrapObject):
    """A cylinder about the z axis of its frame; `radius` and `length` in m."""

    radius: float = 1.0
    length: float = 1.0

    def problems(self) -> list[str]:
        """Sizes that are not positive.

        Returns:
            Names.
        """
        return [n for n in ("radius", "length") if not getattr(self, n) > 0]


@register_wrap_object
@dataclass(frozen=True, slots=True)
class WrapSphere(AbstractWrapObject):
    """A sphere about the origin of its frame; `radius` in m."""

    radius: float = 1.0

    def problems(self) -> list[str]:
        """A radius that is not positive.

        Returns:
            Its name.
        """
        return ["radius"] if not self.radius > 0 else []


@register_wrap_object
@dataclass(frozen=True, slots=True)
class WrapEllipsoid(AbstractWrapObject):
    """An ellipsoid about the origin of its frame; `dimensions` are its three radii, m."""

    dimensions: Vec3 = (0.05, 0.05, 0.05)

    def problems(self) -> list[str]:
        """Radii that are not positive.

        Returns:
            Their name.
        """
        return ["dimensions"] if not min(self.dimensions) > 0 else []


@register_wrap_object
@dataclass(frozen=True, slots=True)
class WrapTorus(AbstractWrapObject):
    """A torus about the z axis of its frame, through whose hole paths run.

    Attributes:
        inner_radius: m, of the tube.
        outer_radius: m, of the circle that runs in the middle of the tube.
    """

    inner_radius: float = 0.01
    outer_radius: float = 0.05

    def problems(self) -> list[str]:
        """Radii that are not positive, or a tube that fills the hole.

        Returns:
            Names.
        """
        wrong = [n for n in ("inner_radius", "outer_radius") if not getattr(self, n) > 0]
        return wrong or ["outer_radius - inner_radius"] * (self.outer_radius <= self.inner_radius)
