"""Motion from given activations, and its derivatives by all parameters at once.

The sensitivities S = dx/d(start, activation offsets, parameters) obey S' = A S + B along the
motion, A and B being the derivatives of the accelerations: few accelerations and many parameters,
so that one reverse pass per acceleration yields A and B (the method of sensitivity equations).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.math.contraction import contract
from cervjax.simulation import Dynamics, State
from cervjax.simulation.integrate import integrate_evenly

from .parameters import ParameterSpace


class ParametricDynamics(eqx.Module):
    """A neck whose parameters are not known.

    Attributes:
        space: its parameters.
        dynamics: with rigid tendons, and everything that is known; its model is not looked at.

    Raises:
        ValueError: tendons are compliant or the torso is told to move: fiber lengths are not
            measured, and windows know no time.
    """

    space: ParameterSpace
    dynamics: Dynamics

    def __check_init__(self) -> None:
        if self.dynamics.tendon != "rigid" or self.dynamics.torso is not None:
            raise ValueError(
                f"tendon = {self.dynamics.tendon!r}: identification moves necks with rigid tendons "
                "and a torso at rest"
            )

    def at(self, values: Float[Array, " p"]) -> Dynamics:
        """With its parameters at `values`."""
        return eqx.tree_at(lambda d: d.model, self.dynamics, self.space.model(values))

    def acceleration(
        self,
        state: Float[Array, " twofree"],
        activation: Float[Array, " muscles"],
        values: Float[Array, " p"],
    ) -> Float[Array, " free"]:
        """rad/s^2, at `state`: `q`, then `qd`."""
        q, qd = jnp.split(state, 2)
        full = State(q, qd, activation, jnp.zeros(0, q.dtype))
        return self.at(values).motion_rates(jnp.zeros((), q.dtype), full)[0]


_SOLVERS = {"rkc": "rkc5", "tsit5": "tsit5"}
"""With fixed steps the method of five stages is the better one."""


@dataclass(frozen=True)
class Shooting:
    """How motions are integrated.

    Muscles damp the upper neck's rotations with rates of 300 to 2000 per s, more in necks whose
    fibers are much too short or tendons too long, which bounds an explicit solver's step.

    Attributes:
        substeps: of the solver, between samples; a multiple of four for derivatives, so that no
            parabola crosses a kink of the activations.
        solver: `rkc` (second order), stable up to rates of 15 over the step and within some 0.03
            deg at 2.5 ms; `tsit5` (fifth order) for exact data, up to 3.3 over the step.
        coarse: derivatives of accelerations at every other step: those of the motion within some
            1e-3 where it is smooth, worse where it settles fast. For data with errors; searches in
            exact data converge more slowly.

    Raises:
        ValueError: a value is none of these.
    """

    substeps: int = 4
    solver: Literal["rkc", "tsit5"] = "rkc"
    coarse: bool = False

    def __post_init__(self) -> None:
        if self.substeps < 4 or self.substeps % 4:
            raise ValueError(f"substeps = {self.substeps} must be a multiple of four")
        if self.solver not in _SOLVERS:
            raise ValueError(f"solver = {self.solver!r} is none of {', '.join(_SOLVERS)}")


class Sensitivity(NamedTuple):
    """Derivatives of the angles at each sample of a window."""

    start: Float[Array, "n free twofree"]
    activation: Float[Array, "n free muscles"]
    values: Float[Array, "n free p"]


def motion(
    neck: ParametricDynamics,
    values: Float[Array, " p"],
    start: Float[Array, " twofree"],
    activation: Float[Array, "n muscles"],
    step: float,
    shooting: Shooting = Shooting(),
) -> Float[Array, "n free"]:
    """Angles at each sample.

    Args:
        start: `q` (rad), then `qd` (rad/s).
        activation: at each sample, straight between them; `step` s apart.

    Returns:
        rad.
    """
    states = _states(neck, values, start, activation, step, shooting)
    return states[:: shooting.substeps, : len(start) // 2]


def motion_and_sensitivity(
    neck: ParametricDynamics,
    values: Float[Array, " p"],
    start: Float[Array, " twofree"],
    activation: Float[Array, "n muscles"],
    step: float,
    shooting: Shooting = Shooting(),
) -> tuple[Float[Array, "n free"], Sensitivity]:
    """`motion`, and its derivatives by the start, by an offset of each activation, and by the
    parameters.

    A and B are worked out after each step of the solver, and are parabolas through three of them:
    derivatives within some 1e-3 of the exact ones, for a fifth of the time.

    Returns:
        rad; rad over the unit of each start value (rad, rad/s), of activations (none) and of each
        parameter (none, or m).
    """
    every, substeps = 2 if shooting.coarse else 1, shooting.substeps
    free, muscles, count = len(start) // 2, activation.shape[1], len(values)
    states = _states(neck, values, start, activation, step, shooting)
    knots = states[::every]
    places = jnp.arange(len(knots)) * every / substeps
    drives = jax.vmap(lambda at: _between(activation, at))(places)

    def derivatives(state: Array, drive: Array) -> Array:
        back = jax.vjp(neck.acceleration, state, drive, values)[1]
        return jnp.concatenate(jax.vmap(back)(jnp.eye(free, dtype=state.dtype)), axis=1)

    # One point at a time: together under `jax.vmap` over windows there are enough at once.
    table = jax.lax.map(lambda at: derivatives(*at), (knots, drives))

    def rates(time: Array, sensitivity: Array, _: None) -> Array:
        by_state, others = jnp.split(
            _parabola(table, time / step * substeps / every), [2 * free], axis=1
        )
        change = contract("fs,sp->fp", by_state, sensitivity).at[:, 2 * free :].add(others)
        return jnp.concatenate([sensitivity[free:], change])

    at_start = jnp.eye(2 * free, 2 * free + muscles + count, dtype=start.dtype)
    rows = _integrated(rates, at_start, len(activation), step, shooting)
    rows = rows[::substeps, :free]
    parts = jnp.split(rows, [2 * free, 2 * free + muscles], axis=2)
    return states[::substeps, :free], Sensitivity(*parts)


def _states(
    neck: ParametricDynamics,
    values: Float[Array, " p"],
    start: Float[Array, " twofree"],
    activation: Float[Array, "n muscles"],
    step: float,
    shooting: Shooting,
) -> Float[Array, "steps twofree"]:
    """After each step of the solver."""

    def rates(time: Array, state: Array, _: None) -> Array:
        drive = _between(activation, time / step)
        return jnp.concatenate([state[len(state) // 2 :], neck.acceleration(state, drive, values)])

    return _integrated(rates, start, len(activation), step, shooting)


def _parabola(table: Float[Array, "knots *rest"], at: Float[Array, ""]) -> Float[Array, "*rest"]:
    """The value at the row `at`, which need not be a whole number, of the parabola through the
    even row before it and the next two."""
    half = jnp.clip(jnp.floor(0.5 * at).astype(int), 0, (len(table) - 3) // 2)
    part = 0.5 * at - half
    first, middle, last = (table[2 * half + k] for k in range(3))
    return (
        (1 - part) * (1 - 2 * part) * first
        + 4 * part * (1 - part) * middle
        + part * (2 * part - 1) * last
    )


def _between(table: Float[Array, "n m"], at: Float[Array, ""]) -> Float[Array, " m"]:
    """The row at the place `at`, which need not be a whole number."""
    below = jnp.clip(jnp.floor(at).astype(int), 0, len(table) - 2)
    part = at - below
    return (1 - part) * table[below] + part * table[below + 1]


def _integrated(
    rates: Callable,
    start: Array,
    samples: int,
    step: float,
    shooting: Shooting,
) -> Float[Array, "steps *rest"]:
    times = step * np.arange(shooting.substeps * (samples - 1) + 1) / shooting.substeps
    return integrate_evenly(rates, start, times, solver=_SOLVERS[shooting.solver])
