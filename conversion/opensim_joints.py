"""OpenSim's joints -> `Joint`."""

import math
from typing import Any, NamedTuple, cast

import numpy as np
import opensim
from scipy.spatial.transform import Rotation

from cervjax.spec import Body, Constant, Coordinate, Joint, MotionType, OffsetFrame, TransformAxis

from .opensim_functions import (
    UNIT_AXES,
    axes_of_ellipsoid_joint,
    axes_of_simple_joint,
    read_function,
    vec3,
)
from .opensim_several import read_several

_MOTION: dict[int, MotionType] = {1: "rotational", 2: "translational", 3: "coupled"}


class ReadJoint(NamedTuple):
    """What an OpenSim joint becomes.

    Attributes:
        joints: one, or a chain of several.
        bodies: without mass, between them.
    """

    joints: tuple[Joint, ...]
    bodies: tuple[Body, ...] = ()


def read_joint(joint: Any) -> ReadJoint:
    """An OpenSim joint as plain data; unsupported kinds must have been refused before.

    Args:
        joint: of OpenSim.

    Returns:
        rad, m. A ScapulothoracicJoint is an EllipsoidJoint and a PinJoint with a body without mass
        between them.
    """
    if joint.getConcreteClassName() == "ScapulothoracicJoint":
        return _scapulothoracic(opensim.ScapulothoracicJoint.safeDownCast(joint))
    return ReadJoint((_plain_joint(joint),))


def _scapulothoracic(joint: Any) -> ReadJoint:
    """As `ScapulothoracicJoint::extendAddToSystem` builds it."""
    coordinates = tuple(_coordinate(joint.get_coordinates(k)) for k in range(4))
    parent, child = offset_frame(joint.getParentFrame()), offset_frame(joint.getChildFrame())
    x, y, z = parent.orientation
    radii = joint.get_thoracic_ellipsoid_radii_x_y_z()
    between = f"{joint.getName()}_between"
    on_thorax = Joint(
        joint.getName(),
        "EllipsoidJoint",
        OffsetFrame(parent.body, parent.translation, (x, y, z + math.pi / 2)),
        OffsetFrame(between, (0.0, 0.0, 0.0), (0.0, 0.0, math.pi / 2)),
        coordinates[:3],
        axes_of_ellipsoid_joint(
            [c.name for c in coordinates[:3]], (radii.get(1), radii.get(0), radii.get(2))
        ),
    )
    # The axis of winging lies in the plane of the ellipsoid's surface.
    direction = joint.get_scapula_winging_axis_direction()
    along = np.array([-math.sin(direction), math.cos(direction), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    turn = np.column_stack([np.cross(up, along), up, along])
    origin = np.array([joint.get_scapula_winging_axis_origin(k) for k in (0, 1)] + [0.0])
    held = Rotation.from_euler("XYZ", child.orientation)
    at = np.array(child.translation) + held.apply(origin)
    winging = Joint(
        f"{joint.getName()}_winging",
        "PinJoint",
        OffsetFrame(between, _tuple(origin), _tuple(Rotation.from_matrix(turn).as_euler("XYZ"))),
        OffsetFrame(
            child.body,
            _tuple(at),
            _tuple((held * Rotation.from_matrix(turn)).as_euler("XYZ")),
        ),
        coordinates[3:],
        axes_of_simple_joint("PinJoint", [coordinates[3].name]),
    )
    nothing = Body(between, 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    return ReadJoint((on_thorax, winging), (nothing,))


def _tuple(vector: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in vector)
    return x, y, z


def offset_frame(frame: Any) -> OffsetFrame:
    """`frame` (nested offset frames too) relative to the body it is fixed in."""
    base = frame.findBaseFrame()
    transform = frame.findTransformInBaseFrame()
    return OffsetFrame(
        base.getName(),
        vec3(transform.p()),
        vec3(transform.R().convertRotationToBodyFixedXYZ()),
    )


def _plain_joint(joint: Any) -> Joint:
    kind = joint.getConcreteClassName()
    listed = (joint.get_coordinates(i) for i in range(joint.numCoordinates()))
    # What moves nothing is named as unsupported before, and left out where that was asked for.
    coordinates = tuple(_coordinate(c) for c in listed if c.getMotionType() in _MOTION)
    if kind == "CustomJoint":
        transform = opensim.CustomJoint.safeDownCast(joint).getSpatialTransform()
        axes = tuple(_axis(transform.getTransformAxis(i)) for i in range(6))
    elif kind == "EllipsoidJoint":
        radii = vec3(opensim.EllipsoidJoint.safeDownCast(joint).get_radii_x_y_z())
        axes = axes_of_ellipsoid_joint([c.name for c in coordinates], radii)
    else:
        axes = axes_of_simple_joint(kind, [c.name for c in coordinates])
    return Joint(
        joint.getName(),
        kind,
        offset_frame(joint.getParentFrame()),
        offset_frame(joint.getChildFrame()),
        coordinates,
        axes,
    )


def is_prescribed(coordinate: Any) -> bool:
    """Whether a coordinate follows a function of time: locking takes precedence.

    Args:
        coordinate: of OpenSim.

    Returns:
        False for one that is locked.
    """
    return coordinate.getDefaultIsPrescribed() and not coordinate.getDefaultLocked()


def _coordinate(coordinate: Any) -> Coordinate:
    # Other functions than a Constant are named as unsupported before, or left out.
    function = coordinate.get_prescribed_function() if is_prescribed(coordinate) else None
    prescribed = function is not None and function.getConcreteClassName() == "Constant"
    held = prescribed and cast(Constant, read_function(function)).value
    return Coordinate(
        coordinate.getName(),
        held if prescribed else coordinate.getDefaultValue(),
        (coordinate.getRangeMin(), coordinate.getRangeMax()),
        _MOTION[coordinate.getMotionType()],
        prescribed or coordinate.getDefaultLocked(),
        coordinate.getDefaultClamped(),
    )


def _axis(axis: Any) -> TransformAxis:
    listed = axis.getCoordinateNamesInArray()
    names = [listed.get(k) for k in range(listed.getSize())]
    function, products = read_several(axis.getFunction(), names)
    first = names[0] if names else None
    return TransformAxis(_unit(vec3(axis.getAxis())), first, function, products)


def _unit(vector: tuple[float, float, float]) -> tuple[float, float, float]:
    if vector in UNIT_AXES:
        return vector
    length = sum(x * x for x in vector) ** 0.5
    x, y, z = (component / length for component in vector)
    return x, y, z
