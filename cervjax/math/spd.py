"""Small positive definite systems.

Gauss-Jordan elimination as array operations over the whole table. LAPACK, which under `vmap` is
called once per row, is hardly faster on a CPU (by an eighth at 23 unknowns), and where a process
has several CPU devices JAX's calls of it wait for each other for ever.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_WRITTEN_OUT = 48
"""Unknowns up to which every step is an operation of its own; beyond, compiling takes too long."""


def solve_spd(matrix: Float[Array, "n n"], right: Float[Array, " n"]) -> Float[Array, " n"]:
    """The solution of `matrix @ x = right`, in the unit of `right` over that of `matrix`."""
    return _eliminate(matrix, right[:, None])[:, 0]


def inverse_spd(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The inverse of `matrix`, in 1 over its unit."""
    return _eliminate(matrix, jnp.eye(len(matrix), dtype=matrix.dtype))


def _eliminate(matrix: Array, right: Array) -> Array:
    count = len(matrix)
    table = jnp.concatenate([matrix, right], axis=1)
    if count > _WRITTEN_OUT:
        return jax.lax.fori_loop(0, count, _step, table)[:, count:]
    for k in range(count):
        row = table[k] / table[k, k]
        table = (table - table[:, k, None] * row).at[k].set(row)
    return table[:, count:]


def _step(k: Array, table: Array) -> Array:
    own = jnp.arange(len(table)) == k
    row = table[k] / table[k, k]
    return jnp.where(own[:, None], row, table - table[:, k][:, None] * row)
