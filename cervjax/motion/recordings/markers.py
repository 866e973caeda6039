"""`MarkerRecording`: markers over time, in meters, gaps as NaN."""

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import PchipInterpolator
from scipy.signal import butter, sosfiltfilt

MARKER_MAPS: dict[str, dict[str, str]] = json.loads(
    (files("cervjax.motion.recordings") / "marker_maps.json").read_text(encoding="utf-8")
)
"""From a protocol's labels to the names used here."""

_UP = {
    "x": np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]),
    "y": np.eye(3),
    "z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
}
"""Rotations that bring a laboratory's vertical axis to OpenSim's y."""


@dataclass(frozen=True)
class MarkerRecording:
    """Markers over time.

    Attributes:
        name: where they come from.
        markers: names.
        time: s, increasing.
        position: m, in a laboratory whose y axis points up; NaN where a marker was not seen.
    """

    name: str
    markers: tuple[str, ...]
    time: Float[np.ndarray, " frames"]
    position: Float[np.ndarray, "frames markers 3"]

    def __post_init__(self) -> None:
        doubled = {m for m in self.markers if self.markers.count(m) > 1}
        if doubled:
            raise ValueError(f"{self.name}: two markers are named {', '.join(sorted(doubled))}")
        if self.position.shape != (len(self.time), len(self.markers), 3):
            raise ValueError(
                f"{self.name}: position has shape {self.position.shape}, not "
                f"{(len(self.time), len(self.markers), 3)}"
            )
        if len(self.time) < 1 or not np.all(np.diff(self.time) > 0):
            raise ValueError(f"{self.name}: times do not increase")

    @property
    def rate(self) -> float:
        """Frames per second, in the mean.

        Returns:
            Hz.

        Raises:
            ValueError: there is one frame only.
        """
        if len(self.time) < 2:
            raise ValueError(f"{self.name} has one frame, and no rate")
        return (len(self.time) - 1) / float(self.time[-1] - self.time[0])

    @property
    def seen(self) -> Bool[np.ndarray, "frames markers"]:
        """Which markers were seen when."""
        return np.all(np.isfinite(self.position), axis=2)

    def mapped(self, names: Mapping[str, str]) -> "MarkerRecording":
        """The markers that `names` knows, by the names it gives them.

        Returns:
            Positions (m), in the order they have here.

        Raises:
            ValueError: it knows none of them.
        """
        kept = [m for m in self.markers if m in names]
        if not kept:
            raise ValueError(
                f"{self.name} has none of the markers {', '.join(names)}; it has "
                f"{', '.join(self.markers)}; give a map of names"
            )
        chosen = self.chosen(kept)
        return dataclasses.replace(chosen, markers=tuple(names[m] for m in kept))

    def chosen(self, markers: Sequence[str]) -> "MarkerRecording":
        """These markers, in this order.

        Returns:
            Positions (m).

        Raises:
            ValueError: one is not there.
        """
        lacking = [m for m in markers if m not in self.markers]
        if lacking:
            raise ValueError(
                f"{self.name} has no marker {', '.join(lacking)}; it has {', '.join(self.markers)}"
            )
        index = [self.markers.index(m) for m in markers]
        return dataclasses.replace(self, markers=tuple(markers), position=self.position[:, index])

    def upright(self, up: str) -> "MarkerRecording":
        """Turned from a laboratory in which `up` (x, y or z) points up.

        Returns:
            Positions (m) in a laboratory whose y axis points up.

        Raises:
            ValueError: there is no such axis.
        """
        if up not in _UP:
            raise ValueError(f"up = {up!r} is no axis; x, y or z")
        return dataclasses.replace(self, position=self.position @ _UP[up].T)

    def named(self) -> "MarkerRecording":
        """By the names used here, through the one of `MARKER_MAPS` that knows most of the labels.

        Returns:
            Positions (m) of the markers it knows.

        Raises:
            ValueError: none knows any.
        """
        best = max(MARKER_MAPS.values(), key=lambda labels: sum(m in labels for m in self.markers))
        return self.mapped(best)

    def stillest(self, length: float, *, within: float) -> "MarkerRecording":
        """The `length` s of the first `within` s in which the markers move least.

        Returns:
            Positions (m) in this time.

        Raises:
            ValueError: the recording is shorter.
        """
        start = float(self.time[0])
        if float(self.time[-1]) - start < length:
            raise ValueError(f"{self.name} is shorter than {length:g} s")
        last = min(start + within, float(self.time[-1])) - length
        begins = np.arange(start, last + 1e-9, 0.1 * length)

        def unrest(begin: float) -> float:
            part = self.between(begin, begin + length)
            if not part.seen.any(axis=0).all():
                return float("inf")
            return float(np.sum(np.nanmax(part.position, 0) - np.nanmin(part.position, 0)))

        best = float(min(begins, key=unrest))
        return self.between(best, best + length)

    def between(self, start: float, end: float) -> "MarkerRecording":
        """The frames from `start` to `end` (s).

        Returns:
            Positions (m); times stay.

        Raises:
            ValueError: there are none.
        """
        inside = (self.time >= start - 1e-9) & (self.time <= end + 1e-9)
        if not inside.any():
            raise ValueError(
                f"{self.name} has no frame between {start:g} and {end:g} s; it lasts from "
                f"{self.time[0]:g} to {self.time[-1]:g} s"
            )
        return dataclasses.replace(self, time=self.time[inside], position=self.position[inside])

    def filled(self, longest: float = 0.1) -> "MarkerRecording":
        """Gaps up to `longest` (s) bridged by monotone cubic interpolation, longer ones left."""
        position = self.position.copy()
        seen = self.seen
        for k in range(len(self.markers)):
            index = np.flatnonzero(seen[:, k])
            if len(index) < 2:
                continue
            bridge = PchipInterpolator(self.time[index], position[index, k])
            for before, after in itertools.pairwise(index):
                if after - before > 1 and self.time[after] - self.time[before] <= longest:
                    gap = slice(before + 1, after)
                    position[gap, k] = bridge(self.time[gap])
        return dataclasses.replace(self, position=position)

    def lowpass(self, cutoff: float) -> "MarkerRecording":
        """Every unbroken stretch through a fourth-order zero-phase Butterworth filter (Hz);
        stretches of fewer than 16 frames are left as they are.

        Returns:
            Positions (m) at the same times.

        Raises:
            ValueError: frames are not evenly spaced, or the cutoff is not between zero and half
                the sampling rate.
        """
        steps = np.diff(self.time)
        if len(steps) < 1 or np.ptp(steps) > 1e-3 * np.mean(steps):
            raise ValueError(f"{self.name}: filtering needs evenly spaced frames")
        if not 0 < cutoff < self.rate / 2:
            raise ValueError(f"cutoff {cutoff} Hz is not between 0 and {self.rate / 2:.4g} Hz")
        filter_ = butter(2, cutoff, fs=self.rate, output="sos")
        position, seen = self.position.copy(), self.seen
        for k in range(len(self.markers)):
            edges = np.flatnonzero(np.diff(np.r_[False, seen[:, k], False]))
            for start, end in edges.reshape(-1, 2):
                if end - start >= 16:
                    position[start:end, k] = sosfiltfilt(filter_, position[start:end, k], axis=0)
        return dataclasses.replace(self, position=position)
