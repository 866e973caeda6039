"""The neck as a system of differential equations: activation to force to motion."""

from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cervjax.dynamics import (
    FrameEvaluation,
    JointLimits,
    accelerations,
    body_load,
    evaluate_frame,
)
from cervjax.kinematics.tree import RestFrames
from cervjax.math import Trajectory
from cervjax.model import Model
from cervjax.muscle import compliant_tendon_state, fiber_equilibrium, rigid_tendon_state

Tendon = Literal["rigid", "compliant", "none"]
"""Of all muscles. `none` leaves the muscles out: the passive neck of bones and bushings."""


class State(NamedTuple):
    """What is integrated.

    Attributes:
        q, qd: of the free coordinates; rad, rad/s.
        activation: of each muscle.
        norm_fiber_length: fiber lengths over optimal ones; with no entry where tendons are rigid.
    """

    q: Float[Array, "*n free"]
    qd: Float[Array, "*n free"]
    activation: Float[Array, "*n muscles"]
    norm_fiber_length: Float[Array, "*n fibers"]


class BodyLoad(eqx.Module):
    """A constant load on a body, on the head, say.

    Attributes:
        force: N, in ground.
        moment: N m, in ground.
        point: m, in the body's frame.
        body: index of the body.
    """

    force: Float[Array, " 3"]
    moment: Float[Array, " 3"]
    point: Float[Array, " 3"]
    body: int = eqx.field(static=True)


class Dynamics(eqx.Module):
    """A neck that moves. All numbers are leaves: a batch of people is a batch axis.

    Raises:
        ValueError: prescribed coordinates without a motion, or a muscle that cannot have a
            compliant tendon (looked at where the numbers are known, not inside `jax.jit`).

    Attributes:
        model: whose coordinates after the free ones follow `torso`.
        tendon: of all muscles.
        limits: None where nothing holds coordinates inside their range.
        load: on a body; None for none.
        torso: motion of the prescribed coordinates; None where there are none.
    """

    model: Model
    tendon: Tendon = eqx.field(static=True)
    limits: JointLimits | None = None
    load: BodyLoad | None = None
    torso: Trajectory | None = None

    def __check_init__(self) -> None:
        prescribed = len(self.model.topology.coordinates) - self.model.topology.num_free
        given = 0 if self.torso is None else self.torso.coordinates
        if prescribed != given:
            raise ValueError(
                f"the model has {prescribed} prescribed coordinates, the torso's motion {given}"
            )

        if self.tendon == "compliant" and not _traced(self.model):
            self._check_tendons()

    def _check_tendons(self) -> None:
        muscles, names = self.model.muscles, np.array(self.model.topology.muscles)
        stiff = (np.asarray(muscles.tendon_slack_length) <= 0).reshape(-1, len(names)).any(axis=0)
        if stiff.any():
            raise ValueError(
                f"{', '.join(names[stiff])}: a compliant tendon needs tendon_slack_length > 0"
            )
        # Without either a fiber's speed is not a function of its force where nothing is active.
        undamped = np.asarray(muscles.fiber_damping) <= 0
        undamped &= np.asarray(muscles.minimum_activation) <= 0
        undamped = undamped.reshape(-1, len(names)).any(axis=0)
        if undamped.any():
            raise ValueError(
                f"{', '.join(names[undamped])}: a compliant tendon needs fiber_damping or "
                "minimum_activation > 0"
            )

    def at_rest(
        self,
        q: Float[Array, " free"],
        activation: Float[Array, " muscles"],
        qd: Float[Array, " free"] | None = None,
        time: float = 0.0,
    ) -> State:
        """A state whose fibers are in equilibrium with their tendons at pose `q` (rad), the torso
        being where it is at `time` (s).

        Returns:
            rad, rad/s, activations, and fiber lengths over optimal ones.
        """
        qd = jnp.zeros_like(q) if qd is None else qd
        if self.tendon != "compliant":
            return State(q, qd, activation, jnp.zeros(0, q.dtype))
        muscles = self.model.muscles
        frame = self.frame(jnp.asarray(time, q.dtype), q, qd)
        fiber = fiber_equilibrium(muscles, activation, frame.length).fiber_length
        return State(q, qd, activation, fiber / muscles.optimal_fiber_length)

    def frame(
        self,
        time: Float[Array, ""],
        q: Float[Array, " free"],
        qd: Float[Array, " free"],
        rest: RestFrames | None = None,
    ) -> FrameEvaluation:
        """Bodies and paths, the torso where it is at `time` (s)."""
        if self.torso is None:
            return evaluate_frame(self.model, q, qd, rest=rest)
        position, velocity, _ = self.torso(time)
        return evaluate_frame(
            self.model, jnp.concatenate([q, position]), jnp.concatenate([qd, velocity]), rest=rest
        )

    def muscle_force(
        self, state: State, frame: FrameEvaluation
    ) -> tuple[Float[Array, " muscles"], Float[Array, " fibers"]]:
        """Forces along the tendons (N), and rates of the normalized fiber lengths (1/s)."""
        muscles = self.model.muscles
        if self.tendon == "none":
            return jnp.zeros_like(frame.length), state.norm_fiber_length
        if self.tendon == "rigid":
            rigid = rigid_tendon_state(muscles, frame.length, frame.lengthening_speed)
            return rigid.tendon_force(state.activation), state.norm_fiber_length
        fiber = state.norm_fiber_length * muscles.optimal_fiber_length
        compliant = compliant_tendon_state(muscles, state.activation, fiber, frame.length)
        rate = compliant.norm_fiber_velocity * muscles.max_contraction_velocity
        return compliant.tendon_force, rate

    def rates(
        self,
        time: Float[Array, ""],
        state: State,
        excitation: Float[Array, " muscles"],
        rest: RestFrames | None = None,
    ) -> State:
        """Rates of change of the state.

        Args:
            rest: of the model, where it is known already: it does not change while time runs.

        Returns:
            rad/s, rad/s^2, and 1/s of activations and normalized fiber lengths.
        """
        muscles = self.model.muscles
        activation = muscles.activation_rate(excitation, state.activation)
        acceleration, fibers = self.motion_rates(time, state, rest)
        return State(state.qd, acceleration, activation, fibers)

    def motion_rates(
        self, time: Float[Array, ""], state: State, rest: RestFrames | None = None
    ) -> tuple[Float[Array, " free"], Float[Array, " fibers"]]:
        """Accelerations of the free coordinates, and rates of the normalized fiber lengths, at the
        activations of `state`.

        Args:
            rest: see `rates`.

        Returns:
            rad/s^2, and 1/s.
        """
        model, free = self.model, self.model.topology.num_free
        frame = self.frame(time, state.q, state.qd, rest)
        prescribed = None if self.torso is None else self.torso(time)[2]
        force, fibers = self.muscle_force(state, frame)
        generalized = frame.muscle_torque(force)
        if self.limits is not None:
            generalized = generalized.at[:free].add(self.limits(state.q, state.qd))
        if self.load is not None:
            load = self.load
            generalized = generalized + body_load(
                model, frame, load.body, load.force, load.moment, load.point
            )
        return accelerations(model, frame, generalized, prescribed), fibers

    def slack(self, time: Float[Array, ""], state: State) -> Bool[Array, " muscles"]:
        """Which muscles' paths are too short to pull at a state's pose."""
        length = self.frame(time, state.q, state.qd).length
        return fiber_equilibrium(self.model.muscles, state.activation, length).slack


def _traced(model: Model) -> bool:
    """Whether numbers are not known yet."""
    return isinstance(model.muscles.tendon_slack_length, jax.core.Tracer)
