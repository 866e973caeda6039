"""Forces solved beside everything else: the solver compiles while the recording is read."""

import abc
import os
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

import jax

from cervjax.people import AssessedPerson
from cervjax.spec import ModelSpec

from .forces import ForceSolver, ForceSummary, movement_forces


class AbstractForceWorker(abc.ABC):
    """Solves one movement, once its solver is compiled."""

    @abc.abstractmethod
    def __call__(self, *movement: Any) -> ForceSummary:
        """`movement_forces` of a solver that was begun with this object.

        Args:
            movement: the arguments of `movement_forces` after the solver.

        Returns:
            Forces (N) and joint loads (N) of the frames solved.
        """

    @classmethod
    def of(
        cls, spec: ModelSpec, person: AssessedPerson, *, own_process: bool
    ) -> "AbstractForceWorker":
        """A worker for necks like `spec`, which begins to compile.

        Args:
            spec: of the model.
            person: who moves.
            own_process: whether in a process of its own, which Python's lock does not hold up.

        Returns:
            Something to call with the arguments of `movement_forces` after the solver.
        """
        return _ProcessWorker(spec, person) if own_process else _ThreadWorker(spec, person)


class _ThreadWorker(AbstractForceWorker):
    def __init__(self, spec: ModelSpec, person: AssessedPerson) -> None:
        pool = ThreadPoolExecutor(1)
        self._solver: Future[ForceSolver] = pool.submit(ForceSolver.of, spec, person)
        pool.shutdown(wait=False)

    def __call__(self, *movement: Any) -> ForceSummary:
        return movement_forces(self._solver.result(), *movement)


class _ProcessWorker(AbstractForceWorker):
    def __init__(self, spec: ModelSpec, person: AssessedPerson) -> None:
        self._pool = ProcessPoolExecutor(1, get_context("spawn"))
        double = bool(jax.config.read("jax_enable_x64"))
        self._begun = self._pool.submit(_begin, spec, person, double)

    def __call__(self, *movement: Any) -> ForceSummary:
        try:
            self._begun.result()
            return self._pool.submit(_solve, movement).result()
        except BrokenProcessPool as error:
            raise OSError(
                "the process that solves muscle forces ended (out of memory?); --no-forces leaves "
                "them out"
            ) from error
        finally:
            self._pool.shutdown(wait=False)


_SOLVER: list[ForceSolver] = []
"""Of a worker's process."""


def _begin(spec: ModelSpec, person: AssessedPerson, double: bool) -> None:
    # A few thousand rows are solved: compiling well would take longer than it saves.
    flags = os.environ.get("XLA_FLAGS", "")
    if "optimization_level" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_backend_optimization_level=0".strip()
    jax.config.update("jax_enable_x64", double)
    _SOLVER.append(ForceSolver.of(spec, person))


def _solve(movement: tuple[Any, ...]) -> ForceSummary:
    return movement_forces(_SOLVER[0], *movement)
