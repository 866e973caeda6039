"""Labels per second, beside OpenSim's static optimization, in one run; and what they cost.

    python experiments/benchmark_labels.py                  # the record's table
    python experiments/benchmark_labels.py --scaling        # cost as work grows, to 1e7 rows
    python experiments/benchmark_labels.py --block 32768    # a GPU wants large blocks

A label is drawing a person and a frame, personalization, inverse dynamics, moment arms, muscle
forces, the optimum and its certificate; every row is another body, joint loads off. Ratios are of
figures of the same run: clocks drift.
"""

import json
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import matplotlib
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from cervjax.execution.provenance import write_provenance
from cervjax.labels import BlockRunner, DatasetPlan, RowStatus, build_factory, generate_dataset
from cervjax.motion.synthesis import sample_motion
from cervjax.optimization import SolverResult
from cervjax.spec import ModelSpec, shipped_neck

matplotlib.use("Agg")
import matplotlib.pyplot as plt

H200_FLOPS, H200_BYTES = 67e12, 4.3e12
"""float32 operations and bytes of memory traffic per second of an NVIDIA H200."""


@dataclass(frozen=True)
class Config:
    """What to time.

    Attributes:
        rows: labels per call.
        block: rows computed at once by a device.
        repeats: calls; the median counts.
        reserve: optimal force of the reserves, N m.
        opensim_frames: frames of OpenSim's StaticOptimization; 0 leaves OpenSim out.
        disk: write a dataset of `rows` rows, 8 to a person, too.
        scaling: time 1e3 to `largest` rows, and draw them.
        largest: rows of the largest run of `scaling`.
        cores: JAX devices that a CPU counts as; all cores if None.
        out: results folder.
    """

    rows: int = 65_536
    block: int = 128
    repeats: int = 7
    reserve: float = 0.1
    opensim_frames: int = 20
    disk: bool = True
    scaling: bool = False
    largest: int = 10_000_000
    cores: int | None = None
    out: Path = field(default=Path("results/benchmark_labels"))

    @property
    def plan(self) -> DatasetPlan:
        """A person for every row."""
        return DatasetPlan(
            persons=self.rows,
            movements=1,
            frames=1,
            joint_loads=False,
            reserve=self.reserve,
            block=self.block,
            shard_rows=self.rows,
        )


def run(config: Config) -> dict[str, Any]:
    """Time labels and OpenSim, interleaved, and write `benchmark.json`."""
    write_provenance(config.out, config)
    spec = shipped_neck()
    runner = BlockRunner(build_factory(config.plan, spec), config.plan.shard_blocks)
    rows = config.plan.shard_blocks * config.block
    started = time.perf_counter()
    _, labels = jax.block_until_ready(runner(0))
    first_call = time.perf_counter() - started
    status = np.asarray(labels.solution.status)
    results = np.asarray(labels.certificate.result)

    rates: dict[str, list[float]] = {"label": [], "opensim": []}
    for k in range(config.repeats):
        seconds = _timed(lambda k=k: jax.block_until_ready(runner(k * config.plan.shard_blocks)))
        rates["label"].append(rows / seconds)
        # OpenSim runs between our repeats, so that both see the same clock.
        if config.opensim_frames and k % 3 == 0:
            rates["opensim"].append(_opensim_rate(spec, config, k))
    summary: dict[str, Any] = {
        "device": jax.devices()[0].device_kind,
        "devices": jax.local_device_count(),
        "cpu_cores": os.cpu_count(),
        "labels_per_second": float(np.median(rates["label"])),
        "labels_per_second_runs": [round(r) for r in rates["label"]],
        "first_call_s": round(first_call, 2),
        "converged": float(np.mean(results == SolverResult.CONVERGED)),
        "certified": float(np.mean(status == RowStatus.CERTIFIED)),
        "largest_kkt_residual": float(labels.certificate.kkt_residual.max()),
        "mean_iterations": float(labels.certificate.iterations.mean()),
    }
    if rates["opensim"]:
        summary["opensim_static_optimization_per_second"] = float(np.median(rates["opensim"]))
        summary["ratio"] = summary["labels_per_second"] / float(np.median(rates["opensim"]))
    summary |= _cost(runner, config)
    if config.disk:
        summary |= _to_disk(spec, config)
    if config.scaling:
        summary["scaling"] = _scaling(runner, rows, config)
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


def _opensim_rate(spec: ModelSpec, config: Config, seed: int) -> float:
    """Frames per second and core of OpenSim's StaticOptimization on a random movement.

    The run's fixed costs (reading the model) are taken out by timing a run of one frame.
    """
    from conversion.opensim_engine import opensim_static_optimization

    spec = spec.with_reserves(config.reserve)
    motion = sample_motion(spec, seed, duration=2.0)
    frames = config.opensim_frames

    def solve(count: int) -> float:
        end = 0.5 + 0.01 * (count - 1) + 1e-6
        return _timed(lambda: opensim_static_optimization(spec, motion, start=0.5, end=end))

    return (frames - 1) / max(solve(frames) - solve(1), 1e-9)


def _cost(runner: BlockRunner, config: Config) -> dict[str, Any]:
    """What the compiler counts of one block, and the roofline that it implies on an H200.

    The compiler counts a loop's body once, so that of the optimizer (4 to 5 steps a row) and of the
    chain of joints (8) is counted too low: a lower bound.
    """
    analysis = runner.compiled().cost_analysis() or {}
    flops = analysis.get("flops", float("nan")) / config.block
    traffic = analysis.get("bytes accessed", float("nan")) / config.block
    return {
        "compiler_flops_per_label": float(flops),
        "compiler_bytes_per_label": float(traffic),
        "h200_roofline_from_these_labels_per_second": float(
            min(H200_FLOPS / flops, H200_BYTES / traffic)
        ),
        "peak_memory_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _to_disk(spec: ModelSpec, config: Config) -> dict[str, Any]:
    """Rows per second of a dataset, 8 rows to a person, with joint loads, from start to end."""
    plan = replace(
        config.plan,
        persons=4 * config.rows // 8,
        movements=2,
        frames=4,
        joint_loads=True,
        block=max(1, config.block // 8),
    )
    folder = Path(tempfile.mkdtemp(dir=config.out)) / "dataset"
    times = [time.perf_counter()]
    generate_dataset(folder, plan, spec, progress=lambda _: times.append(time.perf_counter()))
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    shutil.rmtree(folder.parent)
    # The first shard carries compilation.
    written = plan.rows - min(plan.rows, plan.shard_persons * 8)
    return {
        "rows_per_second_to_disk": written / (times[-1] - times[1]) if written else float("nan"),
        "bytes_per_row_on_disk": size / plan.rows,
    }


def _scaling(runner: BlockRunner, rows: int, config: Config) -> dict[str, float]:
    """Seconds for 1e3 to `largest` rows; a fixed number of rows is in memory at a time."""
    sizes = [10**k for k in range(3, 10) if 10**k <= config.largest]
    small = BlockRunner(runner.factory, -(-1000 // config.block))
    jax.block_until_ready(small(0))
    seconds, memory = [], []
    for size in sizes:
        chosen, step = (small, small.count * config.block) if size < rows else (runner, rows)
        started = time.perf_counter()
        for first in range(0, size, step):
            jax.block_until_ready(chosen(first // config.block))
        seconds.append((time.perf_counter() - started) * size / (-(-size // step) * step))
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    left.loglog(sizes, seconds, "o-", label="measured")
    left.loglog(sizes, seconds[-1] * np.array(sizes) / sizes[-1], "--", label="linear")
    left.set(xlabel="rows", ylabel="time (s)", title="Cost as work grows")
    left.legend()
    right.semilogx(sizes, memory, "o-")
    right.set(xlabel="rows", ylabel="peak memory (MiB)", ylim=(0, None), title="Memory")
    figure.savefig(config.out / "scaling.png", dpi=110)
    plt.close(figure)
    named = zip(sizes, seconds, memory, strict=True)
    return {f"{size:.0e}": {"seconds": s, "peak_MiB": m} for size, s, m in named}  # type: ignore


def main() -> None:
    """Command line."""
    config = tyro.cli(Config, description=__doc__)
    jax.config.update("jax_num_cpu_devices", config.cores or os.cpu_count() or 1)
    run(config)


if __name__ == "__main__":
    main()
