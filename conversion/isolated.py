"""OpenSim's reader in a process of its own: damaged files may crash it, or keep it for ever.

One process serves every file of a session, because importing OpenSim takes seconds; one that a file
has crashed is replaced.
"""

import atexit
import os
import subprocess
import sys
import threading
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from cervjax.spec import ModelSpec

_SECONDS = 60.0
"""For one file; the largest public models take two."""
_BYTES = 6 * 2**30
_LOCK = threading.Lock()
_SERVER: list["_Server"] = []


class _Server:
    """A process that reads models."""

    def __init__(self) -> None:
        self._own, theirs = Pipe()
        arguments = [sys.executable, "-m", "conversion.isolated", str(theirs.fileno()), str(_BYTES)]
        root = str(Path(__file__).resolve().parent.parent)
        path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
        self._process = subprocess.Popen(
            arguments,
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        theirs.close()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, path: str, allow_unsupported: bool) -> Any:
        """What `read_here` returns or raises; None where the process ended or took too long."""
        try:
            self._own.send((os.getcwd(), path, allow_unsupported))
            if not self._own.poll(_SECONDS):
                self.stop()
                return None
            return self._own.recv()
        except (EOFError, OSError):
            self.stop()
            return None

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._own.close()


def read_osim(path: str | Path, *, allow_unsupported: bool = False) -> ModelSpec:
    """Read an OpenSim model (any file version OpenSim 4.6 reads), in a process of its own.

    Args:
        path: an `.osim` file.
        allow_unsupported: leave out what cannot be carried (wrap objects, moving and conditional
            path points, ligaments, contact, ...) and list it in `ModelSpec.omitted`, instead of
            raising. What does nothing in an analysis is left out and listed in any case.

    Returns:
        A model in SI units.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not an OpenSim model, the model is malformed, or OpenSim crashes on
            it or reads it for longer than a minute.
        UnsupportedComponentError: the model has components that a `ModelSpec` cannot carry.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no OpenSim model at {path}")
    if os.name != "posix":
        from .opensim_reader import read_here

        return read_here(path, allow_unsupported=allow_unsupported)
    with _LOCK:
        if not _SERVER or not _SERVER[0].alive:
            _SERVER[:] = [_Server()]
        answer = _SERVER[0].ask(str(path), allow_unsupported)
        if answer is None:
            _SERVER.clear()
            raise ValueError(
                f"OpenSim cannot read {path}: it is damaged, so that OpenSim crashes or takes more "
                f"than {_SECONDS:.0f} s or {_BYTES / 2**30:.0f} GiB"
            )
    if isinstance(answer, Exception):
        raise answer
    return answer


@atexit.register
def _stop() -> None:
    for server in _SERVER:
        server.stop()


def _serve(descriptor: int, most: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    from .opensim_reader import read_here

    connection = Connection(descriptor)
    while True:
        try:
            folder, path, allow_unsupported = connection.recv()
            os.chdir(folder)
        except (EOFError, OSError):
            return
        try:
            answer: Any = read_here(Path(path), allow_unsupported=allow_unsupported)
        except Exception as error:
            answer = error
        try:
            connection.send(answer)
        except Exception as error:
            # Not everything that is raised can be sent.
            connection.send(ValueError(f"OpenSim cannot read {path}: {answer or error}"))


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
