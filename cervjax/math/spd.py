"""Small positive definite systems.

Gauss-Jordan elimination as array operations over the whole table, because under vmap LAPACK would
be called once per row of the batch: that pays from some ten unknowns on.
"""

import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Float

_LARGEST = 10
"""Unknowns up to which elimination is written out; beyond, LAPACK is faster on a CPU."""


def solve_spd(matrix: Float[Array, "n n"], right: Float[Array, " n"]) -> Float[Array, " n"]:
    """The solution of `matrix @ x = right`, in the unit of `right` over that of `matrix`."""
    return _eliminate(matrix, right[:, None])[:, 0]


def inverse_spd(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The inverse of `matrix`, in 1 over its unit."""
    return _eliminate(matrix, jnp.eye(len(matrix), dtype=matrix.dtype))


def _eliminate(matrix: Array, right: Array) -> Array:
    count = len(matrix)
    if count > _LARGEST:
        return cho_solve(cho_factor(matrix), right)
    table = jnp.concatenate([matrix, right], axis=1)
    for k in range(count):
        row = table[k] / table[k, k]
        table = (table - table[:, k, None] * row).at[k].set(row)
    return table[:, count:]
