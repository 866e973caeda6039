"""What `quickstart.py` leaves in its results folder."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import figures
import numpy as np

from cervjax.learning import (
    AbstractForceNetwork,
    Evaluation,
    NetworkInputs,
    described_person,
    predict_rows,
)
from cervjax.motion import Motion, write_storage
from cervjax.optimization.motion_solution import SolvedMotion, write_solution
from cervjax.people import LIMITS

PAPER_R2 = 0.95
"""He, Liu, Li 2026, Sensors 26(2):752: exceeded by each of 72 muscles there."""
MAIN_MUSCLES = 6
"""How many muscles the figure of the movement shows: those with the largest peak force."""


@dataclass(frozen=True)
class OpensimCheck:
    """A few frames of the movement against OpenSim.

    Attributes:
        time: s.
        activation: OpenSim's.
        difference: largest, of the activations.
        objective_ratio: ours over OpenSim's, largest over the frames.
    """

    time: np.ndarray
    activation: np.ndarray
    difference: float
    objective_ratio: float


def write_figures(
    out: Path,
    evaluation: Evaluation,
    solved: SolvedMotion,
    network: AbstractForceNetwork,
    motion: Motion,
    check: OpensimCheck | None,
) -> None:
    """Figures and tables of the network, the movement, and the check against OpenSim."""
    evaluation.write_table(out / "network_per_muscle.csv")
    names = evaluation.muscles
    order = np.argsort(evaluation.r2)
    strongest = np.argsort(-evaluation.label.mean(axis=0))
    shown = [*order[:4], *[k for k in strongest if k not in order[:4]][:8]]
    figures.predicted_over_labels(
        out / "predicted_over_label.png",
        evaluation.label,
        evaluation.prediction,
        names,
        evaluation.r2,
        shown,
    )
    figures.bars(
        out / "r2_per_muscle.png",
        list(names),
        evaluation.r2,
        "R² on persons never seen; line: the source paper's",
        PAPER_R2,
    )
    free = solved.model.topology.free_coordinates
    figures.torque_residuals(
        out / "torque_residual.png",
        free,
        {
            "generalized force": evaluation.torque_rms,
            "network: R F - tau": np.sqrt(np.mean(evaluation.torque_residual**2, axis=0)),
            "labels: R F - tau (reserves)": np.sqrt(np.mean(evaluation.label_residual**2, axis=0)),
        },
    )
    _write_movement(out, solved, network, motion)
    if check is not None:
        rows = np.searchsorted(solved.time, check.time - 1e-9)
        figures.agreement(
            out / "opensim_activation.png",
            np.asarray(solved.solution.activation)[rows],
            check.activation,
            "activation in the movement",
            "1",
            "OpenSim",
        )


def _write_movement(
    out: Path, solved: SolvedMotion, network: AbstractForceNetwork, motion: Motion
) -> None:
    write_storage(out / "movement.sto", motion.to_storage())
    write_solution(solved, out / "movement")
    frames = motion.analyze_derivatives()
    count = len(motion.time)
    gravity = np.tile(np.asarray(solved.model.gravity), (count, 1))
    seen = np.concatenate([*frames, gravity], axis=1).astype(np.float32)
    # The model's own body; age and the like are not known.
    person = np.tile(described_person(dict.fromkeys(LIMITS, 1.0)), (count, 1))
    said = predict_rows(network, NetworkInputs(seen, person.astype(np.float32)))
    predicted = np.asarray(said.force)
    force = np.asarray(solved.solution.muscle_force)
    names = solved.model.topology.muscles
    main = np.argsort(-force.max(axis=0))[:MAIN_MUSCLES]
    figures.forces_over_time(
        out / "movement_forces.png",
        solved.time,
        {names[k]: force[:, k] for k in main},
        "Muscle forces in the movement: static optimization (solid), network (dashed)",
        {names[k]: predicted[:, k] for k in main},
    )
    figures.movement(out / "movement.png", motion.time, motion.q, motion.coordinates)
    with (out / "movement_peak_forces.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["muscle", "peak_force_N", "mean_force_N"])
        for k in np.argsort(-force.max(axis=0)):
            writer.writerow([names[k], f"{force[:, k].max():.4g}", f"{force[:, k].mean():.4g}"])


def summary(evaluation: Evaluation, check: OpensimCheck | None, seconds: float) -> dict[str, Any]:
    """The figures that `summary.json` holds: every muscle is judged, however little it varies."""
    worst = int(np.argmin(evaluation.r2))
    r2 = float(evaluation.r2[worst])
    rms = np.sqrt(np.mean(evaluation.torque_residual**2))
    labels = np.sqrt(np.mean(evaluation.label_residual**2))
    facts: dict[str, Any] = {
        "muscles_judged": len(evaluation.muscles),
        "worst_muscle": evaluation.muscles[worst],
        "worst_r2": round(r2, 4),
        "source_papers_r2": f"> {PAPER_R2}, each of 72 muscles",
        "worst_beside_the_source_paper": (
            f"{'above' if r2 > PAPER_R2 else 'BELOW'} {PAPER_R2} by {abs(r2 - PAPER_R2):.4f}"
        ),
        "median_r2": round(float(np.median(evaluation.r2)), 4),
        "muscles_that_vary_by_less_than_1_N": [
            name
            for name, varies in zip(evaluation.muscles, evaluation.judged, strict=True)
            if not varies
        ],
        "worst_rmse_N": round(float(evaluation.rmse.max()), 3),
        "torque_residual_rms_Nm": round(float(rms), 4),
        "torque_residual_of_labels_rms_Nm": round(float(labels), 4),
        "seconds": round(seconds, 1),
    }
    if check is not None:
        facts["opensim_largest_activation_difference"] = check.difference
        facts["objective_over_opensims"] = check.objective_ratio
    return facts


def write_readme(
    config: Any,
    evaluation: Evaluation,
    solved: SolvedMotion,
    check: OpensimCheck | None,
    facts: dict[str, Any],
) -> None:
    """`README.md` and `summary.json` of a run of `quickstart.Config`."""
    (config.out / "summary.json").write_text(json.dumps(facts, indent=1) + "\n")
    certificate = solved.solution.certificate
    opensim = (
        "not run"
        if check is None
        else f"largest activation difference {check.difference:.1e}, objective "
        f"{check.objective_ratio:.5f} of OpenSim's at most"
    )
    movement = "generated" if config.motion is None else config.motion.name
    lines = f"""# What is in this folder

{config.persons:,} persons of ANSUR II x {config.frames} frames of the neck `{config.neck}`, upright, up to
180 deg/s, labelled by static optimization (convention `opensim`, reserves of optimal force
{config.plan.reserve} N m); a network trained on {1 - config.held_out:.0%} of the persons and judged on the others.

| figure or file | what it shows |
|---|---|
| `predicted_over_label.png` | force by the network over force by static optimization, the worst four muscles first |
| `r2_per_muscle.png`, `network_per_muscle.csv` | R², RMSE (N and % of max isometric force) per muscle |
| `torque_residual.png` | torque balance R F = tau of the network's forces and of the labels |
| `movement.png`, `movement.sto` | the head movement ({movement}) |
| `movement_forces.png`, `movement_peak_forces.csv`, `movement/` | its muscle forces, as OpenSim's files, each frame with its certificate |
| `opensim_activation.png` | activations of a few frames against OpenSim |
| `labels/labels.zarr`, `labels/manifest.json` | the labels (zarr v3; xarray opens it), and what they are |
| `training/` | checkpoints (Orbax), configuration, `metrics.jsonl` |
| `config.json`, `environment.json`, `summary.json` | how, with what, and the figures below |

| figure | value |
|---|---|
| worst of all {facts["muscles_judged"]} muscles on persons never seen | {facts["worst_muscle"]}, R² {facts["worst_r2"]} |
| beside the source paper (He, Liu, Li 2026: R² > 0.95 for each of 72 muscles, in its own population and movements) | {facts["worst_beside_the_source_paper"]} |
| median R² | {facts["median_r2"]} |
| muscles whose force varies by less than 1 N here (judged like the others; their R² says less) | {", ".join(facts["muscles_that_vary_by_less_than_1_N"]) or "none"} |
| torque residual of the network, RMS | {facts["torque_residual_rms_Nm"]} N m (of the labels, carried by reserves: {facts["torque_residual_of_labels_rms_Nm"]}) |
| movement: largest KKT residual, imbalance | {certificate.kkt_residual.max():.1e}, {certificate.primal_residual.max():.1e} N m |
| OpenSim | {opensim} |
| time | {facts["seconds"]} s |

Static optimization is a hypothesis about how muscles share load, not a measurement: preferred EMG
directions differ from mechanical action by 20 to 40 degrees (Fice 2018).
"""
    (config.out / "README.md").write_text(lines)
