"""Labels per second, beside OpenSim's static optimization and inverse dynamics, in one run.

    python experiments/benchmark_labels.py

A label is personalization, inverse dynamics, moment arms, muscle forces, the optimum and its
certificate; every row is another body. Ratios are of figures of the same run: clocks drift.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from provenance import write_provenance
from rich.console import Console
from rich.table import Table

from cervjax.labels import Labeler, sample_rows
from cervjax.model import NeckModel
from cervjax.motion import MovementSampler, sample_motion
from cervjax.optimization import SolverResult
from cervjax.personalization import Personalizer
from cervjax.population import PopulationBox
from cervjax.spec import shipped_neck


@dataclass(frozen=True)
class Config:
    """What to time.

    Attributes:
        rows: labels per call.
        chunk: rows computed at once.
        repeats: calls; the median counts.
        reserve: optimal force of the reserves, N m.
        opensim_frames: frames of OpenSim's StaticOptimization; 0 leaves OpenSim out.
        out: results folder.
    """

    rows: int = 50_000
    chunk: int = 500
    repeats: int = 7
    reserve: float = 1.0
    opensim_frames: int = 20
    out: Path = field(default=Path("results/benchmark_labels"))


def run(config: Config) -> dict[str, Any]:
    """Time labels and OpenSim, interleaved, and write `benchmark.json`."""
    write_provenance(config.out, config)
    spec = shipped_neck().with_reserves(config.reserve)
    personalizer = Personalizer(spec, NeckModel.from_spec(spec, dtype=jnp.float32))
    labeler = Labeler(personalizer, chunk=config.chunk)
    rows = sample_rows(
        MovementSampler.of(spec),
        PopulationBox(),
        persons=config.rows,
        frames=1,
        seed=0,
    )
    started = time.perf_counter()
    labels = jax.block_until_ready(labeler(*rows))
    compiling = time.perf_counter() - started
    results = np.asarray(labels.certificate.result)

    rates: dict[str, list[float]] = {"label": [], "opensim": []}
    for k in range(config.repeats):
        rates["label"].append(config.rows / _timed(lambda: jax.block_until_ready(labeler(*rows))))
        # OpenSim runs between our repeats, so that both see the same clock.
        if config.opensim_frames and k % 3 == 0:
            rates["opensim"].append(_opensim_rate(spec, config.opensim_frames, k))
    summary: dict[str, Any] = {
        "device": jax.devices()[0].device_kind,
        "cpu_cores": os.cpu_count(),
        "labels_per_second": float(np.median(rates["label"])),
        "labels_per_second_runs": [round(r) for r in rates["label"]],
        "first_call_s": round(compiling, 2),
        "converged": float(np.mean(results == SolverResult.CONVERGED)),
        "largest_kkt_residual": float(labels.certificate.kkt_residual.max()),
        "mean_iterations": float(labels.certificate.iterations.mean()),
        "median_largest_reserve_Nm": float(np.median(np.abs(labels.reserve_force).max(axis=1))),
    }
    if rates["opensim"]:
        summary["opensim_static_optimization_per_second"] = float(np.median(rates["opensim"]))
        summary["ratio"] = summary["labels_per_second"] / float(np.median(rates["opensim"]))
    (config.out / "benchmark.json").write_text(json.dumps(summary, indent=1) + "\n")
    table = Table("figure", "value", title="Labels per second")
    for name, value in summary.items():
        table.add_row(name, f"{value:,.6g}" if isinstance(value, float) else str(value))
    Console().print(table)
    return summary


def _timed(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _opensim_rate(spec: Any, frames: int, seed: int) -> float:
    """Frames per second and core of OpenSim's StaticOptimization on a random movement.

    The run's fixed costs (reading the model) are taken out by timing a run of one frame.
    """
    from conversion.opensim_engine import opensim_static_optimization

    motion = sample_motion(spec, seed, duration=2.0)

    def solve(count: int) -> float:
        end = 0.5 + 0.01 * (count - 1) + 1e-6
        return _timed(lambda: opensim_static_optimization(spec, motion, start=0.5, end=end))

    return (frames - 1) / max(solve(frames) - solve(1), 1e-9)


if __name__ == "__main__":
    run(tyro.cli(Config, description=__doc__))
