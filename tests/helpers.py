"""What several tests need: random motions, finite differences."""

from collections.abc import Callable

import jax
import numpy as np

from cervjax.spec import ModelSpec

FINITE_DIFFERENCE_STEP = 1e-5
"""Relative step of central differences in float64: truncation and rounding are both near 1e-10."""


def random_motion(
    spec: ModelSpec,
    count: int,
    seed: int,
    *,
    part: float = 1.0,
    speed: float = 3.0,
    acceleration: float = 30.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random `q, qd, qdd` of the free coordinates, over `part` of their range.

    Args:
        speed, acceleration: standard deviations, rad/s and rad/s^2.
    """
    rng = np.random.default_rng(seed)
    low, high = np.array([spec.coordinate(c).range for c in spec.free_coordinates]).T
    middle, half = 0.5 * (low + high), 0.5 * part * (high - low)
    shape = (count, len(low))
    return (
        middle + half * rng.uniform(-1, 1, shape),
        speed * rng.normal(size=shape),
        acceleration * rng.normal(size=shape),
    )


def central_difference(function: Callable[[float], float], x: float) -> float:
    """Derivative of a scalar function by central differences."""
    step = FINITE_DIFFERENCE_STEP * max(1.0, abs(x))
    return (float(function(x + step)) - float(function(x - step))) / (2 * step)


def single(tree, index: int):
    """Row `index` of every array in `tree`."""
    return jax.tree.map(lambda x: x[index], tree)


TRACKED_TRUNK = {
    "SJN": (0.056, 0.341, 0.004),
    "SXS": (0.144, 0.181, 0.004),
    "CV7": (-0.12, 0.40, 0.004),
    "TV8": (-0.088, 0.114, 0.0),
}
"""m, where one person wore markers on the ribcage ..."""
TRACKED_HEAD = {
    "LAH": (0.099, 0.15, -0.032),
    "RAH": (0.088, 0.148, 0.063),
    "LPH": (-0.098, 0.068, -0.052),
    "RPH": (-0.098, 0.069, 0.064),
}
"""... and on the skull."""
TRACKED_MARKERS = (*TRACKED_TRUNK, *TRACKED_HEAD)
