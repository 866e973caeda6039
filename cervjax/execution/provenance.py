"""Where and with what a result was made."""

import dataclasses
import platform
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .files import write_json

PACKAGES = ("jax", "equinox", "optax", "orbax-checkpoint", "numpy", "opensim", "mujoco", "zarr")


def write_provenance(folder: Path, config: Any) -> None:
    """Write `config.json` (the resolved configuration) and `environment.json` into `folder`.

    Args:
        folder: made if absent.
        config: a dataclass.
    """
    described = {k: _plain(v) for k, v in dataclasses.asdict(config).items()}
    write_json(folder / "config.json", described)
    write_json(folder / "environment.json", environment())


def environment() -> dict[str, Any]:
    """Date, commit, command, machine and package versions.

    Returns:
        Plain values.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        **machine(),
        "packages": package_versions(PACKAGES),
    }


def machine() -> dict[str, str]:
    """Python's version, processor and system.

    Returns:
        Plain values.
    """
    return {
        "python": platform.python_version(),
        "machine": f"{platform.processor() or platform.machine()}, {platform.system()}",
    }


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions.

    Args:
        names: of distributions.

    Returns:
        Versions by name.
    """
    return {name: version(name) for name in names}


def commit() -> str:
    """The git commit of the checkout that this package runs from.

    Returns:
        Its short hash, with `+` where files differ from it; `unknown` outside a checkout.
    """
    root = Path(__file__).parent

    def git(*arguments: str) -> str:
        try:
            call = subprocess.run(
                ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
            )
        except OSError:
            return ""
        return call.stdout.strip()

    dirty = "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + dirty


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value
