"""Versions, devices, compile cache, precision; a self-check against stored OpenSim numbers."""

import importlib.metadata
import json
import os
import time
from importlib.resources import files

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from cervjax.execution.provenance import machine
from cervjax.model import Model
from cervjax.optimization import StaticOptimizationSettings, static_optimization
from cervjax.spec import shipped_neck

PACKAGES = (
    "cervjax",
    "jax",
    "jaxlib",
    "equinox",
    "optax",
    "diffrax",
    "optimistix",
    "orbax-checkpoint",
    "numpy",
    "scipy",
    "zarr",
    "opensim",
    "mujoco",
)
ACTIVATION = 5e-3
"""Largest difference of an activation from OpenSim's, whose optimizer is not exact."""


def run(single: bool = False) -> None:
    """Print what this installation is, and whether it computes what OpenSim computes.

    Args:
        single: check float32 too.
    """
    console = Console()
    table = Table("what", "found", title="cervjax doctor")
    for name, value in facts().items():
        table.add_row(name, value)
    for precision in (False, True)[: 1 + single]:
        started = time.perf_counter()
        difference = self_check(single=precision)
        name = "float32" if precision else "float64"
        seconds = time.perf_counter() - started
        table.add_row(
            f"self-check, {name}",
            f"activations within {difference:.1e} of OpenSim's, {seconds:.1f} s with compilation",
        )
        if not difference <= ACTIVATION:
            console.print(table)
            raise SystemExit(
                f"activations in {name} differ by {difference:.1e} from OpenSim's, more than "
                f"{ACTIVATION:g}: do not trust this installation; please report the table above"
            )
    console.print(table)


def facts() -> dict[str, str]:
    """Versions, machine, devices, compile cache.

    Returns:
        Texts by name.
    """
    found = dict(machine())
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    devices = jax.devices()
    found["devices"] = f"{len(devices)} x {devices[0].device_kind} ({devices[0].platform})"
    found["cores"] = str(os.cpu_count())
    cache = jax.config.jax_compilation_cache_dir
    found["compile cache"] = cache or "none; set JAX_COMPILATION_CACHE_DIR to keep compiled code"
    return found


def self_check(*, single: bool = False) -> float:
    """Static optimization of one stored frame against OpenSim's answer.

    Args:
        single: compute in float32.

    Returns:
        Largest difference of an activation; infinite where the optimum was not certified.
    """
    stored = json.loads((files(__package__ or "") / "doctor_reference.json").read_text())
    jax.config.update("jax_enable_x64", True)
    spec = shipped_neck("hyoid").with_reserves(1.0)
    model = Model.from_spec(spec, dtype=np.float32 if single else np.float64)
    motion = [np.asarray(stored[name], model.dtype) for name in ("q", "qd", "qdd")]
    solution = jax.jit(static_optimization, static_argnums=4)(
        model, *motion, StaticOptimizationSettings()
    )
    if not bool(solution.certificate.converged):
        return float("inf")
    return float(np.abs(np.asarray(solution.activation) - stored["activation"]).max())
