"""What ligaments and springs along paths do to the bodies."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics.paths import ends_of_lines, path_force_paths
from cervjax.kinematics.tree import RestFrames, TreeState
from cervjax.math.contraction import contract
from cervjax.math.rotation import cross
from cervjax.model import Line, Model, Topology


class PathForcePulls(NamedTuple):
    """In one frame.

    Attributes:
        tension: N, of each force.
        wrench: force, N, and moment about ground's origin, N m, on the first body of each line; the
            opposite is on its last.
        own: N m (N for a translation), that points which move in their bodies add along `q`.
    """

    tension: Float[Array, " forces"]
    wrench: Float[Array, "lines 6"]
    own: Float[Array, " q"]


def path_force_pulls(
    model: Model,
    rest: RestFrames,
    state: TreeState,
    q: Float[Array, " q"],
    qd: Float[Array, " q"],
) -> PathForcePulls | None:
    """What the model's passive forces along paths do.

    Args:
        model: of the person.
        rest: of the model.
        state: motion of the bodies.
        q: rad or m.
        qd: per s.

    Returns:
        N, N m; None where the model has no such forces.
    """
    forces = model.path_forces
    if forces.element is None:
        return None
    paths = path_force_paths(model, rest, state, q)
    owner, ends = _line_tables(model.topology, forces.lines)
    drift = state.velocity - cross(state.angular_velocity, state.position)
    moving = jnp.concatenate([state.angular_velocity, drift], axis=1)
    apart = contract("as,ac->sc", jnp.asarray(ends, moving.dtype), moving)
    # A twist has the angular velocity first: it works on the couple.
    stretching = jnp.sum(apart * jnp.concatenate([paths.couple, paths.pull], axis=1), axis=1)
    speed = contract("sm,s->m", jnp.asarray(owner, moving.dtype), stretching)
    speed = speed + contract("mq,q->m", paths.own_rate, qd)
    tension = forces.tension(paths.length, speed)
    along = tension[np.array([line.muscle for line in forces.lines])]
    wrench = along[:, None] * jnp.concatenate([paths.pull, paths.couple], axis=1)
    return PathForcePulls(tension, wrench, -contract("mq,m->q", paths.own_rate, tension))


def borne_by_joints(topology: Topology, lines: tuple[Line, ...]) -> Float[np.ndarray, "moving l"]:
    """How often each moving joint bears what is on the first body of each line, less on its last.

    Args:
        topology: of the model.
        lines: of its forces along paths.

    Returns:
        No unit: -1, 0 or 1.
    """
    anchor = np.array(topology.anchor)
    first, last = (np.array([getattr(line, end) for line in lines]) for end in ("first", "last"))
    return topology.descendants[:, anchor[first]] - topology.descendants[:, anchor[last]]


@functools.cache
def _line_tables(
    topology: Topology, lines: tuple[Line, ...]
) -> tuple[Float[np.ndarray, "lines forces"], Float[np.ndarray, "moving lines"]]:
    """Whose each line is; and one where it ends on a moving body, minus one where it begins."""
    force, first, last = np.array(lines).T
    owner = (force[:, None] == np.arange(force.max() + 1)).astype(float)
    anchor = np.array(topology.anchor)
    return owner, ends_of_lines(topology, anchor[first], anchor[last])
