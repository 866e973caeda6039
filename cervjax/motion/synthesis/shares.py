"""How lower and upper neck share a movement."""

import itertools

import numpy as np
from jaxtyping import Float

from cervjax.model import Topology
from cervjax.spec import PLANES

from .movements import plane_of_coordinates


def coordinate_shares(topology: Topology) -> Float[np.ndarray, "rows q"]:
    """The natural share: rows whose product with coordinates (rad) is zero where those of a plane
    are in proportion to their ranges.

    Returns:
        A row for each two neighbors in a plane: parts of the sum of their ranges, no unit.

    Raises:
        ValueError: a free coordinate belongs to no plane.
    """
    plane, width = np.array(plane_of_coordinates(topology)), np.ptp(topology.free_ranges, axis=1)
    rows = []
    for p in range(len(PLANES)):
        members = np.flatnonzero(plane == p)
        for one, other in itertools.pairwise(members):
            row = np.zeros(len(width))
            both = width[one] + width[other]
            row[one], row[other] = width[other] / both, -width[one] / both
            rows.append(row)
    return np.array(rows).reshape(-1, len(width))
