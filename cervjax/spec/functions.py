"""The scalar functions that OpenSim joints and couplers are made of, as plain data.

Names and fields are OpenSim's. Evaluation in JAX is in `cervjax.model.functions`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Constant:
    """`f(x) = value`."""

    value: float


@dataclass(frozen=True, slots=True)
class LinearFunction:
    """`f(x) = coefficients[0] * x + coefficients[1]`."""

    coefficients: tuple[float, float]


@dataclass(frozen=True, slots=True)
class PolynomialFunction:
    """A polynomial, highest power first."""

    coefficients: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SimmSpline:
    """SIMM's cubic spline through `(x, y)`, continued linearly outside the knots."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PiecewiseLinearFunction:
    """Straight segments through `(x, y)`, the end segments continued outside the knots."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Sine:
    """`f(x) = amplitude * sin(omega * x + phase) + offset`."""

    amplitude: float
    omega: float = 1.0
    phase: float = 0.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class MultiplierFunction:
    """`f(x) = scale * function(x)`."""

    function: "Function"
    scale: float


Function = (
    Constant
    | LinearFunction
    | PolynomialFunction
    | SimmSpline
    | PiecewiseLinearFunction
    | MultiplierFunction
    | Sine
)

Product = tuple[tuple[str, Function], ...]
"""Functions of one coordinate each, multiplied: the coordinates' names, and the functions."""


def affine_form(function: Function) -> tuple[float, float] | None:
    """Slope and intercept of `function` where it is affine everywhere.

    A spline with two knots is affine; a spline with more is not looked into.

    Returns:
        In units of `function`; None where it is not affine or not looked into.
    """
    match function:
        case Constant(value):
            return 0.0, value
        case LinearFunction((slope, intercept)):
            return slope, intercept
        case PolynomialFunction(coefficients) if len(coefficients) <= 2:
            padded = (0.0, 0.0, *coefficients)
            return padded[-2], padded[-1]
        case SimmSpline(x, y) | PiecewiseLinearFunction(x, y) if len(x) == 2:
            slope = (y[1] - y[0]) / (x[1] - x[0])
            return slope, y[0] - slope * x[0]
        case MultiplierFunction(inner, scale):
            form = affine_form(inner)
            return None if form is None else (scale * form[0], scale * form[1])
        case _:
            return None


def function_to_dict(function: Function) -> dict[str, object]:
    """A JSON-ready description of `function`; the inverse of `function_from_dict`."""
    kind = type(function).__name__
    match function:
        case Constant(value):
            return {"type": kind, "value": value}
        case LinearFunction(coefficients) | PolynomialFunction(coefficients):
            return {"type": kind, "coefficients": list(coefficients)}
        case SimmSpline(x, y) | PiecewiseLinearFunction(x, y):
            return {"type": kind, "x": list(x), "y": list(y)}
        case MultiplierFunction(inner, scale):
            return {"type": kind, "scale": scale, "function": function_to_dict(inner)}
        case Sine(amplitude, omega, phase, offset):
            numbers = {"amplitude": amplitude, "omega": omega, "phase": phase, "offset": offset}
            return {"type": kind, **numbers}


def function_from_dict(description: dict) -> Function:
    """The function that `function_to_dict` described.

    Returns:
        In the units it had.

    Raises:
        ValueError: the type is not one of this module's.
    """
    match description.get("type"):
        case "Constant":
            return Constant(float(description["value"]))
        case "LinearFunction":
            slope, intercept = description["coefficients"]
            return LinearFunction((float(slope), float(intercept)))
        case "PolynomialFunction":
            return PolynomialFunction(tuple(map(float, description["coefficients"])))
        case "SimmSpline":
            return SimmSpline(
                tuple(map(float, description["x"])), tuple(map(float, description["y"]))
            )
        case "PiecewiseLinearFunction":
            return PiecewiseLinearFunction(
                tuple(map(float, description["x"])), tuple(map(float, description["y"]))
            )
        case "MultiplierFunction":
            return MultiplierFunction(
                function_from_dict(description["function"]), float(description["scale"])
            )
        case "Sine":
            numbers = ("amplitude", "omega", "phase", "offset")
            return Sine(*(float(description[n]) for n in numbers))
        case other:
            raise ValueError(
                f"unknown function type {other!r}; use one of Constant, LinearFunction, "
                "PolynomialFunction, SimmSpline, PiecewiseLinearFunction, MultiplierFunction, Sine"
            )
