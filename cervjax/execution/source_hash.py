"""A hash of the package's own sources: results of another version may differ."""

import functools
import hashlib
from pathlib import Path

_SUFFIXES = (".py", ".csv", ".toml", ".json")


@functools.cache
def source_hash(left_out: tuple[str, ...]) -> str:
    """SHA-256 of the names and contents of sources and tables.

    Args:
        left_out: names of rooms (packages at the top level) that do not enter.

    Returns:
        64 hexadecimal digits.
    """
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root)
        if name.parts[0] not in left_out and file.suffix in _SUFFIXES:
            digest.update(name.as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()
