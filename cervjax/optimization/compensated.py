"""Sums of products with the rounding error carried along.

Where reserves carry much, multipliers are large and their products cancel in the reduced cost of a
control: in float32 1e3 x 1e-7 is more than an activation may be off. Error-free transformations
(Dekker 1971; Ogita, Rump, Oishi 2005) give it as if computed in twice the precision.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .problem import ActivationProblem, reduced_costs


def accurate_reduced_costs(
    problem: ActivationProblem,
    multipliers: Float[Array, " equations"],
    rest: Float[Array, " equations"],
) -> Float[Array, " actuators"]:
    """`matrix^T @ (multipliers + rest)`, `rest` being what `multipliers` cannot hold.

    Derivatives are those of the plain product. float64 needs none of this and gets the plain one.

    Returns:
        Reduced cost of each control, no unit.
    """
    plain = reduced_costs(problem, multipliers)
    if problem.matrix.dtype == jnp.float64:
        return plain
    matrix, many = jax.lax.stop_gradient((problem.matrix, multipliers))
    total = jnp.zeros_like(plain)
    error = reduced_costs(problem._replace(matrix=matrix), jax.lax.stop_gradient(rest))
    for row, multiplier in zip(matrix, many, strict=True):
        product, lost = _two_product(row, multiplier)
        total, dropped = two_sum(total, product)
        error = error + (lost + dropped)
    return plain + jax.lax.stop_gradient((total - plain) + error)


def two_sum(a: Float[Array, "*n"], b: Float[Array, "*n"]) -> tuple[Array, Array]:
    """`a + b` rounded, and the rounding error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a: Float[Array, " n"], b: Float[Array, ""]) -> tuple[Array, Array]:
    """`a * b` rounded, and the rounding error."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _split(a: Array) -> tuple[Array, Array]:
    """The upper and the lower half of float32's bits."""
    scaled = 4097.0 * a
    high = scaled - (scaled - a)
    return high, a - high
