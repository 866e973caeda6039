"""Many rows through one compiled function."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def in_chunks(function: Callable[..., Any], size: int, *rows: np.ndarray) -> Any:
    """`function(*rows)`, `size` rows at a time, as host arrays.

    Every call has as many rows, the last one filled up with its last row, so that what is compiled
    does not depend on how many there are.

    Args:
        rows: arrays of equal length.
    """
    count = len(rows[0])
    results = []
    for start in range(0, count, size):
        at = np.minimum(np.arange(start, start + size), count - 1)
        results.append(jax.tree.map(np.asarray, function(*(x[at] for x in rows))))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:count], *results)
