"""Gauss-Jordan elimination of small positive definite systems.

As array operations over the whole table, because under vmap LAPACK would be called once per row of
the batch.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def solve_spd(matrix: Float[Array, "n n"], right: Float[Array, " n"]) -> Float[Array, " n"]:
    """The solution of `matrix @ x = right`, in the unit of `right` over that of `matrix`."""
    return _eliminate(matrix, right[:, None])[:, 0]


def inverse_spd(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The inverse of `matrix`, in 1 over its unit."""
    return _eliminate(matrix, jnp.eye(len(matrix), dtype=matrix.dtype))


def _eliminate(matrix: Array, right: Array) -> Array:
    count = len(matrix)
    table = jnp.concatenate([matrix, right], axis=1)
    for k in range(count):
        row = table[k] / table[k, k]
        table = (table - table[:, k, None] * row).at[k].set(row)
    return table[:, count:]
