"""Which components of an OpenSim model a `ModelSpec` can carry."""

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import opensim

from cervjax.spec.validation import is_possible_inertia

from .opensim_actuators import SUPPORTED_ACTUATORS, SUPPORTED_COORDINATE_FORCES
from .opensim_function_paths import function_path_problem
from .opensim_functions import SUPPORTED_FUNCTIONS, SUPPORTED_JOINTS, function_problem, vec3
from .opensim_joints import is_prescribed
from .opensim_muscles import SUPPORTED_MUSCLES, as_muscle
from .opensim_path_forces import SUPPORTED_PATH_FORCES, path_force_problem
from .opensim_schutte import SCHUTTE, schutte_problem
from .opensim_several import several_problem
from .opensim_wraps import SUPPORTED_WRAPS
from .refusals import because, registered

_CARRIED = {
    "Ground", "Body", "PhysicalOffsetFrame", "Coordinate", "PathPoint", "MovingPathPoint",
    "ConditionalPathPoint", "GeometryPath", "FunctionBasedPath", "PathWrap",
    "BushingForce", "CoordinateCouplerConstraint", "Marker", *SUPPORTED_ACTUATORS,
    *SUPPORTED_COORDINATE_FORCES, *SUPPORTED_PATH_FORCES, *SUPPORTED_JOINTS,
    *SUPPORTED_MUSCLES, *SUPPORTED_WRAPS,
}  # fmt: skip

_WITHOUT_PHYSICS = {
    "FrameGeometry", "Mesh", "Sphere", "Cylinder", "Ellipsoid", "Brick", "Line", "Arrow",
    "Cone", "Torus", "Appearance", "Station", "WrapObjectSet", "PathWrapSet", "PathPointSet",
    "PathWrapPoint", "BodySet", "JointSet",
    "ControllerSet", "ConstraintSet", "ForceSet", "MarkerSet", "ContactGeometrySet", "ProbeSet",
    "ComponentSet", "IMU", "MuscleFixedWidthPennationModel",
    "MuscleFirstOrderActivationDynamicModel",
}  # fmt: skip
"""Pictures, containers, and the inner models of a muscle that its parameters already give."""


BODY_ACTUATORS = {"PointActuator", "TorqueActuator", "BodyActuator", "PointToPointActuator"}
"""Which act on bodies, not on coordinates, and do nothing unless driven."""

_SETS = {
    "Body": "/bodyset/", "BushingForce": "/forceset/",
    "CoordinateCouplerConstraint": "/constraintset/", "Marker": "/markerset/",
    **dict.fromkeys((*SUPPORTED_ACTUATORS, *SUPPORTED_COORDINATE_FORCES), "/forceset/"),
    **dict.fromkeys(SUPPORTED_PATH_FORCES, "/forceset/"),
    **dict.fromkeys(SUPPORTED_JOINTS, "/jointset/"),
    **dict.fromkeys(SUPPORTED_MUSCLES, "/forceset/"),
}  # fmt: skip
"""Where components are looked for; elsewhere in a model they would be passed over."""

_MAXIMUM_PENNATION_ANGLE = math.acos(0.1)
"""rad; OpenSim's default, the only one that the muscle models here have."""


class UnsupportedComponentError(ValueError):
    """A model has components that a `ModelSpec` cannot carry.

    Attributes:
        components: `path (reason)` of each.
    """

    def __init__(self, model: Path, components: list[str]) -> None:
        self.model, self.components = model, tuple(components)
        listed = "\n  ".join(components)
        remedy = (
            "Joints cannot be left out: replace them by supported ones."
            if any(map(needed_by_the_tree, components))
            else "Remove them from the model, or pass allow_unsupported=True (command line: "
            "--allow-unsupported) to leave them out; the result then carries this list."
        )
        super().__init__(
            f"{model} has {len(components)} component(s) that cannot be converted:\n  {listed}\n"
            f"{remedy}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Between processes: an exception is made again from its arguments."""
        return type(self), (self.model, list(self.components))


def is_carried(kind: str) -> bool:
    """Whether components of a class convert.

    Args:
        kind: a class of OpenSim.

    Returns:
        Also where some of them do not: see `conversion.refusals.CONDITIONS`.
    """
    functions = (*SUPPORTED_FUNCTIONS, "MultivariatePolynomialFunction")
    return kind in _CARRIED or kind in functions or kind.endswith("Curve")


@functools.cache
def is_without_physics(kind: str) -> bool:
    """Whether components of a class do nothing in an analysis.

    Args:
        kind: a class of OpenSim.

    Returns:
        True for pictures, containers, probes, and contact surfaces (without a contact force).
    """
    return kind in _WITHOUT_PHYSICS or kind in registered("Probe") + registered("ContactGeometry")


def quiet_opensim() -> None:
    """Keep OpenSim from writing `opensim.log` and from warning about missing meshes."""
    opensim.Logger.setLevelString("error")
    opensim.Logger.removeFileSink()


def needed_by_the_tree(component: str) -> bool:
    """Whether an unsupported component, as listed, cannot be left out: a joint."""
    reason = component.partition("(")[2]
    return component.startswith("/jointset/") and reason.split(":")[0].rstrip(")").endswith("Joint")


def unsupported_components(model: Any, idle: Sequence[str]) -> list[str]:
    """Components of an OpenSim model that cannot be carried and that act, or may act, in an
    analysis.

    Args:
        model: of OpenSim.
        idle: its `idle_components`.

    Returns:
        `path (reason)` of each.
    """
    idle_paths = {path.split(" ")[0] for path in idle}
    found = []
    driven = _driven(model)
    for component in model.getComponentsList():
        reason = _problem(component)
        if component.getConcreteClassName() in BODY_ACTUATORS and component.getName() in driven:
            reason = because("driven", component.getConcreteClassName())
        path = component.getAbsolutePathString()
        # What belongs to an idle part (the path of a muscle that is switched off) is idle too.
        inside = any(path == p or path.startswith(p + "/") for p in idle_paths)
        if reason is not None and not inside:
            found.append(f"{path} ({reason})")
    return found


def idle_components(model: Any) -> list[str]:
    """Components that do nothing in an analysis: forces and constraints that are switched off,
    controllers, and actuators on bodies that no controller drives. OpenSim's static optimization
    would use such actuators as if they were muscles: that is meant where they act on a floating
    base, as its residuals, so that these are kept.

    Returns:
        `path (reason)` of each.
    """
    driven = _driven(model)
    found = []
    floating = _floating_bases(model)
    coordinates = model.getCoordinateSet()
    each = (coordinates.get(k) for k in range(coordinates.getSize()))
    prescribed = {c.getName() for c in each if is_prescribed(c)}
    for component in model.getComponentsList():
        kind, path = component.getConcreteClassName(), component.getAbsolutePathString()
        force = opensim.Force.safeDownCast(component)
        constraint = opensim.Constraint.safeDownCast(component)
        off = force is not None and not force.get_appliesForce()
        drives = component.getName() in driven or _acted_on(component) in floating
        held = kind == "CoordinateActuator" and _acted_along(component) in prescribed
        if kind in BODY_ACTUATORS and (off or not drives):
            found.append(f"{path} ({kind})")
        elif held:
            found.append(f"{path} ({kind}: on a prescribed coordinate)")
        elif off:
            found.append(f"{path} ({kind}: switched off, appliesForce is false)")
        elif opensim.Controller.safeDownCast(component) is not None:
            found.append(f"{path} ({kind}: what it controls is found here, or given)")
        elif constraint is not None and not constraint.get_isEnforced():
            found.append(f"{path} ({kind}: not enforced)")
    return found


def _driven(model: Any) -> set[str]:
    """Names of the actuators that a controller drives."""
    driven: set[str] = set()
    # Wherever in the model they are, not only in its ControllerSet.
    found = map(opensim.Controller.safeDownCast, model.getComponentsList())
    for controller in (c for c in found if c is not None and c.isEnabled()):
        listed = controller.getPropertyByName("socket_actuators")
        # Paths, of which the last part is the name.
        paths = listed.toString().replace("(", " ").replace(")", " ").split()
        driven |= {part.rpartition("/")[2] for part in paths}
    return driven


def _acted_on(component: Any) -> str:
    """Name of the body that an actuator on a body acts on; empty for anything else."""
    match component.getConcreteClassName():
        case "PointActuator":
            return opensim.PointActuator.safeDownCast(component).get_body()
        case "TorqueActuator":
            return opensim.TorqueActuator.safeDownCast(component).get_bodyA().rpartition("/")[2]
        case "BodyActuator":
            # Not carried: one on a floating base, its residual in OpenSim, is refused, not idle.
            body = opensim.BodyActuator.safeDownCast(component).getConnectee("body")
            return body.getName()
        case _:
            return ""


def _acted_along(component: Any) -> str:
    """Name of the coordinate that a CoordinateActuator acts along."""
    return opensim.CoordinateActuator.safeDownCast(component).get_coordinate()


def _floating_bases(model: Any) -> set[str]:
    """Names of the bodies that move against ground by a joint of their own."""
    found = set()
    joints = model.getJointSet()
    for joint in (joints.get(k) for k in range(joints.getSize())):
        coordinates = [joint.get_coordinates(k) for k in range(joint.numCoordinates())]
        if joint.getParentFrame().findBaseFrame().getName() == "ground" and any(
            not c.getDefaultLocked() and not is_prescribed(c) and c.getMotionType() == 2
            for c in coordinates
        ):
            found.add(joint.getChildFrame().findBaseFrame().getName())
    return found


def _problem(component: Any) -> str | None:
    kind = component.getConcreteClassName()
    if is_without_physics(kind):
        return None
    if not is_carried(kind):
        return kind
    check = _CHECKS.get(kind)
    if not component.getAbsolutePathString().startswith(_SETS.get(kind, "/")):
        return because("elsewhere", kind, _SETS[kind].strip("/"))
    if kind in SUPPORTED_MUSCLES:
        problem = _muscle(as_muscle(component))
    else:
        problem = None if check is None else check(getattr(opensim, kind).safeDownCast(component))
    return None if problem is None else f"{kind}: {problem}"


def _muscle(muscle: Any) -> str | None:
    problem = _path_problem(muscle.getPath())
    if problem is not None:
        return problem
    if muscle.getConcreteClassName() == SCHUTTE:
        return schutte_problem(muscle)
    if hasattr(muscle, "get_ignore_passive_fiber_force"):
        if muscle.get_ignore_passive_fiber_force():
            return because("passive")
    elif abs(muscle.get_maximum_pennation_angle() - _MAXIMUM_PENNATION_ANGLE) > 1e-9:
        return because("pennation", muscle.get_maximum_pennation_angle())
    return None


def _path_force(force: Any) -> str | None:
    path = force.getPropertyByName("path").getValueAsObject().getConcreteClassName()
    if path != "GeometryPath":
        return because("path", path)
    return path_force_problem(force) or _path_problem(force.getGeometryPath())


def _path_problem(path: Any) -> str | None:
    kind = path.getConcreteClassName()
    if kind == "FunctionBasedPath":
        return function_path_problem(path)
    if kind != "GeometryPath":
        return because("path", kind)
    wraps = opensim.GeometryPath.safeDownCast(path).getWrapSet()
    for i in range(wraps.getSize()):
        surface = wraps.get(i).getWrapObject().getConcreteClassName()
        if surface not in SUPPORTED_WRAPS:
            return because("wraps_over", surface)
    return None


def _moving_point(point: Any) -> str | None:
    if point.getParentFrame().getConcreteClassName() not in ("Body", "Ground"):
        return because("offset_frame")
    functions = point.get_x_location(), point.get_y_location(), point.get_z_location()
    problem = next((p for p in map(function_problem, functions) if p is not None), None)
    return None if problem is None else because("function", problem)


def _custom_joint(joint: Any) -> str | None:
    transform = joint.getSpatialTransform()
    for i in range(6):
        axis = transform.getTransformAxis(i)
        problem = several_problem(axis.getFunction(), axis.getCoordinateNamesInArray().getSize())
        if problem is not None:
            return because("axis_function", axis.getName(), problem)
    return None


def _body(body: Any) -> str | None:
    # As OpenSim takes it: a body without mass has none.
    inertia = (*vec3(body.getInertia().getMoments()), *vec3(body.getInertia().getProducts()))
    return None if is_possible_inertia(inertia) else because("inertia", *inertia)


def _coordinate(coordinate: Any) -> str | None:
    if coordinate.getMotionType() == 0:
        return because("undefined")
    if not is_prescribed(coordinate):
        return None
    function = coordinate.get_prescribed_function().getConcreteClassName()
    return None if function == "Constant" else because("prescribed", function)


def _coupler(coupler: Any) -> str | None:
    drivers = coupler.getIndependentCoordinateNames().getSize()
    if drivers == 0:
        return because("drivers")
    problem = several_problem(coupler.getFunction(), drivers)
    return None if problem is None else because("function", problem)


_CHECKS = {
    **dict.fromkeys(SUPPORTED_PATH_FORCES, _path_force),
    "Body": _body,
    "CustomJoint": _custom_joint,
    "MovingPathPoint": _moving_point,
    "Coordinate": _coordinate,
    "CoordinateCouplerConstraint": _coupler,
}
