"""Orientations of two bodies in OpenSense's `.sto` files of quaternions."""

from pathlib import Path

import numpy as np

from .marker_files import refuse_large
from .orientations import OrientationRecording
from .readers import AbstractRecordingReader, ReadOptions, register_reader

_MARK = "datatype=quaternion"


@register_reader
class OpenSenseReader(AbstractRecordingReader):
    """Files that OpenSim's IMU tools write and read."""

    suffixes = (".sto",)

    def recognizes(self, path: Path) -> bool:
        """Whether the header says that the table is of quaternions.

        Returns:
            False for other tables of OpenSim.
        """
        with path.open(errors="replace") as file:
            for line in file:
                mark = line.strip().lower().replace(" ", "")
                if mark == _MARK:
                    return True
                if mark == "endheader":
                    break
        return False

    def read(self, path: Path, options: ReadOptions) -> OrientationRecording:
        """The columns of torso and head; scalar first, of the bodies' own frames.

        Returns:
            Orientations, turned so that y points up.
        """
        return read_orientations_sto(
            path, torso=options.torso, head=options.head, up=options.up or "y"
        )


def read_orientations_sto(
    path: str | Path, *, torso: str = "torso", head: str = "skull", up: str = "y"
) -> OrientationRecording:
    """Orientations of two bodies from an OpenSense file.

    Args:
        path: of the file.
        torso: name of its column.
        head: name of its column.
        up: axis of the file's ground that points up, y or z.

    Returns:
        Orientations in a ground frame whose y axis points up.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has no such columns, or is no file of orientations; the message says why.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    refuse_large(path)
    lines = path.read_text(errors="replace").splitlines()
    ends = [i for i, line in enumerate(lines) if line.strip().lower() == "endheader"]
    header = [line.strip().lower().replace(" ", "") for line in lines[: ends[0]]] if ends else []
    body = [line.split() for line in lines[ends[0] + 1 :] if line.strip()] if ends else []
    if _MARK not in header or len(body) < 2:
        raise ValueError(f"{path} is no OpenSense file of orientations")
    names, rows = body[0], body[1:]
    missing = [name for name in (torso, head) if name not in names]
    if missing:
        raise ValueError(f"{path} has no columns {missing}; there are {names[1:]}")
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise ValueError(f"{path}: row {number} has {len(row)} values, the header {len(names)}")
    try:
        time = np.array([float(row[0]) for row in rows])
        columns = [
            np.array([[float(x) for x in row[names.index(name)].split(",")] for row in rows])
            for name in (torso, head)
        ]
    except ValueError as error:
        raise ValueError(f"{path} holds something that is not a number: {error}") from error
    if any(c.shape != (len(rows), 4) for c in columns):
        raise ValueError(f"{path}: orientations are not four numbers each, w,x,y,z")
    return OrientationRecording.of(path.name, time, *columns, up=up)
