"""The whole path on the shipped neck, in minutes on two CPU cores.

    python experiments/quickstart.py

Draws a population, labels it with certified muscle forces, trains a force network, judges it on
persons never seen, solves a head movement (`--motion FILE` takes a recorded one), cross-checks a
few frames against OpenSim, and leaves figures, tables and a README in the results folder.
"""

import multiprocessing
import os
import shutil
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from quickstart_report import OpensimCheck, summary, write_figures, write_readme
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cervjax.execution.provenance import write_provenance
from cervjax.labels import DatasetPlan, LabelDataset, Splits, generate_dataset
from cervjax.learning import (
    AbstractForceNetwork,
    DatasetSource,
    Evaluation,
    TrainingConfig,
    TrainingProgress,
    evaluate,
    predict_rows,
    row_equations,
    train,
)
from cervjax.model import Model
from cervjax.motion import Motion, read_storage
from cervjax.motion.synthesis import sample_motion
from cervjax.optimization import StaticOptimizationSettings
from cervjax.optimization.motion_solution import SolvedMotion, solve_motion
from cervjax.people import Personalizer
from cervjax.spec import ModelSpec, shipped_neck

SHORT = TrainingConfig(
    steps=2000,
    physics_share=0.125,
    learning_rate=0.04,
    missing_inputs=0.1,
    losses={
        "force": 0.5,
        "worst_muscles": 2.0,
        "activation": 0.5,
        "capacity": 0.5,
        "balance": 20.0,
        "bounds": 1.0,
        "optimality": 0.1,
    },
)
"""A network that is judged by its worst muscle, after few and large steps."""
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
    training: TrainingConfig = field(default_factory=lambda: SHORT)
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
        personalizer = Personalizer(Model.from_spec(spec, dtype=jnp.float32))
        # Both are compilation for the most part, which keeps one core busy: side by side.
        with ThreadPoolExecutor(1) as beside:
            solving = beside.submit(_solve, spec, motion, progress)
            checking = beside.submit(
                lambda: _cross_check(spec, motion, solving.result(), config, progress)
            )
            dataset = _label(bare, config, progress)
            source = DatasetSource(dataset, personalizer, config.training.network)
            # A movement that cannot be solved must not cost a training run either.
            solved = solving.result()
            network = _train(source, spec, config, progress)
            evaluation = _evaluate(network, personalizer, source)
            check = checking.result()
    write_figures(config.out, evaluation, solved, network, motion, check)
    seconds = time.perf_counter() - started
    facts = summary(evaluation, check, seconds)
    write_readme(config, evaluation, solved, check, facts)
    for name, value in facts.items():
        console.print(f"{name:40} {value}")
    console.print(f"figures and tables in {config.out}")
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


def _movement(spec: ModelSpec, config: Config) -> Motion:
    if config.motion is None:
        return sample_motion(spec, config.seed + 3)
    motion = Motion.from_storage(read_storage(config.motion), spec)
    return motion.lowpass(config.lowpass) if config.lowpass else motion


def _label(spec: ModelSpec, config: Config, progress: Progress) -> LabelDataset:
    plan = config.plan
    task = progress.add_task("label a population", total=plan.rows, note="rows")
    folder = config.out / "labels"
    generate_dataset(folder, plan, spec, progress=lambda rows: progress.advance(task, rows))
    return LabelDataset(folder)


def _train(
    source: DatasetSource, spec: ModelSpec, config: Config, progress: Progress
) -> AbstractForceNetwork:
    task = progress.add_task("train a force network", total=config.training.steps, note="steps")

    def advance(now: TrainingProgress) -> None:
        if now.step % 50 == 0 or now.step == now.steps:
            note = f"steps, force loss {float(now.losses['force']):.3f}"
            progress.update(task, completed=now.step, note=note)

    return train(source, spec, config.training, config.out / "training", progress=advance)


def _evaluate(
    network: AbstractForceNetwork, personalizer: Personalizer, source: DatasetSource
) -> Evaluation:
    model, unseen = personalizer.model, source.rows("test", JUDGED_ROWS)
    balance = row_equations(personalizer, unseen)
    return evaluate(
        predict_rows(network, unseen.inputs, balance),
        unseen,
        balance,
        model.topology.muscles,
        np.asarray(model.muscles.max_isometric_force),
    )


def _solve(spec: ModelSpec, motion: Motion, progress: Progress) -> SolvedMotion:
    task = progress.add_task("solve a head movement", total=len(motion.time), note="frames")
    model = Model.from_spec(spec, dtype=jnp.float32)
    solved = solve_motion(model, motion, StaticOptimizationSettings())
    progress.update(task, completed=len(motion.time))
    return solved


def _cross_check(
    spec: ModelSpec, motion: Motion, solved: SolvedMotion, config: Config, progress: Progress
) -> OpensimCheck | None:
    if not config.opensim_frames:
        return None
    task = progress.add_task("cross-check OpenSim", total=config.opensim_frames, note="frames")
    last = len(motion.time) - 1
    frames = np.linspace(0.1 * last, 0.9 * last, config.opensim_frames).astype(int)
    theirs, times = [], [float(motion.time[frame]) for frame in frames]
    # A process of its own: while OpenSim computes, it lets no other thread of Python go on.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        for activation in apart.map(_opensim_activation, repeat(spec), repeat(motion), times):
            theirs.append(activation)
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


def _opensim_activation(spec: ModelSpec, motion: Motion, time: float) -> np.ndarray:
    from conversion.opensim_engine import opensim_static_optimization

    controls, _ = opensim_static_optimization(spec, motion, start=time, end=time + 1e-6)
    return controls.data[0]


def main() -> None:
    """Command line."""
    if jax.__version__.startswith("0.10."):
        # Compilation is a third of this run; XLA's older emitters for CPUs need less of it.
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")
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
