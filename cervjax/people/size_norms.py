"""What sizes people of a sex, stature and weight have, and what a measurement of one is worth."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.stats

from .anthropometry import VARIABLES, ansur2
from .person import Sex

_VARIABLE = {
    "neck_length": "neck_link",
    "shoulder_width": "biacromial_breadth",
    "head_size": "head_circumference",
}


@dataclass(frozen=True)
class SizeNorms:
    """Normal distributions of ratios to the model, which stands for ANSUR II's mean man.

    Attributes:
        mean, sd: of each ratio by name; no unit.
    """

    mean: Mapping[str, float]
    sd: Mapping[str, float]

    @classmethod
    def of(
        cls, sex: Sex, *, stature: float | None = None, weight: float | None = None
    ) -> "SizeNorms":
        """Of adults, ANSUR II, given what is known of one.

        Args:
            sex: as recorded.
            stature, weight: m, kg.

        Returns:
            Of neck length, shoulder width and head size.
        """
        survey, names, row = ansur2(), list(VARIABLES), int(sex)
        mean, sd = survey.latent_mean[row], survey.latent_sd[row]
        covariance = survey.correlation[row] * np.outer(sd, sd)
        known = {"stature": stature, "weight": None if weight is None else np.log(weight)}
        given = [names.index(name) for name, value in known.items() if value is not None]
        values = np.array([value for value in known.values() if value is not None], float)
        men = survey.mean[int(Sex.MALE)]
        found_mean, found_sd = {}, {}
        for ratio, variable in _VARIABLE.items():
            at = names.index(variable)
            slope = np.linalg.solve(covariance[np.ix_(given, given)], covariance[given, at])
            middle = mean[at] + slope @ (values - mean[given])
            variance = covariance[at, at] - slope @ covariance[given, at]
            found_mean[ratio] = float(middle / men[at])
            found_sd[ratio] = float(np.sqrt(variance) / men[at])
        return cls(found_mean, found_sd)

    def weighed(self, name: str, value: float, spread: float) -> float:
        """A measured ratio weighed against the norm, by their variances.

        Args:
            name: of the ratio.
            value: measured.
            spread: its standard deviation.

        Returns:
            The mean of the posterior of a normal distribution; `value` for other ratios.
        """
        if name not in self.mean:
            return value
        trust = self.sd[name] ** 2 / (self.sd[name] ** 2 + spread**2)
        return trust * value + (1 - trust) * self.mean[name]

    def percentile(self, name: str, value: float) -> float:
        """Of a ratio among people like this one.

        Args:
            name: of the ratio.
            value: no unit.

        Returns:
            0 to 100, no unit.
        """
        return float(100 * scipy.stats.norm.cdf((value - self.mean[name]) / self.sd[name]))
