"""`ModelSpec` -> `.osim` (document version 40600, read by OpenSim 4.5 and later)."""

import dataclasses
import math
import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from cervjax.spec import (
    GROUND,
    AbstractCoordinateForce,
    AbstractWrapObject,
    Bushing,
    Coordinate,
    CoordinateCoupler,
    CoordinateLimitForce,
    Joint,
    ModelSpec,
    OffsetFrame,
    TransformAxis,
)

from .opensim_functions import radii_of_ellipsoid_joint
from .opensim_path_writer import write_muscle, write_path_force
from .opensim_several import add_several, coordinates_of
from .opensim_xml import (
    add_named,
    add_text,
    body_path,
    flag_text,
    number_text,
    numbers_text,
)

_AXES = ("rotation1", "rotation2", "rotation3", "translation1", "translation2", "translation3")


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
    model = add_named(root, "Model", spec.name)
    add_text(model, "gravity", numbers_text(spec.gravity))
    add_text(model, "credits", spec.credits)
    add_text(model, "publications", spec.publications)
    add_text(model, "length_units", "meters")
    add_text(model, "force_units", "N")
    on_ground = [w for w in spec.wrap_objects if w.body == GROUND]
    if on_ground:
        _wrap_objects(add_named(model, "Ground", GROUND), on_ground)
    bodies = _set(model, "BodySet")
    for body in spec.bodies:
        element = add_named(bodies, "Body", body.name)
        add_text(element, "mass", number_text(body.mass))
        add_text(element, "mass_center", numbers_text(body.mass_center))
        add_text(element, "inertia", numbers_text(body.inertia))
        _wrap_objects(element, [w for w in spec.wrap_objects if w.body == body.name])
    joints = _set(model, "JointSet")
    for joint in spec.joints:
        _joint(joints, joint)
    constraints = _set(model, "ConstraintSet")
    for coupler in spec.couplers:
        element = add_named(constraints, "CoordinateCouplerConstraint", coupler.name)
        add_text(element, "isEnforced", "true")
        holder = ET.SubElement(element, "coupled_coordinates_function")
        _function_of(f"coupler {coupler.name!r}", holder, coupler.independent, coupler)
        drivers = coordinates_of(coupler.independent, coupler.products)
        add_text(element, "independent_coordinate_names", " ".join(drivers))
        add_text(element, "dependent_coordinate_name", coupler.dependent)
    _forces(model, spec)
    markers = _set(model, "MarkerSet")
    for marker in spec.markers:
        element = add_named(markers, "Marker", marker.name)
        add_text(element, "socket_parent_frame", body_path(marker.body))
        add_text(element, "location", numbers_text(marker.location))
        add_text(element, "fixed", flag_text(marker.fixed))
    ET.indent(root, "\t")
    partial = path.with_name(f".{path.name}.partial")
    ET.ElementTree(root).write(partial, encoding="UTF-8", xml_declaration=True)
    os.replace(partial, path)


def _joint(parent: ET.Element, joint: Joint) -> None:
    element = add_named(parent, joint.kind, joint.name)
    ends = [(f"{end.body}_offset", end) for end in (joint.parent, joint.child)]
    add_text(element, "socket_parent_frame", ends[0][0])
    add_text(element, "socket_child_frame", ends[1][0])
    if joint.coordinates:
        coordinates = ET.SubElement(element, "coordinates")
        for coordinate in joint.coordinates:
            _coordinate(coordinates, coordinate)
    frames = ET.SubElement(element, "frames")
    for name, end in ends:
        _frame(frames, name, end)
    if joint.kind == "EllipsoidJoint":
        add_text(element, "radii_x_y_z", numbers_text(radii_of_ellipsoid_joint(joint.axes)))
    if joint.kind == "CustomJoint":
        transform = ET.SubElement(element, "SpatialTransform")
        for name, axis in zip(_AXES, joint.axes, strict=True):
            entry = add_named(transform, "TransformAxis", name)
            first = axis.coordinate
            names = () if first is None else coordinates_of(first, axis.products)
            add_text(entry, "coordinates", " ".join(names))
            add_text(entry, "axis", numbers_text(axis.axis))
            _function_of(f"joint {joint.name!r}, axis {name}", entry, first, axis, "function")


def _function_of(
    owner: str,
    parent: ET.Element,
    first: str | None,
    part: CoordinateCoupler | TransformAxis,
    name: str | None = None,
) -> None:
    """The function of a coupler or an axis, of one coordinate or of several."""
    try:
        add_several(parent, part.function, first or "", part.products, name)
    except ValueError as error:
        raise ValueError(f"{owner}: {error}") from error


def _coordinate(parent: ET.Element, coordinate: Coordinate) -> None:
    element = add_named(parent, "Coordinate", coordinate.name)
    add_text(element, "default_value", number_text(coordinate.default_value))
    add_text(element, "range", numbers_text(coordinate.range))
    add_text(element, "clamped", flag_text(coordinate.clamped))
    add_text(element, "locked", flag_text(coordinate.locked))


def _frame(parent: ET.Element, name: str, frame: OffsetFrame) -> None:
    element = add_named(parent, "PhysicalOffsetFrame", name)
    add_text(element, "socket_parent", body_path(frame.body))
    add_text(element, "translation", numbers_text(frame.translation))
    add_text(element, "orientation", numbers_text(frame.orientation))


def _forces(model: ET.Element, spec: ModelSpec) -> None:
    forces = _set(model, "ForceSet")
    coordinate_paths = {
        c.name: f"/jointset/{joint.name}/{c.name}"
        for joint in spec.joints
        for c in joint.coordinates
    }
    for muscle in spec.muscles:
        write_muscle(forces, muscle, coordinate_paths)
    for bushing in spec.bushings:
        _bushing(forces, bushing)
    for along in spec.path_forces:
        write_path_force(forces, along, coordinate_paths)
    for force in spec.coordinate_forces:
        _fields(forces, force, _in_file_units(force, spec))
    for actuator in spec.actuators:
        _fields(forces, actuator, dataclasses.asdict(cast(Any, actuator)))
    force_set = model.find("ForceSet")
    groups = ET.SubElement(force_set if force_set is not None else model, "groups")
    for name, members in spec.groups:
        element = add_named(groups, "ObjectGroup", name)
        add_text(element, "members", " ".join(members))


def _fields(parent: ET.Element, thing: object, values: Mapping[str, Any]) -> None:
    """A component whose fields have the names of OpenSim's properties."""
    element = add_named(parent, type(thing).__name__, values["name"])
    for name, value in values.items():
        match value:
            case _ if name == "name":
                pass
            case bool():
                add_text(element, name, flag_text(value))
            case str():
                add_text(element, name, value)
            case tuple():
                add_text(element, name, numbers_text(value))
            case _:
                add_text(element, name, number_text(value))


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


def _wrap_objects(parent: ET.Element, wrap_objects: Sequence[AbstractWrapObject]) -> None:
    if not wrap_objects:
        return
    objects = ET.SubElement(add_named(parent, "WrapObjectSet", "wrapobjectset"), "objects")
    for thing in wrap_objects:
        own = {n: v for n, v in dataclasses.asdict(thing).items() if n != "body"}
        _fields(objects, thing, own)


def _bushing(parent: ET.Element, bushing: Bushing) -> None:
    element = add_named(parent, "BushingForce", bushing.name)
    frames = []
    for k, frame in ((1, bushing.frame1), (2, bushing.frame2)):
        bare = frame == OffsetFrame(frame.body)
        name = f"{frame.body}_frame{k}"
        add_text(element, f"socket_frame{k}", body_path(frame.body) if bare else name)
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
        add_text(element, name, numbers_text(getattr(bushing, name)))


def _set(model: ET.Element, kind: str) -> ET.Element:
    return ET.SubElement(add_named(model, kind, kind.lower()), "objects")
