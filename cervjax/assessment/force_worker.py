"""Forces solved beside everything else: the solver compiles while the recording is read."""

import abc
import os
import pickle
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

import jax

from cervjax.spec import ModelSpec

from .forces import ForceSolver, ForceSummary, movement_forces


class AbstractForceWorker(abc.ABC):
    """Solves one movement, once its solver is compiled."""

    @abc.abstractmethod
    def __call__(self, *movement: Any) -> Callable[[], ForceSummary]:
        """Begin `movement_forces` with a solver that was begun with this object.

        Args:
            movement: the arguments of `movement_forces` after the solver.

        Returns:
            Waits for forces (N) and joint loads (N) of the frames solved.
        """

    @classmethod
    def of(cls, spec: ModelSpec, *, own_process: bool) -> "AbstractForceWorker":
        """A worker for necks like `spec`, which begins to compile.

        Args:
            spec: of the model.
            own_process: whether in a process of its own, which Python's lock does not hold up.

        Returns:
            Something to call with the arguments of `movement_forces` after the solver.
        """
        return _ProcessWorker(spec) if own_process else _ThreadWorker(spec)


class _ThreadWorker(AbstractForceWorker):
    def __init__(self, spec: ModelSpec) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._solver: Future[ForceSolver] = self._pool.submit(ForceSolver.of, spec)

    def __call__(self, *movement: Any) -> Callable[[], ForceSummary]:
        solved = self._pool.submit(lambda: movement_forces(self._solver.result(), *movement))
        self._pool.shutdown(wait=False)
        return solved.result


class _ProcessWorker(AbstractForceWorker):
    def __init__(self, spec: ModelSpec) -> None:
        self._pool = ProcessPoolExecutor(1, get_context("spawn"))
        double = bool(jax.config.read("jax_enable_x64"))
        # Pickled here: the pool would do it in a thread, while this one adds to the spec's caches.
        self._begun = self._pool.submit(_begin, pickle.dumps(spec), double)

    def __call__(self, *movement: Any) -> Callable[[], ForceSummary]:
        solved = self._pool.submit(_solve, pickle.dumps(movement))
        return lambda: self._waited(solved)

    def _waited(self, solved: Future[ForceSummary]) -> ForceSummary:
        try:
            self._begun.result()
            return solved.result()
        except BrokenProcessPool as error:
            raise OSError(
                "the process that solves muscle forces ended (out of memory?); --no-forces leaves "
                "them out"
            ) from error
        finally:
            self._pool.shutdown(wait=False)


_SOLVER: list[ForceSolver] = []
"""Of a worker's process."""


def _begin(pickled: bytes, double: bool) -> None:
    # A few thousand rows are solved: compiling well would take longer than it saves.
    flags = os.environ.get("XLA_FLAGS", "")
    if "optimization_level" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_backend_optimization_level=0".strip()
    jax.config.update("jax_enable_x64", double)
    _SOLVER.append(ForceSolver.of(pickle.loads(pickled)))


def _solve(pickled: bytes) -> ForceSummary:
    return movement_forces(_SOLVER[0], *pickle.loads(pickled))
