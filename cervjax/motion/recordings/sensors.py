"""Recordings of two sensors, on torso and head, as networks of the sensor input sets take them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, RotationSpline

from cervjax.motion import Motion

from .orientations import OrientationRecording


@dataclass(frozen=True)
class SensorRecording:
    """Head and torso, as two inertial sensors or marker clusters see them.

    Attributes:
        time: s.
        orientation: of the head in the torso's frame, as matrices.
        angular_velocity, angular_acceleration: of the head against the torso, in the torso's
            frame; rad/s, rad/s^2.
        gravity: m/s^2, in the torso's frame.
    """

    time: Float[np.ndarray, " frames"]
    orientation: Float[np.ndarray, "frames 3 3"]
    angular_velocity: Float[np.ndarray, "frames 3"]
    angular_acceleration: Float[np.ndarray, "frames 3"]
    gravity: Float[np.ndarray, "frames 3"]

    @classmethod
    def of(
        cls,
        time: Float[np.ndarray, " frames"],
        torso: Float[np.ndarray, "frames 4"],
        head: Float[np.ndarray, "frames 4"],
        *,
        gravity: tuple[float, float, float] = (0.0, -9.80665, 0.0),
    ) -> "SensorRecording":
        """From orientations of both in a ground frame; rates are those of a rotation spline.

        Args:
            torso, head: quaternions, scalar first, of the bodies' own frames (x forwards, y up, z
                to the right), not of sensors that sit on them at an angle.
            gravity: m/s^2, in the ground frame.

        Returns:
            Rotations, rad/s, rad/s^2 and m/s^2, in the torso's frame.

        Raises:
            ValueError: fewer than four frames, times that do not increase, or no quaternions.
        """
        time = np.asarray(time, float)
        if len(time) < 4 or not np.all(np.diff(time) > 0):
            raise ValueError(f"{len(time)} frames; four or more are needed, at times that increase")
        for name, values in (("torso", torso), ("head", head)):
            size = np.linalg.norm(values, axis=1)
            if not np.all(np.abs(size - 1) < 1e-2):
                raise ValueError(
                    f"the {name} has quaternions of length {size.min():.3g} to {size.max():.3g}, "
                    "not 1; orientations are needed, scalar first"
                )
        below, above = (Rotation.from_quat(x, scalar_first=True) for x in (torso, head))
        relative = below.inv() * above
        down = below.inv().apply(np.asarray(gravity, float))
        return cls._splined(time, relative, down, time)

    @classmethod
    def from_orientations(cls, recording: OrientationRecording) -> "SensorRecording":
        """What two sensors measured, as networks of the sensor input sets take it.

        Args:
            recording: of the bodies' own frames.

        Returns:
            Rates from a rotation spline.

        Raises:
            ValueError: fewer than four frames.
        """
        torso, head = (x.as_quat(scalar_first=True) for x in (recording.torso, recording.head))
        return cls.of(recording.time, torso, head)

    def resample(self, rate: float) -> "SensorRecording":
        """At `rate` (Hz)."""
        count = int(np.floor((self.time[-1] - self.time[0]) * rate + 1e-9)) + 1
        at = self.time[0] + np.arange(count) / rate
        return self._splined(self.time, Rotation.from_matrix(self.orientation), self.gravity, at)

    def lowpass(self, cutoff: float) -> "SensorRecording":
        """Orientation and gravity behind the low-pass of `Motion.lowpass` (Hz): the second
        derivative of what a sensor says is noise without one.

        Returns:
            Rotations, rad/s, rad/s^2 and m/s^2, at the same times.

        Raises:
            ValueError: the cutoff is out of range, or the head turns more than 170 degrees from
                the middle frame.
        """
        turned = Rotation.from_matrix(self.orientation)
        middle = turned[len(self.time) // 2]
        small = (middle.inv() * turned).as_rotvec()
        farthest = np.degrees(np.linalg.norm(small, axis=1).max())
        if farthest > 170:
            raise ValueError(f"the head turns {farthest:.0f} degrees; orientations must be wrong")
        columns = tuple("xyz") + tuple("abc")
        smooth = Motion("r", columns, self.time, np.hstack([small, self.gravity])).lowpass(cutoff)
        relative = middle * Rotation.from_rotvec(smooth.q[:, :3])
        return self._splined(self.time, relative, smooth.q[:, 3:], self.time)

    @classmethod
    def _splined(
        cls, time: np.ndarray, relative: Rotation, gravity: np.ndarray, at: np.ndarray
    ) -> "SensorRecording":
        spline = RotationSpline(time, relative)
        turned = spline(at)
        # The spline gives rates in the frame that turns.
        return cls(
            at,
            turned.as_matrix(),
            turned.apply(spline(at, 1)),
            turned.apply(spline(at, 2)),
            np.column_stack([np.interp(at, time, g) for g in gravity.T]),
        )
