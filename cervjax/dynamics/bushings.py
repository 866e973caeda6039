"""Bushing forces: OpenSim's BushingForce.

Deflections are the body-fixed X-Y-Z angles of frame 2 in frame 1 and its position in frame 1; the
generalized force of each is minus stiffness times deflection minus damping times its rate, so
the wrench follows from virtual work. As per-hinge springs of Z-X-Y joints they would be wrong.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics.poses import anchor_poses
from cervjax.kinematics.tree import RestFrames, TreeState
from cervjax.math.gather import gather
from cervjax.math.rotation import (
    body_fixed_xyz_angles,
    body_fixed_xyz_rates,
    cross,
    multiply,
    rotate,
    transpose,
)
from cervjax.model import Model


class BushingWrench(NamedTuple):
    """What each bushing does to the body of its frame 2, in ground; frame 1's gets the opposite.

    Attributes:
        force: N.
        moment: N m, about ground's origin.
    """

    force: Float[Array, "bushings 3"]
    moment: Float[Array, "bushings 3"]


def bushing_wrenches(model: Model, rest: RestFrames, state: TreeState) -> BushingWrench:
    """Wrenches of all bushings at the motion `state`."""
    one = _frame(model, rest, state, 0)
    two = _frame(model, rest, state, 1)
    into_one = transpose(one.rotation)
    angles = body_fixed_xyz_angles(multiply(into_one, two.rotation))
    rates_of = body_fixed_xyz_rates(angles)
    spin = rotate(into_one, two.angular_velocity - one.angular_velocity)
    rates = rotate(rates_of, spin)
    bushings = model.bushings
    resist = bushings.rotational_stiffness * angles + bushings.rotational_damping * rates

    apart = two.position - one.position
    drift = two.velocity - one.velocity - cross(one.angular_velocity, apart)
    pull = bushings.translational_stiffness * rotate(into_one, apart)
    pull = pull + bushings.translational_damping * rotate(into_one, drift)

    force = -rotate(one.rotation, pull)
    couple = -rotate(one.rotation, rotate(transpose(rates_of), resist))
    return BushingWrench(force, couple + cross(two.position, force))


def bushing_energy(model: Model, rest: RestFrames, state: TreeState) -> Float[Array, ""]:
    """J, in the springs of all bushings."""
    one = _frame(model, rest, state, 0)
    two = _frame(model, rest, state, 1)
    into_one = transpose(one.rotation)
    angles = body_fixed_xyz_angles(multiply(into_one, two.rotation))
    apart = rotate(into_one, two.position - one.position)
    bushings = model.bushings
    turned = bushings.rotational_stiffness * angles**2
    return 0.5 * jnp.sum(turned + bushings.translational_stiffness * apart**2)


class _Frame(NamedTuple):
    rotation: Array
    position: Array
    angular_velocity: Array
    velocity: Array


def _frame(model: Model, rest: RestFrames, state: TreeState, end: int) -> _Frame:
    """Motion in ground of one frame of every bushing."""
    body = np.array([pair[end] for pair in model.topology.bushing_bodies], dtype=int)
    anchor = np.array(model.topology.anchor)[body] + 1
    bushings = model.bushings
    turn = bushings.rotation1 if end == 0 else bushings.rotation2
    shift = bushings.translation1 if end == 0 else bushings.translation2
    local_rotation = multiply(rest.rotation[body], turn)
    local_position = rest.position[body] + rotate(rest.rotation[body], shift)

    rotation, position = anchor_poses(state)
    still = jnp.zeros_like(state.position[:1])
    omega = gather(jnp.concatenate([still, state.angular_velocity]), anchor)
    velocity = gather(jnp.concatenate([still, state.velocity]), anchor)
    turned = gather(rotation, anchor)
    arm = rotate(turned, local_position)
    return _Frame(
        multiply(turned, local_rotation),
        gather(position, anchor) + arm,
        omega,
        velocity + cross(omega, arm),
    )
