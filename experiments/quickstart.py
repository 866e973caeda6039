"""The whole path on the shipped neck, in minutes on two CPU cores.

    python experiments/quickstart.py

Draws a population, labels it with certified muscle forces, trains a force network, judges it on
persons never seen, solves a head movement (`--motion FILE` takes a recorded one), cross-checks a
few frames against OpenSim, and leaves figures, tables and a README in the results folder.
"""

import csv
import json
import os
import shutil
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import figures
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from provenance import write_provenance
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cervjax.labels import DatasetPlan, LabelDataset, Splits, generate_dataset
from cervjax.learning import (
    BalanceBuilder,
    DatasetSource,
    Evaluation,
    ForceNetwork,
    NetworkInputs,
    TrainingConfig,
    TrainingProgress,
    described_person,
    evaluate,
    predict_rows,
    train,
)
from cervjax.model import NeckModel
from cervjax.motion import Motion, read_storage, sample_motion, write_storage
from cervjax.optimization import StaticOptimization
from cervjax.personalization import LIMITS, Personalizer
from cervjax.solve import SolvedMotion, solve_motion, write_solution
from cervjax.spec import NeckSpec, shipped_neck

MAIN_MUSCLES = 6
"""How many muscles the figure of the movement shows: those with the largest peak force."""

JUDGED_ROWS = 50_000
"""Rows of people held out that the network is judged on, at most."""


@dataclass(frozen=True)
class Config:
    """The size of the run; the defaults take a few minutes on two cores.

    Attributes:
        neck: a shipped neck.
        persons: of the population.
        frames: of each person's movement.
        held_out: part of the persons that training never sees.
        training: of the network.
        motion: a recorded `.mot` or `.sto`; a generated movement if None.
        lowpass: cutoff (Hz) for a recorded motion; 0 for none.
        opensim_frames: frames to cross-check; 0 leaves OpenSim out.
        out: results folder; an earlier run in it is replaced.
    """

    neck: str = "hyoid-repaired"
    persons: int = 8192
    frames: int = 16
    held_out: float = 0.1
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(steps=4000, unknown_person=0.25)
    )
    motion: Path | None = None
    lowpass: float = 6.0
    opensim_frames: int = 5
    seed: int = 0
    out: Path = field(default=Path("results/quickstart"))

    @property
    def plan(self) -> DatasetPlan:
        """Of the labels: upright people, natural speeds, not to the ends of the range."""
        return DatasetPlan(
            persons=self.persons,
            movements=1,
            frames=self.frames,
            mix={"planar": 0.2, "combined": 0.4, "daily": 0.4},
            fastest_deg=180.0,
            extent=0.7,
            upright=1.0,
            joint_loads=False,
            splits=Splits(validation=0.02, test=self.held_out, held_out_movements=()),
            seed=self.seed,
        )


def run(config: Config) -> Evaluation:
    """Run every step, with a progress display, and write the results folder."""
    console = Console()
    started = time.perf_counter()
    # Recorded motion is checked first: a bad file must not cost a training run.
    bare = shipped_neck(config.neck)
    spec = bare.with_reserves(config.plan.reserve)
    motion = _movement(spec, config)
    _clear(config.out)
    write_provenance(config.out, config)
    columns = (
        TextColumn("{task.description:38}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        personalizer = Personalizer(spec, NeckModel.from_spec(spec, dtype=jnp.float32))
        dataset = _label(bare, config, progress)
        source = DatasetSource(dataset, personalizer, config.training.network)
        network = _train(source, spec, config, progress)
        evaluation = _evaluate(network, personalizer, source)
        solved = _solve(spec, motion, progress)
        check = _cross_check(spec, motion, solved, config, progress)
    _write(config.out, evaluation, solved, network, motion, check)
    seconds = time.perf_counter() - started
    _readme(config, evaluation, solved, check, seconds)
    _summary(console, config.out, evaluation, check, seconds)
    return evaluation


def _clear(out: Path) -> None:
    """Remove an earlier run; never anything else.

    Raises:
        ValueError: `out` holds files that no run has left.
    """
    if not out.exists() or not any(out.iterdir()):
        return
    if not (out / "environment.json").is_file() or not (out / "config.json").is_file():
        raise ValueError(f"{out} is not empty and holds no earlier run; choose another --out")
    shutil.rmtree(out)


def _movement(spec: NeckSpec, config: Config) -> Motion:
    if config.motion is None:
        return sample_motion(spec, config.seed + 3)
    motion = Motion.from_storage(read_storage(config.motion), spec)
    return motion.lowpass(config.lowpass) if config.lowpass else motion


def _label(spec: NeckSpec, config: Config, progress: Progress) -> LabelDataset:
    plan = config.plan
    task = progress.add_task("label a population", total=plan.rows, note="rows")
    folder = config.out / "labels"
    generate_dataset(folder, plan, spec, progress=lambda rows: progress.advance(task, rows))
    return LabelDataset(folder)


def _train(
    source: DatasetSource, spec: NeckSpec, config: Config, progress: Progress
) -> ForceNetwork:
    task = progress.add_task("train a force network", total=config.training.steps, note="steps")

    def advance(now: TrainingProgress) -> None:
        if now.step % 50 == 0 or now.step == now.steps:
            note = f"steps, force loss {now.losses.force:.3f}"
            progress.update(task, completed=now.step, note=note)

    return train(source, spec, config.training, config.out / "training", progress=advance)


def _evaluate(
    network: ForceNetwork, personalizer: Personalizer, source: DatasetSource
) -> Evaluation:
    model, unseen = personalizer.model, source.rows("test", JUDGED_ROWS)
    balance = BalanceBuilder(personalizer)(unseen)
    return evaluate(
        predict_rows(network, unseen.inputs, balance),
        unseen,
        balance,
        model.topology.muscles,
        np.asarray(model.muscles.max_isometric_force),
    )


def _solve(spec: NeckSpec, motion: Motion, progress: Progress) -> SolvedMotion:
    task = progress.add_task("solve a head movement", total=len(motion.time), note="frames")
    model = NeckModel.from_spec(spec, dtype=jnp.float32)
    solved = solve_motion(spec, model, motion, StaticOptimization())
    progress.update(task, completed=len(motion.time))
    return solved


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


def _cross_check(
    spec: NeckSpec, motion: Motion, solved: SolvedMotion, config: Config, progress: Progress
) -> OpensimCheck | None:
    if not config.opensim_frames:
        return None
    from conversion.opensim_engine import opensim_static_optimization

    task = progress.add_task("cross-check OpenSim", total=config.opensim_frames, note="frames")
    last = len(motion.time) - 1
    frames = np.linspace(0.1 * last, 0.9 * last, config.opensim_frames).astype(int)
    theirs = []
    for frame in frames:
        at = float(motion.time[frame])
        controls, _ = opensim_static_optimization(spec, motion, start=at, end=at + 1e-6)
        theirs.append(controls.data[0])
        progress.advance(task)
    count = len(spec.muscles)
    reference = np.array(theirs)
    activation = np.asarray(solved.solution.activation, float)[frames]
    reserves = np.asarray(solved.solution.reserve_control, float)[frames]
    ours = np.sum(activation**2, axis=1) + np.sum(reserves**2, axis=1)
    return OpensimCheck(
        motion.time[frames],
        reference[:, :count],
        float(np.abs(activation - reference[:, :count]).max()),
        float((ours / np.sum(reference**2, axis=1)).max()),
    )


def _write(
    out: Path,
    evaluation: Evaluation,
    solved: SolvedMotion,
    network: ForceNetwork,
    motion: Motion,
    check: OpensimCheck | None,
) -> None:
    evaluation.write_table(out / "network_per_muscle.csv")
    names = evaluation.muscles
    order = np.argsort(np.where(evaluation.judged, evaluation.r2, np.inf))
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
    judged = np.flatnonzero(evaluation.judged)
    figures.bars(
        out / "r2_per_muscle.png",
        [names[k] for k in judged],
        evaluation.r2[judged],
        "R² on persons never seen",
        0.95,
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


def _write_movement(out: Path, solved: SolvedMotion, network: ForceNetwork, motion: Motion) -> None:
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


def _facts(evaluation: Evaluation, check: OpensimCheck | None, seconds: float) -> dict[str, object]:
    worst, r2 = evaluation.worst
    judged = evaluation.judged
    rms = np.sqrt(np.mean(evaluation.torque_residual**2))
    labels = np.sqrt(np.mean(evaluation.label_residual**2))
    facts: dict[str, object] = {
        "worst_muscle": worst,
        "worst_r2": round(r2, 4),
        "median_r2": round(float(np.median(evaluation.r2[judged])), 4),
        "muscles_judged": int(judged.sum()),
        "muscles_that_hardly_vary": [
            n for n, j in zip(evaluation.muscles, judged, strict=True) if not j
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


def _readme(
    config: Config,
    evaluation: Evaluation,
    solved: SolvedMotion,
    check: OpensimCheck | None,
    seconds: float,
) -> None:
    facts = _facts(evaluation, check, seconds)
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
| worst muscle on persons never seen | {facts["worst_muscle"]}, R² {facts["worst_r2"]} |
| median R² | {facts["median_r2"]} |
| muscles whose force varies by less than 1 N, not judged | {", ".join(evaluation.muscles[k] for k in np.flatnonzero(~evaluation.judged)) or "none"} |
| torque residual of the network, RMS | {facts["torque_residual_rms_Nm"]} N m (of the labels, carried by reserves: {facts["torque_residual_of_labels_rms_Nm"]}) |
| movement: largest KKT residual, imbalance | {certificate.kkt_residual.max():.1e}, {certificate.primal_residual.max():.1e} N m |
| OpenSim | {opensim} |
| time | {seconds:.0f} s |

Static optimization is a hypothesis about how muscles share load, not a measurement: preferred EMG
directions differ from mechanical action by 20 to 40 degrees (Fice 2018).
"""
    (config.out / "README.md").write_text(lines)


def _summary(
    console: Console,
    out: Path,
    evaluation: Evaluation,
    check: OpensimCheck | None,
    seconds: float,
) -> None:
    for name, value in _facts(evaluation, check, seconds).items():
        console.print(f"{name:40} {value}")
    console.print(f"figures and tables in {out}")


def main() -> None:
    """Command line."""
    # One JAX device per core: labels are made on all of them.
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    config = tyro.cli(Config, description=__doc__)
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"
    try:
        run(config)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(f"quickstart: {error}") from error


if __name__ == "__main__":
    main()
