"""Generate a dataset of labelled people, on all cores or GPUs of one machine or of many.

    cervjax label --out results/dataset --plan.persons 125000

Stopped at any moment and started again with the same options, it goes on and ends with the same
bytes. Several processes over one file system, each with its number (none of it under Slurm, where
`srun` is enough with `--hosts.auto`):

    cervjax label --hosts.coordinator host0:1234 --hosts.processes 2 --hosts.process 0
"""

import os
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cervjax.execution import Hosts
from cervjax.execution.provenance import write_provenance
from cervjax.labels import DatasetPlan, generate_dataset
from cervjax.labels.any_model import plan_spec, read_people
from cervjax.labels.card import write_card
from cervjax.motion import Motion
from cervjax.motion.synthesis import read_motions
from conversion import load_model


@dataclass(frozen=True)
class HostsConfig:
    """Other processes that share the work.

    Attributes:
        auto: find them through Slurm, Open MPI or a TPU pod.
        coordinator: `host:port` of process 0.
        processes: how many there are.
        process: number of this one.
    """

    auto: bool = False
    coordinator: str | None = None
    processes: int | None = None
    process: int | None = None


@dataclass(frozen=True)
class LabelConfig:
    """What to generate, and where.

    Attributes:
        neck: a shipped neck, or an `.osim` file of a neck or of any other model.
        people: `.toml` file that says in what people of any model differ, and in which ranges its
            coordinates move; needed for a model that is no neck. See docs/tutorials/labels.md.
        plan: what the dataset holds.
        recorded: folder of `.mot` and `.sto` motions, for `plan.recorded_share` of movements.
        lowpass: cutoff (Hz) for these; 0 for none.
        cores: JAX devices that a CPU counts as; all cores if None. No matter with a GPU.
        hosts: other processes.
        card: draw the dataset's card.
        out: folder of the dataset.
    """

    neck: str = "hyoid-repaired"
    people: Path | None = None
    plan: DatasetPlan = field(default_factory=DatasetPlan)
    recorded: Path | None = None
    lowpass: float = 6.0
    cores: int | None = None
    hosts: HostsConfig = field(default_factory=HostsConfig)
    card: bool = True
    out: Path = field(default=Path("results/dataset"))


class _Rate(ProgressColumn):
    """Rows per second."""

    def render(self, task: Task) -> Text:
        """The task's speed."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} rows/s")


def with_people(config: LabelConfig) -> LabelConfig:
    """The plan with what the file of people says.

    Args:
        config: what to generate.

    Returns:
        The same where there is no such file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no description of people, or a population of necks is asked for.
    """
    if config.people is None:
        return config
    if config.plan.population not in (DatasetPlan.population, "ratios"):
        raise ValueError(
            f"population = {config.plan.population!r} is of necks, and people = {config.people} of "
            "any model; give one of the two"
        )
    ratios, ranges = read_people(config.people)
    plan = replace(config.plan, population="ratios", people=ratios, coordinates=ranges)
    return replace(config, plan=plan)


def generate(config: LabelConfig) -> dict[str, Any]:
    """Generate the dataset, with a progress bar, and its card.

    Args:
        config: what to generate.

    Returns:
        The manifest.
    """
    config = with_people(config)
    hosts = _connect(config.hosts)
    spec = load_model(config.neck)
    motions: list[Motion] = []
    if config.recorded:
        motions = read_motions(config.recorded, plan_spec(config.plan, spec), config.lowpass)
    console = Console(quiet=not hosts.is_first)
    columns = (
        TextColumn("label"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, speed_estimate_period=60) as progress:
        mine = sum(
            config.plan.persons_of(s)[1] - config.plan.persons_of(s)[0]
            for s in range(hosts.process, config.plan.shards, hosts.count)
        )
        task = progress.add_task("label", total=mine * config.plan.rows_per_person)
        manifest = generate_dataset(
            config.out,
            config.plan,
            spec,
            recorded=motions,
            hosts=hosts,
            progress=lambda rows: progress.advance(task, rows),
        )
    if hosts.is_first:
        _report(console, config, manifest)
    return manifest


def _connect(config: HostsConfig) -> Hosts:
    if config.auto:
        return Hosts.connect()
    if config.coordinator or config.processes is not None or config.process is not None:
        return Hosts.connect(config.coordinator, config.processes, config.process)
    return Hosts()


def _report(console: Console, config: LabelConfig, manifest: dict[str, Any]) -> None:
    write_provenance(config.out / "provenance", config)
    counts = manifest["counts"]
    total = manifest["rows"]
    for name, count in counts["status"].items():
        console.print(f"{name:20} {count:>12,}  {count / total:8.3%}")
    if counts["limiting_muscle"]:
        console.print("limited by", dict(list(counts["limiting_muscle"].items())[:5]))
    if config.card:
        console.print(f"card: {write_card(config.out)}")


def run(config: Annotated[LabelConfig, tyro.conf.arg(name="")]) -> None:
    """Generate the dataset of `config`."""
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"
    jax.config.update("jax_num_cpu_devices", config.cores or os.cpu_count() or 1)
    if config.plan.precision == "float64":
        jax.config.update("jax_enable_x64", True)
    generate(config)
