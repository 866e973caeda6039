"""OpenSim's joint and coupler functions in JAX."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import CubicSpline

from cervjax.spec import (
    Constant,
    Function,
    LinearFunction,
    MultiplierFunction,
    PiecewiseLinearFunction,
    PolynomialFunction,
    SimmSpline,
)

Scalar = Float[Array, ""]


def jax_function(function: Function) -> Callable[[Scalar], Scalar]:
    """`function` as a differentiable JAX function of a scalar.

    SimmSpline is OpenSim's natural cubic spline with linear extrapolation.
    """
    match function:
        case Constant(value):
            return lambda x: jnp.full_like(x, value)
        case LinearFunction(coefficients) | PolynomialFunction(coefficients):
            return lambda x: jnp.polyval(jnp.asarray(coefficients, x.dtype), x)
        case MultiplierFunction(inner, scale):
            evaluate = jax_function(inner)
            return lambda x: scale * evaluate(x)
        case PiecewiseLinearFunction(x, y):
            slopes = np.diff(y) / np.diff(x)
            return _piecewise(np.array(x), np.stack([slopes, np.array(y[:-1])]))
        case SimmSpline(x, y) if len(x) == 2:
            return jax_function(PiecewiseLinearFunction(x, y))
        case SimmSpline(x, y):
            return _natural_spline(np.array(x), np.array(y))


def _piecewise(knots: np.ndarray, coefficients: np.ndarray) -> Callable[[Scalar], Scalar]:
    """Polynomials, highest power first, in `x - knots[i]` on `[knots[i], knots[i+1])`."""

    def evaluate(x: Scalar) -> Scalar:
        segment = jnp.clip(
            jnp.searchsorted(jnp.asarray(knots, x.dtype), x, side="right") - 1, 0, len(knots) - 2
        )
        local = x - jnp.asarray(knots, x.dtype)[segment]
        return jnp.polyval(jnp.asarray(coefficients, x.dtype)[:, segment], local)

    return evaluate


def _natural_spline(x: np.ndarray, y: np.ndarray) -> Callable[[Scalar], Scalar]:
    spline = CubicSpline(x, y, bc_type="natural")
    # A linear piece on either side continues the end slopes.
    first, last = float(spline(x[0], 1)), float(spline(x[-1], 1))
    before = np.array([0.0, 0.0, first, y[0] - first])
    after = np.array([0.0, 0.0, last, y[-1]])
    knots = np.concatenate([[x[0] - 1.0], x, [x[-1] + 1.0]])
    return _piecewise(knots, np.column_stack([before, spline.c, after]))
