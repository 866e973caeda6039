"""Small positive definite systems.

Elimination as array operations over the whole table. LAPACK, which under `vmap` is
called once per row, is hardly faster on a CPU (by a tenth at 23 unknowns), and where a process
has several CPU devices JAX's calls of it wait for each other for ever.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_WHOLE_TABLE = 10
"""Unknowns up to which the whole table is eliminated at once: the fewest operations to compile."""
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
    if count > _WHOLE_TABLE:
        return _substituted(table, count)
    for k in range(count):
        row = table[k] / table[k, k]
        table = (table - table[:, k, None] * row).at[k].set(row)
    return table[:, count:]


def _substituted(table: Array, count: int) -> Array:
    """Gauss' elimination downwards, on a table that shrinks, then substitution upwards: half of the
    work, and as exact as Cholesky's factors."""
    rows = []
    for _ in range(count):
        row = table[0, 1:] / table[0, 0]
        rows.append(row)
        table = table[1:, 1:] - table[1:, :1] * row
    found = rows[-1][None]
    for row in reversed(rows[:-1]):
        known = len(found)
        first = row[known:] - jnp.sum(row[:known, None] * found, axis=0)
        found = jnp.concatenate([first[None], found])
    return found


def _step(k: Array, table: Array) -> Array:
    own = jnp.arange(len(table)) == k
    row = table[k] / table[k, k]
    return jnp.where(own[:, None], row, table - table[:, k][:, None] * row)
