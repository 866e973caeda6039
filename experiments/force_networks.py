"""What is trained for `evaluate_force_network.py`: datasets and networks by name.

results/force_networks/labels/NAME     datasets
results/force_networks/networks/NAME   training runs
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.progress import (
    Progress,
)

from cervjax.commands._training import (
    make_dataset as make_dataset,
    progress_bar as progress_bar,
    shown as shown,
)
from cervjax.labels import DatasetPlan, LabelDataset
from cervjax.learning import (
    DEFAULT_LOSSES,
    AbstractForceNetwork,
    DatasetSource,
    NetworkConfig,
    RunFolder,
    SensorNoise,
    TrainingConfig,
    train,
)
from cervjax.learning.pictures import draw_training as draw_training
from cervjax.people import Personalizer
from cervjax.spec import ModelSpec

FRAME_RATE, WINDOW = 50.0, 16
NOISE = SensorNoise(
    orientation_deg=1.0,
    orientation_offset_deg=1.0,
    rate_deg=3.0,
    rate_offset_deg=1.0,
    inclination_deg=1.0,
    dropout=0.1,
)
"""What the network with memory is trained against: a good inertial sensor on skin."""


@dataclass(frozen=True)
class Named:
    """A network to train.

    Attributes:
        data: name of its dataset.
        config: how it is trained.
    """

    data: str
    config: TrainingConfig


def plans(persons: int, reserve: float) -> dict[str, DatasetPlan]:
    """The datasets.

    `free`: lower and upper neck share a movement at random, to the same side, as far as anatomy
    lets them, within each person's range. `wide`: each goes its own way to the ends of the model's
    range, whoever moves, as in recorded movements (in most frames of which the lower neck is
    extended and the upper bent, or the other way round).
    `tied`: they share in proportion to their ranges, so that the head's orientation tells the
    posture. All up to the fastest natural head movements; the default plan goes twice as fast.
    `frames`: tied, frame after frame. Circumduction is for testing only in all.
    """
    free = DatasetPlan(
        persons=persons, fastest_deg=180.0, extent=0.8, joint_loads=False, reserve=reserve
    )
    tied = replace(free, least_share=1.0)
    return {
        "free": free,
        "wide": replace(free, least_share=None, extent=1.0, personal_range=False),
        "tied": tied,
        "frames": replace(
            tied,
            persons=max(2, persons // 16),
            movements=1,
            frames=64,
            rate=FRAME_RATE,
        ),
    }


def networks(steps: int, ablation_steps: int) -> dict[str, Named]:
    """The networks that are compared, and those that lack one term of the loss each."""
    base = TrainingConfig(steps=steps, validate_every=max(1, steps // 16))

    def of(kind: Any, data: str = "free", **changes: Any) -> Named:
        shape = {k: v for k, v in changes.items() if k in NetworkConfig.__dataclass_fields__}
        rest = {k: v for k, v in changes.items() if k not in shape}
        network = replace(base.network, kind=kind, **shape)
        config = replace(base, network=network, **rest)
        return Named(data, replace(config, losses=rest.get("losses")))

    full = DEFAULT_LOSSES["physics"]
    found = {
        "direct": of("direct"),
        "direct, linear": of("direct", head="linear", losses={"force": 1.0, "activation": 0.5}),
        "physics": of("physics"),
        "label-free": of("label-free", physics_share=0.5),
        "dual": of("dual", "wide", steps=max(1, steps // 2)),
        "physics, wide": of("physics", "wide"),
        "physics, person unknown": of("physics", missing_inputs=0.5),
        "sensor": of("physics", inputs="sensor"),
        "markers": of("physics", inputs="markers"),
        "sensor, tied": of("physics", "tied", inputs="sensor"),
        "temporal, tied": of(
            "direct",
            "frames",
            inputs="sensor-rates",
            memory="recurrent",
            window=WINDOW,
            width=192,
            noise=NOISE,
            batch_size=1024,
            steps=max(1, 2 * steps // 3),
        ),
    }
    for seed in (1, 2):
        found[f"physics, seed {seed}"] = of("physics", seed=seed)
    short: dict[str, Any] = {"steps": ablation_steps, "validate_every": max(1, ablation_steps // 4)}
    found["all terms"] = of("physics", **short)
    for term in ("force", "activation", "capacity", "balance", "optimality"):
        less = {**full, term: 0.0}
        found[f"without {term}"] = of("physics", losses=less, **short)
    linear = {"force": 1.0, "activation": 0.5} | {k: full[k] for k in ("balance", "bounds")}
    found["linear head"] = of("physics", head="linear", losses=linear, **short)
    found["linear head, without bounds"] = of(
        "physics", head="linear", losses={**linear, "bounds": 0.0}, **short
    )
    return found


def folder_name(name: str) -> str:
    """Of a network's run."""
    return name.replace(", ", "-").replace(" ", "-")


def train_network(
    folder: Path,
    named: Named,
    dataset: LabelDataset,
    spec: ModelSpec,
    personalizer: Personalizer,
    progress: Progress,
    name: str,
) -> tuple[AbstractForceNetwork, DatasetSource]:
    """The network in `folder`, trained or finished if need be, with a figure of its training."""
    source = DatasetSource(dataset, personalizer, named.config.network)
    task = progress.add_task(f"train {name}", total=named.config.steps, note="steps")
    lines = len(RunFolder(folder).metrics())
    network = train(
        source, spec, named.config, folder, progress=shown(progress, task, named.config.steps)
    )
    progress.update(task, completed=named.config.steps)
    if len(RunFolder(folder).metrics()) > lines:
        draw_training(folder)
    return network, source
