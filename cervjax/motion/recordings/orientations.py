"""Recordings of two inertial sensors, on torso and head."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, Slerp

_UP = {"y": Rotation.identity(), "z": Rotation.from_euler("x", -90, degrees=True)}
"""Rotations that bring a ground frame's vertical axis to OpenSim's y."""
_UNIT = 1e-2
_GAP = 0.1
"""s, longest gap that is bridged."""


@dataclass(frozen=True)
class OrientationRecording:
    """Two orientations over time, in a ground frame whose y axis points up.

    Attributes:
        name: where they come from.
        time: s, increasing.
        torso, head: of the sensors; from the sensor's frame to the ground's.
        stated: whether the file's format says that they are, and not the reverse.
        up: axis of the file's own ground that points up.
    """

    name: str
    time: Float[np.ndarray, " frames"]
    torso: Rotation
    head: Rotation
    stated: bool = True
    up: str = "y"

    @classmethod
    def of(
        cls,
        name: str,
        time: Float[np.ndarray, " frames"],
        torso: Float[np.ndarray, "frames 4"],
        head: Float[np.ndarray, "frames 4"],
        *,
        up: str = "y",
        stated: bool = True,
    ) -> "OrientationRecording":
        """From quaternions, scalar first. Gaps (NaN) of up to 0.1 s are bridged.

        Returns:
            Rotations over time (s), in a ground whose y axis points up.

        Raises:
            ValueError: times do not increase, quaternions are none, or gaps are long.
        """
        if up not in _UP:
            raise ValueError(f"up = {up!r} is no vertical axis of sensors; y or z")
        if len(time) < 4 or not np.all(np.diff(time) > 0):
            raise ValueError(f"{name}: {len(time)} frames; four or more at increasing times needed")
        turned = [
            _bridged(name, body, time, np.asarray(values, float))
            for body, values in (("torso", torso), ("head", head))
        ]
        below, above = (_UP[up] * rotation for rotation in turned)
        return cls(name, time, below, above, stated, up)

    def inverted(self) -> "OrientationRecording":
        """The recording read the other way: its quaternions turn the ground's frame into the
        sensor's.

        Returns:
            Rotations over time (s), from sensor to ground.
        """
        ground = _UP[self.up]
        torso, head = (ground * (ground.inv() * x).inv() for x in (self.torso, self.head))
        return dataclasses.replace(self, torso=torso, head=head)

    def at_rest(self, start: float, end: float) -> tuple[Rotation, Rotation]:
        """Mean orientations of torso and head between `start` and `end` (s).

        Returns:
            Rotations from sensor to ground.

        Raises:
            ValueError: there is no frame between, or the head moves.
        """
        inside = (self.time >= start - 1e-9) & (self.time <= end + 1e-9)
        chosen = np.flatnonzero(inside)
        if not len(chosen):
            raise ValueError(f"{self.name} has no frame between {start:g} and {end:g} s")
        below, above = (Rotation.from_quat(x.as_quat()[chosen]) for x in (self.torso, self.head))
        torso, head = below.mean(), above.mean()
        apart = np.degrees((head.inv() * above).magnitude().max())
        if apart > 10:
            raise ValueError(
                f"{self.name}: the head turns by {apart:.0f} degrees between {start:g} and "
                f"{end:g} s, where it should rest; give the time in which the person sits still"
            )
        return torso, head

    def turned_deg(self, angles: tuple[float, float, float]) -> "OrientationRecording":
        """The recording in another ground frame.

        Args:
            angles: degrees, body-fixed X-Y-Z, of the rotation from this ground to the other;
                OpenSense's `sensor_to_opensim_rotations`.

        Returns:
            Both orientations, turned.
        """
        turn = Rotation.from_euler("XYZ", angles, degrees=True)
        return dataclasses.replace(self, torso=turn * self.torso, head=turn * self.head)

    def against_neutral(
        self, start: float, end: float, *, ahead: Sequence[float] = (1.0, 0.0, 0.0)
    ) -> "OrientationRecording":
        """Body frames instead of sensor frames: between `start` and `end` (s) torso and head are
        taken to be upright and to face ahead, so that how sensors sit on them drops out.

        Args:
            start, end: s.
            ahead: in the frame of the torso's sensor, the axis that points forwards. Where the
                torso faces elsewhere, turns appear about other axes than they have.

        Returns:
            Rotations at all times (s).

        Raises:
            ValueError: there is no frame between, the head moves, or `ahead` is upright.
        """
        torso, head = self.at_rest(start, end)
        facing = torso.apply(np.asarray(ahead, float))
        if np.hypot(facing[0], facing[2]) < 0.5:
            raise ValueError(
                f"{self.name}: the axis of the torso's sensor that is to point forwards is nearly "
                "vertical at rest; give another --mounting, or another axis of the ground points up"
            )
        upright = Rotation.from_euler("y", np.arctan2(-facing[2], facing[0]))
        return dataclasses.replace(
            self,
            torso=self.torso * (torso.inv() * upright),
            head=self.head * (head.inv() * upright),
        )

    @property
    def relative(self) -> Rotation:
        """Of the head in the torso's frame."""
        return self.torso.inv() * self.head

    @property
    def gravity(self) -> Float[np.ndarray, "frames 3"]:
        """m/s^2, in the torso's frame."""
        return self.torso.inv().apply([0.0, -9.80665, 0.0])


def _bridged(name: str, body: str, time: np.ndarray, values: np.ndarray) -> Rotation:
    known = np.isfinite(values).all(axis=1)
    size = np.linalg.norm(values[known], axis=1)
    if not known.any() or np.abs(size - 1).max() > _UNIT:
        lengths = f"{size.min():.3g} to {size.max():.3g}" if known.any() else "NaN"
        raise ValueError(
            f"{name}: quaternions of the {body} have lengths {lengths}, not 1: other columns, or "
            "not quaternions (scalar first)"
        )
    at = time[known]
    longest = max(np.diff(at).max(initial=0.0), at[0] - time[0], time[-1] - at[-1])
    if not known.all() and longest > _GAP:
        raise ValueError(
            f"{name}: the {body} is not known for {longest:.2f} s; gaps of up to {_GAP:g} s are "
            "bridged, cut out the others"
        )
    spline = Slerp(at, Rotation.from_quat(values[known], scalar_first=True))
    return spline(np.clip(time, at[0], at[-1]))
