"""Volunteers on a sled: recorded torso motion and head response.

The files of the NBDL frontal tests, 15 g, as published: T1 and head, forwards (X) and upwards (Z)
acceleration (g) and displacement (mm), pitch (deg, forwards positive), every 0.5 ms, and corridors
of one standard deviation about their mean. Displacements of the head are relative to T1: they are
the head's accelerations minus T1's, twice integrated, to the millimeter.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io
from scipy.integrate import cumulative_trapezoid
from scipy.signal import butter, sosfiltfilt

GRAVITY = 9.80665
_SERIES = "NBDL 15g Frontal - "
SIGNALS = ("pitch", "x", "z")
"""Of the head: deg, forwards positive; mm forwards and upwards, relative to T1."""
_FILES = {"pitch": "Head YrotDisp", "x": "Head XDisp", "z": "Head ZDisp"}


@dataclass(frozen=True)
class SledTest:
    """One test.

    Attributes:
        name: of the test.
        time: s.
        torso_pitch: rad, of T1, forwards positive.
        torso: m, forwards and upwards, of T1; what it adds to a uniform motion.
        head: each of `SIGNALS`, measured.
    """

    name: str
    time: np.ndarray
    torso_pitch: np.ndarray
    torso: np.ndarray
    head: dict[str, np.ndarray]


@dataclass(frozen=True)
class Corridor:
    """Mean and bounds of a signal of the head, one standard deviation either way."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def read_sled(
    folder: Path, cutoff: float
) -> tuple[tuple[SledTest, ...], SledTest, dict[str, Corridor]]:
    """The tests, one that moves the torso as their mean, and corridors of the head's signals.

    Args:
        cutoff: Hz, of the torso's motion (Butterworth, fourth order, both ways).

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: series do not belong together.
    """
    inputs = {"acceleration": "T1 XAccel", "pitch": "T1 YrotDisp", "z": "T1 ZDisp"}
    every = {name: _curves(folder, file) for name, file in (inputs | _head_files()).items()}
    names = list(every["pitch"])
    for key, curves in every.items():
        if list(curves) != names:
            raise ValueError(f"{key} has tests {', '.join(curves)}, T1 pitch {', '.join(names)}")
    tests = tuple(
        _test(name, {key: curves[name] for key, curves in every.items()}, cutoff) for name in names
    )
    mean = {key: np.mean(list(curves.values()), axis=0) for key, curves in every.items()}
    corridors = {}
    for signal, file in _FILES.items():
        found = scipy.io.loadmat(folder / f"{_SERIES}{file}_PointWiseAvg.mat")
        edges = np.stack([found["innerCorr"][:, 1], found["outerCorr"][:, 1]])
        corridors[signal] = Corridor(found["pointAvg"][:, 1], edges.min(axis=0), edges.max(axis=0))
    return tests, _test("mean", mean, cutoff), corridors


def _head_files() -> dict[str, str]:
    return {f"head {signal}": file for signal, file in _FILES.items()}


def _curves(folder: Path, name: str) -> dict[str, np.ndarray]:
    path = folder / f"{_SERIES}{name}.mat"
    if not path.exists():
        raise FileNotFoundError(f"{path}: not there; give the folder of the sled tests")
    curves = scipy.io.loadmat(path, squeeze_me=True, struct_as_record=False)["responseCurves"]
    return {str(c.specId): np.asarray(c.data, float) for c in curves}


def _test(name: str, curves: dict[str, np.ndarray], cutoff: float) -> SledTest:
    time = 1e-3 * curves["pitch"][:, 0]
    rate = 1 / np.median(np.diff(time))
    sections = butter(2, cutoff, fs=rate, output="sos")

    def smooth(values: np.ndarray) -> np.ndarray:
        # Held still before the start, so that nothing moves before it does.
        padded = np.r_[np.full(400, values[0]), values, np.full(400, values[-1])]
        return sosfiltfilt(sections, padded)[400:-400]

    def filtered(key: str) -> np.ndarray:
        return smooth(curves[key][:, 1] - curves[key][0, 1])

    # Twice the integral of the acceleration is the motion in an inertial frame, but for a uniform
    # one that no neck feels; displacements upwards are those of the sled's frame and of ours.
    speed = cumulative_trapezoid(GRAVITY * filtered("acceleration"), time, initial=0.0)
    forwards = cumulative_trapezoid(speed, time, initial=0.0)
    torso = np.column_stack([forwards, 1e-3 * filtered("z")])
    head = {s: curves[f"head {s}"][:, 1] - curves[f"head {s}"][0, 1] for s in SIGNALS}
    return SledTest(
        name,
        time,
        np.radians(filtered("pitch")),
        torso,
        head,
    )
