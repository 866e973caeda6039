"""Small vector functions that stay finite, derivatives included, where a vector vanishes."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from cervjax.math.rotation import cross, dot


def length_of(vector: Float[Array, "*n 3"]) -> Float[Array, "*n"]:
    """The length, m; a derivative of zero where it is zero."""
    squared = dot(vector, vector)
    apart = squared > 0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1.0)), 0.0)


def unit(vector: Float[Array, "*n 3"]) -> Float[Array, "*n 3"]:
    """The direction, no unit; zero where there is none."""
    size = length_of(vector)[..., None]
    return jnp.where(size > 0, vector / jnp.where(size > 0, size, 1.0), 0.0)


def angle_between(a: Float[Array, " 3"], b: Float[Array, " 3"]) -> Float[Array, ""]:
    """The angle between two vectors, rad, 0 to pi; a derivative of zero at either end."""
    along, across = dot(a, b), length_of(cross(a, b))
    nowhere = (along == 0) & (across == 0)
    return jnp.where(nowhere, 0.0, jnp.arctan2(across, jnp.where(nowhere, 1.0, along)))


def root(value: Float[Array, ""]) -> Float[Array, ""]:
    """The square root, and a derivative of zero where there is none.

    Args:
        value: m^2, say.

    Returns:
        m then; zero of what is not positive.
    """
    positive = value > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, value, 1.0)), 0.0)
