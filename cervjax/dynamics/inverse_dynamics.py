"""Inverse dynamics in the free coordinates: gravity, inertia and bushings.

OpenSim's InverseDynamicsTool ignores the couplers and writes a residual per coordinate, tau; what
muscles must balance in a free coordinate is the projection C^T tau, C the coupling matrix. That
projection is computed here directly.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics.rotation import cross, rotate, transpose
from cervjax.kinematics.tree import RestFrames, TreeState, rest_frames, tree_state
from cervjax.model import NeckModel
from cervjax.topology import Topology

from .bushings import bushing_wrenches


def inverse_dynamics(
    model: NeckModel,
    q: Float[Array, " q"],
    qd: Float[Array, " q"],
    qdd: Float[Array, " q"],
) -> Float[Array, " q"]:
    """Generalized forces that muscles must supply for the motion `q, qd, qdd`.

    The model's bushings act; muscles and reserves do not.

    Args:
        q, qd, qdd: rad or m, and per s, s^2, in the order of `model.topology.coordinates`.

    Returns:
        N m (N for a translation), conjugate to the rates of `q`; OpenSim's C^T tau.
    """
    rest = rest_frames(model)
    state = tree_state(model, rest, model.coordinates.motion(q, qd, qdd))
    return forces_from_state(model, rest, state, model.coordinates.jacobian(q))


def forces_from_state(
    model: NeckModel,
    rest: RestFrames,
    state: TreeState,
    jacobian: Float[Array, "moving 6 q"],
) -> Float[Array, " q"]:
    """`inverse_dynamics` where the motion of the bodies is known already."""
    topology = model.topology
    force, moment = _inertial_wrenches(model, rest, state)
    carried = _carried(topology)
    force, moment = _sum(carried, force), _sum(carried, moment)
    if topology.bushings:
        wrench = bushing_wrenches(model, rest, state)
        signs = _bushing_signs(topology)
        force = force - _sum(signs, wrench.force)
        moment = moment - _sum(signs, wrench.moment)
    moment = moment - cross(state.center, force)

    joint = jnp.sum(state.axis[:, :3] * moment[:, None, :], axis=-1)
    tau = jnp.sum(jacobian[:, :3] * joint[:, :, None], axis=(0, 1))
    if topology.slides:
        joint = jnp.sum(state.axis[:, 3:] * force[:, None, :], axis=-1)
        tau = tau + jnp.sum(jacobian[:, 3:] * joint[:, :, None], axis=(0, 1))
    return tau


def _inertial_wrenches(
    model: NeckModel, rest: RestFrames, state: TreeState
) -> tuple[Float[Array, "carried 3"], Float[Array, "carried 3"]]:
    """Force, and moment about ground's origin, that each moving body needs; gravity included."""
    body = _moving_bodies(model.topology)
    anchor = np.array(model.topology.anchor)[body]
    turn, omega, alpha = (
        x[anchor] for x in (state.rotation, state.angular_velocity, state.angular_acceleration)
    )
    center = rest.position[body] + rotate(rest.rotation[body], model.body_mass_center[body])
    arm = rotate(turn, center)
    acceleration = state.acceleration[anchor] + cross(alpha, arm) + cross(omega, cross(omega, arm))
    force = model.body_mass[body, None] * (acceleration - model.gravity)

    # Inertia stays in the body's frame: angular velocity goes there and the moment comes back.
    into = transpose(rest.rotation[body])
    spin = rotate(into, rotate(transpose(turn), omega))
    swing = rotate(into, rotate(transpose(turn), alpha))
    inertia = model.body_inertia[body]
    local = rotate(inertia, swing) + cross(spin, rotate(inertia, spin))
    couple = rotate(turn, rotate(rest.rotation[body], local))
    return force, couple + cross(state.position[anchor] + arm, force)


def _moving_bodies(topology: Topology) -> np.ndarray:
    return np.array([b for b, anchor in enumerate(topology.anchor) if anchor >= 0])


def _carried(topology: Topology) -> np.ndarray:
    """`[moving, carried bodies]`: which bodies each moving joint carries."""
    anchors = np.array(topology.anchor)[_moving_bodies(topology)]
    return np.array(
        [np.isin(anchors, list(topology.subtree(k))) for k in range(len(topology.moving_joints))],
        dtype=float,
    )


def _bushing_signs(topology: Topology) -> np.ndarray:
    """`[moving, bushings]`: +1 where a joint carries frame 2 only, -1 where frame 1 only."""
    anchors = np.array(topology.anchor)[np.array(topology.bushing_bodies, dtype=int)]
    signs = [
        np.isin(anchors[:, 1], list(tree)).astype(float) - np.isin(anchors[:, 0], list(tree))
        for tree in (topology.subtree(k) for k in range(len(topology.moving_joints)))
    ]
    return np.array(signs)


def _sum(mask: np.ndarray, vectors: Float[Array, "n 3"]) -> Float[Array, "moving 3"]:
    return jnp.tensordot(jnp.asarray(mask, vectors.dtype), vectors, axes=1)
