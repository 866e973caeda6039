"""Forward dynamics in the free coordinates: forces to accelerations.

The couplers are maps, not constraints, so that the equations of motion are those of the free
coordinates alone: M(q) qdd + bias(q, qd) = generalized forces. The prescribed coordinates, those of
the torso, say, move as they are told, and their accelerations load the free ones.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics.poses import anchor_poses
from cervjax.math import inverse_spd
from cervjax.math.contraction import contract
from cervjax.math.rotation import cross, rotate
from cervjax.model import Model

from .bushings import bushing_energy
from .frame import FrameEvaluation, evaluate_frame
from .inverse_dynamics import moving_bodies
from .mass_matrix import mass_centers


def accelerations(
    model: Model,
    frame: FrameEvaluation,
    generalized_force: Float[Array, " q"],
    prescribed: Float[Array, " prescribed"] | None = None,
) -> Float[Array, " free"]:
    """Accelerations of the free coordinates.

    Args:
        model: of the person.
        frame: at zero accelerations; see `evaluate_frame`.
        generalized_force: N m, that acts.
        prescribed: rad/s^2, accelerations of the prescribed coordinates; zero if None.

    Returns:
        rad/s^2 (m/s^2 for a translation).
    """
    free = model.topology.num_free
    short = generalized_force[:free] - frame.generalized_force[:free]
    if prescribed is not None:
        short = short - contract("fp,p->f", frame.mass_matrix[:free, free:], prescribed)
    return contract("fg,g->f", inverse_spd(frame.mass_matrix[:free, :free]), short)


def mass_matrix(model: Model, q: Float[Array, " q"]) -> Float[Array, "q q"]:
    """The mass matrix in `q`, couplers followed; kg m^2 (kg m, kg where coordinates translate)."""
    return evaluate_frame(model, q, jnp.zeros_like(q)).mass_matrix


def mechanical_energy(
    model: Model, q: Float[Array, " q"], qd: Float[Array, " q"]
) -> Float[Array, ""]:
    """Kinetic energy, and potential energy of gravity and of the bushings' springs; J."""
    frame = evaluate_frame(model, q, qd)
    kinetic = 0.5 * contract("p,pq,q->", qd, frame.mass_matrix, qd)
    body = moving_bodies(model.topology)
    center = mass_centers(body, np.array(model.topology.anchor)[body], frame.rest, frame.state)
    height = contract("bx,x->b", center, model.gravity)
    stored = 0.0
    if model.topology.bushings:
        stored = bushing_energy(model, frame.rest, frame.state)
    return kinetic - jnp.sum(model.body_mass[body] * height) + stored


def body_load(
    model: Model,
    frame: FrameEvaluation,
    body: int,
    force: Float[Array, " 3"],
    moment: Float[Array, " 3"],
    point: Float[Array, " 3"],
) -> Float[Array, " q"]:
    """Generalized force of a `force` (N, in ground) at a `point` (m, in the body's frame) and a
    `moment` (N m, in ground) on body number `body`.

    Returns:
        N m (N for a translation).
    """
    anchor = model.topology.anchor[body] + 1
    rotation, position = anchor_poses(frame.state)
    rest = frame.rest
    local = rest.position[body] + rotate(rest.rotation[body], point)
    at = position[anchor] + rotate(rotation[anchor], local)
    twist = frame.twist[anchor]
    couple = moment + cross(at, force)
    return contract("qx,x->q", twist[:, :3], couple) + contract("qx,x->q", twist[:, 3:], force)
