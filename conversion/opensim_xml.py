"""Pieces of an `.osim` file: elements, properties, numbers as text, functions."""

import dataclasses
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterable

from cervjax.spec import (
    GROUND,
    Constant,
    Function,
    LinearFunction,
    MultiplierFunction,
    PiecewiseLinearFunction,
    PolynomialFunction,
    SimmSpline,
    Sine,
)


def add_function(parent: ET.Element, function: Function, name: str | None = None) -> None:
    """A function of a joint, a coupler or a curve.

    Args:
        parent: element that it goes into.
        function: in its own units.
        name: of its element, if it has one.
    """
    kind = type(function).__name__
    element = ET.SubElement(parent, kind, {} if name is None else {"name": name})
    match function:
        case Constant(value):
            add_text(element, "value", number_text(value))
        case LinearFunction(coefficients) | PolynomialFunction(coefficients):
            add_text(element, "coefficients", numbers_text(coefficients))
        case SimmSpline(x, y) | PiecewiseLinearFunction(x, y):
            add_text(element, "x", numbers_text(x))
            add_text(element, "y", numbers_text(y))
        case Sine():
            for number in dataclasses.fields(function):
                add_text(element, number.name, number_text(getattr(function, number.name)))
        case MultiplierFunction(inner, scale):
            add_function(ET.SubElement(element, "function"), inner)
            add_text(element, "scale", number_text(scale))


def add_named(parent: ET.Element, kind: str, name: str) -> ET.Element:
    """A component.

    Args:
        parent: element that it goes into.
        kind: its class in OpenSim.
        name: its name.

    Returns:
        Its element.
    """
    return ET.SubElement(parent, kind, name=name)


def add_text(parent: ET.Element, tag: str, text: str) -> None:
    """A property.

    Args:
        parent: element of the component.
        tag: name of the property.
        text: its value.
    """
    ET.SubElement(parent, tag).text = text


def body_path(body: str) -> str:
    """Where OpenSim has a body.

    Args:
        body: its name, or `ground`.

    Returns:
        The absolute path; a name.
    """
    return "/ground" if body == GROUND else f"/bodyset/{body}"


def number_text(value: float) -> str:
    """A number with all its digits.

    Args:
        value: also infinite.

    Returns:
        As OpenSim reads it, in the unit of the value.
    """
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return repr(float(value))


def numbers_text(values: Iterable[float]) -> str:
    """Several numbers.

    Args:
        values: of a vector or a list.

    Returns:
        With spaces between them, in the unit of the values.
    """
    return " ".join(map(number_text, values))


def flag_text(value: bool) -> str:
    """A boolean.

    Args:
        value: to say.

    Returns:
        `true` or `false`, a word.
    """
    return "true" if value else "false"
