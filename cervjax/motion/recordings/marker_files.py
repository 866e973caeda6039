"""Marker recordings in files: OpenSim's `.trc`, and `.c3d`."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from cervjax.execution import read_arrays

from .markers import MarkerRecording
from .readers import AbstractRecordingReader, ReadOptions, register_reader

_UNITS = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}
_C3D_SECONDS, _C3D_BYTES = 20, 4 * 2**30
"""Limits of the process that reads a `.c3d`; a trial of an hour takes a second."""
_FASTEST = 1e6
"""Hz."""
_LARGEST = 2 * 2**30
"""Bytes of a file that is read: markers of a day at 100 Hz are less."""


def read_markers(path: str | Path, up: str | None = None) -> MarkerRecording:
    """Read a `.trc` or `.c3d` file.

    Args:
        up: axis of the laboratory that points up (x, y, z). OpenSim's y for `.trc` if None, z for
            `.c3d`, whatever its SCREEN parameters say: programs do not agree on them.

    Returns:
        Positions (m) in a laboratory whose y axis points up.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is neither, is damaged or too large, or holds no markers; the message says
            what is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no marker file at {path}")
    refuse_large(path)
    readers = {".trc": (_read_trc, "y"), ".c3d": (_read_c3d, "z")}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path} is no .trc or .c3d file")
    reader, own = readers[path.suffix.lower()]
    try:
        recording = reader(path)
        if recording.position.shape[1] == 0 or not recording.seen.any():
            raise ValueError("it holds no markers")
        return recording.upright(up or own)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def refuse_large(path: Path) -> None:
    """Refuse what is no recording of one trial.

    Raises:
        ValueError: the file is too large for one.
    """
    size = path.stat().st_size
    if size > _LARGEST:
        raise ValueError(
            f"{path} has {size / 2**30:.1f} GiB, more than {_LARGEST / 2**30:.0f}; "
            "cut it into trials first"
        )


def write_trc(path: str | Path, recording: MarkerRecording) -> None:
    """Write a `.trc` file as OpenSim reads it, in mm; markers that were not seen are empty."""
    count, rate = len(recording.time), recording.rate if len(recording.time) > 1 else 1.0
    names = recording.markers
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{Path(path).name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame"
        "\tOrigNumFrames",
        f"{rate:.12g}\t{rate:.12g}\t{count}\t{len(names)}\tmm\t{rate:.12g}\t1\t{count}",
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t",
        "\t\t" + "\t".join(f"X{k}\tY{k}\tZ{k}" for k in range(1, len(names) + 1)),
        "",
    ]
    for k, (time, row) in enumerate(zip(recording.time, recording.position, strict=True), 1):
        values = ["" if np.isnan(x) else f"{1e3 * x:.9g}" for x in row.ravel()]
        lines.append("\t".join([str(k), f"{time:.12g}", *values]))
    Path(path).write_text("\n".join(lines) + "\n")


def _read_trc(path: Path) -> MarkerRecording:
    lines = path.read_text(errors="replace").splitlines()
    if len(lines) < 6 or not lines[0].startswith("PathFileType"):
        raise ValueError("it does not begin as a .trc file, with 'PathFileType'")
    settings = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=False))
    units = settings.get("Units", "").strip()
    if units not in _UNITS:
        raise ValueError(f"its units are {units!r}, not one of {', '.join(_UNITS)}")
    names = tuple(n.strip() for n in lines[3].split("\t")[2:] if n.strip())
    width = 2 + 3 * len(names)
    rows = []
    for number, line in enumerate(lines[5:], 6):
        if not line.strip():
            continue
        values = line.rstrip("\r\n").split("\t")
        if len(values) < width:
            # Programs leave out the tabs behind the last marker seen.
            if (len(values) - 2) % 3:
                raise ValueError(f"line {number} has {len(values)} values: it was cut off")
            values += [""] * (width - len(values))
        if any(v.strip() for v in values[width:]):
            raise ValueError(f"line {number} has {len(values)} values, not {width}")
        try:
            rows.append([float(v) if v.strip() else np.nan for v in values[1:width]])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    if not rows:
        raise ValueError("it has no frames")
    promised = settings.get("NumFrames", "").strip()
    if promised.isdigit() and int(promised) != len(rows):
        raise ValueError(f"its header says {promised} frames, it has {len(rows)}")
    table = np.array(rows)
    position = _UNITS[units] * table[:, 1:].reshape(len(table), len(names), 3)
    return MarkerRecording(path.name, names, table[:, 0], position)


def _read_c3d(path: Path) -> MarkerRecording:
    content = _c3d_arrays(path)
    # Bytes that are no text must not stop a message or a report later.
    labels = [str(name).encode("utf-8", "replace").decode().strip() for name in content["labels"]]
    units = str(content["units"]).strip()
    if units not in _UNITS:
        raise ValueError(f"its units are {units!r}, not one of {', '.join(_UNITS)}")
    points, residual = content["points"], content["residuals"].T
    if points.ndim != 3 or points.shape[1] < len(labels) or residual.shape != points.shape[:0:-1]:
        raise ValueError(
            f"it has points of shape {points.shape} and residuals of shape {residual.shape} for "
            f"{len(labels)} labels"
        )
    data = np.moveaxis(points, 0, 2)
    data = np.moveaxis(data, 0, 1)[:, : len(labels)]
    # A negative residual marks what cameras did not see.
    data = np.where((residual[:, : len(labels), None] < 0), np.nan, data)
    rate, first = float(content["rate"]), int(content["first"])
    if not 0 < rate < _FASTEST:
        raise ValueError(f"its rate is {rate:g} Hz")
    time = (first + np.arange(len(data))) / rate
    named = [k for k, name in enumerate(labels) if name and not name.startswith("*")]
    return MarkerRecording(
        path.name,
        tuple(labels[k].split(":")[-1] for k in named),
        time,
        _UNITS[units] * data[:, named],
    )


def _c3d_arrays(path: Path) -> dict[str, np.ndarray]:
    """What `c3d_child.py` reads, in a process with limits of time and memory."""
    child = Path(__file__).with_name("c3d_child.py")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "c3d.npz"
        limits = (str(_C3D_SECONDS), str(_C3D_BYTES))
        try:
            done = subprocess.run(
                [sys.executable, "-I", str(child), str(path.resolve()), str(out), *limits],
                capture_output=True,
                timeout=2 * _C3D_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ValueError(
                f"it can't be read as .c3d: it takes longer than {2 * _C3D_SECONDS} s"
            ) from error
        if done.returncode == 3:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise ValueError(f"it can't be read as .c3d: {said[-1] if said else 'damaged'}")
        if done.returncode != 0 or not out.is_file():
            raise ValueError(
                "it can't be read as .c3d: it is damaged, so that its reader crashes or takes more "
                f"than {_C3D_SECONDS} s or {_C3D_BYTES / 2**30:.0f} GiB"
            )
        return read_arrays(out, "markers of a .c3d", "export the trial again")


@register_reader
class MarkerFileReader(AbstractRecordingReader):
    """`.trc` and `.c3d`."""

    suffixes = (".trc", ".c3d")

    def read(self, path: Path, options: ReadOptions) -> MarkerRecording:
        """Markers; see `read_markers`.

        Returns:
            Positions (m) in a laboratory whose y axis points up.
        """
        return read_markers(path, options.up)
