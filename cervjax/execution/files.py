"""Files that appear whole or not at all."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def replace_file(path: str | Path, *, durable: bool = False) -> Iterator[IO[bytes]]:
    """A file to write to that takes the place of `path` when all went well.

    Args:
        path: of the file; its folder is made if absent.
        durable: wait until it is on the disk for good.

    Yields:
        An open binary file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_text(path: str | Path, text: str, *, durable: bool = False) -> None:
    """Write `text` as UTF-8; the file appears whole or not at all.

    Args:
        path: of the file.
        text: its content.
        durable: see `replace_file`.
    """
    with replace_file(path, durable=durable) as file:
        file.write(text.encode())


def write_json(path: str | Path, content: Any, *, durable: bool = False) -> None:
    """Write `content` as JSON; the file appears whole or not at all.

    Args:
        path: of the file.
        content: plain values.
        durable: see `replace_file`.
    """
    write_text(path, json.dumps(content, indent=1) + "\n", durable=durable)
