"""OpenSim's joint and coupler functions in JAX."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.math import simm_spline_pieces
from cervjax.spec import (
    Constant,
    Function,
    LinearFunction,
    MultiplierFunction,
    PiecewiseLinearFunction,
    PolynomialFunction,
    SimmSpline,
    Sine,
)

Scalar = Float[Array, ""]


def jax_function(function: Function) -> Callable[[Scalar], Scalar]:
    """`function` as a differentiable JAX function of a scalar.

    SimmSpline is SIMM's cubic spline with linear extrapolation, as OpenSim has it.

    Returns:
        From and to the units of `function`.
    """
    match function:
        case Constant(value):
            return lambda x: jnp.full_like(x, value)
        case LinearFunction(coefficients) | PolynomialFunction(coefficients):
            return lambda x: jnp.polyval(jnp.asarray(coefficients, x.dtype), x)
        case Sine(amplitude, omega, phase, offset):
            return lambda x: amplitude * jnp.sin(omega * x + phase) + offset
        case MultiplierFunction(inner, scale):
            evaluate = jax_function(inner)
            return lambda x: scale * evaluate(x)
        case PiecewiseLinearFunction(x, y):
            slopes = np.diff(y) / np.diff(x)
            return _piecewise(np.array(x), np.stack([slopes, np.array(y[:-1])]))
        case SimmSpline(x, y) if len(x) == 2:
            return jax_function(PiecewiseLinearFunction(x, y))
        case SimmSpline(x, y):
            return _piecewise(*simm_spline_pieces(np.array(x), np.array(y)))


def _piecewise(knots: np.ndarray, coefficients: np.ndarray) -> Callable[[Scalar], Scalar]:
    """Polynomials, highest power first, in `x - knots[i]` on `[knots[i], knots[i+1])`."""

    def evaluate(x: Scalar) -> Scalar:
        segment = jnp.clip(
            jnp.searchsorted(jnp.asarray(knots, x.dtype), x, side="right") - 1, 0, len(knots) - 2
        )
        local = x - jnp.asarray(knots, x.dtype)[segment]
        return jnp.polyval(jnp.asarray(coefficients, x.dtype)[:, segment], local)

    return evaluate
