"""How long a prediction takes: networks, the direct solver and OpenSim, in one run on one core.

    python experiments/benchmark_prediction.py
    python experiments/benchmark_prediction.py --networks results/force_networks/networks

Calls are interleaved and medians taken, so that the clock's drift is everybody's. How long a
network takes does not depend on what it has learned: without `--networks` they are fresh.
"""

import os

if hasattr(os, "sched_setaffinity"):
    # Before JAX counts the cores.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from force_networks import plans
from rich.console import Console
from rich.table import Table

from cervjax.execution.provenance import write_provenance
from cervjax.labels import build_factory
from cervjax.learning import (
    DualNetwork,
    LabelledPose,
    NetworkConfig,
    NetworkInputs,
    RowBuilder,
    load_network,
    make_network,
    person_inputs,
    torque_equation,
)
from cervjax.model import Model
from cervjax.motion.synthesis import MotionSample, sample_motion
from cervjax.optimization import static_optimization
from cervjax.people import Personalizer
from cervjax.spec import shipped_neck


@dataclass(frozen=True)
class Config:
    """What to time.

    Attributes:
        networks: folder of runs `physics`, `dual` and `sensor-tied`; fresh networks if None.
        batch: frames of the batch, of one person.
        rounds: of interleaved calls.
        opensim_frames: frames that OpenSim solves; 0 leaves it out.
        out: results folder.
    """

    networks: Path | None = None
    batch: int = 4096
    rounds: int = 200
    opensim_frames: int = 30
    out: Path = field(default=Path("results/benchmark_prediction"))


def run(config: Config) -> dict[str, dict[str, float]]:
    """Time everything and write `latency.json`."""
    console = Console()
    write_provenance(config.out, config)
    spec = shipped_neck().with_reserves(0.1)
    model = Model.from_spec(spec, dtype=jnp.float32)
    personalizer = Personalizer(model)
    single, many = (_ways(config, model, personalizer, n) for n in (1, config.batch))
    found: dict[str, dict[str, float]] = {}
    for name, seconds in _interleaved(single, config.rounds).items():
        found[name] = {"one_frame_ms": 1e3 * seconds}
    for name, seconds in _interleaved(many, max(3, config.rounds // 20)).items():
        found[name]["batch_us_per_frame"] = 1e6 * seconds / config.batch
    if config.opensim_frames:
        milliseconds = 1e3 * _opensim(config.opensim_frames)
        found["OpenSim StaticOptimization"] = {"one_frame_ms": milliseconds}
    (config.out / "latency.json").write_text(json.dumps(found, indent=1) + "\n")
    table = Table("", "one frame (ms)", f"frame of {config.batch} (us)", "one frame / solver")
    solver = found["direct solver"]["one_frame_ms"]
    for name, values in found.items():
        per_row = values.get("batch_us_per_frame")
        table.add_row(
            name,
            f"{values['one_frame_ms']:.4f}",
            "" if per_row is None else f"{per_row:.2f}",
            f"{values['one_frame_ms'] / solver:.3g}",
        )
    console.print(table)
    return found


def _ways(
    config: Config, model: Model, personalizer: Personalizer, count: int
) -> dict[str, Callable[[], Any]]:
    """Compiled calls on `count` frames, by name; with one frame no batch axis."""
    plan = plans(64, 0.1)["free"]
    factory = build_factory(plan, shipped_neck())
    people, labels = jax.jit(lambda index: factory.blocks(index))(jnp.arange(4, dtype=jnp.uint32))
    labels = jax.tree.map(np.asarray, labels)
    chosen = np.resize(np.arange(len(labels.q)), count)
    known = np.asarray(person_inputs(people))[np.asarray(labels.person)[chosen]]
    labels = jax.tree.map(lambda x: x[chosen], labels)
    full = RowBuilder(personalizer, "full")(labels, known)
    sensor = RowBuilder(personalizer, "sensor")(labels, known)
    pose: LabelledPose = jax.tree.map(jnp.asarray, full.frame)
    one = count == 1

    def cut(tree: Any) -> Any:
        return jax.tree.map(lambda x: jnp.asarray(x)[0] if one else jnp.asarray(x), tree)

    def call(function: Callable, *arguments: Any) -> Callable[[], Any]:
        mapped = function if one else jax.vmap(function)
        # A network is a pytree with arrays, which `jit` cannot hash.
        compiled = jax.jit(lambda *x: mapped(*x)).lower(*cut(arguments)).compile()
        given = cut(arguments)
        return lambda: jax.block_until_ready(compiled(*given))

    networks = _networks(config, model)
    dual = networks["dual"]
    assert isinstance(dual, DualNetwork)

    def with_steps(steps: int) -> Callable:
        polished = replace(dual, config=replace(dual.config, newton_steps=steps))
        return lambda inputs, motion: polished(inputs, torque_equation(model, motion))

    def solve(q: Any, qd: Any, qdd: Any) -> Any:
        return static_optimization(model, q, qd, qdd).muscle_force

    motion: MotionSample = pose.motion
    inputs: NetworkInputs = full.inputs
    ways = {
        "network, full input": call(networks["physics"], inputs),
        "network, sensor input": call(networks["sensor"], sensor.inputs),
        "mechanics alone": call(lambda *x: torque_equation(model, MotionSample(*x)), *motion),
        "dual, 0 Newton steps": call(with_steps(0), inputs, motion),
        "dual, 3 Newton steps": call(with_steps(3), inputs, motion),
        "dual, 10 Newton steps": call(with_steps(10), inputs, motion),
        "direct solver": call(solve, *motion),
    }
    return ways


def _networks(config: Config, model: Model) -> dict[str, Any]:
    if config.networks is not None:
        names = {"physics": "physics", "dual": "dual", "sensor": "sensor-tied"}
        return {key: load_network(config.networks / name) for key, name in names.items()}
    key = jax.random.key(0)
    return {
        "physics": make_network(NetworkConfig(), model, key=key),
        "dual": make_network(NetworkConfig(kind="dual"), model, key=key),
        "sensor": make_network(NetworkConfig(inputs="sensor"), model, key=key),
    }


def _interleaved(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each call."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def _opensim(frames: int) -> float:
    """Seconds a frame."""
    from conversion.opensim_engine import opensim_static_optimization

    spec = shipped_neck().with_reserves(0.1)
    motion = sample_motion(spec, 1)
    last = float(motion.time[frames + 10])
    opensim_static_optimization(spec, motion, start=0.1, end=0.1)
    started = time.perf_counter()
    controls, _ = opensim_static_optimization(spec, motion, start=0.1, end=last)
    return (time.perf_counter() - started) / len(controls.time)


if __name__ == "__main__":
    run(tyro.cli(Config))
