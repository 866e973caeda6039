"""Muscle paths: length, lengthening speed, and moment arms along the coordinates.

A straight segment pulls its two bodies together along one line. The wrench of a unit pull on that
line, multiplied by the difference of the two bodies' twists for a coordinate, is the segment's
share of the moment arm: exact, with no differentiation of lengths.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.math.contraction import contract
from cervjax.math.gather import gather
from cervjax.math.rotation import cross, dot, rotate
from cervjax.model import Model, PathFrame, PathLines, Topology

from .poses import anchor_poses, poses_in
from .tree import RestFrames, TreeState, still_state


class MusclePaths(NamedTuple):
    """Muscle paths at one pose.

    Attributes:
        length: m.
        moment_arm: m (dimensionless for a translation), `-d length / d q`, OpenSim's sign.
    """

    length: Float[Array, " muscles"]
    moment_arm: Float[Array, "q muscles"]

    def lengthening_speed(self, qd: Float[Array, " q"]) -> Float[Array, " muscles"]:
        """Speed of the path lengths, m/s."""
        return -contract("qm,q->m", self.moment_arm, qd)


def muscle_paths(model: Model, q: Float[Array, " q"]) -> MusclePaths:
    """Path lengths and moment arms in the coordinates `q`, couplers followed."""
    rest, state = still_state(model, q)
    lengths, segments = lengths_and_segments(model, rest, state, q)
    twist = body_twists(state, model.coordinates.jacobian(q), model.topology)
    return MusclePaths(lengths, moment_arms(model.topology, twist, segments))


class CrossingSegments(NamedTuple):
    """The segments between bodies that move against each other: those that do work.

    Attributes:
        pull: unit vector from a segment's first to its last point, in ground.
        couple: m, moment of that pull about ground's origin.
        own_rate: m/rad (or m/m), of each path's length with the coordinates while all bodies are
            held; None where every path is straight between fixed points.
        spin: m, see `PathLines`; None where no path has one.
    """

    pull: Float[Array, "across 3"]
    couple: Float[Array, "across 3"]
    own_rate: Float[Array, "muscles q"] | None = None
    spin: Float[Array, "across 3"] | None = None

    @property
    def wrench(self) -> Float[Array, "across 6"]:
        """Pull (no unit), then couple (m), of a unit tension."""
        return jnp.concatenate([self.pull, self.couple], axis=1)


def lengths_and_segments(
    model: Model, rest: RestFrames, state: TreeState, q: Float[Array, " q"]
) -> tuple[Float[Array, " muscles"], CrossingSegments]:
    """Path lengths, and the lines along which muscles pull.

    Args:
        model: whose paths they are.
        rest: of the model.
        state: of the bodies at `q`.
        q: rad or m; only path elements look at it.

    Returns:
        m; lines of unit tension.
    """
    topology = model.topology
    first, last = _segments(topology)
    body = np.array(topology.point_body, dtype=int)
    anchor = np.array(topology.anchor)[body] + 1
    rotation, position = anchor_poses(state)
    points = gather(position, anchor) + rotate(gather(rotation, anchor), rest.path_point)

    span = points[last] - points[first]
    squared = dot(span, span)
    # Coincident points: length zero, and a zero gradient rather than NaN.
    apart = squared > 0
    distance = jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1.0)), 0.0)
    direction = span / jnp.where(apart, distance, 1.0)[:, None]

    crossing = crossing_of(topology)
    pull = direction[crossing.segment]
    couple = cross(points[first[crossing.segment]], pull)
    lengths = _sum_by_muscle(distance, _owners(topology), len(topology.muscles))
    if not model.path_elements:
        return lengths, CrossingSegments(pull, couple)
    return _with_elements(model, rest, state, _StraightParts(q, points, lengths, pull, couple))


def path_force_paths(
    model: Model, rest: RestFrames, state: TreeState, q: Float[Array, " q"]
) -> PathLines:
    """The paths of the model's passive forces along paths; it must have some.

    Args:
        model: whose they are.
        rest: of the model.
        state: of the bodies at `q`.
        q: rad or m.

    Returns:
        m; lines in the order of `Model.path_forces.lines`.
    """
    element = model.path_forces.element
    assert element is not None
    return element.evaluate(_path_frame(model, rest, state, q, jnp.zeros((0, 3), q.dtype)))


def _path_frame(
    model: Model, rest: RestFrames, state: TreeState, q: Array, points: Array
) -> PathFrame:
    coordinates, poses = model.coordinates, poses_in(model.topology, rest, state)
    return PathFrame(
        q,
        coordinates.all_coordinates(q),
        coordinates.coordinate_jacobian(q),
        poses.rotation,
        poses.position,
        points,
    )


class _StraightParts(NamedTuple):
    """Straight parts of paths, and where their points are; m."""

    q: Array
    points: Array
    lengths: Array
    pull: Array
    couple: Array


def _with_elements(
    model: Model, rest: RestFrames, state: TreeState, straight: _StraightParts
) -> tuple[Float[Array, " muscles"], CrossingSegments]:
    """The same with what is not straight: lengths, lines, and own rates of path elements."""
    frame = _path_frame(model, rest, state, straight.q, straight.points)
    lengths, pull, couple = straight.lengths, [straight.pull], [straight.couple]
    own = jnp.zeros((len(lengths), len(straight.q)), lengths.dtype)
    spin, spins = [jnp.zeros_like(straight.couple)], False
    for element in model.path_elements:
        lines = element.evaluate(frame)
        muscle = np.array([s.muscle for s in element.stretches])
        lengths = lengths.at[muscle].add(lines.length)
        own = own.at[muscle].add(lines.own_rate)
        pull.append(lines.pull)
        couple.append(lines.couple)
        spin.append(jnp.zeros_like(lines.couple) if lines.spin is None else lines.spin)
        spins |= lines.spin is not None
    return lengths, CrossingSegments(
        jnp.concatenate(pull),
        jnp.concatenate(couple),
        own,
        jnp.concatenate(spin) if spins else None,
    )


def moment_arms(
    topology: Topology, twist: Float[Array, "n q 6"], segments: CrossingSegments
) -> Float[Array, "q muscles"]:
    """Moment arms from the lines along which muscles pull: exact, no difference of lengths.

    Args:
        topology: of the model.
        twist: see `body_twists`.
        segments: lines of unit tension.

    Returns:
        m (dimensionless for a translation), `-d length / d q`, OpenSim's sign.
    """
    crossing = crossing_of(topology)
    pairs, which = np.unique(
        np.stack([crossing.first_anchor, crossing.last_anchor]) + 1, axis=1, return_inverse=True
    )
    relative = (twist[pairs[1]] - twist[pairs[0]])[which.reshape(-1)]  # [across, q, 6]
    arm = -dot(relative[..., :3], segments.couple[:, None])
    arm = arm - dot(relative[..., 3:], segments.pull[:, None])
    arms = _sum_by_muscle(arm, crossing.muscle, len(topology.muscles))
    if segments.own_rate is not None:
        arms = arms - segments.own_rate
    return arms.T


def lengthening_speed(
    topology: Topology, state: TreeState, segments: CrossingSegments, qd: Float[Array, " q"]
) -> Float[Array, " muscles"]:
    """Speed at which paths lengthen: no moment arms needed.

    Args:
        topology: of the model.
        state: motion of the bodies.
        segments: lines along which muscles pull.
        qd: rad/s or m/s; only path elements look at it.

    Returns:
        m/s.
    """
    return speed_of_paths(state, segments, crossing_of(topology).owner, _ends(topology), qd)


def speed_of_paths(
    state: TreeState,
    segments: CrossingSegments,
    owner: Float[np.ndarray, "lines paths"],
    ends: Float[np.ndarray, "moving lines"],
    qd: Float[Array, " q"],
) -> Float[Array, " paths"]:
    """Speed at which any paths lengthen, of muscles or of other forces.

    Args:
        state: motion of the bodies.
        segments: lines along which they pull.
        owner: one where a line (row) is of a path (column).
        ends: see `ends_of_lines`.
        qd: rad/s or m/s; only path elements look at it.

    Returns:
        m/s.
    """
    drift = state.velocity - cross(state.angular_velocity, state.position)
    moving = jnp.concatenate([state.angular_velocity, drift], axis=1)
    # A twist has the angular velocity first: it works on the couple.
    couple = segments.couple if segments.spin is None else segments.couple + segments.spin
    line = jnp.concatenate([couple, segments.pull], axis=1)
    apart = contract("as,ac->sc", jnp.asarray(ends, line.dtype), moving)
    speed = jnp.sum(apart * line, axis=1)
    total = contract("sm,s->m", jnp.asarray(owner, line.dtype), speed)
    if segments.own_rate is not None:
        total = total + contract("mq,q->m", segments.own_rate, qd)
    return total


def generalized_muscle_force(
    topology: Topology,
    twist: Float[Array, "n q 6"],
    segments: CrossingSegments,
    force: Float[Array, " muscles"],
) -> Float[Array, " q"]:
    """Of muscles that pull with `force` (N): moment arms times forces, without the arms.

    Args:
        twist: see `body_twists`.

    Returns:
        N m (N for a translation).
    """
    line = jnp.concatenate([segments.couple, segments.pull], axis=1)
    owner = jnp.asarray(crossing_of(topology).owner, line.dtype)
    tension = contract("sm,m->s", owner, force)
    ends = jnp.asarray(_ends(topology), line.dtype)
    wrench = contract("as,sc->ac", ends, tension[:, None] * line)
    torque = -contract("aqc,ac->q", twist[1:], wrench)
    if segments.own_rate is not None:
        torque = torque - contract("mq,m->q", segments.own_rate, force)
    return torque


@functools.cache
def _ends(topology: Topology) -> Float[np.ndarray, "moving across"]:
    """One where a crossing segment ends on a moving body, minus one where it begins."""
    crossing = crossing_of(topology)
    return ends_of_lines(topology, crossing.first_anchor, crossing.last_anchor)


def ends_of_lines(
    topology: Topology, first_anchor: np.ndarray, last_anchor: np.ndarray
) -> Float[np.ndarray, "moving lines"]:
    """One where a line ends on a moving body, minus one where it begins.

    Args:
        topology: of the model.
        first_anchor, last_anchor: of each line, as in `Topology.anchor`.

    Returns:
        No unit.
    """
    ends = np.zeros((len(topology.moving_joints) + 1, len(first_anchor)))
    across = np.arange(len(first_anchor))
    np.add.at(ends, (last_anchor, across), 1.0)
    np.add.at(ends, (first_anchor, across), -1.0)
    # Ground, number -1, is the last row, and does not move.
    return ends[:-1]


class Crossing(NamedTuple):
    """Which segments cross, whose they are, and between which moving bodies (-1 for ground); lines
    of path elements follow those of `segment`.

    `owner` is one where a segment (row) is of a muscle (column).
    """

    segment: np.ndarray
    muscle: np.ndarray
    first_anchor: np.ndarray
    last_anchor: np.ndarray
    owner: np.ndarray


@functools.cache
def crossing_of(topology: Topology) -> Crossing:
    """The segments whose two ends move against each other."""
    first, last = _segments(topology)
    anchor = np.array(topology.anchor)[np.array(topology.point_body, dtype=int)]
    segment = np.flatnonzero(anchor[first] != anchor[last])
    lines = np.array(topology.lines, dtype=int).reshape(-1, 3)
    body = np.array(topology.anchor)
    muscle = np.concatenate([_owners(topology)[segment], lines[:, 0]])
    owner = (muscle[:, None] == np.arange(len(topology.muscles))).astype(float)
    starts = np.concatenate([anchor[first[segment]], body[lines[:, 1]]])
    ends = np.concatenate([anchor[last[segment]], body[lines[:, 2]]])
    return Crossing(segment, muscle, starts, ends, owner)


def body_twists(
    state: TreeState, jacobian: Float[Array, "moving 6 q"], topology: Topology
) -> Float[Array, "n q 6"]:
    """Twist (angular velocity, velocity at ground's origin) of ground and each moving body per
    unit speed of each coordinate.

    Returns:
        rad, then m; per rad (per m for a translation).
    """
    center = jnp.broadcast_to(state.center[:, None], state.axis[:, :3].shape)
    turning = jnp.concatenate([state.axis[:, :3], cross(center, state.axis[:, :3])], axis=-1)
    joint = _along(jacobian[:, :3], turning)
    if topology.slides:
        slide = state.axis[:, 3:]
        joint = joint + _along(
            jacobian[:, 3:], jnp.concatenate([jnp.zeros_like(slide), slide], axis=-1)
        )
    beyond = jnp.asarray(topology.descendants[:, :-1], joint.dtype)
    moved = contract("kb,kqc->bqc", beyond, joint)
    return jnp.concatenate([jnp.zeros_like(joint[:1]), moved])


def _along(
    jacobian: Float[Array, "moving 3 q"], twists: Float[Array, "moving 3 6"]
) -> Float[Array, "moving q 6"]:
    """Twist of each joint per unit speed of each coordinate."""
    parts = jacobian[..., None] * twists[:, :, None, :]
    return parts[:, 0] + parts[:, 1] + parts[:, 2]


def _segments(topology: Topology) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the first and the last point of every segment."""
    curved = set(topology.curved)
    first = np.array(
        [p for a, b in topology.muscle_points for p in range(a, b - 1) if p not in curved],
        dtype=int,
    )
    return first, first + 1


def _owners(topology: Topology) -> np.ndarray:
    """The muscle of every segment."""
    curved = set(topology.curved)
    return np.array(
        [
            m
            for m, (a, b) in enumerate(topology.muscle_points)
            for p in range(a, b - 1)
            if p not in curved
        ],
        dtype=int,
    )


def _sum_by_muscle(values: Array, owner: np.ndarray, count: int) -> Array:
    """Sum of `values` over the segments of each muscle.

    Gathered in layers (each muscle's first segment, second, ...): a scatter-add is slow on CPUs.
    """
    if not len(owner):
        return jnp.zeros((count, *values.shape[1:]), values.dtype)
    padded = jnp.concatenate([values, jnp.zeros_like(values[:1])])
    order = np.arange(len(owner))
    total = None
    left = np.ones(len(owner), dtype=bool)
    while total is None or left.any():
        index = np.full(count, len(owner))
        # Written back to front, so that the first segment left of each muscle stays.
        index[owner[left][::-1]] = order[left][::-1]
        left[index[index < len(owner)]] = False
        rows = np.flatnonzero(index < len(owner))
        total = padded[index] if total is None else total.at[rows].add(values[index[rows]])
    return total
