"""Which components of an OpenSim model a `NeckSpec` can carry."""

from pathlib import Path
from typing import Any

import opensim

from .opensim_functions import SUPPORTED_JOINTS, function_problem
from .opensim_muscles import SUPPORTED_MUSCLES

_CARRIED = {
    "Ground", "Body", "PhysicalOffsetFrame", "Coordinate", "PathPoint", "GeometryPath",
    "BushingForce", "CoordinateActuator", "CoordinateCouplerConstraint", "Marker",
    *SUPPORTED_JOINTS, *SUPPORTED_MUSCLES,
}  # fmt: skip

_WITHOUT_PHYSICS = {
    "FrameGeometry", "Mesh", "Sphere", "Cylinder", "Ellipsoid", "Brick", "Line", "Arrow",
    "Cone", "Torus", "Appearance", "Station", "WrapObjectSet", "BodySet", "JointSet",
    "ControllerSet", "ConstraintSet", "ForceSet", "MarkerSet", "ContactGeometrySet", "ProbeSet",
    "ComponentSet", "MuscleFixedWidthPennationModel", "MuscleFirstOrderActivationDynamicModel",
}  # fmt: skip
"""Pictures, containers, and the inner models of a muscle that its parameters already give."""


class UnsupportedComponentError(ValueError):
    """A model has components that a `NeckSpec` cannot carry.

    Attributes:
        components: `path (reason)` of each.
    """

    def __init__(self, model: Path, components: list[str]) -> None:
        self.components = tuple(components)
        listed = "\n  ".join(components)
        super().__init__(
            f"{model} has {len(components)} component(s) that cannot be converted:\n  {listed}\n"
            "Remove them from the model, or pass allow_unsupported=True (command line: "
            "--allow-unsupported) to leave them out; the result then carries this list."
        )


def quiet_opensim() -> None:
    """Keep OpenSim from writing `opensim.log` and from warning about missing meshes."""
    opensim.Logger.setLevelString("error")
    opensim.Logger.removeFileSink()


def unsupported_components(model: Any) -> list[str]:
    """`path (reason)` of every component of an OpenSim model that cannot be carried."""
    found = []
    for component in model.getComponentsList():
        reason = _problem(component)
        if reason is not None:
            found.append(f"{component.getAbsolutePathString()} ({reason})")
    return found


def _problem(component: Any) -> str | None:
    kind = component.getConcreteClassName()
    if kind in _WITHOUT_PHYSICS:
        return None
    if kind not in _CARRIED:
        return kind
    check = _CHECKS.get(kind)
    problem = None if check is None else check(getattr(opensim, kind).safeDownCast(component))
    return None if problem is None else f"{kind}: {problem}"


def _force(force: Any) -> str | None:
    return None if force.get_appliesForce() else "disabled (appliesForce is false)"


def _muscle(muscle: Any) -> str | None:
    if muscle.getGeometryPath().getWrapSet().getSize():
        return "its path wraps over wrap objects"
    return _force(muscle)


def _custom_joint(joint: Any) -> str | None:
    transform = joint.getSpatialTransform()
    for i in range(6):
        axis = transform.getTransformAxis(i)
        if axis.getCoordinateNamesInArray().getSize() > 1:
            return f"axis {axis.getName()} is a function of several coordinates"
        problem = function_problem(axis.getFunction())
        if problem is not None:
            return f"axis {axis.getName()} uses {problem}"
    return None


def _coordinate(coordinate: Any) -> str | None:
    return "prescribed" if coordinate.getDefaultIsPrescribed() else None


def _coupler(coupler: Any) -> str | None:
    if not coupler.get_isEnforced():
        return "not enforced"
    if coupler.getIndependentCoordinateNames().getSize() != 1:
        return "driven by several coordinates"
    scale = coupler.getPropertyByName("scale_factor").toString()
    if float(scale) != 1.0:
        return f"scale_factor {scale}"
    return function_problem(coupler.getFunction())


_CHECKS = {
    "BushingForce": _force,
    "CoordinateActuator": _force,
    "Millard2012EquilibriumMuscle": _muscle,
    "Thelen2003Muscle": _muscle,
    "CustomJoint": _custom_joint,
    "Coordinate": _coordinate,
    "CoordinateCouplerConstraint": _coupler,
}
