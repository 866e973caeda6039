"""Make `cervjax/assessment/healthy_people.npz`: simulated examinations of healthy people.

    python experiments/envelope_table.py

Needed again when `MovementNorms`, the measures or how they are taken change.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import tyro
from rich.progress import track

import cervjax.assessment
from cervjax.assessment.envelope import SHIPPED_AGES, examined, write_table
from cervjax.people import Sex


@dataclass(frozen=True)
class Config:
    """What to simulate.

    Attributes:
        people: of each sex and age, examined on two days.
        out: the table.
    """

    people: int = 1000
    out: Path = Path(cervjax.assessment.__file__).parent / "healthy_people.npz"


def run(config: Config) -> None:
    """Simulate and write."""
    cases = [(age, sex, config.people) for sex in Sex for age in SHIPPED_AGES]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        measured = list(track(pool.map(_simulated, cases), "envelopes", len(cases)))
    write_table(config.out, np.array(measured).reshape(len(Sex), -1, *measured[0].shape))


def _simulated(case: tuple[float, Sex, int]) -> np.ndarray:
    age, sex, people = case
    return examined(age, sex, people)


if __name__ == "__main__":
    run(tyro.cli(Config))
