"""OpenSim's functions of several coordinates, as sums of products of functions of one."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import numpy as np
import opensim

from cervjax.spec import (
    Constant,
    Function,
    LinearFunction,
    MultiplierFunction,
    PolynomialFunction,
    Product,
)
from cervjax.spec.path_components import monomials

from .opensim_functions import function_problem, read_function
from .opensim_xml import add_function, add_text, numbers_text

_OF_SEVERAL = ("LinearFunction", "MultivariatePolynomialFunction")

_Polynomial = dict[tuple[int, ...], float]
"""Coefficients by the exponents of the coordinates."""


def several_problem(function: Any, coordinates: int) -> str | None:
    """What keeps a function of some coordinates from being carried.

    Args:
        function: of OpenSim.
        coordinates: how many it is of.

    Returns:
        Its kind; None where nothing does.
    """
    if coordinates <= 1:
        return function_problem(function)
    kind = function.getConcreteClassName()
    return None if kind in _OF_SEVERAL else f"{kind} of {coordinates} coordinates"


def read_several(function: Any, names: Sequence[str]) -> tuple[Function, tuple[Product, ...]]:
    """A function of coordinates as one of the first of them, and products that are added to it.

    Args:
        function: of OpenSim, without a `several_problem`.
        names: of the coordinates, in the order of the function's arguments.

    Returns:
        In the units of OpenSim's.

    Raises:
        ValueError: it is of another number of coordinates.
    """
    if len(names) <= 1:
        return read_function(function), ()
    if function.getConcreteClassName() == "LinearFunction":
        values = opensim.LinearFunction.safeDownCast(function).getCoefficients()
        slopes = [values.get(k) for k in range(values.getSize())]
        if len(slopes) != len(names) + 1:
            raise ValueError(
                f"a LinearFunction of {', '.join(names)} has {len(slopes)} coefficients; it needs "
                f"{len(names) + 1}"
            )
        others = zip(names[1:], slopes[1:-1], strict=True)
        return (
            LinearFunction((slopes[0], slopes[-1])),
            tuple(((name, LinearFunction((slope, 0.0))),) for name, slope in others),
        )
    typed = opensim.MultivariatePolynomialFunction.safeDownCast(function)
    if typed.getDimension() != len(names):
        raise ValueError(
            f"a MultivariatePolynomialFunction of {', '.join(names)} has dimension "
            f"{typed.getDimension()}"
        )
    values, order = typed.getCoefficients(), typed.getOrder()
    own, products = np.zeros(order + 1), []
    for k, powers in enumerate(monomials(len(names), order)):
        value = values.get(k)
        if not any(powers[1:]):
            own[order - powers[0]] = value
        elif value:
            factors = [(n, _power(p)) for n, p in zip(names, powers, strict=True) if p]
            (first, function_of_first), *rest = factors
            scaled = tuple(value * c for c in function_of_first.coefficients)
            products.append(((first, PolynomialFunction(scaled)), *rest))
    return PolynomialFunction(tuple(own.tolist())), tuple(products)


def _power(exponent: int) -> PolynomialFunction:
    return PolynomialFunction((1.0, *[0.0] * exponent))


def coordinates_of(first: str, products: Sequence[Product]) -> tuple[str, ...]:
    """The coordinates that a function with added products is of.

    Args:
        first: that the function itself is of.
        products: that are added.

    Returns:
        Names, each once.
    """
    return tuple(dict.fromkeys((first, *(name for product in products for name, _ in product))))


def add_several(
    parent: ET.Element,
    function: Function,
    first: str,
    products: Sequence[Product],
    name: str | None = None,
) -> None:
    """The inverse of `read_several`, of the coordinates in the order of `coordinates_of`.

    Args:
        parent: element that it goes into.
        function: of the first coordinate.
        first: name of that.
        products: that are added to it.
        name: of the element, if it has one.

    Raises:
        ValueError: a factor is no polynomial: no file of OpenSim says a product of such.
    """
    if not products:
        add_function(parent, function, name)
        return
    names = coordinates_of(first, products)
    total = _polynomial(function, names.index(first), len(names))
    for product in products:
        part: _Polynomial = {(0,) * len(names): 1.0}
        for coordinate, factor in product:
            part = _times(part, _polynomial(factor, names.index(coordinate), len(names)))
        for powers, value in part.items():
            total[powers] = total.get(powers, 0.0) + value
    order = max(sum(powers) for powers, value in total.items() if value or not sum(powers))
    attributes = {} if name is None else {"name": name}
    if order <= 1:
        element = ET.SubElement(parent, "LinearFunction", attributes)
        unit = np.eye(len(names), dtype=int)
        slopes = [total.get(tuple(row.tolist()), 0.0) for row in unit]
        constant = total.get((0,) * len(names), 0.0)
        add_text(element, "coefficients", numbers_text([*slopes, constant]))
        return
    element = ET.SubElement(parent, "MultivariatePolynomialFunction", attributes)
    values = [total.get(powers, 0.0) for powers in monomials(len(names), order)]
    add_text(element, "coefficients", numbers_text(values))
    add_text(element, "dimension", str(len(names)))
    add_text(element, "order", str(order))


def _polynomial(function: Function, at: int, dimension: int) -> _Polynomial:
    """A function of coordinate `at` as a polynomial of all."""
    match function:
        case Constant(value):
            coefficients: tuple[float, ...] = (value,)
        case LinearFunction(values) | PolynomialFunction(values):
            coefficients = values
        case MultiplierFunction(inner, scale):
            return {p: scale * v for p, v in _polynomial(inner, at, dimension).items()}
        case _:
            raise ValueError(
                f"a product with a {type(function).__name__}, which no OpenSim file says; only "
                "polynomials of several coordinates can be written"
            )
    found = {}
    for exponent, value in enumerate(reversed(coefficients)):
        powers = [0] * dimension
        powers[at] = exponent
        found[tuple(powers)] = value
    return found


def _times(a: _Polynomial, b: _Polynomial) -> _Polynomial:
    product: _Polynomial = {}
    for p, x in a.items():
        for q, y in b.items():
            powers = tuple(i + j for i, j in zip(p, q, strict=True))
            product[powers] = product.get(powers, 0.0) + x * y
    return product
