"""Check a label dataset: every file and checksum, and a random sample solved again in float64."""

from pathlib import Path
from typing import Annotated

import jax
import tyro

from cervjax.labels import LabelDataset, verify_dataset
from conversion import load_model


def run(
    dataset: Annotated[Path, tyro.conf.Positional],
    model: str | None = None,
    sample: int = 256,
    seed: int = 0,
) -> None:
    """Check a label dataset: every file and checksum, and a random sample solved again in float64.

    Args:
        dataset: its folder.
        model: the dataset's neck, an .osim file or a shipped neck; what the manifest names if
            left out.
        sample: rows to solve again.
        seed: of the sample.
    """
    jax.config.update("jax_enable_x64", True)
    name = model or LabelDataset(dataset).manifest["neck"]["name"]
    report = verify_dataset(dataset, load_model(name), sample=sample, seed=seed)
    print(f"{report.rows} rows read, {report.sampled} solved again in {report.precision}")
    if report.problems:
        raise SystemExit("\n".join(report.problems[:20]))
    print("largest differences (N, N m):")
    for name, difference in report.difference.items():
        print(f"  {name:24} {difference:.1e}")
