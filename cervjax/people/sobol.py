"""Sobol points by index, on the device: point k is the same whatever is drawn around it.

SciPy's generator runs through the sequence on the host; a row's person must follow from its index
alone, under `jax.vmap`. The unscrambled points equal SciPy's (tests).

Source: Joe & Kuo 2008, SIAM J Sci Comput 30:2635 (direction numbers of the first dimensions).
"""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

_BITS = 32
_JOE_KUO: tuple[tuple[int, tuple[int, ...]], ...] = (
    (0, (1,)),
    (1, (1, 3)),
    (1, (1, 3, 1)),
    (2, (1, 1, 1)),
    (1, (1, 1, 3, 3)),
    (4, (1, 3, 5, 13)),
    (2, (1, 1, 5, 5, 17)),
    (4, (1, 1, 5, 5, 5)),
    (7, (1, 1, 7, 11, 19)),
)
"""Dimensions two and up: inner coefficients of the polynomial, first direction numbers."""

MOST_DIMENSIONS = len(_JOE_KUO) + 1


def sobol_points(
    index: UInt32[Array, ""], dimensions: int, shift: UInt32[Array, " dimensions"]
) -> Float[Array, " dimensions"]:
    """Point `index` of the Sobol sequence, digitally shifted by the random bits `shift`.

    A digital shift keeps the sequence's even filling of space.

    Returns:
        In [0, 1); no unit.

    Raises:
        ValueError: `dimensions` is beyond the table.
    """
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise ValueError(f"dimensions = {dimensions} is not between 1 and {MOST_DIMENSIONS}")
    numbers = jnp.asarray(_direction_numbers(dimensions))  # [bits, dimensions]
    gray = index ^ (index >> 1)
    bits = (gray >> jnp.arange(_BITS, dtype=jnp.uint32)) & 1
    chosen = jnp.where(bits[:, None] == 1, numbers, jnp.uint32(0))
    combined = functools.reduce(jnp.bitwise_xor, [chosen[k] for k in range(_BITS)]) ^ shift
    # The upper 24 bits are what a float32 below one holds.
    return (combined >> 8).astype(jnp.float32) * np.float32(2.0**-24)


@functools.cache
def _direction_numbers(dimensions: int) -> np.ndarray:
    table = np.zeros((_BITS, dimensions), np.uint32)
    table[:, 0] = [1 << (_BITS - 1 - k) for k in range(_BITS)]
    for d, (inner, first) in enumerate(_JOE_KUO[: dimensions - 1], start=1):
        degree = len(first)
        v = [m << (_BITS - 1 - k) for k, m in enumerate(first)]
        for k in range(degree, _BITS):
            new = v[k - degree] ^ (v[k - degree] >> degree)
            for j in range(1, degree):
                if (inner >> (degree - 1 - j)) & 1:
                    new ^= v[k - j]
            v.append(new)
        table[:, d] = v
    return table
