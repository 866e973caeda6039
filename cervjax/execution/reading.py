"""Reading what was stored: damage and edits end as one line that names the file and the remedy."""

import csv
import errno
import hashlib
import json
import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

_DAMAGE = (
    ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, ArithmeticError,
    EOFError, RecursionError, MemoryError, NotImplementedError, struct.error, zipfile.BadZipFile,
    zlib.error, lzma.LZMAError, tokenize.TokenError, SyntaxError, csv.Error,
)  # fmt: skip
"""What readers of formats raise where bytes or values are not what they expect."""
_SEAL = "sha256"
"""Name under which a file carries the checksum of everything else in it."""
_LARGEST = 2**31
"""Bytes of one array that is read from an archive."""


@contextmanager
def reading(path: str | Path | Any, what: str, remedy: str) -> Iterator[None]:
    """Whatever a damaged file makes a reader raise becomes a `ValueError` that names it.

    Args:
        path: of the file.
        what: it should be, with an article.
        remedy: what to do, as a sentence's end.

    Yields:
        Once; a `ValueError` whose message names the file already passes as it is.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        yield
    except (*_DAMAGE, OSError) as error:
        # Archives seek to where a damaged directory sends them.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        said = str(error)
        if isinstance(error, ValueError) and str(path) in said:
            raise
        said = said.splitlines()[0][:200] if said else type(error).__name__
        raise ValueError(f"{path} is not {what}, or is damaged ({said}); {remedy}") from error


def read_json(
    path: Path,
    what: str,
    remedy: str,
    known: Callable[[Mapping[str, Any]], None] = lambda content: None,
) -> dict[str, Any]:
    """The object in a JSON file; where it carries a seal, unchanged since it was written.

    Args:
        path: of the file.
        what: it should be, with an article.
        remedy: what to do otherwise.
        known: raises a `ValueError` where the content is of another version, whose seal may be
            another.

    Returns:
        Values by name, without the seal.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, holds something else, or was edited.
    """
    with reading(path, what, remedy):
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it holds no object")
        known(content)
        seal = content.pop(_SEAL, None)
        if seal is not None and seal != seal_of(content):
            raise ValueError("it was edited after it was written")
    return content


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """`content` with the checksum by which `read_json` notices edits.

    Args:
        content: plain values by name.

    Returns:
        The same and one more.
    """
    return {**content, _SEAL: seal_of(content)}


def seal_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of plain values, as JSON has them.

    Args:
        content: by name; a seal among them does not count.

    Returns:
        Hexadecimal digits.
    """
    plain = {k: v for k, v in content.items() if k != _SEAL}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(json.dumps(json.loads(text), sort_keys=True).encode()).hexdigest()


def sealed_arrays(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays with the checksum by which `read_arrays` notices edits.

    Args:
        arrays: by name.

    Returns:
        The same and one more, to be written as NPZ.
    """
    plain = {name: np.asarray(value) for name, value in arrays.items()}
    return {**plain, _SEAL: np.array(_sum_of(plain))}


def read_arrays(path: Path, what: str, remedy: str) -> dict[str, np.ndarray]:
    """The arrays of an NPZ file; where it carries a seal, unchanged since it was written.

    Args:
        path: of the file.
        what: it should be, with an article.
        remedy: what to do otherwise.

    Returns:
        Arrays by name, without the seal.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or was edited.
    """
    with reading(path, what, remedy):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.file_size > _LARGEST:
                    raise ValueError(f"{entry.filename} has {entry.file_size} bytes")
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored.items())
        if not all(isinstance(x, np.ndarray) for x in arrays.values()):
            raise ValueError("it holds something else than arrays")
        seal = arrays.pop(_SEAL, None)
        if seal is not None and str(seal) != _sum_of(arrays):
            raise ValueError("it was edited after it was written")
    return arrays


def _sum_of(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        value = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {value.dtype.str} {value.shape} ".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
