"""Muscle forces behind a head movement, each frame with its certificate."""

import dataclasses
import math
from pathlib import Path
from typing import Annotated, Literal

import jax
import numpy as np
import tyro

from cervjax.model import Model
from cervjax.motion import Motion, read_storage
from cervjax.optimization import StaticOptimizationSettings, solve_motion, write_solution
from cervjax.people import scale_model
from conversion import load_model, read_actuators, read_external_loads, read_scale_set

from ._compilation import use_all_cores
from ._fitting import FitPaths, fitted


def run(
    model: Annotated[str, tyro.conf.Positional],
    motion: Annotated[Path, tyro.conf.Positional],
    out: Path,
    scales: Path | None = None,
    loads: Path | None = None,
    actuators: Path | None = None,
    start: float = -math.inf,
    end: float = math.inf,
    step: int = 1,
    convention: Literal["opensim", "physical"] = "opensim",
    exponent: float = 2.0,
    weighting: Literal["none", "volume"] = "none",
    reserve: float | None = None,
    lowpass: Annotated[float | None, tyro.conf.arg(name="filter", aliases=["--lowpass"])] = None,
    max_steps: int = 100,
    wrapping: Literal["consistent", "opensim"] = "consistent",
    fit_paths: FitPaths = "none",
    precision: Literal["float64", "float32"] = "float64",
    allow_unsupported: bool = False,
) -> None:
    """Muscle forces behind a head movement, each frame with its certificate.

    Args:
        model: an .osim file, or a shipped neck: hyoid-repaired, hyoid.
        motion: a .mot or .sto file with the model's free coordinates.
        out: folder for inverse_dynamics.sto, StaticOptimization_activation.sto,
            StaticOptimization_force.sto and certificate.sto.
        scales: a ScaleSet .xml of OpenSim: the bodies of this person, as its ScaleTool has them;
            masses stay.
        loads: an ExternalLoads .xml of OpenSim, with the data file that it names beside it.
        actuators: a ForceSet .xml of OpenSim with reserves and residuals (CoordinateActuator,
            PointActuator, TorqueActuator) to append to the model's own.
        start: s, first frame to solve.
        end: s, last frame to solve.
        step: solve every step-th frame; derivatives use all of them.
        convention: opensim (what its tool does) or physical (pennation and passive force).
        exponent: p >= 2 of the objective, the sum of activation^p.
        weighting: weights of the activations: none, or muscle volume.
        reserve: optimal force (N m) of one reserve per free coordinate, instead of the model's
            own; 1 where the model has none; 0 for no reserves and residuals at all.
        lowpass: cutoff (Hz) of OpenSim's zero-phase Butterworth filter on the motion first.
        max_steps: limit of the optimizer's steps; high exponents need more.
        wrapping: of paths over surfaces: consistent (moment arms are the derivative of the
            lengths) or opensim (what OpenSim 4.6 computes, also where it is not).
        fit_paths: put polynomials (OpenSim's FunctionBasedPath), fitted about this motion, in place
            of the muscles' paths: much faster where these wrap; their errors are told. good: of
            those that are within 0.1 mm; all: of all.
        precision: of the computation.
        allow_unsupported: leave out model components that cannot be converted, and list them.
    """
    jax.config.update("jax_enable_x64", True)
    use_all_cores()
    spec = load_model(model, allow_unsupported=allow_unsupported)
    if actuators is not None:
        spec = dataclasses.replace(spec, actuators=(*spec.actuators, *read_actuators(actuators)))
    if reserve == 0:
        spec = dataclasses.replace(spec, actuators=())
    elif reserve is not None or not spec.actuators:
        added = 1.0 if reserve is None else reserve
        spec = spec.with_reserves(added)
        print(f"a reserve of {added:g} N m (N) was added to each free coordinate")
    settings = StaticOptimizationSettings(convention, exponent, weighting, max_steps)
    moved = Motion.from_storage(read_storage(motion), spec)
    if lowpass is not None:
        moved = moved.lowpass_of_opensim(lowpass)
    neck = Model.from_spec(spec, dtype="float64", wrapping=wrapping)
    if scales is not None:
        neck = scale_model(neck, read_scale_set(scales))
    if fit_paths != "none":
        spec = fitted(neck.to_spec(spec), fit_paths, moved.q, wrapping)
        neck = Model.from_spec(spec, wrapping=wrapping)
    neck = neck.astype(precision)
    table = None if loads is None else read_external_loads(loads)
    solved = solve_motion(neck, moved, settings, step=step, loads=table, start=start, end=end)
    for path in write_solution(solved, out):
        print(path)
    certificate = solved.solution.certificate
    print(
        f"{len(solved.time)} frames of {spec.name}, convention {convention}: largest KKT residual "
        f"{certificate.kkt_residual.max():.1e}, largest imbalance "
        f"{certificate.primal_residual.max():.1e} N m, largest force of a reserve "
        f"{np.max(np.abs(solved.solution.reserve_force), initial=0.0):.2g} N m"
    )
    if not solved.converged:
        failures = solved.failures()
        listed = "\n  ".join(failures[:10])
        raise SystemExit(f"{len(failures)} frames are not at their optimum:\n  {listed}")
