"""A model and a motion to muscle forces: what `cervjax solve` does, for use from Python."""

from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from cervjax.dynamics import ExternalLoads, inverse_dynamics
from cervjax.execution.rows import chunk_rows, map_chunks
from cervjax.model import Model
from cervjax.motion import ExternalLoadsTable, Motion, Storage, write_storages
from cervjax.motion.result_files import RESULT_FILES

from .result import SolverResult
from .static_optimization import (
    StaticOptimizationSettings,
    StaticOptimizationSolution,
    static_optimization,
)

_SLACK = 1e-9
"""s, by which a frame may miss the times asked for."""
_CALL, _LONG_CALL = 512, 8192
"""Frames of a call on all devices, of motions up to two long calls and of longer ones: fixed
numbers, so that all motions use one of two compiled functions."""
_MANY_COORDINATES = 12
"""From which a CPU core has half as many frames at once, whose tables are larger."""


@dataclass(frozen=True)
class SolvedMotion:
    """Muscle forces behind a motion.

    Attributes:
        model: what was solved.
        settings: what was minimized, by which convention.
        time: s, of the frames solved.
        generalized_force: N m, as OpenSim's InverseDynamicsTool and C^T would give, per free
            coordinate.
        solution: one row per frame.
    """

    model: Model
    settings: StaticOptimizationSettings
    time: Float[np.ndarray, " frames"]
    generalized_force: Float[np.ndarray, "frames free"]
    solution: StaticOptimizationSolution

    @property
    def converged(self) -> bool:
        """Whether every frame is at its optimum."""
        return bool(np.all(np.asarray(self.solution.certificate.result) == SolverResult.CONVERGED))

    def failures(self) -> list[str]:
        """One line per frame that is not at its optimum: its time and why."""
        results = np.asarray(self.solution.certificate.result)
        return [
            f"t = {self.time[i]:.4f} s: {SolverResult(int(results[i])).message}"
            for i in np.flatnonzero(results != SolverResult.CONVERGED)
        ]


def solve_motion(
    model: Model,
    motion: Motion,
    settings: StaticOptimizationSettings = StaticOptimizationSettings(),
    *,
    step: int = 1,
    loads: ExternalLoadsTable | None = None,
    start: float = -np.inf,
    end: float = np.inf,
) -> SolvedMotion:
    """Static optimization of every `step`-th frame of `motion`.

    Derivatives come from all frames, the way OpenSim's tools take them.

    Args:
        model: whose motion it is.
        motion: of the model's coordinates.
        settings: what is minimized.
        step: solve every `step`-th of the frames between `start` and `end`.
        loads: what acts on the bodies from outside.
        start, end: s, of the frames to solve.

    Returns:
        Activations, forces in N, generalized forces in N m; a row per frame.

    Raises:
        ValueError: the model has no muscles, the motion is of other coordinates or has fewer than
            six frames, `step` is not positive, no frame is between `start` and `end`, or loads
            are not known at one that is.
    """
    if not model.topology.muscles:
        raise ValueError(f"{model.topology.name!r} has no muscles; static optimization needs some")
    if motion.coordinates != model.topology.coordinates:
        raise ValueError(
            f"the motion has the coordinates {motion.coordinates}, the model "
            f"{model.topology.coordinates}"
        )
    if step < 1:
        raise ValueError(f"step {step} is not at least 1")
    frames = np.flatnonzero((motion.time >= start - _SLACK) & (motion.time <= end + _SLACK))[::step]
    if not len(frames):
        raise ValueError(
            f"{motion.name!r} has no frame from start {start:g} to end {end:g} s; it runs from "
            f"{motion.time[0]:g} to {motion.time[-1]:g} s"
        )
    acting = None if loads is None else ExternalLoads.of(loads, model, motion.time[frames])
    analyzed = tuple(x[frames] for x in motion.analyze_derivatives())
    splined = tuple(x[frames] for x in motion.inverse_dynamics_derivatives())
    analyzed, splined = (
        [np.asarray(x, model.dtype) for x in derivatives] for derivatives in (analyzed, splined)
    )
    chunk = chunk_rows()
    if jax.default_backend() == "cpu" and model.topology.num_free > _MANY_COORDINATES:
        chunk = chunk // 2
    call = _CALL if len(frames) < 2 * _LONG_CALL else _LONG_CALL
    size = max(1, call // len(jax.local_devices()))
    chunk = min(chunk, size)
    solution = map_chunks(_solved_frame, (*analyzed, acting), (model, settings), size, chunk)
    forces = map_chunks(_generalized_force, (*splined, acting), model, size, chunk)
    return SolvedMotion(
        model,
        settings,
        motion.time[frames],
        np.asarray(forces)[:, : model.topology.num_free],
        solution,
    )


def _solved_frame(constants, frame):
    model, settings = constants
    q, qd, qdd, loads = frame
    return static_optimization(model, q, qd, qdd, settings, loads=loads)


def _generalized_force(model, frame):
    return inverse_dynamics(model, *frame)


def write_solution(solved: SolvedMotion, folder: Path) -> list[Path]:
    """Write `inverse_dynamics.sto`, `StaticOptimization_activation.sto`,
    `StaticOptimization_force.sto` and `certificate.sto` into `folder`.

    Names, columns and signs are OpenSim's; all four are complete before the first appears. Results
    of another motion or of a network (`RESULT_FILES`) do not stay beside them.

    Returns:
        Paths of the files, by name.
    """
    return write_storages(folder, _tables(solved), replaced=RESULT_FILES)


def _tables(solved: SolvedMotion) -> list[tuple[str, Storage, tuple[str, ...]]]:
    model, solution = solved.model, solved.solution
    topology, certificate = model.topology, solution.certificate
    actuators = (*topology.muscles, *topology.reserves)
    about = (
        f"Model {topology.name}. Convention {solved.settings.convention}, exponent "
        f"{solved.settings.exponent:g}, weights {solved.settings.weighting}.",
        "Static optimization is a hypothesis about how muscles share load, not a measurement.",
    )
    about = (*about, *(f"Left out of the model: {path}" for path in topology.omitted))
    # OpenSim says moment for *rotational* coordinates only; HYOID's six are *coupled*.
    types = topology.motion_types[: topology.num_free]
    kinds = ["moment" if kind == "rotational" else "force" for kind in types]

    def table(name: str, columns: tuple[str, ...], *data: ArrayLike) -> Storage:
        return Storage(
            name, columns, solved.time, np.column_stack([np.asarray(x) for x in data]).astype(float)
        )

    return [
        (
            "inverse_dynamics.sto",
            table(
                "Inverse Dynamics Generalized Forces",
                tuple(f"{n}_{k}" for n, k in zip(topology.free_coordinates, kinds, strict=True)),
                solved.generalized_force,
            ),
            ("Projected onto the free coordinates (C^T tau), couplers followed.",),
        ),
        (
            "StaticOptimization_activation.sto",
            table(
                "Static Optimization",
                actuators,
                solution.activation,
                solution.reserve_control,
            ),
            about,
        ),
        (
            "StaticOptimization_force.sto",
            table("ModelForces", actuators, solution.muscle_force, solution.reserve_force),
            about,
        ),
        (
            "certificate.sto",
            table(
                "Static Optimization Certificate",
                (
                    "primal_residual",
                    "kkt_residual",
                    "duality_gap",
                    "iterations",
                    "result",
                    "largest_reserve",
                ),
                certificate.primal_residual,
                certificate.kkt_residual,
                certificate.duality_gap,
                certificate.iterations,
                certificate.result,
                np.max(np.abs(solution.reserve_force), axis=1, initial=0.0),
            ),
            tuple(f"result {r.value}: {r.message}" for r in SolverResult),
        ),
    ]
