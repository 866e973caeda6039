"""What excites the muscles: tables, reflexes, and the pursuit of a motion."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cervjax.math import Trajectory
from cervjax.math.contraction import contract
from cervjax.muscle import rigid_tendon_state
from cervjax.optimization import (
    Reserves,
    TorqueEquation,
    activation_problem,
    controls_from,
    solve_dual,
)

from .dynamics import Dynamics, State

_NEWTON_STEPS = 20
_RESERVE_LIMIT = 1e3


class AbstractController(eqx.Module):
    """Excitations while a neck moves.

    A controller that looks back or decides now and then works in windows of `period` s: between
    them it sees the states of the window that has ended, and remembers what it needs.

    Attributes:
        period: s; None for one that does not look at the neck.
    """

    period: eqx.AbstractVar[float | None]

    @abstractmethod
    def begin(self, dynamics: Dynamics, time: Float[Array, " n"], state: State) -> Any:
        """What is remembered at the start, `time` being the window that would end there."""

    @abstractmethod
    def excitation(self, time: Float[Array, ""], memory: Any) -> Float[Array, " muscles"]:
        """Excitations at `time` (s)."""

    @abstractmethod
    def look(self, dynamics: Dynamics, time: Float[Array, " n"], states: State, memory: Any) -> Any:
        """What is remembered after a window with `states` at `time`."""


class OpenLoop(AbstractController):
    """Excitations from a table, straight between its rows and constant beyond its ends; taken as
    they are, like those of OpenSim's PrescribedController.

    Attributes:
        time: s.
        values: excitation of each muscle.
    """

    time: Float[Array, " n"]
    values: Float[Array, "n muscles"]
    period: float | None = eqx.field(static=True, default=None)

    @classmethod
    def constant(cls, values: Float[Array, " muscles"]) -> "OpenLoop":
        """The same at all times."""
        return cls(time=jnp.array([0.0, 1.0], values.dtype), values=jnp.stack([values, values]))

    def begin(self, dynamics: Dynamics, time: Float[Array, " n"], state: State) -> Any:
        return ()

    def excitation(self, time: Float[Array, ""], memory: Any) -> Float[Array, " muscles"]:
        return jax.vmap(jnp.interp, (None, None, 1))(time, self.time, self.values)

    def look(self, dynamics: Dynamics, time: Float[Array, " n"], states: State, memory: Any) -> Any:
        return memory


class StretchReflex(AbstractController):
    """Excitations that answer stretch, `period` s late, on top of a constant one.

    The stretch and its speed are those of the muscle's path against the length it had at the start,
    over optimal fiber length (and per s); only lengthening excites.

    Attributes:
        period: s, the delay.
        tone: excitation without stretch.
        length_gain: excitation per optimal fiber length.
        speed_gain: s, excitation per optimal fiber length and s.
    """

    period: float | None = eqx.field(static=True)
    tone: Float[Array, " muscles"]
    length_gain: Float[Array, " muscles"]
    speed_gain: Float[Array, " muscles"]

    def __check_init__(self) -> None:
        if self.period is None or not self.period > 0:
            raise ValueError(f"period = {self.period}: a reflex needs a positive delay")

    def begin(self, dynamics: Dynamics, time: Float[Array, " n"], state: State) -> Any:
        start = self._lengths(dynamics, time[-1], state)[0]
        return start, time, jnp.zeros((len(time), len(start)), start.dtype)

    def excitation(self, time: Float[Array, ""], memory: Any) -> Float[Array, " muscles"]:
        assert self.period is not None
        _, when, drive = memory
        past = jax.vmap(jnp.interp, (None, None, 1))(time - self.period, when, drive)
        return jnp.clip(self.tone + past, 0.0, 1.0)

    def look(self, dynamics: Dynamics, time: Float[Array, " n"], states: State, memory: Any) -> Any:
        start = memory[0]
        length, speed = jax.vmap(lambda t, s: self._lengths(dynamics, t, s))(time, states)
        optimal = dynamics.model.muscles.optimal_fiber_length
        stretch = jnp.maximum(length - start, 0.0) / optimal
        drive = self.length_gain * stretch
        drive = drive + self.speed_gain * jnp.maximum(speed, 0.0) / optimal
        return start, time, drive

    def _lengths(
        self, dynamics: Dynamics, time: Float[Array, ""], state: State
    ) -> tuple[Float[Array, " muscles"], Float[Array, " muscles"]]:
        """Length and lengthening speed of the paths; m, m/s."""
        frame = dynamics.frame(time, state.q, state.qd)
        return frame.length, frame.lengthening_speed


class ComputedMuscleControl(AbstractController):
    """Excitations that pursue a motion: computed muscle control.

    Every `period` s the accelerations that lead back to the motion are shared among the muscles by
    static optimization (quadratic reserves take what they cannot), and the activations found are
    the excitations until the next time.

    Source: Thelen & Anderson 2006, J Biomech 39(6):1107-1115.

    Attributes:
        period: s.
        motion: of the free coordinates, rad.
        stiffness, damping: 1/s^2, 1/s, of the way back to it.
        reserve: N m, optimal force of a reserve in each free coordinate; they do not act.
    """

    period: float | None = eqx.field(static=True)
    motion: Trajectory
    stiffness: float = 400.0
    damping: float = 40.0
    reserve: float = 1.0

    def __check_init__(self) -> None:
        if self.period is None or not self.period > 0:
            raise ValueError(f"period = {self.period}: tracking needs a positive one")

    def begin(self, dynamics: Dynamics, time: Float[Array, " n"], state: State) -> Any:
        return self._wanted(dynamics, time[-1], state)

    def excitation(self, time: Float[Array, ""], memory: Any) -> Float[Array, " muscles"]:
        return memory

    def look(self, dynamics: Dynamics, time: Float[Array, " n"], states: State, memory: Any) -> Any:
        return self._wanted(dynamics, time[-1], jax.tree.map(lambda x: x[-1], states))

    def _wanted(
        self, dynamics: Dynamics, time: Float[Array, ""], state: State
    ) -> Float[Array, " muscles"]:
        model, free = dynamics.model, dynamics.model.topology.num_free
        assert self.period is not None
        # Activations take the period to come; aim at where the motion is then.
        q, qd, qdd = self.motion(time + self.period)
        ahead = state.q + self.period * state.qd
        wanted = qdd + self.damping * (qd - state.qd) + self.stiffness * (q - ahead)
        frame = dynamics.frame(time, state.q, state.qd)
        torque = (
            contract("fg,g->f", frame.mass_matrix[:free, :free], wanted)
            + frame.generalized_force[:free]
        )
        if dynamics.torso is not None:
            carried = dynamics.torso(time)[2]
            torque = torque + contract("fp,p->f", frame.mass_matrix[:free, free:], carried)
        if dynamics.limits is not None:
            torque = torque - dynamics.limits(state.q, state.qd)
        rigid = rigid_tendon_state(model.muscles, frame.length, frame.lengthening_speed)
        arms = frame.moment_arm[:free]
        passive = jnp.maximum(rigid.passive_fiber_force, 0.0) * rigid.cos_pennation
        short = torque - contract("fm,m->f", arms, passive)
        capacity = rigid.active_fiber_force * rigid.cos_pennation
        muscles = model.muscles
        reserves = Reserves.one_each(jnp.full(free, self.reserve, short.dtype), _RESERVE_LIMIT)
        problem = activation_problem(
            TorqueEquation(arms, capacity, short),
            muscles.min_control,
            muscles.max_control,
            reserves,
        )
        costs = solve_dual(problem, 2.0, _NEWTON_STEPS).reduced_costs(problem)
        return controls_from(problem, costs, 2.0)[: len(capacity)]
