"""How much a recording is smoothed."""

import numpy as np
from jaxtyping import Float
from scipy.signal import butter, sosfiltfilt

_CANDIDATES = np.arange(1.0, 15.01, 0.25)
"""Hz."""
LIMITS = (3.0, 10.0)
"""Hz, between which a cutoff is chosen: head movements end below, accelerations of anything faster
are noise."""


def residual_cutoff(values: Float[np.ndarray, "frames columns"], rate: float) -> float:
    """Cutoff of a low-pass by residual analysis.

    Winter 2009 (Biomechanics and Motor Control of Human Movement, 4th ed., section 3.4.4.3): what a
    filter takes away falls in a line with the cutoff where it is noise alone; the cutoff is where
    as much is taken away as that line says at zero.

    Args:
        rate: Hz.

    Returns:
        Hz, the highest over the columns, within `LIMITS`.
    """
    candidates = _CANDIDATES[0.45 * rate > _CANDIDATES]
    if len(candidates) < 8 or len(values) < 32:
        return LIMITS[0]
    filters = [butter(2, c, fs=rate, output="sos") for c in candidates]
    taken = np.array(
        [np.sqrt(np.mean((sosfiltfilt(f, values, axis=0) - values) ** 2, axis=0)) for f in filters]
    )
    tail = candidates >= 0.6 * candidates[-1]
    line = np.polyfit(candidates[tail], taken[tail], 1)
    chosen = LIMITS[0]
    for left, noise in zip(taken.T, line[1], strict=True):
        below = np.flatnonzero(left <= max(noise, 1e-12))
        at = candidates[below[0]] if len(below) else candidates[-1]
        chosen = max(chosen, float(at))
    return min(chosen, LIMITS[1])
