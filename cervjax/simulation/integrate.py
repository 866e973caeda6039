"""The one place in which differential equations are integrated, by Diffrax."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .chebyshev import RungeKuttaChebyshev, RungeKuttaChebyshev5

SolverName = Literal["tsit5", "dopri8", "rkc", "rkc5", "kvaerno5", "kencarp4"]
SOLVERS: dict[str, Callable[[], diffrax.AbstractSolver]] = {
    "tsit5": diffrax.Tsit5,
    "dopri8": diffrax.Dopri8,
    "rkc": RungeKuttaChebyshev,
    "rkc5": RungeKuttaChebyshev5,
    "kvaerno5": diffrax.Kvaerno5,
    "kencarp4": diffrax.KenCarp4,
}
"""Methods by name; `rkc` has twelve stages, `rkc5` five."""

Rates = Callable[[Array, Any, Any], Any]
"""Rates of change per s, of time (s), state, and whatever else."""


class AdaptiveSteps(NamedTuple):
    """How to integrate with steps that tolerances choose.

    Attributes:
        solver: a name of `SOLVERS`.
        tolerance: relative and absolute, of a step.
        max_steps: after which the integration is given up.
        adjoint: of Diffrax, for derivatives.
        stops: whether steps end at the times asked for, where rates have kinks.
    """

    solver: str
    tolerance: tuple[float, float]
    max_steps: int
    adjoint: diffrax.AbstractAdjoint
    stops: bool = False


def integrate_adaptively(
    rates: Rates,
    start: PyTree,
    times: Float[np.ndarray, " n"],
    arguments: PyTree,
    steps: AdaptiveSteps,
) -> diffrax.Solution:
    """Integrate with steps that tolerances choose.

    Args:
        rates: of change of the state.
        start: state at the first time.
        times: s, at which states are kept.
        arguments: passed to `rates`.
        steps: how.

    Returns:
        Diffrax's solution; what is not finite, or took too many steps, is in its `result`.
    """
    controller: diffrax.AbstractStepSizeController = diffrax.PIDController(*steps.tolerance)
    if steps.stops:
        controller = diffrax.ClipStepSizeController(controller, step_ts=jnp.asarray(times))
    return diffrax.diffeqsolve(
        diffrax.ODETerm(rates),  # pyright: ignore[reportArgumentType]
        SOLVERS[steps.solver](),
        times[0],
        times[-1],
        None,
        start,
        arguments,
        saveat=diffrax.SaveAt(ts=jnp.asarray(times, jax.tree.leaves(start)[0].dtype)),
        stepsize_controller=controller,
        adjoint=steps.adjoint,
        max_steps=steps.max_steps,
        throw=False,
    )


def integrate_evenly(
    rates: Rates, start: PyTree, times: Float[np.ndarray, " n"], *, solver: str
) -> PyTree:
    """Integrate with given steps.

    Args:
        rates: of change of the state.
        start: state at the first time.
        times: s, at which every step ends.
        solver: a name of `SOLVERS`.

    Returns:
        States at `times`; not finite where they explode.
    """
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(rates),  # pyright: ignore[reportArgumentType]
        SOLVERS[solver](),
        times[0],
        times[-1],
        None,
        start,
        saveat=diffrax.SaveAt(t0=True, steps=True),
        stepsize_controller=diffrax.StepTo(ts=jnp.asarray(times)),
        adjoint=diffrax.ForwardMode(),
        max_steps=len(times) - 1,
        # What is not finite is looked for in the result.
        throw=False,
    )
    return solution.ys
