"""`Motion`: the coordinates of a neck over time, in radians and meters."""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.signal import butter, sosfiltfilt

from cervjax.math.splines import natural_quintic_spline
from cervjax.spec import Coordinate, ModelSpec

from .derivatives import Derivatives, analyze_derivatives, inverse_dynamics_derivatives
from .storage import Storage


class CoordinateRangeWarning(UserWarning):
    """A coordinate leaves its range: a unit mistake, or an extreme motion."""


class LockedCoordinateWarning(UserWarning):
    """A file moves a coordinate that the model locks."""


@dataclass(frozen=True)
class Motion:
    """Coordinates over time.

    Attributes:
        name: where it comes from.
        coordinates: names of the columns of `q`.
        time: s, increasing.
        q: rad or m.
    """

    name: str
    coordinates: tuple[str, ...]
    time: Float[np.ndarray, " frames"]
    q: Float[np.ndarray, "frames q"]

    @classmethod
    def from_storage(cls, storage: Storage, spec: ModelSpec) -> "Motion":
        """The free coordinates of `spec` in `storage`.

        Degrees become radians for *rotational* coordinates only: OpenSim writes *coupled* ones
        (all six of a HYOID neck) in radians even where the header says degrees.

        Returns:
            rad or m, over s.

        Warns:
            CoordinateRangeWarning: values beyond a coordinate's range.
            LockedCoordinateWarning: the file moves a locked coordinate; the model keeps it fixed.

        Raises:
            ValueError: a free coordinate has no column.
        """
        columns = [_column(storage, name) for name in spec.free_coordinates]
        missing = [n for n, c in zip(spec.free_coordinates, columns, strict=True) if c is None]
        if missing:
            raise ValueError(
                f"{storage.label} has no column for the coordinate(s) {', '.join(missing)} of "
                f"{spec.name!r}; its columns are {', '.join(storage.columns)}"
            )
        coordinates = [spec.coordinate(name) for name in spec.free_coordinates]
        q = np.column_stack(
            [
                _si(storage, column, coordinate)
                for column, coordinate in zip(columns, coordinates, strict=True)
                if column is not None
            ]
        )
        _warn_beyond_range(storage.name, coordinates, q)
        _warn_locked(storage, spec)
        return cls(storage.name, spec.free_coordinates, storage.time, q)

    def lowpass(self, cutoff_hz: float) -> "Motion":
        """The motion through a fourth-order zero-phase Butterworth filter.

        Returns:
            rad or m, at the same times.

        Raises:
            ValueError: samples are not evenly spaced, too few, or the cutoff is not between zero
                and half the sampling rate.
        """
        return self._butterworth(2, cutoff_hz, None)

    def lowpass_of_opensim(self, cutoff_hz: float) -> "Motion":
        """The motion through the filter of OpenSim's tools: a Butterworth filter of third order,
        forwards and backwards, after half of the motion was added at either end, point-reflected
        (`Storage::pad` and `Storage::lowpassIIR`).

        Args:
            cutoff_hz: Hz, of each pass.

        Returns:
            rad or m, at the same times.

        Raises:
            ValueError: as `lowpass`.
        """
        return self._butterworth(3, cutoff_hz, len(self.time) // 2)

    def _butterworth(self, order: int, cutoff_hz: float, padding: int | None) -> "Motion":
        steps = np.diff(self.time)
        if len(steps) < 15 or np.ptp(steps) > 1e-3 * np.mean(steps):
            raise ValueError(
                f"{self.name!r}: filtering needs 16 or more evenly spaced samples; resample first"
            )
        rate = 1 / float(np.mean(steps))
        if not 0 < cutoff_hz < rate / 2:
            raise ValueError(f"cutoff {cutoff_hz} Hz is not between 0 and {rate / 2:.4g} Hz")
        sections = butter(order, cutoff_hz, fs=rate, output="sos")
        filtered = sosfiltfilt(sections, self.q, axis=0, padlen=padding)
        return Motion(self.name, self.coordinates, self.time, filtered)

    def resample(self, rate: float) -> "Motion":
        """The motion at `rate` Hz, through OpenSim's quintic spline.

        Returns:
            rad or m, from the first time on.

        Raises:
            ValueError: too few samples, or `rate` is not positive.
        """
        if not rate > 0:
            raise ValueError(f"{self.name!r}: rate = {rate} Hz is not positive")
        count = int(np.floor((self.time[-1] - self.time[0]) * rate + 1e-9)) + 1
        time = self.time[0] + np.arange(count) / rate
        try:
            spline = natural_quintic_spline(self.time, self.q)
        except ValueError as error:
            raise ValueError(f"{self.name!r}: {error}") from error
        return Motion(self.name, self.coordinates, time, spline(time))

    def analyze_derivatives(self) -> Derivatives:
        """Velocities and accelerations as OpenSim's StaticOptimization takes them."""
        return self._derivatives(analyze_derivatives)

    def inverse_dynamics_derivatives(self) -> Derivatives:
        """Velocities and accelerations as OpenSim's InverseDynamicsTool takes them."""
        return self._derivatives(inverse_dynamics_derivatives)

    def _derivatives(self, take) -> Derivatives:
        try:
            return take(self.time, self.q)
        except ValueError as error:
            raise ValueError(f"{self.name!r}: {error}") from error

    def to_storage(self) -> Storage:
        """The motion as a table in radians."""
        return Storage(self.name, self.coordinates, self.time, self.q)


def _column(storage: Storage, coordinate: str) -> str | None:
    """The column of a coordinate: its name, or its path as in OpenSim's states files."""
    for column in storage.columns:
        if column == coordinate or column.endswith(f"/{coordinate}/value"):
            return column
    return None


def _si(storage: Storage, column: str, coordinate: Coordinate) -> np.ndarray:
    values = storage.column(column)
    degrees = storage.in_degrees and coordinate.motion_type == "rotational"
    return np.deg2rad(values) if degrees else values


def _warn_beyond_range(name: str, coordinates: list[Coordinate], q: np.ndarray) -> None:
    slack = 1e-6
    for k, coordinate in enumerate(coordinates):
        low, high = coordinate.range
        least, most = float(q[:, k].min()), float(q[:, k].max())
        if least < low - slack or most > high + slack:
            hint = ""
            if coordinate.motion_type != "translational" and max(abs(least), abs(most)) > np.pi:
                hint = "; are these degrees? This coordinate is read in radians"
                if coordinate.motion_type == "coupled":
                    hint += ", whatever the header says, as OpenSim writes it"
            warnings.warn(
                f"{name!r}: column {coordinate.name!r} runs from {least:.4g} to {most:.4g}, beyond "
                f"the coordinate's range [{low:.4g}, {high:.4g}]{hint}",
                CoordinateRangeWarning,
                stacklevel=3,
            )


def _warn_locked(storage: Storage, spec: ModelSpec) -> None:
    for coordinate in spec.coordinates:
        column = _column(storage, coordinate.name) if coordinate.locked else None
        if column is None:
            continue
        away = float(np.abs(_si(storage, column, coordinate) - coordinate.default_value).max())
        if away > 1e-3:
            warnings.warn(
                f"{storage.label} moves {coordinate.name!r} by up to {away:.4g} from where "
                f"{spec.name!r} locks it; the model keeps it locked, so gravity and acceleration "
                "of the torso are those of a still one",
                LockedCoordinateWarning,
                stacklevel=3,
            )
