"""Body poses and marker positions."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.math.rotation import multiply, rotate
from cervjax.model import Model, Topology

from .tree import RestFrames, TreeState, still_state


class BodyPoses(NamedTuple):
    """Poses of all bodies in ground, ground itself first.

    Attributes:
        rotation: rotation matrices, body to ground.
        position: body origins, m.
    """

    rotation: Float[Array, "bodies 3 3"]
    position: Float[Array, "bodies 3"]


def body_poses(model: Model, q: Float[Array, " q"]) -> BodyPoses:
    """Poses of all bodies at `q` (rad or m, in the order of `model.topology.coordinates`)."""
    return poses_in(model.topology, *still_state(model, q))


def poses_in(topology: Topology, rest: RestFrames, state: TreeState) -> BodyPoses:
    """Poses of all bodies in a state of the moving ones.

    Args:
        topology: of the model.
        rest: of the model.
        state: of the moving bodies.

    Returns:
        No unit, and m.
    """
    rotation, position = anchor_poses(state)
    anchor = np.array(topology.anchor) + 1
    return BodyPoses(
        multiply(rotation[anchor], rest.rotation),
        position[anchor] + rotate(rotation[anchor], rest.position),
    )


def anchor_poses(state: TreeState) -> tuple[Float[Array, "n 3 3"], Float[Array, "n 3"]]:
    """Rotations and positions (m) of ground and of the moving bodies, in this order."""
    eye = jnp.eye(3, dtype=state.rotation.dtype)[None]
    return (
        jnp.concatenate([eye, state.rotation]),
        jnp.concatenate([jnp.zeros_like(state.position[:1]), state.position]),
    )
