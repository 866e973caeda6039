"""OpenSim's actuators beside the muscles, and its passive forces along coordinates."""

import math
from typing import Any

import opensim

from cervjax.spec import (
    AbstractActuator,
    AbstractCoordinateForce,
    CoordinateActuator,
    CoordinateLimitForce,
    ExpressionBasedCoordinateForce,
    PointActuator,
    SpringGeneralizedForce,
    TorqueActuator,
)

from .opensim_functions import vec3

SUPPORTED_ACTUATORS = ("CoordinateActuator", "PointActuator", "TorqueActuator")
SUPPORTED_COORDINATE_FORCES = (
    "CoordinateLimitForce",
    "SpringGeneralizedForce",
    "ExpressionBasedCoordinateForce",
)


def read_actuator(force: Any) -> AbstractActuator:
    """An OpenSim actuator as plain data; unsupported kinds must have been refused before.

    Returns:
        N, N m, m.
    """
    kind = force.getConcreteClassName()
    typed = getattr(opensim, kind).safeDownCast(force)
    name = typed.getName()
    bounds = (typed.getOptimalForce(), typed.getMinControl(), typed.getMaxControl())
    match kind:
        case "PointActuator":
            return PointActuator(
                name,
                typed.get_body(),
                vec3(typed.get_point()),
                typed.get_point_is_global(),
                vec3(typed.get_direction()),
                typed.get_force_is_global(),
                *bounds,
            )
        case "TorqueActuator":
            return TorqueActuator(
                name,
                typed.get_bodyA(),
                typed.get_bodyB(),
                vec3(typed.get_axis()),
                typed.get_torque_is_global(),
                *bounds,
            )
        case _:
            return CoordinateActuator(name, typed.get_coordinate(), *bounds)


def read_coordinate_force(force: Any, model: Any) -> AbstractCoordinateForce:
    """A passive force along a coordinate as plain data.

    Args:
        force: of OpenSim, of a supported kind.
        model: of OpenSim, whose coordinate it acts along.

    Returns:
        SI units: OpenSim's file has a limit force in degrees where the coordinate is rotational.
    """
    kind = force.getConcreteClassName()
    typed = getattr(opensim, kind).safeDownCast(force)
    name = typed.getName()
    # Not each of these classes has a getter; an optional property is in parentheses.
    coordinate = typed.getPropertyByName("coordinate").toString().strip("()")
    match kind:
        case "CoordinateLimitForce":
            motion = model.getCoordinateSet().get(coordinate).getMotionType()
            unit = math.pi / 180 if motion == 1 else 1.0
            return CoordinateLimitForce(
                name,
                coordinate,
                typed.get_upper_stiffness() / unit,
                typed.get_upper_limit() * unit,
                typed.get_lower_stiffness() / unit,
                typed.get_lower_limit() * unit,
                typed.get_damping() / unit,
                typed.get_transition() * unit,
            )
        case "SpringGeneralizedForce":
            return SpringGeneralizedForce(
                name, coordinate, typed.getStiffness(), typed.getRestLength(), typed.getViscosity()
            )
        case _:
            expression = typed.getPropertyByName("expression").toString()
            return ExpressionBasedCoordinateForce(name, coordinate, expression)
