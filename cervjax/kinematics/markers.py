"""Markers on the bodies: where they are, and how they move with the coordinates."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cervjax.math.contraction import contract
from cervjax.math.rotation import cross, dot, rotate
from cervjax.model import Model, Topology

from .paths import body_twists
from .poses import anchor_poses
from .tree import TreeState, still_state


class MarkerMotion(NamedTuple):
    """Markers at one pose.

    Attributes:
        position: m, in ground.
        jacobian: m/rad (or m/m), d position / d q.
        state, twist: of the moving bodies; see `tree_state`, `body_twists`.
    """

    position: Float[Array, "markers 3"]
    jacobian: Float[Array, "markers q 3"]
    state: TreeState
    twist: Float[Array, "n q 6"]


class Bending(NamedTuple):
    """Second derivatives of `sum(pull * position)`.

    Attributes:
        coordinates: in the coordinates.
        turning: in a turn of the whole model, about ground's axes through any point, and the
            coordinates.
    """

    coordinates: Float[Array, "q q"]
    turning: Float[Array, "3 q"]


def marker_motion(
    model: Model, q: Float[Array, " q"], markers: tuple[int, ...] | None = None
) -> MarkerMotion:
    """Positions of markers at `q`, and their change with `q`, couplers followed.

    Args:
        markers: indices into `model.topology.markers`; all if None.

    Returns:
        m, in ground; m/rad (m/m for a translation).
    """
    topology = model.topology
    chosen = np.arange(len(topology.markers)) if markers is None else np.array(markers, int)
    body = np.array(topology.marker_body, dtype=int)[chosen]
    anchor = np.array(topology.anchor)[body] + 1
    rest, state = still_state(model, q)
    in_anchor = rest.position[body] + rotate(rest.rotation[body], model.marker_location[chosen])
    rotation, position = anchor_poses(state)
    at = position[anchor] + rotate(rotation[anchor], in_anchor)
    twist = body_twists(state, model.coordinates.jacobian(q), topology)
    of_markers = twist[anchor]
    jacobian = of_markers[..., 3:] + cross(of_markers[..., :3], at[:, None])
    return MarkerMotion(at, jacobian, state, twist)


def marker_positions(model: Model, q: Float[Array, " q"]) -> Float[Array, "markers 3"]:
    """Positions of the model's markers in ground, m."""
    return marker_motion(model, q).position


def marker_bending(
    model: Model,
    q: Float[Array, " q"],
    motion: MarkerMotion,
    pull: Float[Array, "markers 3"],
    markers: tuple[int, ...],
) -> Bending:
    """How a `pull` on markers bends with the coordinates.

    A point turns about an axis on a circle: its second derivative by two hinges, the first below
    the second, is `axis_1 x (axis_2 x arm)`. Functions between coordinates and joint axes are taken
    as straight, and sliding joints as still.

    Args:
        motion: of the same markers, at `q`.
        pull: on each marker, in ground; taken as given.

    Returns:
        The unit of `pull` times m/rad^2.
    """
    topology, state = model.topology, motion.state
    beyond = jnp.asarray(_beyond(topology, markers), pull.dtype)
    arm = motion.position[None] - state.center[:, None]  # [joints, markers, 3]
    spread = contract("km,mx,kmy->kyx", beyond, pull, arm)
    bent = spread - jnp.trace(spread, axis1=1, axis2=2)[:, None, None] * jnp.eye(3, dtype=q.dtype)
    axis = state.axis[:, :3]
    force = contract("kyx,kax->kay", bent, axis)  # [joints, axes, 3]
    rate = model.coordinates.jacobian(q)[:, :3]  # [joints, axes, q]

    below = motion.twist[np.array(topology.moving_parent) + 1, :, :3]  # [joints, q, 3]
    spin = rate[..., None] * axis[:, :, None]  # [joints, axes, q, 3]
    own = jnp.cumsum(spin, axis=1) - spin
    one_way = contract("kaqx,kax,kar->qr", below[:, None] + own, force, rate)
    same = contract("kaq,ka,kar->qr", rate, dot(axis, force), rate)
    return Bending(one_way + one_way.T + same, contract("kax,kaq->xq", force, rate))


@functools.cache
def _beyond(topology: Topology, markers: tuple[int, ...]) -> Bool[np.ndarray, "joints markers"]:
    """Whether a moving joint moves a marker."""
    body = np.array(topology.marker_body, dtype=int)[list(markers)]
    return topology.descendants[:, np.array(topology.anchor)[body]] > 0
