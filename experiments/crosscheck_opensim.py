"""Check cervjax against OpenSim: random persons, poses and motions; exit code 1 outside tolerance.

    python experiments/crosscheck_opensim.py --persons 3 --poses 500

OpenSim runs in worker processes. Leaves a table and a scatter plot per quantity in the results
folder.
"""

import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from crosscheck_report import Checked, report
from rich.progress import Progress

from cervjax.dynamics import mechanics
from cervjax.execution.provenance import write_provenance
from cervjax.kinematics import body_poses
from cervjax.model import Model
from cervjax.motion import Motion
from cervjax.motion.synthesis import sample_motion
from cervjax.muscle import rigid_tendon_state
from cervjax.optimization.motion_solution import solve_motion
from cervjax.people import Personalizer, PopulationBox, subject_at
from cervjax.spec import SHIPPED, ModelSpec, shipped_neck

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Config:
    """What to check.

    Attributes:
        neck: a shipped neck, or an `.osim` file that `Personalizer` can scale.
        persons: random persons of the population box; the first is the model itself.
        poses: random poses over the full range, over all persons.
        moment_arm_poses: of these, how many with moment arms (0.1 s each in OpenSim).
        motions: random movements solved by OpenSim's StaticOptimization, over all persons.
        frames: frames of each movement to solve.
        precision: of cervjax.
        workers: OpenSim processes.
        out: results folder.
    """

    neck: str = "hyoid"
    persons: int = 3
    poses: int = 500
    moment_arm_poses: int = 500
    motions: int = 3
    frames: int = 5
    seed: int = 0
    precision: Literal["float64", "float32"] = "float64"
    workers: int = 2
    out: Path = field(default=Path("results/crosscheck_opensim"))


@dataclass(frozen=True)
class Check:
    """A quantity, its unit, and how far it may be off in float64 and float32."""

    name: str
    unit: str
    float64: float
    float32: float


CHECKS = (
    Check("body position", "m", 1e-9, 1e-6),
    Check("body rotation", "1", 1e-9, 1e-6),
    Check("path length", "m", 1e-9, 1e-6),
    Check("moment arm", "m", 1e-9, 1e-6),
    Check("generalized force", "N m", 1e-8, 1e-4),
    Check("active force along tendon", "of max", 1e-4, 1e-4),
    Check("total force along tendon", "of max", 1e-4, 1e-4),
    Check("active force of static optimization", "of max", 1e-4, 1e-4),
    Check("activation", "1", 0.01, 0.01),
    # One-sided: by how much our objective, or our imbalance, exceeds OpenSim's.
    Check("excess objective", "1", 0.0, 1e-6),
    Check("excess imbalance", "N m", 0.0, 1e-4),
)


def run(config: Config) -> bool:
    """Run all checks, write the results, and say whether all are within tolerance."""
    jax.config.update("jax_enable_x64", True)
    write_provenance(config.out, config)
    spec = _neck(config.neck).with_reserves(1.0)
    people = _people(spec, config)
    with Progress(transient=True) as progress:
        task = progress.add_task("OpenSim", total=config.poses + config.motions)
        pairs = list(_compare(people, config, lambda done: progress.advance(task, done)))
    return _report(pairs, config)


def _neck(name: str) -> ModelSpec:
    if name in SHIPPED:
        return shipped_neck(name)
    from conversion import read_osim

    return read_osim(name, allow_unsupported=True)


def _people(spec: ModelSpec, config: Config) -> list[ModelSpec]:
    personalizer = Personalizer(spec)
    subjects = PopulationBox().sample(max(config.persons, 1), config.seed)
    scaled = (
        personalizer(subject_at(subjects, i)).to_spec(spec, f"{spec.name}_{i}")
        for i in range(1, config.persons)
    )
    return [spec, *scaled]


def _compare(people: list[ModelSpec], config: Config, advance: Any) -> Iterator[tuple]:
    """Yield (our values, OpenSim's values) of each piece of work."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(config.workers, mp_context=context) as pool:
        ours, jobs = [], []
        for i, spec in enumerate(people):
            count = len(range(i, config.poses, len(people)))
            arms = len(range(i, config.moment_arm_poses, len(people)))
            motion = _random_frames(spec, count, config.seed + i)
            for start in range(0, count, 50):
                piece = tuple(x[start : start + 50] for x in motion)
                ours.append(_our_poses(spec, piece, config.precision))
                jobs.append((pool.submit(_opensim_poses, spec, piece, arms - start), 50))
        for k in range(config.motions):
            spec = people[k % len(people)]
            motion = sample_motion(spec, config.seed + k, duration=3.0)
            frames = np.linspace(30, 270, config.frames).astype(int)
            ours.append(_our_activations(spec, motion, frames, config.precision))
            jobs.append((pool.submit(_opensim_activations, spec, motion, frames), 1))
        for mine, (job, size) in zip(ours, jobs, strict=True):
            theirs = job.result()
            advance(size)
            yield _paired(mine, theirs) if isinstance(mine, _Solved) else (mine, theirs)


def _random_frames(spec: ModelSpec, count: int, seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    low, high = np.array([spec.coordinate(c).range for c in spec.free_coordinates]).T
    shape = (count, len(low))
    return rng.uniform(low, high, shape), 3 * rng.normal(size=shape), 30 * rng.normal(size=shape)


def _our_poses(spec: ModelSpec, motion: tuple[np.ndarray, ...], precision: str) -> Arrays:
    model = Model.from_spec(spec, dtype=precision)

    def frame(q, qd, qdd):
        state, poses = mechanics(model, q, qd, qdd), body_poses(model, q)
        muscles = rigid_tendon_state(model.muscles, state.length, state.lengthening_speed)
        full = jnp.ones_like(state.length)
        strongest = model.muscles.max_isometric_force
        return {
            "body position": poses.position[1:],
            "body rotation": poses.rotation[1:],
            "path length": state.length,
            "moment arm": state.moment_arm,
            "generalized force": state.generalized_force,
            "active force along tendon": muscles.active_fiber_force
            * muscles.cos_pennation
            / strongest,
            "total force along tendon": muscles.tendon_force(full) / strongest,
            "active force of static optimization": muscles.opensim_active_force / strongest,
        }

    rows = jax.jit(jax.vmap(frame))(*(jnp.asarray(x, model.dtype) for x in motion))
    return {k: np.asarray(v, float) for k, v in rows.items()}


def _opensim_poses(spec: ModelSpec, motion: tuple[np.ndarray, ...], arms: int) -> Arrays:
    """In a worker: OpenSim's values of the same frames, moment arms in the first `arms`."""
    jax.config.update("jax_enable_x64", True)
    from conversion.opensim_engine import OpensimNeck

    engine = OpensimNeck(spec, Model.from_spec(spec))
    strongest = np.array([m.max_isometric_force for m in spec.muscles])
    rows: list[Arrays] = []
    for i, frame in enumerate(zip(*motion, strict=True)):
        result = engine(*frame, moment_arms=i < arms)
        forces = engine.muscle_forces(*frame[:2])
        nothing = np.full((len(spec.free_coordinates), len(spec.muscles)), np.nan)
        rows.append(
            {
                "body position": result.position,
                "body rotation": result.rotation,
                "path length": result.length,
                "moment arm": nothing if result.moment_arm is None else result.moment_arm,
                "generalized force": result.generalized_force,
                "active force along tendon": forces.active_along_tendon / strongest,
                "total force along tendon": forces.total_along_tendon / strongest,
                "active force of static optimization": forces.static_optimization / strongest,
            }
        )
    return {k: np.array([row[k] for row in rows]) for k in rows[0]}


@dataclass(frozen=True)
class _Solved:
    """Activations with their objective and the imbalance of the generalized forces, per frame."""

    activation: np.ndarray
    objective: np.ndarray
    imbalance: np.ndarray


def _our_activations(
    spec: ModelSpec, motion: Motion, frames: np.ndarray, precision: str
) -> _Solved:
    model = Model.from_spec(spec, dtype=precision)
    solution = solve_motion(model, motion).solution
    activation, reserve = (
        np.asarray(x, float)[frames] for x in (solution.activation, solution.reserve_control)
    )
    return _Solved(
        activation,
        np.sum(activation**2, axis=1) + np.sum(reserve**2, axis=1),
        np.asarray(solution.certificate.primal_residual, float)[frames],
    )


def _opensim_activations(spec: ModelSpec, motion: Motion, frames: np.ndarray) -> _Solved:
    """In a worker: OpenSim's StaticOptimization of a few frames of `motion`.

    The imbalance is that of its forces in equations whose every term the other checks compare.
    """
    jax.config.update("jax_enable_x64", True)
    from conversion.opensim_engine import opensim_static_optimization

    model = Model.from_spec(spec)
    rows = [jnp.asarray(x[frames]) for x in motion.analyze_derivatives()]
    exact = jax.jit(jax.vmap(lambda *f: mechanics(model, *f)))(*rows)
    names = [m.name for m in spec.muscles]
    reserves = [a.name for a in spec.actuators]
    activation, objective, imbalance = [], [], []
    for i, frame in enumerate(frames):
        at = float(motion.time[frame])
        controls, forces = opensim_static_optimization(spec, motion, start=at, end=at + 1e-6)
        activation.append(controls.data[0, : len(names)])
        objective.append(np.sum(controls.data[0] ** 2))
        pull = np.array([forces.column(n)[0] for n in names])
        help_ = np.array([forces.column(n)[0] for n in reserves])
        off = np.asarray(exact.moment_arm[i]) @ pull + help_
        imbalance.append(np.abs(off - np.asarray(exact.generalized_force[i])).max())
    return _Solved(np.array(activation), np.array(objective), np.array(imbalance))


def _paired(ours: _Solved, theirs: _Solved) -> tuple[Arrays, Arrays]:
    """As quantities of `CHECKS`; the one-sided ones against zero."""
    zero = np.zeros_like(ours.objective)
    excess = {
        "excess objective": np.maximum(ours.objective - theirs.objective, 0.0),
        "excess imbalance": np.maximum(ours.imbalance - theirs.imbalance, 0.0),
    }
    return (
        {"activation": ours.activation, **excess},
        {"activation": theirs.activation, **dict.fromkeys(excess, zero)},
    )


def _report(pairs: list[tuple[Arrays, Arrays]], config: Config) -> bool:
    checked = []
    for check in CHECKS:
        name = check.name
        found = [(a[name].ravel(), b[name].ravel()) for a, b in pairs if name in a]
        if found:
            ours, theirs = (np.concatenate(x) for x in zip(*found, strict=True))
            allowed = getattr(check, config.precision)
            checked.append(Checked(check.name, check.unit, ours, theirs, allowed))
    title = f"cervjax ({config.precision}) against OpenSim, {config.neck}"
    return report(title, "OpenSim", checked, config.out)


if __name__ == "__main__":
    sys.exit(0 if run(tyro.cli(Config, description=__doc__)) else 1)
