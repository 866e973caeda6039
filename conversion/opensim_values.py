"""What every reader of OpenSim's objects needs: vectors, and files of a kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .opensim_support import quiet_opensim


def open_as(path: Path, opened: Callable[[str], Any], what: str) -> Any:
    """An OpenSim object from its file.

    Args:
        path: of the file.
        opened: makes the object.
        what: the object is, for the message of an error.

    Returns:
        The object.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}")
    quiet_opensim()
    try:
        return opened(str(path))
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{path} is not {what}: {reason}") from error
