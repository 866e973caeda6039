"""Means, standard deviations and correlations of body sizes, by sex: a small table of a survey."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cervjax.execution.reading import reading

VARIABLES: dict[str, tuple[str, bool]] = {
    "age": ("year", False),
    "stature": ("m", False),
    "weight": ("kg", True),
    "neck_circumference": ("m", True),
    "biacromial_breadth": ("m", False),
    "neck_link": ("m", False),
    "head_circumference": ("m", False),
}
"""Unit of each variable, and whether its logarithm is the one that is normal: weight and neck
circumference are skewed."""

SEXES = ("female", "male")


@dataclass(frozen=True)
class Anthropometry:
    """Joint distribution of `VARIABLES` for women (row 0) and men (row 1).

    Attributes:
        mean, sd: of the plain variables; SI units, years.
        correlation: of the variables, of their logarithms where `VARIABLES` says so.
        count: people measured.
    """

    mean: Float[np.ndarray, "2 v"]
    sd: Float[np.ndarray, "2 v"]
    correlation: Float[np.ndarray, "2 v v"]
    count: tuple[int, int]

    @property
    def latent_mean(self) -> Float[np.ndarray, "2 v"]:
        """Mean of the normal variables: years, m, or logarithms where `VARIABLES` says so."""
        log = _is_log()
        return np.where(log, np.log(self.mean) - 0.5 * self.latent_sd**2, self.mean)

    @property
    def latent_sd(self) -> Float[np.ndarray, "2 v"]:
        """Standard deviation of the same: years, m, or no unit for logarithms, from mean and SD."""
        return np.where(_is_log(), np.sqrt(np.log1p((self.sd / self.mean) ** 2)), self.sd)

    @classmethod
    def of(cls, samples: Mapping[str, Mapping[str, np.ndarray]]) -> "Anthropometry":
        """The statistics of `samples[sex][variable]`.

        Returns:
            In the units of `samples`, which are those of `VARIABLES`.

        Raises:
            ValueError: a variable is missing.
        """
        for sex in SEXES:
            missing = set(VARIABLES) - set(samples[sex])
            if missing:
                raise ValueError(f"no {sorted(missing)} among the measurements of {sex}s")
        plain = [np.array([samples[sex][v] for v in VARIABLES]) for sex in SEXES]
        log = _is_log()[:, None]
        normal = [np.where(log, np.log(x), x) for x in plain]
        return cls(
            np.array([x.mean(axis=1) for x in plain]),
            np.array([x.std(axis=1, ddof=1) for x in plain]),
            np.array([np.corrcoef(x) for x in normal]),
            (plain[0].shape[1], plain[1].shape[1]),
        )


def write_anthropometry(table: Anthropometry, path: Path) -> None:
    """Write `table` as CSV, one row per sex and variable."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sex", "variable", "unit", "log", "count", "mean", "sd", *VARIABLES])
        for s, sex in enumerate(SEXES):
            for v, (name, (unit, log)) in enumerate(VARIABLES.items()):
                numbers = (table.mean[s, v], table.sd[s, v], *table.correlation[s, v])
                texts = [f"{x:.6g}" for x in numbers]
                writer.writerow([sex, name, unit, int(log), table.count[s], *texts])


def read_anthropometry(path: Path | Traversable) -> Anthropometry:
    """Read what `write_anthropometry` wrote.

    Returns:
        An equal table, to six digits.

    Raises:
        ValueError: the table does not hold exactly `VARIABLES` of women and men, in order.
    """
    with reading(path, "a table of a population's sizes", "write it again from the survey"):
        return _read(path)


def _read(path: Path | Traversable) -> Anthropometry:
    with path.open("r") as file:
        rows = list(csv.DictReader(file, strict=True))
    expected = [(sex, name) for sex in SEXES for name in VARIABLES]
    found = [(row["sex"], row["variable"]) for row in rows]
    if found != expected:
        raise ValueError(f"{path} has rows {found}, not {expected}")
    for row in rows:
        unit, log = VARIABLES[row["variable"]]
        if row["unit"] != unit or row["log"] != str(int(log)):
            raise ValueError(f"{path}: {row['variable']} is in {row['unit']}, not in {unit}")
    shape = (2, len(VARIABLES))
    correlation = np.array([[float(row[name]) for name in VARIABLES] for row in rows])
    matrix = correlation.reshape(*shape, -1)
    if not np.allclose(matrix, np.swapaxes(matrix, 1, 2), atol=1e-6):
        raise ValueError(f"{path}: correlations are not symmetric: rows or values were exchanged")
    if np.abs(np.diagonal(matrix, axis1=1, axis2=2) - 1).max() > 1e-6 or np.any(
        np.linalg.eigvalsh(matrix) < -1e-6
    ):
        raise ValueError(f"{path}: these are no correlations")
    return Anthropometry(
        np.array([float(row["mean"]) for row in rows]).reshape(shape),
        np.array([float(row["sd"]) for row in rows]).reshape(shape),
        matrix,
        (int(rows[0]["count"]), int(rows[-1]["count"])),
    )


@cache
def ansur2() -> Anthropometry:
    """ANSUR II: 1986 women and 4082 men of the US Army (Gordon et al. 2014, public domain).

    `neck_link` is the height of the tragion above C7: stature less tragion-to-top-of-head less
    cervicale height. `experiments/anthropometry_table.py` computes the table from the survey.

    Returns:
        The table, read once.
    """
    return read_anthropometry(files("cervjax.people") / "ansur2.csv")


def _is_log() -> np.ndarray:
    return np.array([log for _, log in VARIABLES.values()])
