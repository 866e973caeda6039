"""Compute the table of body sizes that the population is drawn from, out of ANSUR II.

    python experiments/anthropometry_table.py FOLDER

FOLDER holds ANSUR_II_FEMALE_Public.csv and ANSUR_II_MALE_Public.csv (public domain).
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from cervjax.people import Anthropometry, write_anthropometry


@dataclass(frozen=True)
class Config:
    """What to read and to write.

    Attributes:
        folder: of the survey's two files.
        out: the table.
    """

    folder: Annotated[Path, tyro.conf.Positional]
    out: Path = Path("cervjax/people/ansur2.csv")


def run(config: Config) -> Anthropometry:
    """Write the table."""
    table = Anthropometry.of({sex: survey(config.folder, sex) for sex in ("female", "male")})
    write_anthropometry(table, config.out)
    return table


def survey(folder: Path, sex: str) -> dict[str, np.ndarray]:
    """The variables of everybody measured; SI units. ANSUR's are mm, its weight tenths of a kg."""
    path = folder / f"ANSUR_II_{sex.upper()}_Public.csv"
    with path.open(encoding="latin-1") as file:
        rows = list(csv.DictReader(file))

    def column(name: str, scale: float) -> np.ndarray:
        return scale * np.array([float(row[name]) for row in rows])

    tragion = column("stature", 1e-3) - column("tragiontopofhead", 1e-3)
    return {
        "age": column("Age", 1.0),
        "stature": column("stature", 1e-3),
        "weight": column("weightkg", 0.1),
        "neck_circumference": column("neckcircumference", 1e-3),
        "biacromial_breadth": column("biacromialbreadth", 1e-3),
        "neck_link": tragion - column("cervicaleheight", 1e-3),
        "head_circumference": column("headcircumference", 1e-3),
    }


if __name__ == "__main__":
    run(tyro.cli(Config, description=__doc__))
