"""What sensors' quaternions mean, and which way the torso's sensor faces: from a nod and a turn."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from .orientations import OrientationRecording

Interval = tuple[float, float]
"""s, from when to when."""

_LEAST, _MOST_OFF = np.radians(15.0), 30.0
"""rad, least turn of a nod or turn; degrees, by which its axis may be off."""
_STEEP = 45.0
"""Degrees by which what is said to face forwards may point up or down; chests slope by less."""

Convention = Literal["sensor-to-ground", "ground-to-sensor"]
"""What a quaternion rotates: vectors of the sensor into the ground, or the reverse."""

Axis = Literal["x", "-x", "y", "-y", "z", "-z"]

MOUNTINGS: dict[Axis, tuple[float, float, float]] = {
    "x": (1.0, 0.0, 0.0),
    "-x": (-1.0, 0.0, 0.0),
    "y": (0.0, 1.0, 0.0),
    "-y": (0.0, -1.0, 0.0),
    "z": (0.0, 0.0, 1.0),
    "-z": (0.0, 0.0, -1.0),
}
"""Axis of the torso's sensor that points forwards, by name."""


@dataclass(frozen=True)
class SensorProtocol:
    """What is known of how sensors were worn and what the person was asked to do.

    Attributes:
        convention: what the quaternions of a CSV turn: the sensor's frame into the ground's, or the
            reverse.
        mounting: axis of the torso's sensor that points forwards.
        neutral: s, from when to when the person rests and looks ahead; the first second if not
            given.
        nod: s, when the person nods, down first: tells which way the torso's sensor faces.
        turn: s, when the person turns the head, to the left first: tells the convention.
    """

    convention: Convention | None = None
    mounting: Axis | None = None
    neutral: Interval | None = None
    nod: Interval | None = None
    turn: Interval | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """Names of what is known."""
        return tuple(name for name, value in vars(self).items() if value is not None)

    def __post_init__(self) -> None:
        if self.mounting is not None and self.mounting not in MOUNTINGS:
            raise ValueError(
                f"mounting = {self.mounting!r} is none of {', '.join(MOUNTINGS)}: the axis of the "
                "torso's sensor that points forwards"
            )


@dataclass(frozen=True)
class CalibratedSensors:
    """Orientations of the bodies' own frames, and how that was decided.

    Attributes:
        aligned: torso and head, upright and facing ahead at rest.
        decided: a sentence each.
    """

    aligned: OrientationRecording
    decided: tuple[str, ...]


def calibrate_sensors(
    recording: OrientationRecording, protocol: SensorProtocol
) -> CalibratedSensors:
    """Orientations of torso and head, where the convention and the way the torso's sensor faces are
    known, or follow from a nod and a turn.

    A turn of the head is about the vertical, and a nod about the axis from ear to ear: their axes
    and senses tell both. Nothing else in a file does: read the other way, or with the torso's
    sensor facing elsewhere, it is a movement of the head as likely as the one that was made.

    Args:
        recording: as its file has it, `stated` where the format says what quaternions mean.
        protocol: what is known.

    Returns:
        Body frames over time.

    Raises:
        ValueError: something cannot be decided, and the message names the option that decides it;
            or what is given contradicts the movement.
    """
    start, end = protocol.neutral or (float(recording.time[0]), float(recording.time[0]) + 1.0)
    convention, decided = _convention(recording, protocol, start, end)
    read = recording
    if convention == "ground-to-sensor":
        read = recording.inverted()
    ahead, how = _ahead(read, protocol, start, end)
    aligned = read.against_neutral(start, end, ahead=ahead.tolist())
    if protocol.turn is not None:
        _check_axis(aligned, protocol.turn, np.array([0.0, 1.0, 0.0]), "turn", "to the left")
    if protocol.nod is not None:
        _check_axis(aligned, protocol.nod, np.array([0.0, 0.0, -1.0]), "nod", "down")
    return CalibratedSensors(aligned, (decided, how))


def _convention(
    recording: OrientationRecording, protocol: SensorProtocol, start: float, end: float
) -> tuple[Convention, str]:
    name = recording.name
    if protocol.convention is not None:
        return protocol.convention, f"Quaternions are read as {protocol.convention}, as given."
    if recording.stated:
        return "sensor-to-ground", "The file's format says what its quaternions mean."
    readings: dict[Convention, OrientationRecording] = {
        "sensor-to-ground": recording,
        "ground-to-sensor": recording.inverted(),
    }
    up = np.array([0.0, 1.0, 0.0])
    if protocol.turn is not None:
        off = {
            c: _angle(_first_turn(r, protocol.turn, start, end), up) for c, r in readings.items()
        }
        best, other = sorted(readings, key=lambda c: off[c])
        if off[best] <= _MOST_OFF < off[other] - 15.0:
            return best, f"Quaternions are {best}: so the head turns to the left where it was to."
        raise ValueError(
            f"{name}: between {protocol.turn[0]:g} and {protocol.turn[1]:g} s the head does not "
            f"turn to the left about the vertical, whichever way the quaternions are read ("
            + ", ".join(f"{c}: {x:.0f} degrees off" for c, x in off.items())
            + "); give --convention, or another --turn, or --up"
        )
    raise ValueError(
        f"{name}: the file does not tell whether its quaternions turn the sensor's frame into the "
        "ground's or the reverse, and a wrong guess exchanges left and right, and flexion and "
        "extension. Give --convention sensor-to-ground (Xsens, Movella, APDM, OpenSense) or "
        "--convention ground-to-sensor; or --turn FROM TO (s), when the person turns the head to "
        "the left first"
    )


def _ahead(
    recording: OrientationRecording, protocol: SensorProtocol, start: float, end: float
) -> tuple[Float[np.ndarray, " 3"], str]:
    """Forwards, in the frame of the torso's sensor."""
    rest = recording.at_rest(start, end)[0]
    if protocol.nod is not None:
        axis = -_first_turn(recording, protocol.nod, start, end)
        if abs(axis[1]) > np.sin(np.radians(_MOST_OFF)):
            raise ValueError(
                f"{recording.name}: between {protocol.nod[0]:g} and {protocol.nod[1]:g} s the head "
                "turns about an axis that is not level: no nod, or --convention or --up is another"
            )
        forwards = np.cross([0.0, 1.0, 0.0], axis)
        forwards = forwards / np.linalg.norm(forwards)
        found = rest.inv().apply(forwards)
        if protocol.mounting is not None:
            given = np.array(MOUNTINGS[protocol.mounting])
            away = _angle(found, given)
            if away > 45.0:
                raise ValueError(
                    f"{recording.name}: the torso's sensor faces {away:.0f} degrees from what "
                    f"--mounting {protocol.mounting} says, by the nod between "
                    f"{protocol.nod[0]:g} and {protocol.nod[1]:g} s (down first); one of them is "
                    "wrong"
                )
        return found, "Which way the torso faces follows from the nod."
    if protocol.mounting is not None:
        axis = protocol.mounting
        rise = float(rest.apply(np.array(MOUNTINGS[axis]))[1])
        if abs(rise) > np.sin(np.radians(_STEEP)):
            slope = np.degrees(np.arcsin(min(abs(rise), 1.0)))
            raise ValueError(
                f"{recording.name}: at rest the torso sensor's {axis} points "
                f"{'up' if rise > 0 else 'down'} by {slope:.0f} degrees, and cannot be what faces "
                "forwards: --mounting, --convention or --up is another, or the quaternions' "
                "columns are in another order (w first)"
            )
        said = f"The torso's sensor points forwards with {axis}, as given."
        return np.array(MOUNTINGS[axis]), said
    raise ValueError(
        f"{recording.name}: nothing tells which way the torso's sensor faces, and a wrong guess "
        "exchanges bending with flexion and extension, or left with right. Give --mounting x (or "
        "-x, y, -y, z, -z), its axis that points forwards; or --nod FROM TO (s), when the person "
        "nods, down first"
    )


def _first_turn(
    recording: OrientationRecording, interval: Interval, start: float, end: float
) -> Float[np.ndarray, " 3"]:
    """Unit vector about which the head first turns in an interval, in the ground at rest."""
    torso, head = recording.at_rest(start, end)
    moved = (recording.torso * torso.inv()).inv() * (recording.head * head.inv())
    return _first_in(moved.as_rotvec(), recording, interval)


def _first_in(
    turns: Float[np.ndarray, "frames 3"], recording: OrientationRecording, interval: Interval
) -> Float[np.ndarray, " 3"]:
    """Unit vector of the first half of the largest turn in an interval, from where it begins."""
    inside = (recording.time >= interval[0] - 1e-9) & (recording.time <= interval[1] + 1e-9)
    if np.count_nonzero(inside) < 4:
        raise ValueError(
            f"{recording.name} has no frames between {interval[0]:g} and {interval[1]:g} s; it "
            f"lasts from {recording.time[0]:g} to {recording.time[-1]:g} s"
        )
    part = turns[inside] - turns[inside][0]
    size = np.linalg.norm(part, axis=1)
    if size.max() < _LEAST:
        raise ValueError(
            f"{recording.name}: between {interval[0]:g} and {interval[1]:g} s the head turns by "
            f"{np.degrees(size.max()):.0f} degrees only; a nod or a turn needs "
            f"{np.degrees(_LEAST):.0f}"
        )
    first = part[int(np.argmax(size >= 0.5 * size.max()))]
    return first / np.linalg.norm(first)


def _check_axis(
    aligned: OrientationRecording,
    interval: Interval,
    axis: Float[np.ndarray, " 3"],
    what: str,
    sense: str,
) -> None:
    found = _first_in(aligned.relative.as_rotvec(), aligned, interval)
    away = _angle(found, axis)
    if away > _MOST_OFF + 10.0:
        raise ValueError(
            f"{aligned.name}: between {interval[0]:g} and {interval[1]:g} s the head does not "
            f"{what} {sense} first, but about an axis {away:.0f} degrees off; --convention, "
            f"--mounting or --{what} is wrong"
        )


def _angle(one: Float[np.ndarray, " 3"], other: Float[np.ndarray, " 3"]) -> float:
    """Degrees between two unit vectors."""
    return float(np.degrees(np.arccos(np.clip(one @ other, -1.0, 1.0))))
