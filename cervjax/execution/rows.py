"""Many rows through one compiled function, in chunks that a device likes, over all devices."""

from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import PyTree

CPU_CHUNK = 128
"""Rows computed at once on a CPU core: about a hundred stay in its caches."""
GPU_CHUNK = 8192
"""Rows computed at once on a GPU, which wants many."""
_CHUNKS_PER_CALL = 64

Result = TypeVar("Result")


def chunk_rows() -> int:
    """Rows that the default device computes at once.

    Returns:
        `CPU_CHUNK`, or `GPU_CHUNK` where the default device is not a CPU.
    """
    return CPU_CHUNK if jax.default_backend() == "cpu" else GPU_CHUNK


def map_rows(function: Callable[[Any, Any], Result], rows: PyTree, constants: PyTree) -> Result:
    """`function(constants, row)` of every row, on all local devices.

    What is compiled depends on the function, on the shape of a row and on that of the constants,
    not on their values and not on how many rows there are.

    Args:
        function: of one row; defined in a module, so that it is the same one next time.
        rows: arrays with a leading axis, in memory of the host.
        constants: what all rows share: modules of arrays, and static values.

    Returns:
        Arrays with the same leading axis, in memory of the host.
    """
    chunk = chunk_rows()
    return map_chunks(function, rows, constants, _CHUNKS_PER_CALL * chunk, chunk)


def map_chunks(
    function: Callable[[Any, Any], Result], rows: PyTree, constants: PyTree, size: int, chunk: int
) -> Result:
    """As `map_rows`, with as many rows in a call, and computed at once, as the caller likes.

    Args:
        function: of one row; defined in a module, so that it is the same one next time.
        rows: arrays with a leading axis, in memory of the host; None for nothing.
        constants: what all rows share: modules of arrays, and static values.
        size: rows of a call on each device; the last call is filled up.
        chunk: rows that a device computes at once.

    Returns:
        Arrays with the same leading axis, in memory of the host.
    """
    devices = tuple(jax.local_devices())
    size = size * len(devices)
    count, parts = len(jax.tree.leaves(rows)[0]), []
    for start in range(0, count, size):
        block = jax.tree.map(lambda x, s=start: np.asarray(x)[s : s + size], rows)
        have = len(jax.tree.leaves(block)[0])
        # The last call is filled up with its last row, so that all have one shape.
        filled = jax.tree.map(
            lambda x, n=size - have: np.pad(x, ((0, n), *[(0, 0)] * (x.ndim - 1)), mode="edge"),
            block,
        )
        computed = _mapped(function, filled, constants, devices, chunk)
        parts.append(jax.tree.map(lambda x, n=have: np.asarray(x)[:n], computed))
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


@eqx.filter_jit
def _mapped(function, rows, constants, devices, chunk):
    mesh, split = Mesh(np.array(devices), ("device",)), PartitionSpec("device")
    arrays, rest = eqx.partition(constants, eqx.is_array)

    def part(rows, arrays):
        known = eqx.combine(arrays, rest)
        return jax.lax.map(lambda row: function(known, row), rows, batch_size=chunk)

    return jax.shard_map(
        part, mesh=mesh, in_specs=(split, PartitionSpec()), out_specs=split, check_vma=False
    )(rows, arrays)


def in_chunks(function: Callable[..., Any], size: int, *rows: PyTree) -> Any:
    """`function(*rows)`, `size` rows at a time.

    Every call has as many rows, the last one filled up with its last row, so that what is compiled
    does not depend on how many there are.

    Args:
        function: of `size` rows.
        size: rows of a call.
        rows: arrays of equal length, or trees of them; None for nothing.

    Returns:
        Arrays of that length, in memory of the host.
    """
    count = len(jax.tree.leaves(rows)[0])
    results = []
    for start in range(0, count, size):
        at = np.minimum(np.arange(start, start + size), count - 1)
        part = jax.tree.map(lambda x, at=at: x[at], rows)
        results.append(jax.tree.map(np.asarray, function(*part)))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:count], *results)
