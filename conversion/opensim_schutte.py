"""OpenSim's Schutte1993Muscle_Deprecated, which its bindings do not have: by its properties."""

import xml.etree.ElementTree as ET
from typing import Any, cast

import opensim

from cervjax.spec import SchutteCurves, SimmSpline

from .opensim_functions import read_function
from .refusals import because

SCHUTTE = "Schutte1993Muscle_Deprecated"


class _Numbers:
    """Numbers of a component, as it would be written to a file."""

    def __init__(self, component: Any) -> None:
        self._element = ET.fromstring(component.dump())

    def __call__(self, name: str, default: float) -> float:
        return float(self._element.findtext(name) or default)


def schutte_numbers(muscle: Any) -> _Numbers:
    """The muscle's numbers by name, with a default for each.

    Args:
        muscle: of OpenSim.

    Returns:
        A function of a name and a default; in the muscle's units.
    """
    return _Numbers(muscle)


def schutte_curves(muscle: Any) -> SchutteCurves:
    """The shape of the muscle; it must have no `schutte_problem`.

    Args:
        muscle: of OpenSim.

    Returns:
        No unit, and s.
    """
    given, usual = _Numbers(muscle), SchutteCurves()
    exponential = muscle.getPropertyByName("passive_force_length_curve").getValueIsDefault()
    return SchutteCurves(
        given("activation1", usual.activation1),
        given("activation2", usual.activation2),
        given("time_scale", usual.time_scale),
        cast(SimmSpline, read_function(_curve(muscle, "active"))),
        None if exponential else cast(SimmSpline, read_function(_curve(muscle, "passive"))),
        cast(SimmSpline, read_function(_curve(muscle, "tendon"))),
    )


def _curve(muscle: Any, which: str) -> Any:
    return muscle.getPropertyByName(f"{which}_force_length_curve").getValueAsObject()


def schutte_problem(muscle: Any) -> str | None:
    """What keeps a Schutte1993Muscle_Deprecated from being carried.

    Args:
        muscle: of OpenSim.

    Returns:
        A phrase; None where nothing does.
    """
    for which in ("active", "passive", "tendon"):
        kind = _curve(muscle, which).getConcreteClassName()
        if kind != "SimmSpline":
            return because("curve", which, kind)
    slack = opensim.Muscle.safeDownCast(muscle).getTendonSlackLength()
    if not slack > 0:
        return because("no_tendon", slack)
    fastest = opensim.Muscle.safeDownCast(muscle).getMaxContractionVelocity()
    scale = _Numbers(muscle)("time_scale", SchutteCurves().time_scale)
    if not scale > 0 or abs(fastest * scale - 1) > 1e-6:
        return because("time_scale", fastest, scale)
    return None
