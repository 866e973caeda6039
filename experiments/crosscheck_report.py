"""The table, the CSV and the scatter plots of a cross-check."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import figures
import numpy as np
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Checked:
    """A quantity computed twice.

    Attributes:
        ours, theirs: values in the same order; NaN in `theirs` where it was not computed.
        allowed: largest difference that passes.
    """

    name: str
    unit: str
    ours: np.ndarray
    theirs: np.ndarray
    allowed: float


def report(title: str, other: str, checks: Iterable[Checked], out: Path) -> bool:
    """Print a table, write `table.csv` and a scatter plot per quantity into `out`.

    Returns:
        Whether every quantity is within what is allowed.
    """
    table = Table("quantity", "values", "largest difference", "allowed", "", title=title)
    rows, good = [], True
    for check in checks:
        known = np.isfinite(check.theirs)
        ours, theirs = check.ours[known], check.theirs[known]
        if not len(ours):
            continue
        largest = float(np.abs(ours - theirs).max())
        # A NaN of ours is not within anything.
        passed = largest <= check.allowed
        good &= passed
        rows.append((check.name, len(ours), largest, check.allowed, check.unit, passed))
        table.add_row(
            check.name,
            f"{len(ours):,}",
            f"{largest:.1e} {check.unit}",
            f"{check.allowed:.0e}",
            "ok" if passed else "[red]outside[/red]",
        )
        path = out / f"{check.name.replace(' ', '_')}.png"
        figures.agreement(path, ours, theirs, check.name, check.unit, other)
    with (out / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["quantity", "values", "largest_difference", "allowed", "unit", "ok"])
        writer.writerows(rows)
    Console().print(table)
    return good
