"""Inverse dynamics in the free coordinates: gravity, inertia, bushings, passive forces along
coordinates and paths, and loads from outside.

OpenSim's InverseDynamicsTool ignores the couplers and writes a residual per coordinate, tau; what
muscles must balance in a free coordinate is the projection C^T tau, C the coupling matrix. That
projection is computed here directly.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics.poses import poses_in
from cervjax.kinematics.tree import RestFrames, TreeState, rest_frames, tree_state
from cervjax.math.contraction import contract
from cervjax.math.gather import gather
from cervjax.math.rotation import cross, dot, rotate, transpose
from cervjax.model import Model, Topology

from .bushings import bushing_wrenches
from .external_loads import ExternalLoads
from .path_forces import PathForcePulls, borne_by_joints, path_force_pulls


def inverse_dynamics(
    model: Model,
    q: Float[Array, " q"],
    qd: Float[Array, " q"],
    qdd: Float[Array, " q"],
    loads: ExternalLoads | None = None,
) -> Float[Array, " q"]:
    """Generalized forces that muscles must supply for the motion `q, qd, qdd`.

    The model's bushings and forces along coordinates and paths act; muscles and reserves do not.

    Args:
        q, qd, qdd: rad or m, and per s, s^2, in the order of `model.topology.coordinates`.
        loads: what acts on the bodies from outside, of this frame.

    Returns:
        N m (N for a translation), conjugate to the rates of `q`; OpenSim's C^T tau.
    """
    rest = rest_frames(model)
    state = tree_state(model, rest, model.coordinates.motion(q, qd, qdd))
    pulls = path_force_pulls(model, rest, state, q, qd)
    wrenches = joint_wrenches(model, rest, state, loads, pulls)
    borne = generalized_forces(model, state, model.coordinates.jacobian(q), wrenches)
    return left_to_muscles(model, borne, q, qd, pulls)


def left_to_muscles(
    model: Model,
    borne: Float[Array, " q"],
    q: Float[Array, " q"],
    qd: Float[Array, " q"],
    pulls: PathForcePulls | None,
) -> Float[Array, " q"]:
    """What muscles must supply of what the joints bear: less what acts along coordinates itself.

    Args:
        model: of the person.
        borne: `generalized_forces` of the joints' wrenches; N m (N for a translation).
        q: rad or m.
        qd: per s.
        pulls: of the model's forces along paths.

    Returns:
        N m (N for a translation).
    """
    needed = borne - coordinate_forces(model, q, qd)
    return needed if pulls is None else needed - pulls.own


def coordinate_forces(
    model: Model, q: Float[Array, " q"], qd: Float[Array, " q"]
) -> Float[Array, " q"]:
    """What the model's passive forces along coordinates do, couplers followed.

    Args:
        model: of the person.
        q: rad or m.
        qd: per s.

    Returns:
        N m (N for a translation).
    """
    if not model.coordinate_forces.force:
        return jnp.zeros_like(q)
    coupling = model.coordinates.coordinate_jacobian(q)
    rate = contract("cq,q->c", coupling, qd)
    acting = model.coordinate_forces(model.coordinates.all_coordinates(q), rate)
    return contract("cq,c->q", coupling, acting)


def joint_wrenches(
    model: Model,
    rest: RestFrames,
    state: TreeState,
    loads: ExternalLoads | None = None,
    pulls: PathForcePulls | None = None,
) -> Float[Array, "moving 6"]:
    """What has to act on everything beyond each moving joint.

    Gravity, inertia, bushings, forces along paths and loads from outside are accounted for; muscles
    and the joint itself have to supply the rest.

    Returns:
        Force, N, then moment about ground's origin, N m.
    """
    topology = model.topology
    wrench = jnp.concatenate(_inertial_wrenches(model, rest, state), axis=-1)
    if topology.bushings:
        bushed = jnp.concatenate(bushing_wrenches(model, rest, state), axis=-1)
        wrench = jnp.concatenate([wrench, bushed])
    # Forces and moments about ground's origin add up from the tips to the root.
    borne = contract("ks,sc->kc", jnp.asarray(_borne(topology), wrench.dtype), wrench)
    if pulls is not None:
        share = borne_by_joints(topology, model.path_forces.lines)
        borne = borne - contract("kl,lc->kc", jnp.asarray(share, wrench.dtype), pulls.wrench)
    if loads is None:
        return borne
    anchor = np.array(topology.anchor)
    pushed = jnp.concatenate(loads.wrenches(*poses_in(topology, rest, state)), axis=-1)
    beyond = topology.descendants[:, anchor[np.array(loads.applied_to_body, dtype=int)]]
    return borne - contract("ks,sc->kc", jnp.asarray(beyond, wrench.dtype), pushed)


@functools.cache
def _borne(topology: Topology) -> Float[np.ndarray, "moving sources"]:
    """How often each moving joint bears the wrench of each moving body, then of each bushing."""
    beyond, anchor = topology.descendants, np.array(topology.anchor)
    ends = np.array(topology.bushing_bodies, dtype=int).reshape(-1, 2)
    bushings = beyond[:, anchor[ends[:, 0]]] - beyond[:, anchor[ends[:, 1]]]
    return np.concatenate([beyond[:, anchor[moving_bodies(topology)]], bushings], axis=1)


def generalized_forces(
    model: Model,
    state: TreeState,
    jacobian: Float[Array, "moving 6 q"],
    wrenches: Float[Array, "moving 6"],
) -> Float[Array, " q"]:
    """The share of `wrenches` through the joints that does work along the coordinates."""
    topology = model.topology
    force = wrenches[:, :3]
    moment = wrenches[:, 3:] - cross(state.center, force)
    joint = dot(state.axis[:, :3], moment[:, None])
    if topology.slides:
        joint = jnp.concatenate([joint, dot(state.axis[:, 3:], force[:, None])], axis=1)
    share = jacobian[:, : joint.shape[1]]
    return contract("mi,miq->q", joint, share)


def _inertial_wrenches(
    model: Model, rest: RestFrames, state: TreeState
) -> tuple[Float[Array, "carried 3"], Float[Array, "carried 3"]]:
    """Force, and moment about ground's origin, that each moving body needs; gravity included."""
    body = moving_bodies(model.topology)
    anchor = np.array(model.topology.anchor)[body]
    turn, omega, alpha = (
        gather(x, anchor)
        for x in (state.rotation, state.angular_velocity, state.angular_acceleration)
    )
    arm = rotate(turn, rest.mass_center[body])
    acceleration = (
        gather(state.acceleration, anchor) + cross(alpha, arm) + cross(omega, cross(omega, arm))
    )
    force = model.body_mass[body, None] * (acceleration - model.gravity)

    # Inertia stays in the body's frame: angular velocity goes there and the moment comes back.
    into = transpose(rest.rotation[body])
    spin = rotate(into, rotate(transpose(turn), omega))
    swing = rotate(into, rotate(transpose(turn), alpha))
    inertia = model.body_inertia[body]
    local = rotate(inertia, swing) + cross(spin, rotate(inertia, spin))
    couple = rotate(turn, rotate(rest.rotation[body], local))
    return force, couple + cross(gather(state.position, anchor) + arm, force)


def moving_bodies(topology: Topology) -> np.ndarray:
    """Indices of the bodies that a coordinate moves."""
    return np.array([b for b, anchor in enumerate(topology.anchor) if anchor >= 0])
