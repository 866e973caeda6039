import jax
import jax.numpy as jnp
import numpy as np
import opensim
import pytest

from cervjax.model import jax_function
from cervjax.spec import (
    Constant,
    LinearFunction,
    MultiplierFunction,
    PiecewiseLinearFunction,
    PolynomialFunction,
    SimmSpline,
)

X = (-1.2, -0.3, 0.1, 0.8, 1.5)
Y = (0.4, -0.2, 0.9, 0.3, -0.7)


def _vector(values):
    vector = opensim.Vector(len(values), 0.0)
    for i, value in enumerate(values):
        vector.set(i, value)
    return vector


def _with_points(function, count=len(X)):
    for x, y in zip(X[:count], Y[:count], strict=True):
        function.addPoint(x, y)
    return function


def _linear():
    return opensim.LinearFunction(2.0, -0.5)


def _multiplier():
    inner = _linear()
    inner._markAdopted()  # the multiplier owns it
    return opensim.MultiplierFunction(inner, -1.5)


CASES = [
    (Constant(0.7), lambda: opensim.Constant(0.7)),
    (LinearFunction((2.0, -0.5)), _linear),
    (
        PolynomialFunction((0.3, -1.0, 0.2, 0.5)),
        lambda: opensim.PolynomialFunction(_vector((0.3, -1.0, 0.2, 0.5))),
    ),
    (SimmSpline(X, Y), lambda: _with_points(opensim.SimmSpline())),
    (SimmSpline(X[:3], Y[:3]), lambda: _with_points(opensim.SimmSpline(), 3)),
    (SimmSpline(X[:4], Y[:4]), lambda: _with_points(opensim.SimmSpline(), 4)),
    (PiecewiseLinearFunction(X, Y), lambda: _with_points(opensim.PiecewiseLinearFunction())),
    (
        MultiplierFunction(LinearFunction((2.0, -0.5)), -1.5),
        _multiplier,
    ),
]


@pytest.mark.parametrize(("ours", "theirs"), CASES, ids=lambda c: type(c).__name__)
def test_values_and_slopes_are_opensims(ours, theirs):
    """Inside and outside the knots, to rounding."""
    reference = theirs()
    # Off the knots: there a piecewise linear function has no slope.
    at = np.linspace(-2.003, 2.511, 97)
    function = jax_function(ours)
    values = jax.vmap(function)(jnp.asarray(at))
    slopes = jax.vmap(jax.grad(function))(jnp.asarray(at))
    expected = [reference.calcValue(_vector([x])) for x in at]
    np.testing.assert_allclose(values, expected, atol=1e-13)
    first = opensim.StdVectorInt()
    first.push_back(0)
    expected = [reference.calcDerivative(first, _vector([x])) for x in at]
    np.testing.assert_allclose(slopes, expected, atol=1e-12)
