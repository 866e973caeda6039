"""What the samplers of movements share: sums of sinusoids from uniform random numbers."""

import math
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

COMPONENTS = 4
"""Sinusoids of a movement, the highest at most four times the base frequency."""


def named_uniforms(
    uniforms: Float[Array, " n"], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Array]:
    """Numbers cut up by name.

    Args:
        uniforms: as many as the shapes together have.
        shapes: of each.

    Returns:
        In [0, 1); no unit.
    """
    sizes = [math.prod(shape) for shape in shapes.values()]
    ends = np.cumsum(sizes)
    return {
        name: uniforms[end - size : end].reshape(shape)
        for (name, shape), size, end in zip(shapes.items(), sizes, ends, strict=True)
    }


def spectrum(
    size: Float[Array, "planes k"],
    frequency: Float[Array, " k"],
    circling: Bool[Array, ""],
    wandering: Bool[Array, ""],
) -> tuple[Float[Array, " k"], Float[Array, "planes k"]]:
    """Frequencies and weights of the sinusoids.

    Args:
        size: uniform numbers, of each.
        frequency: uniform numbers.
        circling: whether there is only the first.
        wandering: whether frequencies are no multiples of one another.

    Returns:
        Frequency over base frequency, and weights that add up to one in each plane.
    """
    order = jnp.arange(1, COMPONENTS + 1, dtype=size.dtype)
    first = order == 1
    multiple = order
    weight = jnp.where(first, 1.0, size) / order**3
    weight = jnp.where(circling, first.astype(size.dtype), weight)
    apart = jnp.where(first, 1.0, 1 + (COMPONENTS - 1) * frequency)
    multiple = jnp.where(wandering, apart, multiple)
    weight = jnp.where(wandering, (0.3 + size) / apart**2, weight)
    return multiple, weight / jnp.sum(weight, axis=1, keepdims=True)
