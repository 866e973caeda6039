"""What actuators beside the muscles supply along the coordinates."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics.poses import poses_in
from cervjax.kinematics.tree import RestFrames, TreeState
from cervjax.math.contraction import contract
from cervjax.model import Model


def reserve_arms(
    model: Model,
    rest: RestFrames,
    state: TreeState,
    twist: Callable[[], Float[Array, "n q 6"]],
    q: Float[Array, " q"],
) -> Float[Array, "q reserves"]:
    """What a unit of each reserve's force supplies in each coordinate.

    Args:
        model: of the person.
        rest: of the model.
        state: of the bodies.
        twist: gives `body_twists`; asked only where an actuator acts on a body.
        q: rad or m, the pose.

    Returns:
        One for a reserve along its own coordinate, else zero; of one along a coupled coordinate
        the slope of the coupling. No unit, or m.
    """
    topology = model.topology
    along = np.zeros((len(topology.coordinates), len(topology.reserves)))
    for k, coordinate in enumerate(topology.reserve_coordinates):
        if coordinate >= 0:
            along[coordinate, k] = 1.0
    arms = jnp.asarray(along, model.dtype)
    if topology.reserve_followers:
        reserves, followed = map(np.array, zip(*topology.reserve_followers, strict=True))
        coupling = model.coordinates.coordinate_jacobian(q)
        arms = arms.at[:, reserves].set(coupling[followed].T)
    place = model.body_actuators.place
    if not place:
        return arms
    anchor = np.array(topology.anchor) + 1
    force, couple = model.body_actuators.wrenches(*poses_in(topology, rest, state))
    turning = twist()[anchor[np.array([p.body for p in place])]]
    # Of two bodies' motions only the difference counts, for a torque between them.
    other = twist()[anchor[np.array([p.other for p in place])]]
    turning = turning - other
    supplied = contract("aqc,ac->qa", turning[..., :3], couple)
    supplied = supplied + contract("aqc,ac->qa", turning[..., 3:], force)
    return arms.at[:, np.array([p.actuator for p in place])].set(supplied)
