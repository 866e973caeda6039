"""OpenSim's functions and the axes of its simple joints."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any, cast

import opensim

from cervjax.spec import (
    Constant,
    Function,
    LinearFunction,
    MultiplierFunction,
    PiecewiseLinearFunction,
    PolynomialFunction,
    Product,
    SimmSpline,
    Sine,
    TransformAxis,
)

SUPPORTED_FUNCTIONS = (
    "Constant",
    "LinearFunction",
    "PolynomialFunction",
    "MultiplierFunction",
    "SimmSpline",
    "PiecewiseLinearFunction",
    "Sine",
)

UNIT_AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_X, _Y, _Z = UNIT_AXES
_ROTATIONS = {
    "WeldJoint": None,
    "PinJoint": ((_Z, _X, _Y), 1, 0),
    "SliderJoint": ((_X, _Y, _Z), 0, 1),
    "UniversalJoint": ((_X, _Y, _Z), 2, 0),
    "BallJoint": ((_X, _Y, _Z), 3, 0),
    "GimbalJoint": ((_X, _Y, _Z), 3, 0),
    "FreeJoint": ((_X, _Y, _Z), 3, 3),
    "PlanarJoint": ((_Z, _X, _Y), 1, 2),
}
"""Kind -> (rotation axes in order, how many rotate, how many translate)."""

SUPPORTED_JOINTS = ("CustomJoint", "EllipsoidJoint", "ScapulothoracicJoint", *_ROTATIONS)


def vec3(vector: Any) -> tuple[float, float, float]:
    """An OpenSim Vec3 as plain numbers.

    Args:
        vector: of OpenSim.

    Returns:
        In the unit of the vector.
    """
    # Adding zero turns -0.0 into 0.0.
    return vector.get(0) + 0.0, vector.get(1) + 0.0, vector.get(2) + 0.0


def axes_of_simple_joint(kind: str, coordinates: list[str]) -> tuple[TransformAxis, ...]:
    """The six transform axes that a joint of `kind` stands for; none for a WeldJoint."""
    layout = _ROTATIONS[kind]
    if layout is None:
        return ()
    rotations, turning, sliding = layout
    names = [*coordinates[:turning], *[None] * (3 - turning)]
    names += [*coordinates[turning : turning + sliding], *[None] * (3 - sliding)]
    one, zero = LinearFunction((1.0, 0.0)), Constant(0.0)
    return tuple(
        TransformAxis(axis, name, zero if name is None else one)
        for axis, name in zip((*rotations, *UNIT_AXES), names, strict=True)
    )


def axes_of_ellipsoid_joint(
    coordinates: Sequence[str], radii: Sequence[float]
) -> tuple[TransformAxis, ...]:
    """The six transform axes of an EllipsoidJoint: the child's z axis is the surface's normal (of
    the sphere that is stretched to the ellipsoid), so that it is moved as it is turned.

    Args:
        coordinates: names of the body-fixed X-Y-Z angles.
        radii: m, of the ellipsoid.

    Returns:
        rad, m.
    """
    first, second, _ = coordinates
    one, zero = LinearFunction((1.0, 0.0)), Constant(0.0)
    quarter = math.pi / 2
    moves: tuple[Product, ...] = (
        ((second, Sine(radii[0])),),
        ((first, Sine(-radii[1])), (second, Sine(1.0, 1.0, quarter))),
        ((first, Sine(radii[2], 1.0, quarter)), (second, Sine(1.0, 1.0, quarter))),
    )
    turns = tuple(
        TransformAxis(axis, name, one) for axis, name in zip(UNIT_AXES, coordinates, strict=True)
    )
    slides = (TransformAxis(a, None, zero, (m,)) for a, m in zip(UNIT_AXES, moves, strict=True))
    return (*turns, *slides)


def radii_of_ellipsoid_joint(axes: Sequence[TransformAxis]) -> tuple[float, float, float]:
    """The radii (m) that `axes_of_ellipsoid_joint` was given."""
    x, y, z = (cast(Sine, axis.products[0][0][1]).amplitude for axis in axes[3:])
    return x, -y, z


def function_problem(function: Any) -> str | None:
    """What keeps an OpenSim function from being carried, or None."""
    kind = function.getConcreteClassName()
    if kind not in SUPPORTED_FUNCTIONS:
        return kind
    if kind == "MultiplierFunction":
        return function_problem(opensim.MultiplierFunction.safeDownCast(function).getFunction())
    return None


def read_function(function: Any) -> Function:
    """An OpenSim function as plain data; unsupported kinds must have been refused before.

    Returns:
        In the units of OpenSim's.

    Raises:
        ValueError: the kind is not supported.
    """
    kind = function.getConcreteClassName()
    typed = getattr(opensim, kind).safeDownCast(function)
    match kind:
        case "Constant":
            return Constant(typed.getValue())
        case "LinearFunction":
            coefficients = typed.getCoefficients()
            return LinearFunction((coefficients.get(0), coefficients.get(1)))
        case "PolynomialFunction":
            coefficients = typed.getCoefficients()
            return PolynomialFunction(
                tuple(coefficients.get(i) for i in range(coefficients.size()))
            )
        case "MultiplierFunction":
            return MultiplierFunction(read_function(typed.getFunction()), typed.getScale())
        case "SimmSpline" | "PiecewiseLinearFunction":
            count = range(typed.getNumberOfPoints())
            x, y = (tuple(get(i) for i in count) for get in (typed.getX, typed.getY))
            return SimmSpline(x, y) if kind == "SimmSpline" else PiecewiseLinearFunction(x, y)
        case "Sine":
            # Its bindings have no getters.
            numbers = ET.fromstring(typed.dump())
            values = (numbers.findtext(n, "0") for n in ("amplitude", "omega", "phase", "offset"))
            return Sine(*map(float, values))
        case _:
            raise ValueError(f"function {kind} cannot be carried")
