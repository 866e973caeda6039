"""Forward simulation against OpenSim's Manager: the same necks, excitations and times.

    python experiments/crosscheck_simulation.py
    python experiments/crosscheck_simulation.py --bodies 1 --batch 16 --no-compliant

Everything runs on one core, so that simulations per second are per core. MuJoCo steps the bones of
the MJCF alone (it has neither bushings nor muscles in it), as a bound of what an engine in C takes.
The results folder gets a README, `movements.png` and `differences.csv`; exit code 1 where a
coordinate is 0.05 degrees or more from OpenSim's.
"""

import csv
import dataclasses
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib
import mujoco
import numpy as np
import tyro
from rich.console import Console

from cervjax.execution.provenance import environment, write_provenance
from cervjax.model import Model
from cervjax.people import Personalizer, Subject
from cervjax.simulation import (
    Dynamics,
    OpenLoop,
    Simulation,
    SimulationSettings,
    SimulationStatus,
    Tendon,
    simulate,
)
from cervjax.spec import ModelSpec, shipped_neck
from conversion import load_mjcf, write_mjcf
from conversion.opensim_simulation import opensim_forward

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ALLOWED_DEG = 0.05
RATIOS = (
    {},
    {"neck_length": 0.9, "shoulder_width": 0.92, "head_mass": 0.85, "strength": 0.7},
    {"neck_length": 1.1, "shoulder_width": 1.05, "head_mass": 1.2, "strength": 1.3},
)
"""The bodies."""
ACTIVATION = 0.05
"""At the start."""


@dataclass(frozen=True)
class Config:
    """What to check.

    Attributes:
        bodies: of three.
        duration, step: s.
        compliant: whether tendons that stretch are checked too; OpenSim takes a quarter of a minute
            for each.
        tolerance: of our steps.
        batch: bodies at a time, for speed.
        cores: of the machine; with one, speeds are per core.
        out: results folder.
    """

    bodies: int = 3
    duration: float = 0.5
    step: float = 0.01
    compliant: bool = True
    tolerance: float = 1e-5
    batch: int = 32
    cores: int = 1
    seed: int = 0
    out: Path = field(default=Path("results/crosscheck_simulation"))


@dataclass(frozen=True)
class Compared:
    """One movement by both.

    Attributes:
        tendon: of the muscles.
        body: number.
        time: s.
        ours, theirs: deg.
        seconds: that OpenSim took.
    """

    tendon: Tendon
    body: int
    time: np.ndarray
    ours: np.ndarray
    theirs: np.ndarray
    seconds: float

    @property
    def rms(self) -> np.ndarray:
        """Of each coordinate, deg."""
        return np.sqrt(np.mean((self.ours - self.theirs) ** 2, axis=0))


@dataclass(frozen=True)
class Speed:
    """Simulations per second on the cores given."""

    tendon: Tendon
    ours: float
    opensim: float
    steps: float


def run(config: Config) -> bool:
    """Check, time, write, and say whether all is within 0.05 degrees."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: config.cores]))
    jax.config.update("jax_enable_x64", True)
    write_provenance(config.out, config)
    console = Console()
    compared, speeds = [], []
    tendons: tuple[Tendon, ...] = ("rigid", "compliant") if config.compliant else ("rigid",)
    for tendon in tendons:
        with console.status(f"{tendon} tendons"):
            found = _compare(config, tendon)
            compared += found
            speeds.append(_speed(config, tendon, float(np.mean([c.seconds for c in found]))))
    bones = _mujoco_speed(config.duration)
    _write(config, compared, speeds, bones, console)
    return all(c.rms.max() < ALLOWED_DEG for c in compared)


@eqx.filter_jit
def _simulated(
    dynamics: Dynamics,
    q: jax.Array,
    excitation: jax.Array,
    duration: float,
    step: float,
    tolerance: float,
) -> Simulation:
    settings = SimulationSettings(
        solver="rkc" if dynamics.tendon == "compliant" else "tsit5",
        rtol=tolerance,
        atol=tolerance,
        max_steps=20_000,
        checkpoints=64,
    )
    start = dynamics.at_rest(q, jnp.full(len(excitation), ACTIVATION))
    controller = OpenLoop.constant(excitation)
    return simulate(dynamics, start, controller, duration=duration, step=step, settings=settings)


def _compare(config: Config, tendon: Tendon) -> list[Compared]:
    spec = _spec(tendon)
    personalizer, rng = Personalizer(spec), np.random.default_rng(config.seed)
    result = []
    for body, ratios in enumerate(RATIOS[: config.bodies]):
        model = personalizer(Subject.of(None, **ratios))
        q = np.radians(rng.uniform(-5, 5, 6))
        excitation = rng.uniform(0.02, 0.25, len(spec.muscles))
        dynamics = Dynamics(model, tendon)
        found = _simulated(
            dynamics,
            jnp.asarray(q),
            jnp.asarray(excitation),
            config.duration,
            config.step,
            config.tolerance,
        )
        if int(found.status) != SimulationStatus.COMPLETED:
            raise RuntimeError(f"body {body} with {tendon} tendons did not complete")
        moments = np.asarray(found.time)
        begun = time.perf_counter()
        theirs = opensim_forward(
            model.to_spec(spec), q, np.full(len(excitation), ACTIVATION), excitation, moments
        )
        seconds = time.perf_counter() - begun
        ours = np.degrees(np.asarray(found.states.q))
        result.append(Compared(tendon, body, moments, ours, np.degrees(theirs), seconds))
    return result


def _spec(tendon: Tendon) -> ModelSpec:
    spec = shipped_neck()
    rigid = tendon == "rigid"
    return dataclasses.replace(
        spec,
        muscles=tuple(dataclasses.replace(m, ignore_tendon_compliance=rigid) for m in spec.muscles),
    )


def _speed(config: Config, tendon: Tendon, opensim_seconds: float) -> Speed:
    """Of a batch of different bodies with different excitations."""
    personalizer = Personalizer(_spec(tendon))
    rng = np.random.default_rng(config.seed + 1)
    ratios = jnp.asarray(1 + 0.1 * rng.uniform(-1, 1, (config.batch, 7)))
    q = jnp.asarray(np.radians(rng.uniform(-5, 5, (config.batch, 6))))
    excitation = jnp.asarray(rng.uniform(0.02, 0.25, (config.batch, 72)))

    def one(ratios: jax.Array, q: jax.Array, excitation: jax.Array) -> Simulation:
        dynamics = Dynamics(personalizer(Subject.from_vector(ratios)), tendon)
        return _simulated(
            dynamics, q, excitation, config.duration, config.duration, config.tolerance
        )

    together = jax.jit(jax.vmap(one))
    jax.block_until_ready(together(ratios, q, excitation))
    begun = time.perf_counter()
    found = jax.block_until_ready(together(ratios, q, excitation))
    seconds = time.perf_counter() - begun
    return Speed(tendon, config.batch / seconds, 1 / opensim_seconds, float(np.mean(found.steps)))


def _mujoco_speed(duration: float, step: float = 1e-3) -> float:
    """Simulations per second of the bones alone, falling."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "neck.xml"
        write_mjcf(shipped_neck(), path)
        engine = load_mjcf(path)
    engine.opt.timestep = step
    data = mujoco.MjData(engine)
    begun = time.perf_counter()
    mujoco.mj_step(engine, data, nstep=round(duration / step))
    return 1 / (time.perf_counter() - begun)


def _write(
    config: Config,
    compared: list[Compared],
    speeds: list[Speed],
    bones: float,
    console: Console,
) -> None:
    names = Model.from_spec(shipped_neck()).topology.free_coordinates
    with (config.out / "differences.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["tendon", "body", *(f"{n} (deg, RMS)" for n in names)])
        rows.writerows([c.tendon, c.body, *(f"{x:.3g}" for x in c.rms)] for c in compared)
    about = environment()
    lines = [
        "# Forward simulation against OpenSim's Manager",
        "",
        f"{about['date']}, commit {about['commit']}, {about['machine']}, "
        f"OpenSim {about['packages']['opensim']}; {config.duration:g} s from rest, activation "
        f"{ACTIVATION:g}, random constant excitations, tolerance {config.tolerance:g}.",
        "",
        "| tendon | body | largest RMS difference (deg) | largest movement (deg) |",
        "|---|---|---|---|",
        *(
            f"| {c.tendon} | {c.body} | {c.rms.max():.2g} | {np.ptp(c.theirs, axis=0).max():.1f} |"
            for c in compared
        ),
        "",
        f"Simulations per second on {config.cores} core(s), batch of {config.batch}:",
        "",
        "| tendon | cervjax | OpenSim | ratio | steps (rigid: 6 evaluations each; compliant: 12) |",
        "|---|---|---|---|---|",
        *(
            f"| {s.tendon} | {s.ours:.3g} | {s.opensim:.3g} | {s.ours / s.opensim:.0f} "
            f"| {s.steps:.0f} |"
            for s in speeds
        ),
        "",
        f"MuJoCo's C engine steps the bones alone {bones:.3g} times per second (1 ms steps; no "
        "muscles, no bushings).",
    ]
    text = "\n".join(lines) + "\n"
    (config.out / "README.md").write_text(text)
    console.print(text)
    figure, axes = plt.subplots(2, 3, figsize=(11, 5.5), sharex=True, layout="constrained")
    for k, axis in enumerate(axes.flat):
        for c in compared:
            color = f"C{c.body}"
            axis.plot(c.time, c.ours[:, k], "-" if c.tendon == "rigid" else "--", color=color)
            axis.plot(c.time[::5], c.theirs[::5, k], "x", color=color, markersize=4)
        axis.set(title=names[k], ylabel="angle (deg)", xlabel="time (s)")
    figure.suptitle("lines: cervjax (solid: rigid, dashed: compliant tendons); crosses: OpenSim")
    figure.savefig(config.out / "movements.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(0 if run(tyro.cli(Config)) else 1)
