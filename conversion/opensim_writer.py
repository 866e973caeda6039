"""`ModelSpec` -> `.osim` (document version 40600, read by OpenSim 4.5 and later)."""

import dataclasses
import math
import os
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from cervjax.spec import (
    GROUND,
    AbstractCoordinateForce,
    AbstractPathComponent,
    AbstractPathForce,
    AbstractWrapObject,
    Bushing,
    ConditionalPathPoint,
    Constant,
    Coordinate,
    CoordinateLimitForce,
    DeGrooteFreglyCurves,
    Function,
    FunctionBasedPath,
    Joint,
    Ligament,
    LinearFunction,
    MillardCurves,
    ModelSpec,
    MovingPathPoint,
    MultiplierFunction,
    Muscle,
    OffsetFrame,
    PathPoint,
    PathSpring,
    PiecewiseLinearFunction,
    PolynomialFunction,
    SimmSpline,
    Sine,
    ThelenCurves,
)

from .opensim_functions import radii_of_ellipsoid_joint

_AXES = ("rotation1", "rotation2", "rotation3", "translation1", "translation2", "translation3")

_MUSCLE_KINDS = {
    MillardCurves: "Millard2012EquilibriumMuscle",
    ThelenCurves: "Thelen2003Muscle",
    DeGrooteFreglyCurves: "DeGrooteFregly2016Muscle",
}


def write_osim(spec: ModelSpec, path: str | Path) -> None:
    """Write `spec` as an OpenSim model; the file appears whole or not at all.

    What `ModelSpec` does not carry (geometry for display, say) is not in the file.

    Raises:
        ValueError: the model has a part that no OpenSim file says.
    """
    path = Path(path)
    root = ET.Element("OpenSimDocument", Version="40600")
    for path_left_out in spec.omitted:
        root.append(ET.Comment(f"left out: {path_left_out}".replace("--", "- -")))
    model = _named(root, "Model", spec.name)
    _text(model, "gravity", _numbers(spec.gravity))
    _text(model, "credits", spec.credits)
    _text(model, "publications", spec.publications)
    _text(model, "length_units", "meters")
    _text(model, "force_units", "N")
    on_ground = [w for w in spec.wrap_objects if w.body == GROUND]
    if on_ground:
        _wrap_objects(_named(model, "Ground", GROUND), on_ground)
    bodies = _set(model, "BodySet")
    for body in spec.bodies:
        element = _named(bodies, "Body", body.name)
        _text(element, "mass", _number(body.mass))
        _text(element, "mass_center", _numbers(body.mass_center))
        _text(element, "inertia", _numbers(body.inertia))
        _wrap_objects(element, [w for w in spec.wrap_objects if w.body == body.name])
    joints = _set(model, "JointSet")
    for joint in spec.joints:
        _joint(joints, joint)
    constraints = _set(model, "ConstraintSet")
    for coupler in spec.couplers:
        if coupler.products:
            raise ValueError(
                f"coupler {coupler.name!r} is a product of functions, which no OpenSim file says"
            )
        element = _named(constraints, "CoordinateCouplerConstraint", coupler.name)
        _text(element, "isEnforced", "true")
        _function(ET.SubElement(element, "coupled_coordinates_function"), coupler.function)
        _text(element, "independent_coordinate_names", coupler.independent)
        _text(element, "dependent_coordinate_name", coupler.dependent)
    _forces(model, spec)
    markers = _set(model, "MarkerSet")
    for marker in spec.markers:
        element = _named(markers, "Marker", marker.name)
        _text(element, "socket_parent_frame", _body_path(marker.body))
        _text(element, "location", _numbers(marker.location))
        _text(element, "fixed", _flag(marker.fixed))
    ET.indent(root, "\t")
    partial = path.with_name(f".{path.name}.partial")
    ET.ElementTree(root).write(partial, encoding="UTF-8", xml_declaration=True)
    os.replace(partial, path)


def _joint(parent: ET.Element, joint: Joint) -> None:
    element = _named(parent, joint.kind, joint.name)
    ends = [(f"{end.body}_offset", end) for end in (joint.parent, joint.child)]
    _text(element, "socket_parent_frame", ends[0][0])
    _text(element, "socket_child_frame", ends[1][0])
    if joint.coordinates:
        coordinates = ET.SubElement(element, "coordinates")
        for coordinate in joint.coordinates:
            _coordinate(coordinates, coordinate)
    frames = ET.SubElement(element, "frames")
    for name, end in ends:
        _frame(frames, name, end)
    if joint.kind == "EllipsoidJoint":
        _text(element, "radii_x_y_z", _numbers(radii_of_ellipsoid_joint(joint.axes)))
    if joint.kind == "CustomJoint":
        transform = ET.SubElement(element, "SpatialTransform")
        for name, axis in zip(_AXES, joint.axes, strict=True):
            entry = _named(transform, "TransformAxis", name)
            if axis.products:
                raise ValueError(
                    f"joint {joint.name!r}: axis {name} is a product of functions, which the file "
                    "of a CustomJoint cannot say"
                )
            _text(entry, "coordinates", axis.coordinate or "")
            _text(entry, "axis", _numbers(axis.axis))
            _function(entry, axis.function, name="function")


def _coordinate(parent: ET.Element, coordinate: Coordinate) -> None:
    element = _named(parent, "Coordinate", coordinate.name)
    _text(element, "default_value", _number(coordinate.default_value))
    _text(element, "range", _numbers(coordinate.range))
    _text(element, "clamped", _flag(coordinate.clamped))
    _text(element, "locked", _flag(coordinate.locked))


def _frame(parent: ET.Element, name: str, frame: OffsetFrame) -> None:
    element = _named(parent, "PhysicalOffsetFrame", name)
    _text(element, "socket_parent", _body_path(frame.body))
    _text(element, "translation", _numbers(frame.translation))
    _text(element, "orientation", _numbers(frame.orientation))


def _forces(model: ET.Element, spec: ModelSpec) -> None:
    forces = _set(model, "ForceSet")
    coordinate_paths = {
        c.name: f"/jointset/{joint.name}/{c.name}"
        for joint in spec.joints
        for c in joint.coordinates
    }
    for muscle in spec.muscles:
        _muscle(forces, muscle, coordinate_paths)
    for bushing in spec.bushings:
        _bushing(forces, bushing)
    for along in spec.path_forces:
        _path_force(forces, along, coordinate_paths)
    for force in spec.coordinate_forces:
        _fields(forces, force, _in_file_units(force, spec))
    for actuator in spec.actuators:
        _fields(forces, actuator, dataclasses.asdict(cast(Any, actuator)))
    force_set = model.find("ForceSet")
    groups = ET.SubElement(force_set if force_set is not None else model, "groups")
    for name, members in spec.groups:
        element = _named(groups, "ObjectGroup", name)
        _text(element, "members", " ".join(members))


def _fields(parent: ET.Element, thing: object, values: Mapping[str, Any]) -> None:
    """A component whose fields have the names of OpenSim's properties."""
    element = _named(parent, type(thing).__name__, values["name"])
    for name, value in values.items():
        match value:
            case _ if name == "name":
                pass
            case bool():
                _text(element, name, _flag(value))
            case str():
                _text(element, name, value)
            case tuple():
                _text(element, name, _numbers(value))
            case _:
                _text(element, name, _number(value))


def _in_file_units(force: AbstractCoordinateForce, spec: ModelSpec) -> dict[str, Any]:
    """OpenSim's file has limit forces of rotational coordinates in degrees."""
    values = dataclasses.asdict(force)
    rotational = spec.coordinate(force.coordinate).motion_type == "rotational"
    if isinstance(force, CoordinateLimitForce) and rotational:
        for name in ("upper_limit", "lower_limit", "transition"):
            values[name] = math.degrees(values[name])
        for name in ("upper_stiffness", "lower_stiffness", "damping"):
            values[name] = math.radians(values[name])
    return values


def _path_point(
    parent: ET.Element,
    point: AbstractPathComponent,
    muscle: str,
    coordinate_paths: Mapping[str, str],
) -> None:
    kind = type(point).__name__
    if not isinstance(point, PathPoint | MovingPathPoint | ConditionalPathPoint):
        raise ValueError(f"muscle {muscle!r} has {point.name!r}, a {kind}: OpenSim has none")
    entry = _named(parent, kind, point.name)
    _text(entry, "socket_parent_frame", _body_path(point.body))
    if isinstance(point, MovingPathPoint):
        for axis, function, name in zip("xyz", point.location, point.coordinate, strict=True):
            if name:
                _text(entry, f"socket_{axis}_coordinate", coordinate_paths[name])
            _function(ET.SubElement(entry, f"{axis}_location"), function)
        return
    _text(entry, "location", _numbers(point.location))
    if isinstance(point, ConditionalPathPoint):
        _text(entry, "socket_coordinate", coordinate_paths[point.coordinate])
        _text(entry, "range", _numbers(point.range))


def _wrap_objects(parent: ET.Element, wrap_objects: Sequence[AbstractWrapObject]) -> None:
    if not wrap_objects:
        return
    objects = ET.SubElement(_named(parent, "WrapObjectSet", "wrapobjectset"), "objects")
    for thing in wrap_objects:
        own = {n: v for n, v in dataclasses.asdict(thing).items() if n != "body"}
        _fields(objects, thing, own)


def _muscle(parent: ET.Element, muscle: Muscle, coordinate_paths: Mapping[str, str]) -> None:
    element = _named(parent, _MUSCLE_KINDS[type(muscle.curves)], muscle.name)
    _text(element, "min_control", _number(muscle.min_control))
    _text(element, "max_control", _number(muscle.max_control))
    if isinstance(muscle.path[0], FunctionBasedPath):
        _function_path(element, muscle.path[0], coordinate_paths)
    else:
        _geometry_path(element, muscle, coordinate_paths)
    for name in (
        "max_isometric_force",
        "optimal_fiber_length",
        "tendon_slack_length",
        "pennation_angle_at_optimal",
        "max_contraction_velocity",
        "default_activation",
        "activation_time_constant",
        "deactivation_time_constant",
    ):
        _text(element, name, _number(getattr(muscle, name)))
    _text(element, "ignore_tendon_compliance", _flag(muscle.ignore_tendon_compliance))
    if not isinstance(muscle.curves, DeGrooteFreglyCurves):
        _text(element, "minimum_activation", _number(muscle.minimum_activation))
    if not isinstance(muscle.curves, ThelenCurves):
        _text(element, "fiber_damping", _number(muscle.fiber_damping))
    if isinstance(muscle.curves, MillardCurves):
        _millard_curves(element, muscle.name, muscle.curves)
    elif isinstance(muscle.curves, ThelenCurves | DeGrooteFreglyCurves):
        _shape(element, muscle.curves)
    else:
        kind = type(muscle.curves).__name__
        raise ValueError(f"muscle {muscle.name!r} has curves of class {kind}: OpenSim has none")


def _function_path(
    parent: ET.Element, path: FunctionBasedPath, coordinate_paths: Mapping[str, str]
) -> None:
    element = _named(parent, "FunctionBasedPath", "path")
    _text(element, "coordinate_paths", " ".join(coordinate_paths[c] for c in path.coordinates))
    function = ET.SubElement(
        ET.SubElement(element, "length_function"), "MultivariatePolynomialFunction"
    )
    _text(function, "coefficients", _numbers(path.length_function.coefficients))
    _text(function, "dimension", str(path.length_function.dimension))
    _text(function, "order", str(path.length_function.order))


def _path_force(
    parent: ET.Element, force: AbstractPathForce, coordinate_paths: Mapping[str, str]
) -> None:
    element = _named(parent, type(force).__name__, force.name)
    _geometry_path(element, force, coordinate_paths)
    _text(element, "resting_length", _number(force.resting_length))
    if isinstance(force, PathSpring):
        _text(element, "stiffness", _number(force.stiffness))
        _text(element, "dissipation", _number(force.dissipation))
    elif isinstance(force, Ligament):
        _text(element, "pcsa_force", _number(force.pcsa_force))
        _function(element, force.force_length_curve, name="force_length_curve")
    else:
        kind = type(force).__name__
        raise ValueError(f"path force {force.name!r} is a {kind}: OpenSim has none")


def _geometry_path(
    parent: ET.Element, muscle: Muscle | AbstractPathForce, coordinate_paths: Mapping[str, str]
) -> None:
    path = _named(parent, "GeometryPath", "path")
    points = ET.SubElement(ET.SubElement(path, "PathPointSet"), "objects")
    for point in muscle.path:
        _path_point(points, point, muscle.name, coordinate_paths)
    if muscle.wraps:
        wraps = ET.SubElement(ET.SubElement(path, "PathWrapSet"), "objects")
        for wrap in muscle.wraps:
            entry = _named(wraps, "PathWrap", wrap.name)
            _text(entry, "wrap_object", wrap.wrap_object)
            _text(entry, "method", wrap.method)
            _text(entry, "range", " ".join(map(str, wrap.range)))


def _millard_curves(parent: ET.Element, muscle: str, curves: MillardCurves) -> None:
    def curve(kind: str, **values: float) -> None:
        element = _named(parent, kind, f"{muscle}_{kind}")
        for name, value in values.items():
            _text(element, name, _number(value))

    curve(
        "ActiveForceLengthCurve",
        min_norm_active_fiber_length=curves.min_norm_active_fiber_length,
        transition_norm_fiber_length=curves.transition_norm_fiber_length,
        max_norm_active_fiber_length=curves.max_norm_active_fiber_length,
        shallow_ascending_slope=curves.shallow_ascending_slope,
        minimum_value=curves.minimum_value,
    )
    curve(
        "ForceVelocityCurve",
        concentric_slope_at_vmax=curves.concentric_slope_at_vmax,
        concentric_slope_near_vmax=curves.concentric_slope_near_vmax,
        isometric_slope=curves.isometric_slope,
        eccentric_slope_at_vmax=curves.eccentric_slope_at_vmax,
        eccentric_slope_near_vmax=curves.eccentric_slope_near_vmax,
        max_eccentric_velocity_force_multiplier=curves.max_eccentric_velocity_force_multiplier,
        concentric_curviness=curves.concentric_curviness,
        eccentric_curviness=curves.eccentric_curviness,
    )
    curve(
        "FiberForceLengthCurve",
        strain_at_zero_force=curves.passive_strain_at_zero_force,
        strain_at_one_norm_force=curves.passive_strain_at_one_norm_force,
        stiffness_at_low_force=curves.passive_stiffness_at_low_force,
        stiffness_at_one_norm_force=curves.passive_stiffness_at_one_norm_force,
        curviness=curves.passive_curviness,
    )
    curve(
        "TendonForceLengthCurve",
        strain_at_one_norm_force=curves.tendon_strain_at_one_norm_force,
        stiffness_at_one_norm_force=curves.tendon_stiffness_at_one_norm_force,
        norm_force_at_toe_end=curves.tendon_norm_force_at_toe_end,
        curviness=curves.tendon_curviness,
    )


def _shape(parent: ET.Element, curves: ThelenCurves | DeGrooteFreglyCurves) -> None:
    for name in curves.__dataclass_fields__:
        _text(parent, name, _number(getattr(curves, name)))


def _bushing(parent: ET.Element, bushing: Bushing) -> None:
    element = _named(parent, "BushingForce", bushing.name)
    frames = []
    for k, frame in ((1, bushing.frame1), (2, bushing.frame2)):
        bare = frame == OffsetFrame(frame.body)
        name = f"{frame.body}_frame{k}"
        _text(element, f"socket_frame{k}", _body_path(frame.body) if bare else name)
        if not bare:
            frames.append((name, frame))
    if frames:
        holder = ET.SubElement(element, "frames")
        for name, frame in frames:
            _frame(holder, name, frame)
    for name in (
        "rotational_stiffness",
        "translational_stiffness",
        "rotational_damping",
        "translational_damping",
    ):
        _text(element, name, _numbers(getattr(bushing, name)))


def _function(parent: ET.Element, function: Function, name: str | None = None) -> None:
    kind = type(function).__name__
    element = ET.SubElement(parent, kind, {} if name is None else {"name": name})
    match function:
        case Constant(value):
            _text(element, "value", _number(value))
        case LinearFunction(coefficients) | PolynomialFunction(coefficients):
            _text(element, "coefficients", _numbers(coefficients))
        case SimmSpline(x, y) | PiecewiseLinearFunction(x, y):
            _text(element, "x", _numbers(x))
            _text(element, "y", _numbers(y))
        case Sine():
            for number in dataclasses.fields(function):
                _text(element, number.name, _number(getattr(function, number.name)))
        case MultiplierFunction(inner, scale):
            _function(ET.SubElement(element, "function"), inner)
            _text(element, "scale", _number(scale))


def _set(model: ET.Element, kind: str) -> ET.Element:
    return ET.SubElement(_named(model, kind, kind.lower()), "objects")


def _named(parent: ET.Element, kind: str, name: str) -> ET.Element:
    return ET.SubElement(parent, kind, name=name)


def _text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = text


def _body_path(body: str) -> str:
    return "/ground" if body == GROUND else f"/bodyset/{body}"


def _number(value: float) -> str:
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return repr(float(value))


def _numbers(values: Iterable[float]) -> str:
    return " ".join(map(_number, values))


def _flag(value: bool) -> str:
    return "true" if value else "false"
