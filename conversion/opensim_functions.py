"""OpenSim's functions and the axes of its simple joints."""

from typing import Any

import opensim

from cervjax.spec import (
    Constant,
    Function,
    LinearFunction,
    MultiplierFunction,
    PiecewiseLinearFunction,
    PolynomialFunction,
    SimmSpline,
    TransformAxis,
)

SUPPORTED_FUNCTIONS = (
    "Constant",
    "LinearFunction",
    "PolynomialFunction",
    "MultiplierFunction",
    "SimmSpline",
    "PiecewiseLinearFunction",
)

UNIT_AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_X, _Y, _Z = UNIT_AXES
_ROTATIONS = {
    "WeldJoint": None,
    "PinJoint": ((_Z, _X, _Y), 1, 0),
    "SliderJoint": ((_X, _Y, _Z), 0, 1),
    "UniversalJoint": ((_X, _Y, _Z), 2, 0),
    "BallJoint": ((_X, _Y, _Z), 3, 0),
    "FreeJoint": ((_X, _Y, _Z), 3, 3),
}
"""Kind -> (rotation axes in order, how many rotate, how many translate)."""

SUPPORTED_JOINTS = ("CustomJoint", *_ROTATIONS)


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
        case _:
            raise ValueError(f"function {kind} cannot be carried")
