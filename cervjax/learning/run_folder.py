"""The folder of a training run: what was asked, with what, how it went, and the networks.

run.json            resolved configuration, fingerprint of the rows, names
environment.json    versions and platform, of the process that began the run
neck/               the neck, as tables
novelty.npz         what inputs of training were like
metrics.jsonl       one line per validation
checkpoints/        Orbax; the last two
"""

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from jaxtyping import Array

from cervjax.labels import spec_fingerprint
from cervjax.model import Model
from cervjax.spec import ModelSpec, read_tables, write_tables

from .config import TrainingConfig

T = TypeVar("T")

_PACKAGES = ("cervjax", "jax", "jaxlib", "equinox", "optax", "orbax-checkpoint", "numpy")


class RunFolder:
    """One run's folder."""

    def __init__(self, path: str | Path) -> None:
        """The folder `path`; it need not be there yet."""
        self.path = Path(path).absolute()

    def begin(
        self, config: TrainingConfig, spec: ModelSpec, fingerprint: str, rate: float | None
    ) -> None:
        """Write down a new run, or check that it is the one that is here.

        Args:
            rate: Hz of the frames of a window.

        Raises:
            ValueError: the folder holds another run.
        """
        about = {"rows": fingerprint, "rate": rate, "neck": spec_fingerprint(spec)}
        described = {**config.to_json(), **about}
        described = json.loads(json.dumps(described))
        file = self.path / "run.json"
        if file.exists():
            stored = json.loads(file.read_text())
            if stored != described:
                differing = sorted(k for k in described if stored.get(k) != described[k])
                raise ValueError(
                    f"{self.path} holds a run with other {', '.join(differing)}; "
                    "choose another folder, or remove it"
                )
            return
        self.path.mkdir(parents=True, exist_ok=True)
        write_tables(spec, self.path / "neck")
        (self.path / "environment.json").write_text(json.dumps(_environment(), indent=1) + "\n")
        # Last: a folder with this file is complete.
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(described, indent=1) + "\n")
        partial.replace(file)

    def config(self) -> TrainingConfig:
        """The configuration of the run.

        Raises:
            FileNotFoundError: there is no run.
        """
        return TrainingConfig.from_json(
            {k: v for k, v in self._described().items() if k not in ("rows", "rate", "neck")}
        )

    def spec(self) -> ModelSpec:
        """The neck of the run.

        Raises:
            FileNotFoundError: there is no run.
        """
        self._described()
        return read_tables(self.path / "neck")

    def rate(self) -> float | None:
        """Hz of the frames of a window, None for a network that sees one frame."""
        return self._described()["rate"]

    def model(self) -> Model:
        """The neck of the run as float32 arrays."""
        return Model.from_spec(self.spec(), dtype=jnp.float32)

    @property
    def novelty_file(self) -> Path:
        """What `Novelty.read` reads."""
        return self.path / "novelty.npz"

    def checkpoints(self) -> ocp.CheckpointManager:
        """The checkpoints; close them after use."""
        options = ocp.CheckpointManagerOptions(max_to_keep=2)
        return ocp.CheckpointManager(self.path / "checkpoints", options=options)

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`; one that a crash left half written is none."""
        file, lines = self.path / "metrics.jsonl", []
        for line in file.read_text().splitlines() if file.exists() else ():
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return lines

    def cut_metrics(self, step: int) -> None:
        """Leave out the lines after `step`: a run that goes on from there writes them again."""
        kept = [line for line in self.metrics() if line["step"] <= step]
        partial = self.path / "metrics.partial"
        partial.write_text("".join(f"{json.dumps(x)}\n" for x in kept))
        partial.replace(self.path / "metrics.jsonl")

    def add_metrics(self, line: Mapping[str, Any]) -> None:
        """Append a line to `metrics.jsonl`."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _described(self) -> dict[str, Any]:
        file = self.path / "run.json"
        if not file.is_file():
            raise FileNotFoundError(f"no training run in {self.path}")
        return json.loads(file.read_text())


def save_state(checkpoints: ocp.CheckpointManager, step: int, state: Any) -> None:
    """Save the arrays of `state`, and wait for it."""
    arrays = eqx.filter(state, eqx.is_array)
    checkpoints.save(step, args=ocp.args.StandardSave(_leaves(arrays)))
    checkpoints.wait_until_finished()


def restored_state(checkpoints: ocp.CheckpointManager, like: T) -> T:
    """The latest state there is, `like` if there is none."""
    latest = checkpoints.latest_step()
    if latest is None:
        return like
    arrays, rest = eqx.partition(like, eqx.is_array)
    stored = checkpoints.restore(latest, args=ocp.args.StandardRestore(_leaves(arrays)))
    filled = jax.tree_util.tree_map_with_path(
        lambda path, _: stored[jax.tree_util.keystr(path)], arrays
    )
    return eqx.combine(filled, rest)


def _leaves(tree: Any) -> dict[str, Array]:
    """Arrays by their path: what a checkpoint holds does not depend on Python classes."""
    found = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in found}


def _environment() -> dict[str, Any]:
    devices = jax.devices()
    return {
        "python": platform.python_version(),
        "machine": f"{platform.processor() or platform.machine()}, {platform.system()}",
        "devices": f"{len(devices)} x {devices[0].device_kind}",
        "packages": {name: version(name) for name in _PACKAGES},
    }
