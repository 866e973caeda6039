"""Recordings of two inertial sensors, on torso and head."""

import dataclasses
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
        torso, head: of the sensors.
    """

    name: str
    time: Float[np.ndarray, " frames"]
    torso: Rotation
    head: Rotation

    @classmethod
    def of(
        cls,
        name: str,
        time: Float[np.ndarray, " frames"],
        torso: Float[np.ndarray, "frames 4"],
        head: Float[np.ndarray, "frames 4"],
        *,
        up: str = "y",
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
        return cls(name, time, below, above)

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

    def against_neutral(self, start: float, end: float) -> "OrientationRecording":
        """Body frames instead of sensor frames: between `start` and `end` (s) torso and head are
        taken to be upright and to face ahead, so that how sensors sit on them drops out.

        The torso's heading is its sensor's x axis; where it faces elsewhere than the torso, turns
        appear about other axes than they have.

        Returns:
            Rotations at all times (s).

        Raises:
            ValueError: there is no frame between, the head moves, or the x axis of the torso's
                sensor is upright.
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
        ahead = torso.apply([1.0, 0.0, 0.0])
        if np.hypot(ahead[0], ahead[2]) < 0.5:
            raise ValueError(
                f"{self.name}: the x axis of the torso's sensor is nearly vertical at rest; it has "
                "to point forwards, or another axis of the ground points up"
            )
        upright = Rotation.from_euler("y", np.arctan2(-ahead[2], ahead[0]))
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
