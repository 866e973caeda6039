"""What cannot be converted, why, and what to do: one list, for error messages and for the docs.

`python -m conversion.refusals docs/refused.md` writes the page; a test holds it to the code.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import opensim


class Refusal(NamedTuple):
    """A condition under which a component is refused.

    Attributes:
        components: that it is about.
        why: the phrase of the error; `{}` stands for what the model has.
        remedy: what to do.
    """

    components: str
    why: str
    remedy: str


_SWITCH_OFF = "remove it, or switch it off in OpenSim (it is then left out and listed)"

CONDITIONS: dict[str, Refusal] = {
    "elsewhere": Refusal(
        "forces, joints, bodies, markers, couplers",
        "{} outside {}",
        "move it into the set of its kind (ForceSet, JointSet, ...)",
    ),
    "driven": Refusal(
        "PointActuator, TorqueActuator, BodyActuator, PointToPointActuator",
        "{}: driven by a controller",
        "remove the controller; give the load as ExternalLoads (`--loads`)",
    ),
    "path": Refusal(
        "muscles, Ligament, PathSpring",
        "its path is a {}",
        "use a GeometryPath, or for a muscle a FunctionBasedPath",
    ),
    "length_function": Refusal(
        "FunctionBasedPath",
        "the length_function of its path is a {}",
        "fit a MultivariatePolynomialFunction (`cervjax convert --fit-paths all`)",
    ),
    "own_functions": Refusal(
        "FunctionBasedPath",
        "its path has {} of its own",
        "remove them: moment arms and speeds are then the derivatives of length_function",
    ),
    "wraps_over": Refusal(
        "muscles, Ligament, PathSpring",
        "its path wraps over a {}",
        "use a WrapCylinder, WrapSphere, WrapEllipsoid or WrapTorus",
    ),
    "passive": Refusal(
        "DeGrooteFregly2016Muscle",
        "ignore_passive_fiber_force is true",
        "set it to false",
    ),
    "pennation": Refusal(
        "Millard2012EquilibriumMuscle, Thelen2003Muscle",
        "maximum_pennation_angle is {}, not acos(0.1)",
        "set OpenSim's default, the only one that the muscle models here have",
    ),
    "curve": Refusal(
        "Schutte1993Muscle_Deprecated",
        "its {} force-length curve is a {}",
        "use a SimmSpline",
    ),
    "no_tendon": Refusal(
        "Schutte1993Muscle_Deprecated",
        "tendon_slack_length {} m",
        "give it a tendon, or use a Millard2012EquilibriumMuscle",
    ),
    "time_scale": Refusal(
        "Schutte1993Muscle_Deprecated",
        "max_contraction_velocity {} is not the inverse of time_scale {}",
        "make them agree: OpenSim's static optimization looks at (and divides by) the first, its "
        "simulation at the second",
    ),
    "inertia": Refusal(
        "Body",
        "inertia {}, {}, {}, {}, {}, {} kg m^2, which no body has",
        "mend it: moments are not negative, and products no greater than their moments allow; "
        "`--allow-unsupported` computes with it as it is, as OpenSim does",
    ),
    "undefined": Refusal(
        "Coordinate",
        "moves nothing: no axis of its joint follows it",
        "remove it from the joint, or give it an axis",
    ),
    "offset_frame": Refusal(
        "MovingPathPoint", "in an offset frame", "express it in the frame of the body"
    ),
    "axis_function": Refusal(
        "CustomJoint",
        "axis {} uses {}",
        "use one of the functions that convert; of several coordinates, a LinearFunction or a "
        "MultivariatePolynomialFunction",
    ),
    "function": Refusal(
        "MovingPathPoint, CoordinateCouplerConstraint, Ligament",
        "uses {}",
        "use one of the functions that convert, such as a SimmSpline through its values; of "
        "several coordinates, a LinearFunction or a MultivariatePolynomialFunction",
    ),
    "drivers": Refusal(
        "CoordinateCouplerConstraint",
        "driven by no coordinate",
        "name its independent coordinate, or lock the dependent one",
    ),
    "prescribed": Refusal(
        "Coordinate",
        "prescribed by a {}",
        "lock it and give its values with the motion (`Model.from_spec(prescribed=...)`); one that "
        "is prescribed by a Constant converts, locked there",
    ),
}
"""By the names that the checks have for them."""

KINDS: dict[str, tuple[str, str]] = {
    "Muscle": (
        "another muscle model",
        "replace it by a Millard2012EquilibriumMuscle, Thelen2003Muscle or "
        "DeGrooteFregly2016Muscle",
    ),
    "Actuator": (
        "an actuator that static optimization here does not have",
        "use a CoordinateActuator, PointActuator or TorqueActuator, or switch it off (a "
        "BodyActuator or PointToPointActuator that nothing drives, and that is on no floating "
        "base, is left out)",
    ),
    "Force": (
        "a force that has no law here",
        f"give it as ExternalLoads or as one of the forces that convert; or {_SWITCH_OFF}",
    ),
    "Constraint": (
        "it closes a loop (or ties a point): the free coordinates then depend on each other at "
        "every pose, which would take solving for the dependent ones in each frame and carrying "
        "the constraint's forces as unknowns beside the muscles'",
        "replace it by a CoordinateCouplerConstraint fitted over the range of movement, or cut the "
        "loop with a joint",
    ),
    "Joint": ("its motion has no description here", "replace it by a CustomJoint"),
    "Function": (
        "it has no description here",
        "replace it by a SimmSpline or PiecewiseLinearFunction through its values",
    ),
    "AbstractGeometryPath": (
        "another kind of path",
        "use a GeometryPath, or for a muscle a FunctionBasedPath",
    ),
    "Frame": ("a frame defined by other points", "use a PhysicalOffsetFrame"),
}
"""Classes of OpenSim: why and remedy for those of each that do not convert."""

OTHER = ("it has no description here", "remove it from the model")


def because(key: str, *what: object) -> str:
    """The phrase of a condition.

    Args:
        key: of `CONDITIONS`.
        what: the model has.

    Returns:
        A phrase for an error.
    """
    return CONDITIONS[key].why.format(*what)


def registered(base: str) -> list[str]:
    """Concrete classes of OpenSim of a kind, which belong to no earlier one of `KINDS`.

    Args:
        base: a class of OpenSim, of `KINDS` or another.

    Returns:
        Names, sorted.
    """
    names = opensim.ArrayStr()
    opensim.OpenSimObject.getRegisteredTypenames(names)
    kinds = {names.get(i): getattr(opensim, names.get(i), None) for i in range(names.getSize())}
    order = list(KINDS)
    before = order[: order.index(base)] if base in order else []
    earlier = tuple(getattr(opensim, kind) for kind in before)
    return sorted(
        name
        for name, kind in kinds.items()
        if isinstance(kind, type)
        and issubclass(kind, getattr(opensim, base))
        and not issubclass(kind, earlier)
    )


def page() -> str:
    """The page of the docs.

    Returns:
        Markdown.
    """
    # The checks use this module: they are asked only when the page is written.
    from .opensim_support import is_carried

    lines = [
        "# What is refused",
        "",
        "Whatever of an OpenSim model is not listed here converts, or does nothing in an analysis.",
        "What is refused is named with its path in the model; `--allow-unsupported` leaves it out",
        "(but for joints and the functions in them) and lists it in every result. This page is",
        "written by `python -m conversion.refusals docs/refused.md` from the converter's own list,",
        f"with the classes of OpenSim {opensim.GetVersion().split('-')[0]}.",
        "",
        "## Components",
        "",
        "| component | why | what to do |",
        "| --- | --- | --- |",
    ]
    for base, (why, remedy) in KINDS.items():
        refused = [name for name in registered(base) if not is_carried(name)]
        if refused:
            lines.append(f"| {', '.join(refused)} | {why} | {remedy} |")
    lines.append(f"| any other class | {OTHER[0]} | {OTHER[1]} |")
    lines += ["", "## Components that convert, but not like this", ""]
    lines += ["| component | what is refused | what to do |", "| --- | --- | --- |"]
    for refusal in CONDITIONS.values():
        lines.append(
            f"| {refusal.components} | {refusal.why.replace('{}', '…')} | {refusal.remedy} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
