"""Orientations of two sensors in CSV files."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .marker_files import refuse_large
from .orientations import OrientationRecording
from .readers import AbstractRecordingReader, ReadOptions, register_reader

COLUMNS = (
    "time",
    *(f"{body}_{part}" for body in ("torso", "head") for part in ("w", "x", "y", "z")),
)
"""Of a CSV file: s; unit quaternions, scalar first, of the sensors in the ground frame."""


@register_reader
class OrientationCsvReader(AbstractRecordingReader):
    """CSV files with the columns `COLUMNS`."""

    suffixes = (".csv",)

    def read(self, path: Path, options: ReadOptions) -> OrientationRecording:
        """Orientations; see `read_orientations_csv`.

        Returns:
            Orientations, turned so that y points up.

        Raises:
            ValueError: `up` is x, or see `read_orientations_csv`.
        """
        if options.up == "x":
            raise ValueError("up = 'x' is no vertical axis of sensors; y or z")
        return read_orientations_csv(path, up=options.up or "z")


_VENDORS = {
    "an export of Xsens (MT Manager, MVN)": ("quat_q0", "mat[1][1]"),
    "an export of Movella DOT": ("quat_w", "sampletimefine"),
    "an export of APDM (Moveo, Mobility Lab)": ("orientation/s", "orientation_s", "orientation w"),
}
"""Columns by which exports of vendors are known, in lower case."""


def _vendor(columns: Sequence[str], path: Path) -> str | None:
    """Whose export a table is, where it is known."""
    names = {c.strip().lower() for c in columns if c}
    for vendor, marks in _VENDORS.items():
        if names & set(marks):
            return vendor
    with path.open(errors="replace") as file:
        start = file.read(2000).lower()
    for vendor, word in (
        ("an export of Movella DOT", "dot"),
        ("an export of Xsens (MT Manager, MVN)", "xsens"),
        ("an export of Xsens (MT Manager, MVN)", "// start time"),
        ("an export of APDM (Moveo, Mobility Lab)", "apdm"),
    ):
        if word in start.split(",", 1)[0] or f"{word} " in start:
            return vendor
    return None


def read_orientations_csv(path: str | Path, *, up: str = "z") -> OrientationRecording:
    """Read a CSV file with the columns `COLUMNS`; empty values are gaps.

    Args:
        up: axis of the ground frame that points up, y or z.

    Returns:
        Rotations over time (s), turned so that y points up.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: columns lack, or values are no numbers or no unit quaternions.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    refuse_large(path)
    with path.open(newline="", errors="replace") as file:
        reader = csv.DictReader(file)
        lacking = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
        vendor = _vendor(reader.fieldnames or (), path)
        if lacking and vendor:
            raise ValueError(
                f"{path} looks like {vendor}; such files hold one sensor each, and the head's "
                "turns need two at the same times. Write the quaternions of both, scalar first, "
                f"as one table with the columns {', '.join(COLUMNS)}"
            )
        if lacking:
            raise ValueError(
                f"{path} has no column {', '.join(lacking)}; it needs {', '.join(COLUMNS)}"
            )
        rows = []
        for number, row in enumerate(reader, 2):
            try:
                rows.append([float(row[c]) if (row[c] or "").strip() else np.nan for c in COLUMNS])
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
    table = np.array(rows).reshape(-1, len(COLUMNS))
    return OrientationRecording.of(
        path.name, table[:, 0], table[:, 1:5], table[:, 5:], up=up, stated=False
    )
