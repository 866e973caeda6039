"""Integration of a moving neck in time."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cervjax.kinematics.tree import rest_frames

from .controllers import AbstractController
from .dynamics import Dynamics, State
from .integrate import SOLVERS, AdaptiveSteps, SolverName, integrate_adaptively


class SimulationStatus(IntEnum):
    """How a simulation ended.

    COMPLETED: at its end. TOO_MANY_STEPS: the step limit of a window was reached: the problem is
    stiffer than the solver can take, or explodes. DIVERGED: the state is not finite.
    """

    COMPLETED = 0
    TOO_MANY_STEPS = 1
    DIVERGED = 2


@dataclass(frozen=True)
class SimulationSettings:
    """How to integrate.

    Attributes:
        solver: `tsit5` (explicit, fifth order) or `dopri8` (eighth) where nothing is stiff; `rkc`
            (explicit, second order, see `RungeKuttaChebyshev`) for compliant tendons, `kvaerno5` or
            `kencarp4` (implicit) for what is stiffer still.
        rtol, atol: tolerances of a step; rad, rad/s, fiber lengths over optimal ones.
        max_steps: in each window.
        adjoint: `reverse` for gradients of a number in many parameters: steps are stored, each is
            repeated once on the way back (discretize, then optimize: exact for what was computed).
            `forward` for many numbers in few parameters (`jax.jvp`, `jax.jacfwd`).
        checkpoints: of the steps of a window that are stored for `reverse`; `max_steps` if None,
            so that no step is repeated twice. Fewer take less memory and longer.
    """

    solver: SolverName = "tsit5"
    rtol: float = 1e-6
    atol: float = 1e-6
    max_steps: int = 4096
    adjoint: Literal["reverse", "forward"] = "reverse"
    checkpoints: int | None = None

    def __post_init__(self) -> None:
        for name in ("rtol", "atol", "max_steps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)} must be positive")
        if self.solver not in SOLVERS:
            raise ValueError(f"solver = {self.solver!r} is none of {', '.join(SOLVERS)}")


class Simulation(eqx.Module):
    """A simulated movement.

    Attributes:
        time: s.
        states: at these times; not finite after a failure.
        excitation: of each muscle at these times.
        status: a `SimulationStatus`.
        steps: accepted and rejected ones.
    """

    time: Float[Array, " n"]
    states: State
    excitation: Float[Array, "n muscles"]
    status: Int[Array, ""]
    steps: Int[Array, ""]


def simulate(
    dynamics: Dynamics,
    start: State,
    controller: AbstractController,
    *,
    duration: float,
    step: float = 0.01,
    begin: float = 0.0,
    settings: SimulationSettings = SimulationSettings(),
) -> Simulation:
    """Move a neck for `duration` s; for `jax.jit`, `jax.vmap` and `jax.grad`.

    A failure is told by `status`, and by `failure`, which names the time and what went wrong.

    Args:
        step: s, between the states given back; the solver's own steps are others.
        begin: s.

    Returns:
        States in rad and rad/s, over s, both ends included.

    Raises:
        ValueError: durations, steps and the controller's period are no multiples of each other.
    """
    window = duration if controller.period is None else controller.period
    for name, value, unit in (("duration", duration, window), ("period", window, step)):
        if not unit > 0 or abs(value / unit - round(value / unit)) > 1e-6 or value < unit:
            raise ValueError(f"{name} = {value:g} s is no multiple of {unit:g} s")
    windows, count = round(duration / window), round(window / step)
    dtype = start.q.dtype
    zero = jnp.asarray(begin, dtype)

    # Inside a window time runs from zero, in numbers that are the same wherever they are used:
    # compiled twice, `first + time` may differ by a rounding.
    within = step * np.arange(count + 1)
    rest = rest_frames(dynamics.model)

    def rates(time: Array, state: State, now: tuple[Array, Any]) -> State:
        first, memory = now
        excitation = controller.excitation(first + time, memory)
        return dynamics.rates(first + time, state, excitation, rest)

    adjoint: diffrax.AbstractAdjoint = diffrax.ForwardMode()
    if settings.adjoint == "reverse":
        checkpoints = settings.checkpoints or settings.max_steps
        adjoint = diffrax.RecursiveCheckpointAdjoint(checkpoints)
    tolerance = (settings.rtol, settings.atol)
    steps = AdaptiveSteps(settings.solver, tolerance, settings.max_steps, adjoint)

    def move(carry: tuple, index: Array) -> tuple:
        state, memory, status = carry
        first = zero + index.astype(dtype) * window
        times = first + jnp.asarray(within, dtype)
        solution = integrate_adaptively(
            rates,
            state,
            within,
            (first, memory),
            steps,
        )
        states: State = solution.ys  # pyright: ignore[reportAssignmentType]
        last = jax.tree.map(lambda x: x[-1], states)
        finite = jnp.all(jnp.array([jnp.all(jnp.isfinite(x)) for x in last]))
        ended = jnp.where(
            solution.result == diffrax.RESULTS.successful,
            jnp.where(finite, SimulationStatus.COMPLETED, SimulationStatus.DIVERGED),
            SimulationStatus.TOO_MANY_STEPS,
        )
        status = jnp.where(status == SimulationStatus.COMPLETED, ended, status)
        excitation = jax.vmap(lambda t: controller.excitation(t, memory))(times)
        memory = controller.look(dynamics, times, states, memory)
        return (last, memory, status), (states, excitation, solution.stats["num_steps"])

    before = zero - window + jnp.asarray(within, dtype)
    memory = controller.begin(dynamics, before, start)
    carry = (start, memory, jnp.asarray(int(SimulationStatus.COMPLETED)))
    (_, _, status), (states, excitation, steps) = jax.lax.scan(move, carry, jnp.arange(windows))

    def joined(x: Array) -> Array:
        # The end of each window is the beginning of the next.
        inner = x[:, :-1].reshape(windows * count, *x.shape[2:])
        return jnp.concatenate([inner, x[-1, -1:]])

    return Simulation(
        zero + step * jnp.arange(windows * count + 1, dtype=dtype),
        jax.tree.map(joined, states),
        joined(excitation),
        status,
        jnp.sum(steps),
    )


def failure(simulation: Simulation, dynamics: Dynamics) -> str | None:
    """What went wrong in one simulation, in words.

    Returns:
        The time (s), and the muscle or the coordinate that moved fastest when last all was well;
        None if nothing went wrong.
    """
    status = SimulationStatus(int(simulation.status))
    if status == SimulationStatus.COMPLETED:
        return None
    topology = dynamics.model.topology
    states = [np.asarray(x) for x in simulation.states]
    good = np.all([np.isfinite(x).all(axis=1) for x in states], axis=0)
    if not good.any():
        return f"{status.name}: the state is not finite from the start"
    last = int(np.flatnonzero(good)[-1])
    time = float(simulation.time[last])
    state = State(*(jnp.asarray(x[last]) for x in states))
    rates, without_pull = _last_moment(
        dynamics, simulation.time[last], state, simulation.excitation[last]
    )
    speeds = {
        f"coordinate {name}": abs(float(v)) / 100.0
        for name, v in zip(topology.free_coordinates, rates.q, strict=True)
    }
    if dynamics.tendon == "compliant":
        fastest = dynamics.model.muscles.max_contraction_velocity
        speeds |= {
            f"muscle {name}": abs(float(v))
            for name, v in zip(topology.muscles, rates.norm_fiber_length / fastest, strict=True)
        }
    worst = max(speeds, key=lambda name: speeds[name] if np.isfinite(speeds[name]) else np.inf)
    slack = np.array(topology.muscles)[np.asarray(without_pull)]
    also = f"; slack: {', '.join(slack)}" if len(slack) else ""
    return (
        f"{status.name} after {time:.4g} s: {worst} is the fastest then{also}. An implicit solver "
        "(kvaerno5), joint limits, more max_steps or other excitations may help"
    )


@eqx.filter_jit
def _last_moment(
    dynamics: Dynamics,
    time: Float[Array, ""],
    state: State,
    excitation: Float[Array, " muscles"],
) -> tuple[State, Bool[Array, " muscles"]]:
    """Rates of change, and which muscles are slack."""
    return dynamics.rates(time, state, excitation), dynamics.slack(time, state)
