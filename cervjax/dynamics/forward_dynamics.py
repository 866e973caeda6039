"""Forward dynamics in the free coordinates: forces to accelerations.

The couplers are maps, not constraints, so that the equations of motion are those of the free
coordinates alone: M(q) qdd + bias(q, qd) = generalized forces. The prescribed coordinates, those of
the torso, say, move as they are told, and their accelerations load the free ones.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics.paths import (
    CrossingSegments,
    body_twists,
    generalized_muscle_force,
    lengthening_speed,
    lengths_and_segments,
)
from cervjax.kinematics.poses import anchor_poses
from cervjax.kinematics.tree import RestFrames, TreeState, rest_frames, tree_state
from cervjax.math import inverse_spd
from cervjax.math.contraction import contract
from cervjax.math.gather import gather
from cervjax.math.rotation import cross, multiply, rotate, transpose
from cervjax.model import Model

from .bushings import bushing_energy
from .inverse_dynamics import generalized_forces, joint_wrenches, moving_bodies


class ForwardFrame(NamedTuple):
    """The neck at one pose and its speeds, ready for forces.

    Attributes:
        mass_matrix: kg m^2 (kg m, kg where coordinates translate).
        bias: N m, what has to be supplied for no acceleration: gravity, bushings, velocity terms.
        length, lengthening_speed: of the muscles' paths; m, m/s.
        segments: lines along which they pull.
        twist: of ground and each moving body per unit speed of each coordinate; see `body_twists`.
        rest, state: of the bodies.
    """

    mass_matrix: Float[Array, "q q"]
    bias: Float[Array, " q"]
    length: Float[Array, " muscles"]
    lengthening_speed: Float[Array, " muscles"]
    segments: CrossingSegments
    twist: Float[Array, "n q 6"]
    rest: RestFrames
    state: TreeState


def forward_frame(
    model: Model,
    q: Float[Array, " q"],
    qd: Float[Array, " q"],
    rest: RestFrames | None = None,
) -> ForwardFrame:
    """Everything that depends on `q` and `qd` (rad or m, and per s) alone, in one pass.

    Args:
        rest: of the model, where it is known already.
    """
    rest = rest_frames(model) if rest is None else rest
    state = tree_state(model, rest, model.coordinates.motion(q, qd, jnp.zeros_like(q)))
    jacobian = model.coordinates.jacobian(q)
    length, segments = lengths_and_segments(model.topology, rest, state)
    bias = generalized_forces(model, state, jacobian, joint_wrenches(model, rest, state))
    twist = body_twists(state, jacobian, model.topology)
    return ForwardFrame(
        _mass_matrix(model, rest, state, twist),
        bias,
        length,
        lengthening_speed(model.topology, state, segments),
        segments,
        twist,
        rest,
        state,
    )


def accelerations(
    model: Model,
    frame: ForwardFrame,
    generalized_force: Float[Array, " q"],
    prescribed: Float[Array, " prescribed"] | None = None,
) -> Float[Array, " free"]:
    """Accelerations of the free coordinates under `generalized_force` (N m).

    Args:
        prescribed: accelerations of the prescribed coordinates; zero if None.
    """
    free = model.topology.num_free
    short = generalized_force[:free] - frame.bias[:free]
    if prescribed is not None:
        short = short - contract("fp,p->f", frame.mass_matrix[:free, free:], prescribed)
    return contract("fg,g->f", inverse_spd(frame.mass_matrix[:free, :free]), short)


def mass_matrix(model: Model, q: Float[Array, " q"]) -> Float[Array, "q q"]:
    """The mass matrix in the coordinates `q`, couplers followed."""
    return forward_frame(model, q, jnp.zeros_like(q)).mass_matrix


def mechanical_energy(
    model: Model, q: Float[Array, " q"], qd: Float[Array, " q"]
) -> Float[Array, ""]:
    """Kinetic energy, and potential energy of gravity and of the bushings' springs; J."""
    frame = forward_frame(model, q, qd)
    kinetic = 0.5 * contract("p,pq,q->", qd, frame.mass_matrix, qd)
    body = moving_bodies(model.topology)
    center = _mass_centers(body, np.array(model.topology.anchor)[body], frame.rest, frame.state)
    height = contract("bx,x->b", center, model.gravity)
    stored = 0.0
    if model.topology.bushings:
        stored = bushing_energy(model, frame.rest, frame.state)
    return kinetic - jnp.sum(model.body_mass[body] * height) + stored


def muscle_torque(
    model: Model, frame: ForwardFrame, force: Float[Array, " muscles"]
) -> Float[Array, " q"]:
    """Generalized force (N m) of muscles that pull with `force` (N)."""
    return generalized_muscle_force(model.topology, frame.twist, frame.segments, force)


def body_load(
    model: Model,
    frame: ForwardFrame,
    body: int,
    force: Float[Array, " 3"],
    moment: Float[Array, " 3"],
    point: Float[Array, " 3"],
) -> Float[Array, " q"]:
    """Generalized force (N m) of a `force` (N, in ground) at a `point` (m, in the body's frame) and
    a `moment` (N m, in ground) on body number `body`."""
    anchor = model.topology.anchor[body] + 1
    rotation, position = anchor_poses(frame.state)
    rest = frame.rest
    local = rest.position[body] + rotate(rest.rotation[body], point)
    at = position[anchor] + rotate(rotation[anchor], local)
    twist = frame.twist[anchor]
    couple = moment + cross(at, force)
    return contract("qx,x->q", twist[:, :3], couple) + contract("qx,x->q", twist[:, 3:], force)


def _mass_matrix(
    model: Model, rest: RestFrames, state: TreeState, twist: Float[Array, "n q 6"]
) -> Float[Array, "q q"]:
    """Kinetic energy of every body, from its twist per unit speed."""
    body = moving_bodies(model.topology)
    anchor = np.array(model.topology.anchor)[body]
    center = _mass_centers(body, anchor, rest, state)
    own = gather(twist, anchor + 1)  # [bodies, q, 6]
    spin = own[..., :3]
    drift = own[..., 3:] + cross(spin, center[:, None])
    turn = multiply(gather(state.rotation, anchor), rest.rotation[body])
    local = rotate(transpose(turn)[:, None], spin)
    inertia = model.body_inertia[body]
    linear = contract("b,bqx,brx->qr", model.body_mass[body], drift, drift)
    return linear + contract("bqx,bxy,bry->qr", local, inertia, local)


def _mass_centers(
    body: np.ndarray, anchor: np.ndarray, rest: RestFrames, state: TreeState
) -> Float[Array, "carried 3"]:
    """m, in ground, of bodies that move."""
    turn = gather(state.rotation, anchor)
    return gather(state.position, anchor) + rotate(turn, rest.mass_center[body])
