"""Where and with what a run was made: written beside its results."""

import dataclasses
import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("jax", "equinox", "optax", "orbax-checkpoint", "numpy", "opensim", "mujoco", "zarr")


def write_provenance(folder: Path, config: Any) -> None:
    """Write `config.json` (the resolved configuration) and `environment.json` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    described = {k: _plain(v) for k, v in dataclasses.asdict(config).items()}
    (folder / "config.json").write_text(json.dumps(described, indent=1) + "\n")
    (folder / "environment.json").write_text(json.dumps(environment(), indent=1) + "\n")


def environment() -> dict[str, Any]:
    """Date, commit, machine and package versions."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "machine": f"{platform.processor() or platform.machine()}, {platform.system()}",
        "packages": {name: version(name) for name in PACKAGES},
    }


def commit() -> str:
    """The git commit of this checkout, with `+` where files differ from it."""
    root = Path(__file__).parent

    def git(*arguments: str) -> str:
        call = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
        return call.stdout.strip()

    dirty = "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + dirty


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value
