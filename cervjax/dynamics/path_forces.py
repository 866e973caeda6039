"""What ligaments and springs along paths do to the bodies."""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics.paths import (
    CrossingSegments,
    ends_of_lines,
    path_force_paths,
    speed_of_paths,
)
from cervjax.kinematics.tree import RestFrames, TreeState
from cervjax.math.contraction import contract
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
    lines = forces.lines
    segments = CrossingSegments(paths.pull, paths.couple, paths.own_rate, paths.spin)
    speed = speed_of_paths(state, segments, *_line_tables(model.topology, lines), qd)
    tension = forces.tension(paths.length, speed)
    along = tension[np.array([line.muscle for line in lines])]
    own = -contract("mq,m->q", paths.own_rate, tension)
    return PathForcePulls(tension, along[:, None] * segments.wrench, own)


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
