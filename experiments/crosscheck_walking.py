"""Static optimization of walking on a floating base against OpenSim's, at OpenSim's tightest.

    python experiments/crosscheck_walking.py MODEL.osim MOTION.sto LOADS.xml --start 10 --end 11.05

MODEL has the residual actuators of its base; MOTION is in OpenSim's files, LOADS an ExternalLoads
file beside its data. OpenSim runs on every `--step`-th frame with `--convergence`. Leaves
`summary.json`, `frames.csv` and a picture of the muscles that differ most. Exit code 1 outside the
tolerances.
"""

import csv
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import tyro

from cervjax.dynamics import ExternalLoads, mechanics
from cervjax.execution.provenance import write_provenance
from cervjax.model import Model
from cervjax.motion import Motion, read_storage
from cervjax.muscle import rigid_tendon_state
from cervjax.optimization import solve_motion
from conversion import read_external_loads, read_osim
from conversion.opensim_engine import opensim_static_optimization

ACTIVATION, OBJECTIVE = 1e-3, 1e-9
"""Largest difference; by what ours may be above OpenSim's at equal balance, relative (rounding)."""


@dataclass(frozen=True)
class Config:
    """What to compare.

    Attributes:
        model: `.osim` with muscles, and actuators where it needs some.
        motion: `.mot` or `.sto`.
        loads: ExternalLoads `.xml`.
        filter: Hz, of the motion, as OpenSim's tools filter it; 0 for none.
        start, end: s, of the frames to solve.
        step: every how many frames OpenSim solves one.
        convergence: OpenSim's criterion.
        out: results folder.
    """

    model: tyro.conf.Positional[Path]
    motion: tyro.conf.Positional[Path]
    loads: tyro.conf.Positional[Path]
    filter: float = 6.0
    start: float = 10.0
    end: float = 11.05
    step: int = 5
    convergence: float = 1e-7
    out: Path = field(default=Path("results/crosscheck_walking"))


def main(config: Config) -> int:
    """Solve with both, compare.

    Returns:
        The exit code.
    """
    jax.config.update("jax_enable_x64", True)
    spec = read_osim(config.model)
    motion = Motion.from_storage(read_storage(config.motion), spec)
    if config.filter:
        motion = motion.lowpass_of_opensim(config.filter)
    model, table = Model.from_spec(spec), read_external_loads(config.loads)
    first, last = config.start, config.end
    solved = solve_motion(model, motion, loads=table, start=first, end=last)
    started = time.perf_counter()
    controls, _ = opensim_static_optimization(
        spec,
        motion,
        start=first,
        end=last,
        step=config.step,
        convergence=config.convergence,
        loads=config.loads.resolve(),
    )
    seconds = time.perf_counter() - started
    actuators = (*model.topology.muscles, *model.topology.reserves)
    theirs = controls.data[:, [controls.columns.index(name) for name in actuators]]
    # Here every frame is solved; OpenSim's steps end where they like.
    chosen, muscles = _frames(solved.time, controls.time), len(spec.muscles)
    when = solved.time[chosen]
    solution = jax.tree.map(lambda x: np.asarray(x)[chosen], solved.solution)
    optimal = np.asarray(model.reserves.optimal_force)
    ours = np.concatenate(
        [solution.activation, np.asarray(solution.reserve_force) / optimal], axis=1
    )
    q, qd, qdd = (np.asarray(x)[_frames(motion.time, when)] for x in motion.analyze_derivatives())
    acting = ExternalLoads.of(table, model, when)
    imbalance = np.asarray(_imbalance(model, q, qd, qdd, acting, jnp.asarray(theirs)))
    # What OpenSim's imbalance saves it, at the price that the optimum's multipliers put on it.
    balanced = np.sum(theirs**2, axis=1) + np.sum(
        imbalance * np.asarray(solution.multipliers), axis=1
    )
    apart = np.abs(ours - theirs)[:, :muscles]
    above = np.sum(ours**2, axis=1) / balanced - 1
    summary = {
        "frames": len(when),
        "certified": int(np.sum(np.asarray(solution.certificate.converged))),
        "largest_kkt_residual": float(np.max(np.asarray(solution.certificate.kkt_residual))),
        "activation_difference": float(apart.max()),
        "objective_over_opensims_balanced": float(1 + above.max()),
        "objective_over_opensims": float(
            np.max(np.sum(ours**2, axis=1) / np.sum(theirs**2, axis=1))
        ),
        "opensim_imbalance": float(np.abs(imbalance).max()),
        "opensim_seconds_per_frame": seconds / len(when),
    }
    config.out.mkdir(parents=True, exist_ok=True)
    write_provenance(config.out, config)
    (config.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    with (config.out / "frames.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "activation_difference", "objective_over_opensims_balanced"])
        writer.writerows(zip(when, apart.max(axis=1), 1 + above, strict=True))
    _picture(config.out / "activations.png", model, when, ours, theirs)
    print(json.dumps(summary, indent=1))
    good = (
        summary["certified"] == summary["frames"]
        and summary["activation_difference"] <= ACTIVATION
        and above.max() <= OBJECTIVE
    )
    return 0 if good else 1


@eqx.filter_jit
def _imbalance(model, q, qd, qdd, loads, controls):
    """What is left unsupplied by some controls, N m or N."""
    muscles = len(model.topology.muscles)

    def frame(q, qd, qdd, loads, controls):
        found = mechanics(model, q, qd, qdd, loads)
        state = rigid_tendon_state(model.muscles, found.length, found.lengthening_speed)
        supplied = found.moment_arm @ (controls[:muscles] * state.opensim_active_force)
        reserves = controls[muscles:] * model.reserves.optimal_force
        return found.generalized_force - supplied - found.reserve_arm @ reserves

    return jax.vmap(frame)(q, qd, qdd, loads, controls)


def _frames(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Indices of times (s) among others, which must have them."""
    found = np.array([int(np.argmin(np.abs(known - t))) for t in wanted])
    if np.max(np.abs(known[found] - wanted)) > 1e-6:
        raise ValueError("OpenSim solved frames that the motion does not have")
    return found


def _picture(
    path: Path, model: Model, time: np.ndarray, ours: np.ndarray, theirs: np.ndarray
) -> None:
    muscles = model.topology.muscles
    apart = np.abs(ours - theirs)[:, : len(muscles)].max(axis=0)
    figure, axes = plt.subplots(3, 2, figsize=(10, 8), layout="constrained", sharex=True)
    for axis, k in zip(axes.ravel(), np.argsort(-apart)[:6], strict=True):
        axis.plot(time, theirs[:, k], "o", mfc="none", label="OpenSim")
        axis.plot(time, ours[:, k], "-", label="here")
        axis.set(title=f"{muscles[k]}: {apart[k]:.1e} apart", ylabel="activation (1)")
    for axis in axes[-1]:
        axis.set(xlabel="time (s)")
    axes[0, 0].legend()
    figure.suptitle("The six muscles that differ most")
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config)))
