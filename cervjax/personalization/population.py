"""Populations of subjects."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from .subject import LIMITS, Subject

Range = tuple[float, float]


@dataclass(frozen=True)
class PopulationBox:
    """A space-filling (Sobol) box of ratios, the source paper's design with strength added.

    Neck length, shoulder width and head mass span about the 1st to 99th percentile of adults
    (ANSUR II; Zatsiorsky and Seluyanov 1983) around HYOID's male; strength spans women and men.

    Each attribute is the least and the greatest ratio of that parameter.
    """

    neck_length: Range = (0.85, 1.15)
    shoulder_width: Range = (0.88, 1.12)
    head_mass: Range = (0.85, 1.25)
    strength: Range = (0.6, 1.4)
    flexor_strength: Range = (0.85, 1.15)
    extensor_strength: Range = (0.85, 1.15)

    def sample(self, count: int, seed: int, *, first: int = 0) -> Subject:
        """Subjects `first` to `first + count - 1` of the sequence with `seed`.

        The same index is the same person, however the sequence is cut up.
        """
        if count < 1:
            raise ValueError(f"count of persons is {count}, must be at least 1")
        engine = qmc.Sobol(len(LIMITS), rng=np.random.default_rng(seed))
        if first:
            engine.fast_forward(first)
        low, high = np.array([getattr(self, name) for name in LIMITS]).T
        # SciPy warns where the first draw is no power of two: of balance, not of correctness.
        size = count if first else 1 << (count - 1).bit_length()
        ratios = qmc.scale(engine.random(size)[:count], low, high)
        return Subject.of(None, **{name: ratios[:, i] for i, name in enumerate(LIMITS)})
