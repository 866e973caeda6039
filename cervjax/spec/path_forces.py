"""Passive forces along paths, in OpenSim's terms: ligaments and springs; N, m."""

from dataclasses import dataclass
from typing import TypeVar

from .functions import Function, SimmSpline
from .path_components import AbstractPathComponent, PathWrap


@dataclass(frozen=True, slots=True)
class AbstractPathForce:
    """A tension that follows from a path's length and lengthening speed.

    Attributes:
        path: as of a muscle.
        wraps: as of a muscle.
        resting_length: m, up to which there is no tension; scales with the path.
    """

    name: str
    path: tuple[AbstractPathComponent, ...]
    wraps: tuple[PathWrap, ...] = ()
    resting_length: float = 1.0

    def problems(self) -> list[str]:
        """What is impossible.

        Returns:
            Phrases; none where all is well.
        """
        return ["resting_length must be positive"] if not self.resting_length > 0 else []


PATH_FORCES: dict[str, type[AbstractPathForce]] = {}
"""Classes of such forces by their names in tables, which are OpenSim's."""

_Force = TypeVar("_Force", bound=AbstractPathForce)


def register_path_force(kind: type[_Force]) -> type[_Force]:
    """Make a class of forces along paths known to tables.

    Args:
        kind: a frozen dataclass of plain values.

    Returns:
        The class itself: this is a decorator.
    """
    PATH_FORCES[kind.__name__] = kind
    return kind


_LIGAMENT_CURVE = SimmSpline(
    (-5.0, 0.998, 0.999, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.601, 1.602, 5.0),
    (0.0, 0.0, 0.0, 0.0, 0.035, 0.12, 0.26, 0.55, 1.17, 2.0, 2.0, 2.0, 2.0),
)
"""OpenSim's default."""


@register_path_force
@dataclass(frozen=True, slots=True)
class Ligament(AbstractPathForce):
    """OpenSim's Ligament: `pcsa_force * force_length_curve(length / resting_length)`.

    Attributes:
        pcsa_force: N.
        force_length_curve: no unit, of no unit.
    """

    pcsa_force: float = 0.0
    force_length_curve: Function = _LIGAMENT_CURVE


@register_path_force
@dataclass(frozen=True, slots=True)
class PathSpring(AbstractPathForce):
    """OpenSim's PathSpring: `stiffness * stretch * (1 + dissipation * lengthening speed)`.

    Attributes:
        stiffness: N/m.
        dissipation: s/m.
    """

    stiffness: float = 0.0
    dissipation: float = 0.0

    def problems(self) -> list[str]:
        """A resting length, stiffness or dissipation that is negative.

        Returns:
            Phrases.
        """
        found = (n for n in ("resting_length", "stiffness", "dissipation") if getattr(self, n) < 0)
        return [f"{name} must not be negative" for name in found]
