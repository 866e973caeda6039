"""One frame of one person: all that optimization, forward dynamics and joint loads ask.

The bodies are swept once. The rest is computed when it is asked for, and shared: what nobody asks
for is not even traced.
"""

from functools import cached_property
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from cervjax.kinematics.paths import (
    CrossingSegments,
    MusclePaths,
    body_twists,
    generalized_muscle_force,
    lengthening_speed,
    lengths_and_segments,
    moment_arms,
)
from cervjax.kinematics.tree import RestFrames, TreeState, rest_frames, tree_state
from cervjax.model import Model

from .external_loads import ExternalLoads
from .inverse_dynamics import generalized_forces, joint_wrenches, left_to_muscles
from .joint_loads import JointLoads, JointStatics, joint_loads, joint_statics
from .mass_matrix import mass_matrix_of
from .path_forces import PathForcePulls, path_force_pulls
from .reserve_arms import reserve_arms


class Mechanics(NamedTuple):
    """What static optimization needs of a frame, as arrays.

    Attributes:
        generalized_force: N m, to be supplied in each coordinate of `q`.
        length: m, of the muscle paths.
        lengthening_speed: m/s, of the muscle paths.
        moment_arm: m, in each coordinate of `q`.
        reserve_arm: no unit (m for a force on a turning body): what a unit of each reserve's force
            supplies in each coordinate of `q`.
    """

    generalized_force: Float[Array, " q"]
    length: Float[Array, " muscles"]
    lengthening_speed: Float[Array, " muscles"]
    moment_arm: Float[Array, "q muscles"]
    reserve_arm: Float[Array, "q reserves"]


class FrameEvaluation:
    """A frame, evaluated as far as it is asked about; made by `evaluate_frame`.

    It holds arrays and is for use inside one traced function; `mechanics` is what can leave it.

    Attributes:
        model: of the person.
        q, qd: rad or m, and per s.
        rest: frames that do not depend on `q`.
        state: motion of the moving bodies.
        loads: what acts on the bodies from outside.
    """

    def __init__(
        self,
        model: Model,
        q: Float[Array, " q"],
        qd: Float[Array, " q"],
        rest: RestFrames,
        state: TreeState,
        loads: ExternalLoads | None = None,
    ) -> None:
        """Hold these together."""
        self.model, self.q, self.qd, self.rest, self.state = model, q, qd, rest, state
        self.loads = loads

    @cached_property
    def jacobian(self) -> Float[Array, "moving 6 q"]:
        """Of the displacements of the joint axes by `q`; rad or m, per rad or m."""
        return self.model.coordinates.jacobian(self.q)

    @cached_property
    def twist(self) -> Float[Array, "n q 6"]:
        """Of ground and each moving body, rad, then m, per unit of each `q`; see `body_twists`."""
        return body_twists(self.state, self.jacobian, self.model.topology)

    @cached_property
    def _paths(self) -> tuple[Float[Array, " muscles"], CrossingSegments]:
        return lengths_and_segments(self.model, self.rest, self.state, self.q)

    @property
    def length(self) -> Float[Array, " muscles"]:
        """m, of the muscle paths."""
        return self._paths[0]

    @property
    def segments(self) -> CrossingSegments:
        """Lines along which muscles pull."""
        return self._paths[1]

    @cached_property
    def moment_arm(self) -> Float[Array, "q muscles"]:
        """m, in each coordinate of `q`; OpenSim's sign."""
        return moment_arms(self.model.topology, self.twist, self.segments)

    @cached_property
    def lengthening_speed(self) -> Float[Array, " muscles"]:
        """m/s, of the muscle paths."""
        return lengthening_speed(self.model.topology, self.state, self.segments, self.qd)

    @cached_property
    def wrenches(self) -> Float[Array, "moving 6"]:
        """N, N m about ground's origin: what has to act on everything distal to each joint."""
        return joint_wrenches(self.model, self.rest, self.state, self.loads, self.path_pulls)

    @cached_property
    def path_pulls(self) -> PathForcePulls | None:
        """Of ligaments and springs along paths, N, N m; None where there are none."""
        return path_force_pulls(self.model, self.rest, self.state, self.q, self.qd)

    @cached_property
    def generalized_force(self) -> Float[Array, " q"]:
        """N m, that has to be supplied for the frame's motion; see `inverse_dynamics`."""
        borne = generalized_forces(self.model, self.state, self.jacobian, self.wrenches)
        return left_to_muscles(self.model, borne, self.q, self.qd, self.path_pulls)

    @cached_property
    def reserve_arm(self) -> Float[Array, "q reserves"]:
        """What a unit of each reserve's force supplies in each coordinate; see `Mechanics`."""
        return reserve_arms(self.model, self.rest, self.state, lambda: self.twist, self.q)

    @cached_property
    def mass_matrix(self) -> Float[Array, "q q"]:
        """Kg m^2 (kg m, kg where coordinates translate)."""
        return mass_matrix_of(self.model, self.rest, self.state, self.twist)

    @property
    def mechanics(self) -> Mechanics:
        """What static optimization needs, as arrays."""
        arms = self.moment_arm
        if self.segments.spin is None:
            # With moment arms at hand their product with the speeds is the shorter way.
            speed = MusclePaths(self.length, arms).lengthening_speed(self.qd)
        else:
            speed = self.lengthening_speed
        return Mechanics(self.generalized_force, self.length, speed, arms, self.reserve_arm)

    @cached_property
    def joint_statics(self) -> JointStatics:
        """What the loads of the joints need besides the muscles' forces."""
        return joint_statics(self.model, self.rest, self.state, self.wrenches, self.segments)

    def joint_loads(self, muscle_force: Float[Array, " muscles"]) -> JointLoads:
        """Loads of every moving joint.

        Args:
            muscle_force: N, along the tendons.

        Returns:
            N, N m; see `JointLoads`.
        """
        return joint_loads(self.model.topology, self.joint_statics, muscle_force)

    def muscle_torque(self, force: Float[Array, " muscles"]) -> Float[Array, " q"]:
        """Generalized force of muscles, without their moment arms.

        Args:
            force: N, along the tendons.

        Returns:
            N m.
        """
        return generalized_muscle_force(self.model.topology, self.twist, self.segments, force)


def evaluate_frame(
    model: Model,
    q: Float[Array, " q"],
    qd: Float[Array, " q"],
    qdd: Float[Array, " q"] | None = None,
    *,
    rest: RestFrames | None = None,
    loads: ExternalLoads | None = None,
) -> FrameEvaluation:
    """Sweep the bodies at a motion; everything else follows from what is asked.

    Args:
        model: of the person.
        q: rad or m, in the order of `model.topology.coordinates`.
        qd: per s.
        qdd: per s^2; zero if None, where `generalized_force` is the bias of the equations of
            motion, M qdd + bias = generalized force.
        rest: of the model, where it is known already.
        loads: what acts on the bodies from outside, of this frame.

    Returns:
        The frame.
    """
    rest = rest_frames(model) if rest is None else rest
    qdd = jnp.zeros_like(q) if qdd is None else qdd
    state = tree_state(model, rest, model.coordinates.motion(q, qd, qdd))
    return FrameEvaluation(model, q, qd, rest, state, loads)


def mechanics(
    model: Model,
    q: Float[Array, " q"],
    qd: Float[Array, " q"],
    qdd: Float[Array, " q"],
    loads: ExternalLoads | None = None,
) -> Mechanics:
    """Inverse dynamics and muscle paths of a motion.

    Args:
        model: of the person.
        q: rad or m.
        qd: per s.
        qdd: per s^2.
        loads: what acts on the bodies from outside, of this frame.

    Returns:
        Arrays; see `Mechanics`.
    """
    return evaluate_frame(model, q, qd, qdd, loads=loads).mechanics
