"""Recordings to coordinates of the neck, within what healthy people can do."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cervjax.model import Model, Topology
from cervjax.motion.recordings import MarkerRecording, OrientationRecording
from cervjax.motion.synthesis import plane_of_coordinates
from cervjax.people import Physiology
from cervjax.spec import PLANES, ModelSpec
from cervjax.tracking import (
    InverseKinematics,
    OrientationKinematics,
    PoseStatus,
    solve_frames,
    with_limits,
)

_SIDE = 0.55
"""Of a plane's range, that one side may have."""
_SLACK = 3.0
"""Standard deviations of healthy range of motion to which the limits of coordinates are widened."""
_ROOM = 1.3
"""Of a turn, that the coordinates of its plane get: turns of several planes do not add up, and
where a person's neck bends elsewhere than the model's, one coordinate turns farther than its
share."""
SHARE_WEIGHT = 1e-3
"""m^2/rad^2; stronger than where markers alone are wanted: forces ask for coordinates that people
have, and 5 mm of sliding skin would set upper against lower neck to the ends of their ranges."""


class MarkerPoses(NamedTuple):
    """Poses of a recording of markers.

    Attributes:
        q: rad.
        gravity: m/s^2, in the torso's frame.
        error: m, distances of the markers from the model's; NaN where not seen.
        known: frames whose search converged.
    """

    q: Float[np.ndarray, "frames q"]
    gravity: Float[np.ndarray, "frames 3"]
    error: Float[np.ndarray, "frames markers"]
    known: Bool[np.ndarray, " frames"]


def marker_poses(
    spec: ModelSpec,
    recording: MarkerRecording,
    turn: Float[np.ndarray, "frames 3"],
    weights: Mapping[str, float],
) -> MarkerPoses:
    """Poses of a person whose markers `spec` has where they sit, within limits that let the head
    turn as its markers do.

    Args:
        turn: rad, of the head by its markers; see `turns_of`.
        weights: of markers by name.

    Returns:
        One pose per frame of `recording`.
    """
    model = Model.from_spec(spec)
    task = InverseKinematics.of(
        model, recording.markers, weights=dict(weights), share_weight=SHARE_WEIGHT
    )
    task = with_limits(task, *limits_for(model.topology, turn))
    pose = solve_frames(task, model, recording.position)
    gravity = np.einsum("fyx,y->fx", pose.rotation, np.asarray(model.gravity))
    return MarkerPoses(pose.q, gravity, pose.marker_error, pose.status == PoseStatus.CONVERGED)


def sensor_poses(
    spec: ModelSpec, aligned: OrientationRecording
) -> tuple[Float[np.ndarray, "frames q"], Bool[np.ndarray, " frames"]]:
    """Coordinates (rad) behind the head's orientation against the torso's, and which converged."""
    model = Model.from_spec(spec)
    task = with_limits(OrientationKinematics.of(model), *healthy_limits(model.topology))
    pose = solve_frames(task, model, aligned.relative.as_matrix())
    return pose.q, pose.status == PoseStatus.CONVERGED


def healthy_limits(
    topology: Topology, physiology: Physiology = Physiology()
) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"]]:
    """Limits of coordinates that let the head turn as far as healthy people's: the model's own,
    widened in proportion where a side of a plane is less than 0.55 of the mean range and three
    standard deviations. HYOID's are, most of all in rotation.

    Returns:
        Low and high, rad.
    """
    plane = np.array(plane_of_coordinates(topology))
    low, high = topology.free_ranges.T.copy()
    for p in range(len(PLANES)):
        wanted = _SIDE * (physiology.range_mean[p] + _SLACK * physiology.range_sd[p])
        of = plane == p
        low[of] *= max(1.0, wanted / -low[of].sum())
        high[of] *= max(1.0, wanted / high[of].sum())
    return low, high


def limits_for(
    topology: Topology, turn: Float[np.ndarray, "frames 3"]
) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"]]:
    """Limits of coordinates for a head that turns so far: the model's own, for which its muscle
    paths were made, in planes in which they suffice; widened in proportion in the others.

    Args:
        topology: of the model.
        turn: rad, of the head; NaN where it is not known.

    Returns:
        Low and high, rad.
    """
    plane = np.array(plane_of_coordinates(topology))
    own, farthest = topology.free_ranges.T.copy(), healthy_limits(topology)
    ends = np.nanmin(turn, axis=0), np.nanmax(turn, axis=0)
    for side, (low_or_high, widest, end) in enumerate(zip(own, farthest, ends, strict=True)):
        sign = 1.0 if side else -1.0
        for p in range(len(PLANES)):
            of = plane == p
            room = sign * low_or_high[of].sum()
            wanted = _ROOM * sign * end[p] / room
            most = sign * widest[of].sum() / room
            low_or_high[of] *= float(np.clip(wanted, 1.0, max(most, 1.0)))
    return own[0], own[1]
