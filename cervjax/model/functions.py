"""OpenSim's joint and coupler functions in JAX."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import PPoly, make_interp_spline

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
            return _simm_spline(np.array(x), np.array(y))


def _piecewise(knots: np.ndarray, coefficients: np.ndarray) -> Callable[[Scalar], Scalar]:
    """Polynomials, highest power first, in `x - knots[i]` on `[knots[i], knots[i+1])`."""

    def evaluate(x: Scalar) -> Scalar:
        segment = jnp.clip(
            jnp.searchsorted(jnp.asarray(knots, x.dtype), x, side="right") - 1, 0, len(knots) - 2
        )
        local = x - jnp.asarray(knots, x.dtype)[segment]
        return jnp.polyval(jnp.asarray(coefficients, x.dtype)[:, segment], local)

    return evaluate


def _simm_spline(x: np.ndarray, y: np.ndarray) -> Callable[[Scalar], Scalar]:
    """SIMM's cubic spline: its third derivative at either end is that of the cubic through the
    four points there (Forsythe, Malcolm, Moler 1977), not zero curvature as in a natural one."""
    ends = [[(3, _third_derivative(x[part], y[part]))] for part in (slice(4), slice(-4, None))]
    spline = PPoly.from_spline(make_interp_spline(x, y, k=3, bc_type=tuple(ends)))
    pieces = spline.c[:, np.diff(spline.x) > 0]
    # A linear piece on either side continues the end slopes.
    first, last = float(spline(x[0], 1)), float(spline(x[-1], 1))
    before = np.array([0.0, 0.0, first, y[0] - first])
    after = np.array([0.0, 0.0, last, y[-1]])
    knots = np.concatenate([[x[0] - 1.0], x, [x[-1] + 1.0]])
    return _piecewise(knots, np.column_stack([before, pieces, after]))


def _third_derivative(x: np.ndarray, y: np.ndarray) -> float:
    """Of the cubic through four points; zero for fewer."""
    return 6 * float(np.polyfit(x - x[0], y, 3)[0]) if len(x) == 4 else 0.0
