"""What commands and studies that train have in common: datasets made if need be, progress shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cervjax.labels import DatasetError, DatasetPlan, LabelDataset, generate_dataset
from cervjax.learning import TrainingProgress
from cervjax.spec import ModelSpec


def make_dataset(
    folder: Path, plan: DatasetPlan, spec: ModelSpec, progress: Progress, name: str
) -> LabelDataset:
    """The dataset in `folder`, made or finished if need be."""
    try:
        dataset = LabelDataset(folder)
    except (FileNotFoundError, DatasetError):
        dataset = None
    if dataset is not None and dataset.plan == plan:
        dataset.check_neck(spec)
        return dataset
    task = progress.add_task(f"label {name}", total=plan.rows, note="rows")
    generate_dataset(folder, plan, spec, progress=lambda rows: progress.advance(task, rows))
    return LabelDataset(folder)


def progress_bar(console: Console) -> Progress:
    """With rate, time taken and time left; its tasks carry a `note`."""
    return Progress(
        TextColumn("{task.description:28}"),
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def shown(progress: Progress, task: Any, steps: int) -> Callable[[TrainingProgress], None]:
    """Shows a training's steps, losses and last validation on a progress bar."""
    every = max(1, min(100, steps // 20))

    def show(now: TrainingProgress) -> None:
        if now.step % every == 0 or now.step == steps:
            force = float(now.losses["force"])
            note = f"steps, force {force:.3f}, validation {now.validation:.3f}"
            progress.update(task, completed=now.step, note=note)

    return show
