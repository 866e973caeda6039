"""Make `cervjax/assessment/healthy_people.npz`: simulated examinations of healthy people.

    python experiments/envelope_table.py

Needed again when `MovementNorms`, the measures or how they are taken change.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

import cervjax.assessment
from cervjax.assessment import Envelope
from cervjax.assessment.envelope import SHIPPED_AGES


@dataclass(frozen=True)
class Config:
    """What to simulate.

    Attributes:
        people: of each age, examined on two days.
        out: the table.
    """

    people: int = 1000
    out: Path = Path(cervjax.assessment.__file__).parent / "healthy_people.npz"


def run(config: Config) -> None:
    """Simulate and write."""
    tables = [Envelope.simulate(age, people=config.people).measured for age in SHIPPED_AGES]
    np.savez_compressed(config.out, measured=np.array(tables, np.float32))


if __name__ == "__main__":
    run(tyro.cli(Config))
