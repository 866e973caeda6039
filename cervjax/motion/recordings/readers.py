"""Readers of recordings, found by what a file is. Every command reads with all of them.

A reader is one file: a class of `AbstractRecordingReader` that is registered.
"""

import abc
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .markers import MarkerRecording
from .orientations import OrientationRecording

Recording = MarkerRecording | OrientationRecording


@dataclass(frozen=True)
class ReadOptions:
    """What a reader may have to be told.

    Attributes:
        up: axis of the laboratory or of the ground frame that points up; the format's own if None.
        torso, head: names of the columns of an orientation file.
    """

    up: str | None = None
    torso: str = "torso"
    head: str = "skull"


class AbstractRecordingReader(abc.ABC):
    """Reads one format of recordings.

    Attributes:
        suffixes: of files, lower case, with the dot.
    """

    suffixes: tuple[str, ...]

    def recognizes(self, path: Path) -> bool:
        """Whether a file that is there is of this format.

        Args:
            path: of a file with one of `suffixes`.

        Returns:
            True where no look into it is needed.
        """
        return True

    @abc.abstractmethod
    def read(self, path: Path, options: ReadOptions) -> Recording:
        """Read a file.

        Args:
            path: of the file.
            options: which the format may need.

        Returns:
            Markers (m) or orientations, in a frame whose y axis points up.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, or lacks what it should hold; the message says what.
        """


RECORDING_READERS: list[AbstractRecordingReader] = []
"""Every reader, in the order in which they are asked."""

_Reader = TypeVar("_Reader", bound=AbstractRecordingReader)


def register_reader(reader: type[_Reader]) -> type[_Reader]:
    """Make a format known to all commands.

    Args:
        reader: a class without arguments.

    Returns:
        The class itself: this is a decorator.
    """
    RECORDING_READERS.append(reader())
    return reader


def find_reader(path: Path) -> AbstractRecordingReader | None:
    """The reader of a file.

    Args:
        path: of a file that is there.

    Returns:
        The first reader that recognizes it; None where none does.
    """
    for reader in RECORDING_READERS:
        if path.suffix.lower() in reader.suffixes and reader.recognizes(path):
            return reader
    return None


def known_suffixes() -> tuple[str, ...]:
    """Suffixes that some reader knows.

    Returns:
        Each once, with the dot.
    """
    return tuple(dict.fromkeys(s for reader in RECORDING_READERS for s in reader.suffixes))
