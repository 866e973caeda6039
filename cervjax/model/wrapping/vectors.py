"""Small vector functions that stay finite, derivatives included, where a vector vanishes."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cervjax.math.rotation import cross, dot


def length_of(vector: Float[Array, "*n 3"]) -> Float[Array, "*n"]:
    """The length, m; a derivative of zero where it is zero."""
    squared = dot(vector, vector)
    apart = squared > 0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1.0)), 0.0)


def flattened(point: Float[Array, "*n 3"]) -> Float[Array, "*n 3"]:
    """Without what is along z, m."""
    return point * jnp.array([1.0, 1.0, 0.0], point.dtype)


def unit(vector: Float[Array, "*n 3"]) -> Float[Array, "*n 3"]:
    """The direction, no unit; zero where there is none."""
    size = length_of(vector)[..., None]
    return jnp.where(size > 0, vector / jnp.where(size > 0, size, 1.0), 0.0)


def angle_between(a: Float[Array, " 3"], b: Float[Array, " 3"]) -> Float[Array, ""]:
    """The angle between two vectors, rad, 0 to pi; a derivative of zero at either end."""
    along, across = dot(a, b), length_of(cross(a, b))
    nowhere = (along == 0) & (across == 0)
    return jnp.where(nowhere, 0.0, jnp.arctan2(across, jnp.where(nowhere, 1.0, along)))


def sphere_cuts(
    start: Float[Array, " 3"], end: Float[Array, " 3"], radius: Float[Array, ""] | float
) -> tuple[Bool[Array, ""], tuple[Float[Array, ""], Float[Array, ""]]]:
    """Where a line cuts a sphere about the origin, and whether both places are between its ends.

    Args:
        start, end: m, of the line.
        radius: m.

    Returns:
        Parts of the way from `end` to `start` (no unit), the one nearer to `start` first.
    """
    line = start - end
    a, b = dot(line, line), 2 * dot(end, line)
    c = dot(end, end) - radius**2
    depth = b**2 - 4 * a * c
    twice = jnp.where(a > 0, 2 * a, 1.0)
    near, far = ((-b + sign * root(depth)) / twice for sign in (1.0, -1.0))
    between = (near > 0) & (near < 1) & (far > 0) & (far < 1)
    return (depth >= 0) & between, (near, far)


def root(value: Float[Array, ""]) -> Float[Array, ""]:
    """The square root, and a derivative of zero where there is none.

    Args:
        value: m^2, say.

    Returns:
        m then; zero of what is not positive.
    """
    positive = value > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, value, 1.0)), 0.0)
