"""OpenSim's tables in files: `.mot` and `.sto`."""

import io
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Storage:
    """A table over time, as in an OpenSim `.mot` or `.sto` file.

    Attributes:
        name: first line of the file.
        columns: names, without `time`.
        time: s.
        data: one row per time, in the units of the file.
        in_degrees: whether the header says `inDegrees=yes`. Even then OpenSim writes coordinates
            of motion type *coupled* in radians.
        path: the file that it was read from, if any; errors name it.
    """

    name: str
    columns: tuple[str, ...]
    time: Float[np.ndarray, " frames"]
    data: Float[np.ndarray, "frames columns"]
    in_degrees: bool = False
    path: Path | None = None

    @property
    def label(self) -> str:
        """What messages call it: its file, or its name where it has none."""
        return str(self.path) if self.path else repr(self.name)

    def column(self, name: str) -> Float[np.ndarray, " frames"]:
        """The column `name`.

        Returns:
            One value per time, in units of the file.

        Raises:
            ValueError: there is no such column.
        """
        if name not in self.columns:
            raise ValueError(f"no column {name!r} in {self.label}; there are {self.columns}")
        return self.data[:, self.columns.index(name)]


def read_storage(path: str | Path) -> Storage:
    """Read a `.mot` or `.sto` file of OpenSim 3 or 4. A row that repeats the one before is dropped.

    Returns:
        Time in s, the columns in units of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is empty, is not such a table, has ragged rows, doubled columns,
            values that are not finite, or times that do not increase; the message says where.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no motion file at {path}")
    text = path.read_text(errors="replace")
    if not text.strip():
        raise ValueError(f"{path} is empty")
    lines = text.splitlines()
    ends = [i for i, line in enumerate(lines) if line.strip().lower() == "endheader"]
    if not ends:
        raise ValueError(f"{path} has no 'endheader' line; it is not an OpenSim .mot or .sto file")
    header, body = lines[: ends[0]], [line for line in lines[ends[0] + 1 :] if line.strip()]
    if len(body) < 2:
        raise ValueError(f"{path} has no rows of data")
    columns = tuple(body[0].split())
    if columns[0].lower() != "time":
        raise ValueError(f"{path}: the first column is {columns[0]!r}, not 'time'")
    doubled = {c for c in columns if columns.count(c) > 1}
    if doubled:
        raise ValueError(f"{path} has two columns named {sorted(doubled)}")
    table = _table(path, body[1:], len(columns))
    # OpenSim ends the files of some simulations with their last row twice.
    table = table[np.append(True, np.any(np.diff(table, axis=0) != 0, axis=1))]
    _check_values(path, columns, table)
    settings = _settings(header)
    return Storage(
        header[0].strip() if header else path.stem,
        columns[1:],
        table[:, 0],
        table[:, 1:],
        _in_degrees(settings),
        path,
    )


def _table(path: Path, rows: list[str], width: int) -> np.ndarray:
    for number, row in enumerate(rows, start=1):
        if len(row.split()) != width:
            raise ValueError(
                f"{path}: data row {number} has {len(row.split())} values, the header {width}"
            )
    try:
        return np.loadtxt(io.StringIO("\n".join(rows)), ndmin=2, comments=None)
    except ValueError as error:
        raise ValueError(f"{path} holds something that is not a number: {error}") from error


def _check_values(path: Path, columns: tuple[str, ...], table: np.ndarray) -> None:
    bad = np.argwhere(~np.isfinite(table))
    if len(bad):
        row, column = bad[0]
        raise ValueError(
            f"{path}: column {columns[column]!r} is {table[row, column]} in data row {row + 1} "
            f"({len(bad)} values are not finite); fill or cut the gap first"
        )
    steps = np.diff(table[:, 0])
    if np.any(steps <= 0):
        row = int(np.argmax(steps <= 0)) + 2
        raise ValueError(f"{path}: time does not increase at data row {row}")


def _in_degrees(settings: dict[str, str]) -> bool:
    """As OpenSim decides: tables from before its versioned format are in degrees."""
    if "indegrees" in settings:
        return settings["indegrees"] in ("yes", "y")
    return "version" not in settings


def _settings(header: list[str]) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in header if "=" in line)
    return {key.strip().lower(): value.strip().lower() for key, value in pairs}


def write_storages(
    folder: Path,
    tables: Iterable[tuple[str, Storage, tuple[str, ...]]],
    *,
    replaced: Iterable[str] = (),
) -> list[Path]:
    """Write several files into `folder`; all are complete before the first appears.

    Args:
        tables: name, table and notes of each file.
        replaced: names of files that these take the place of: those that are not written go.

    Returns:
        Paths of the files written, by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    try:
        for name, table, notes in tables:
            write_storage(staging / name, table, notes=notes)
        for name in replaced:
            (folder / name).unlink(missing_ok=True)
        written = []
        for file in sorted(staging.iterdir()):
            file.replace(folder / file.name)
            written.append(folder / file.name)
        return written
    finally:
        shutil.rmtree(staging)


def write_storage(path: str | Path, table: Storage, *, notes: tuple[str, ...] = ()) -> None:
    """Write `table` as a `.mot` or `.sto` file that OpenSim and its GUI load.

    The file appears whole or not at all.

    Args:
        notes: further lines for the header, without `=`.
    """
    path = Path(path)
    rows = np.column_stack([table.time, table.data])
    text = io.StringIO()
    print(table.name, "version=1", f"nRows={len(rows)}", f"nColumns={rows.shape[1]}",
          f"inDegrees={'yes' if table.in_degrees else 'no'}", *notes, "endheader",
          "\t".join(("time", *table.columns)), sep="\n", file=text)  # fmt: skip
    np.savetxt(text, rows, fmt="%.12g", delimiter="\t")
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text.getvalue())
    os.replace(partial, path)
