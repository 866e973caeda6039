"""Smoothness of a movement."""

import numpy as np
from jaxtyping import Float

_PADDING = 4
_HIGHEST = 10.0
"""Hz."""
_LEAST = 0.05
"""Of the largest magnitude, below which a spectrum counts as ended."""


def spectral_arc_length(speed: Float[np.ndarray, " frames"], rate: float) -> float:
    """SPARC of a speed profile: minus the length of its normalised spectrum's outline.

    Balasubramanian, Melendez-Calderon, Roby-Brami & Burdet 2015 (J NeuroEng Rehabil 12:112), with
    their values: 10 Hz, threshold 0.05, zero padding by 2^4. Does not depend on the size of the
    speed.

    Args:
        rate: Hz.

    Returns:
        About -1.4 for a bell-shaped profile, more negative for jerky movements; no unit.

    Raises:
        ValueError: fewer than four frames, or nothing moves.
    """
    speed = np.asarray(speed, float)
    if len(speed) < 4 or not np.abs(speed).max() > 0:
        raise ValueError(f"{len(speed)} frames of speed up to {np.abs(speed).max(initial=0.0):g}")
    size = 2 ** (int(np.ceil(np.log2(len(speed)))) + _PADDING)
    magnitude = np.abs(np.fft.rfft(speed, size))
    magnitude /= magnitude.max()
    frequency = np.arange(len(magnitude)) * rate / size
    magnitude = magnitude[frequency <= _HIGHEST]
    above = np.flatnonzero(magnitude >= _LEAST)
    outline = magnitude[above[0] : above[-1] + 1]
    if len(outline) < 2:
        return 0.0
    return -float(np.sum(np.hypot(1 / (len(outline) - 1), np.diff(outline))))
