"""How good a trained network is on people and movements it never saw, muscle by muscle."""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from cervjax.execution import write_json
from cervjax.labels import LabelDataset
from cervjax.learning import DatasetSource, Evaluation, evaluate, predict_rows, row_equations
from cervjax.learning.networks import AbstractForceNetwork
from cervjax.learning.predict import Predictor


def run(
    network: Annotated[Path, tyro.conf.Positional],
    data: Path,
    out: Path,
    split: str = "test",
    rows: int = 50_000,
) -> None:
    """Judge a network on certified rows of a dataset.

    Args:
        network: folder of a training run.
        data: a finished dataset of the same model.
        out: folder for network_per_muscle.csv and summary.json.
        split: test, validation, train or held_out_movements.
        rows: judged at most.
    """
    predictor = Predictor.load(network)
    member = predictor.network
    if not isinstance(member, AbstractForceNetwork):
        raise ValueError(f"{network} is an ensemble; judge its members one by one")
    source = DatasetSource(LabelDataset(data), predictor.personalizer, member.config)
    unseen = source.rows(split, rows)
    equation = row_equations(predictor.personalizer, unseen)
    muscles = predictor.model.muscles
    found = evaluate(
        predict_rows(member, unseen.inputs, equation),
        unseen,
        equation,
        predictor.model.topology.muscles,
        np.asarray(muscles.max_isometric_force),
        (np.asarray(muscles.min_control), np.asarray(muscles.max_control)),
    )
    out.mkdir(parents=True, exist_ok=True)
    found.write_table(out / "network_per_muscle.csv")
    facts = summary(found)
    write_json(out / "summary.json", facts)
    table = Table("figure", "value", title=f"{len(unseen)} rows of {split}")
    for name, value in facts.items():
        table.add_row(name, json.dumps(value))
    Console().print(table)


def summary(found: Evaluation) -> dict[str, object]:
    """The figures of an evaluation, of all muscles.

    Args:
        found: of a network.

    Returns:
        Plain values; forces in N, torques in N m.
    """
    order = np.argsort(found.r2)
    return {
        "muscles": len(found.muscles),
        "worst_muscle": found.muscles[order[0]],
        "worst_r2": float(found.r2[order[0]]),
        "median_r2": float(np.median(found.r2)),
        "muscles_below_0.95": [found.muscles[k] for k in order if found.r2[k] < 0.95],
        "largest_rmse_N": float(found.rmse.max()),
        "torque_residual_rms_Nm": found.residual_rms,
        "relative_torque_residual": found.relative_residual,
        "bounds_violated": found.bounds_violated,
    }
