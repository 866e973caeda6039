"""Train one force network, from a dataset or from labels made on the spot.

    cervjax train --out results/networks/physics
    cervjax train --data results/dataset --out results/networks/dual --training.network.kind dual
    cervjax train --preset gpu --live --out results/networks/large
    cervjax train --out results/networks/sensor --plan.rate 50 --plan.frames 64 \\
        --plan.movements 1 --plan.persons 8000 --training.network.inputs sensor-rates \\
        --training.network.memory recurrent --training.network.window 16

The default makes its labels first and takes some minutes on a laptop. Stopped at any moment, the
same command goes on and ends with the same metrics. The run's folder then works with
`cervjax predict`, `cervjax evaluate` and `cervjax export`.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import jax.numpy as jnp
import tyro
from rich.console import Console

from cervjax.labels import DatasetPlan, LabelDataset, build_factory
from cervjax.learning import (
    DatasetSource,
    RowSource,
    RunFolder,
    StreamSource,
    TrainingConfig,
    check_plan,
    train,
)
from cervjax.learning.pictures import draw_training
from cervjax.model import Model
from cervjax.motion.synthesis import default_mix
from cervjax.people import Personalizer
from conversion import load_model

from ._training import make_dataset, progress_bar, shown

WIDE = DatasetPlan(
    persons=60_000,
    fastest_deg=180.0,
    extent=1.0,
    joint_loads=False,
    reserve=0.1,
    least_share=None,
    personal_range=False,
)
"""Lower and upper neck each go their own way to the ends of the model's range, as in recorded
movements."""
LAPTOP = TrainingConfig(steps=4000, missing_inputs=0.25)


@dataclass(frozen=True)
class TrainConfig:
    """What to train on, how, and where to.

    Attributes:
        out: folder of the run.
        data: a finished dataset; one of `plan` is made beside the run if None.
        live: make new people for every step instead.
        plan: of labels made here.
        preset: `gpu` is four times as wide, with batches of 32768, for 100,000 steps, where
            `training` says nothing else.
        training: of the network.
        neck: a shipped neck, the dataset's.
        memory_rows: rows of a dataset that are in memory at once.
    """

    out: Path
    data: Path | None = None
    live: bool = False
    plan: DatasetPlan = field(default_factory=lambda: WIDE)
    preset: Literal["laptop", "gpu"] = "laptop"
    training: TrainingConfig = field(default_factory=lambda: LAPTOP)
    neck: str = "hyoid-repaired"
    memory_rows: int = 4_000_000

    @property
    def resolved(self) -> TrainingConfig:
        """The training that is done: the preset's, where nothing else was asked for."""
        if self.preset == "laptop":
            return self.training
        network = _unless_chosen(self.training.network, LAPTOP.network, width=1024, depth=4)
        large = {"batch_size": 32_768, "steps": 100_000, "validate_every": 2000}
        return _unless_chosen(replace(self.training, network=network), LAPTOP, **large)


def train_run(config: TrainConfig) -> RunFolder:
    """Train, or go on.

    Args:
        config: what to train on, how, and where to.

    Returns:
        The run.
    """
    console = Console()
    training = config.resolved
    bare = load_model(config.neck)
    if config.data is None:
        # Before the labels are made.
        plan, window = config.plan, training.network.window
        check_plan(plan.convention, plan.rate, plan.frames, window)
    with progress_bar(console) as progress:
        source: RowSource
        if config.live:
            held_out = config.plan.splits.held_out_movements
            mix = config.plan.mix or default_mix()
            plan = replace(config.plan, mix={k: v for k, v in mix.items() if k not in held_out})
            spec = bare.with_reserves(plan.reserve)
            source = StreamSource(build_factory(plan, bare), training.network)
        else:
            folder = config.data or config.out / "labels"
            if config.data is None:
                make_dataset(folder, config.plan, bare, progress, "a population")
            dataset = LabelDataset(folder)
            dataset.check_neck(bare)
            spec = bare.with_reserves(dataset.plan.reserve)
            personalizer = Personalizer(Model.from_spec(spec, dtype=jnp.float32))
            source = DatasetSource(
                dataset, personalizer, training.network, memory_rows=config.memory_rows
            )
        task = progress.add_task(f"train {training.network.kind}", total=training.steps, note="")
        tell = shown(progress, task, training.steps)
        train(source, spec, training, config.out, progress=tell)
    draw_training(config.out)
    last = RunFolder(config.out).metrics()[-1]
    console.print(f"{config.out}: step {last['step']}, validation {last['validation']:.4f}")
    return RunFolder(config.out)


def _unless_chosen(chosen: Any, default: Any, **values: Any) -> Any:
    """`chosen` with `values` where it is as `default`."""
    free = {k: v for k, v in values.items() if getattr(chosen, k) == getattr(default, k)}
    return replace(chosen, **free)


def run(config: Annotated[TrainConfig, tyro.conf.arg(name="")]) -> None:
    """Train what `config` says."""
    train_run(config)
