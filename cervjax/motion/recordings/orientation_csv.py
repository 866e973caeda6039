"""Orientations of two sensors in CSV files."""

import csv
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
    return OrientationRecording.of(path.name, table[:, 0], table[:, 1:5], table[:, 5:], up=up)
