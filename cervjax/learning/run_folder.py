"""The folder of a training run: what was asked, with what, how it went, and the networks.

run.json            resolved configuration, fingerprint of the rows, names
environment.json    versions and platform, of the process that began the run
neck/               the model, as tables
novelty.npz         what inputs of training were like
metrics.jsonl       one line per validation
weights.npz         the best network so far, for inference
checkpoints/        training state, by Orbax; the last two
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from cervjax.execution import read_json, reading, seal_of, sealed, write_json, write_text
from cervjax.execution.provenance import machine, package_versions
from cervjax.model import Model
from cervjax.spec import ModelSpec, same_fingerprint, spec_fingerprint
from cervjax.spec.plain import from_plain, to_plain
from cervjax.spec.tables import read_tables, write_tables

from .config import TrainingConfig

FORMAT = 2
"""Of `run.json`. Format 1 had no number, its configuration at the top level, and `unknown_person`
for what is `missing_inputs`."""
_PACKAGES = ("cervjax", "jax", "jaxlib", "equinox", "optax", "orbax-checkpoint", "numpy")
_REMEDY = "bring back the file as the training wrote it, or train again"
_OLD_NAMES = {"unknown_person": "missing_inputs"}


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
            config: of the training.
            spec: the model, with its reserves.
            fingerprint: of the rows.
            rate: Hz of the frames of a window; None without windows.

        Raises:
            ValueError: the folder holds another run.
        """
        about = {"rows": fingerprint, "rate": rate, "model": spec_fingerprint(spec)}
        if (self.path / "run.json").exists():
            self._check_same(config.resolved, about, spec)
            return
        self.path.mkdir(parents=True, exist_ok=True)
        write_tables(spec, self.path / "neck")
        write_json(self.path / "environment.json", _environment())
        # Last: a folder with this file is complete.
        described = {"format": FORMAT, "config": to_plain(config.resolved), **about}
        write_json(self.path / "run.json", sealed(described))

    def _check_same(
        self, config: TrainingConfig, about: Mapping[str, Any], spec: ModelSpec
    ) -> None:
        stored = self._described()
        ours, theirs = to_plain(config), to_plain(self.config())
        differing = sorted(k for k in ours if ours[k] != theirs[k])
        differing += [k for k in ("rows", "rate") if stored[k] != about[k]]
        if not same_fingerprint(spec, stored["model"]):
            differing.append("model")
        if differing:
            raise ValueError(
                f"{self.path} holds a run with other {', '.join(differing)}; "
                "choose another folder, or remove it"
            )

    def config(self) -> TrainingConfig:
        """The configuration of the run.

        Returns:
            It, with fields that an older version did not know at their defaults.

        Raises:
            FileNotFoundError: there is no run.
            ValueError: `run.json` holds something else.
        """
        config = self._described()["config"]
        with reading(self.path / "run.json", "the description of a training run", _REMEDY):
            return from_plain(config, TrainingConfig, "a training run")

    def spec(self) -> ModelSpec:
        """The model of the run, with its reserves.

        Returns:
            The model as plain data.

        Raises:
            FileNotFoundError: there is no run.
            ValueError: its tables are damaged, or not those of the training.
        """
        described, folder = self._described(), self.path / "neck"
        with reading(folder, "the model of a training run", _REMEDY):
            spec = read_tables(folder)
            if not same_fingerprint(spec, described["model"]):
                raise ValueError(
                    "its tables are not those that the network was trained with: a row or a value "
                    "was changed"
                )
        return spec

    def rate(self) -> float | None:
        """Frames of a window in a second.

        Returns:
            Hz; None for a network that sees one frame.
        """
        return self._described()["rate"]

    def model(self) -> Model:
        """The model of the run.

        Returns:
            Its arrays, float32.
        """
        return Model.from_spec(self.spec(), dtype=jnp.float32)

    @property
    def novelty_file(self) -> Path:
        """What `Novelty.read` reads."""
        return self.path / "novelty.npz"

    @property
    def weights_file(self) -> Path:
        """What `read_weights` reads."""
        return self.path / "weights.npz"

    @property
    def checkpoint_folder(self) -> Path:
        """Training state, by Orbax."""
        return self.path / "checkpoints"

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`.

        Returns:
            One mapping per validation; a line that a crash left half written is none.
        """
        file, lines = self.path / "metrics.jsonl", []
        for line in file.read_text(errors="replace").splitlines() if file.exists() else ():
            try:
                found = json.loads(line)
            except ValueError:
                break
            if not isinstance(found, dict) or not isinstance(found.get("step"), int):
                break
            lines.append(found)
        return lines

    def cut_metrics(self, step: int) -> None:
        """Leave out the lines after `step`: a run that goes on from there writes them again."""
        kept = [line for line in self.metrics() if line["step"] <= step]
        write_text(self.path / "metrics.jsonl", "".join(f"{json.dumps(x)}\n" for x in kept))

    def add_metrics(self, line: Mapping[str, Any]) -> None:
        """Append a line to `metrics.jsonl`."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _described(self) -> dict[str, Any]:
        file = self.path / "run.json"
        if not file.is_file():
            raise FileNotFoundError(f"no training run in {self.path}")
        with reading(file, "the description of a training run", _REMEDY):
            stored = read_json(file, "the description of a training run", _REMEDY)
            version = stored.get("format", 1)
            if version == 1:
                about = {"rows": stored.pop("rows"), "rate": stored.pop("rate")}
                about["model"] = stored.pop("neck")
                config = {_OLD_NAMES.get(k, k): v for k, v in stored.items()}
                stored = {"format": 1, "config": config, **about}
            elif version != FORMAT:
                raise ValueError(
                    f"{file} has format {version}, this version reads 1 to {FORMAT}; read it with "
                    "the version that wrote it"
                )
            rate = stored["rate"]
            if not isinstance(stored["rows"], str) or not isinstance(stored["model"], str):
                raise ValueError("rows and model are no fingerprints")
            if not (rate is None or (isinstance(rate, int | float) and 0 < rate < 1e6)):
                raise ValueError(f"rate = {rate!r} is no number of Hz")
            if not isinstance(stored["config"], dict):
                raise ValueError("config is no object")
        return stored

    @property
    def identity(self) -> str:
        """Of what was asked and trained with: weights carry it, so that those of another run are
        noticed.

        Returns:
            Hexadecimal digits.
        """
        return seal_of(self._described())


def _environment() -> dict[str, Any]:
    devices = jax.devices()
    return {
        **machine(),
        "devices": f"{len(devices)} x {devices[0].device_kind}",
        "packages": package_versions(_PACKAGES),
    }
