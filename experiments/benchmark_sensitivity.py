"""Time of derivatives of a motion by all parameters, beside that of the motion alone.

    python experiments/benchmark_sensitivity.py

One second of movement, all 260 parameters of `cervjax.identification` (and every activation and the
start besides), angles at every sample; float64, one device.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from cervjax.dynamics import JointLimits
from cervjax.execution.provenance import environment
from cervjax.identification import (
    ParameterSpace,
    ParametricDynamics,
    Shooting,
    motion,
    motion_and_sensitivity,
    random_activations,
    random_poses,
)
from cervjax.model import Model
from cervjax.simulation import Dynamics
from cervjax.spec import shipped_neck

SOLVERS: tuple[Literal["rkc", "tsit5"], ...] = ("rkc", "tsit5")


@dataclass(frozen=True)
class Config:
    """What to time.

    Attributes:
        movements: at a time.
        duration, step: s, of each, and between samples.
        repeats: of which the fastest counts.
    """

    movements: int = 16
    duration: float = 1.0
    step: float = 0.01
    repeats: int = 5
    seed: int = 0


def run(config: Config) -> None:
    """Print times and their ratio."""
    jax.config.update("jax_enable_x64", True)
    spec = shipped_neck()
    model = Model.from_spec(spec)
    neck = ParametricDynamics(
        ParameterSpace.of(model), Dynamics(model, "rigid", JointLimits.of(model))
    )
    rng = np.random.default_rng(config.seed)
    ranges = np.array([spec.coordinate(c).range for c in spec.free_coordinates])
    samples = round(config.duration / config.step) + 1
    activation = random_activations(rng, config.movements, samples, len(spec.muscles), config.step)
    pose = random_poses(rng, config.movements, ranges)
    start = jnp.asarray(np.concatenate([pose, np.zeros_like(pose)], axis=1))
    values = neck.space.nominal_values

    def over(function: Callable, shooting: Shooting) -> Callable:
        return jax.jit(jax.vmap(lambda s, a: function(neck, values, s, a, config.step, shooting)))

    table = jnp.asarray(activation)
    functions = {
        f"{solver}, {name}": over(function, Shooting(solver=solver, coarse=coarse))
        for solver in SOLVERS
        for name, function, coarse in (
            ("motion", motion, False),
            ("with derivatives", motion_and_sensitivity, False),
            ("with coarse ones", motion_and_sensitivity, True),
        )
    }
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        jax.block_until_ready(function(start, table))
    for _ in range(config.repeats):
        for name, function in functions.items():
            begun = time.perf_counter()
            jax.block_until_ready(function(start, table))
            times[name].append(time.perf_counter() - begun)
    best = {name: min(t) for name, t in times.items()}
    about = environment()
    print(f"{about['date']}, commit {about['commit']}, jax {about['packages']['jax']}")
    for name, seconds in best.items():
        each, ratio = seconds / config.movements, seconds / best[f"{name.split(',')[0]}, motion"]
        print(f"{name}: {each:.4f} s per movement of {config.duration:g} s, {ratio:.2f} of one")
    print(f"{len(values)} parameters")


if __name__ == "__main__":
    run(tyro.cli(Config))
