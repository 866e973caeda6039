"""Several processes, on one machine or many, with JAX's own distributed runtime."""

from dataclasses import dataclass

import jax
from jax.experimental import multihost_utils


@dataclass(frozen=True)
class Hosts:
    """The processes that share a piece of work.

    Attributes:
        process: number of this one.
        count: of all.
    """

    process: int = 0
    count: int = 1

    @classmethod
    def connect(
        cls,
        coordinator: str | None = None,
        processes: int | None = None,
        process: int | None = None,
    ) -> "Hosts":
        """Join the other processes; call before JAX touches a device.

        Under Slurm, Open MPI or on a TPU pod nothing need be given; elsewhere every process gets
        the `host:port` of process 0, how many there are, and its own number. Local devices are
        those of this process, also of a CPU.

        Returns:
            Number of this process, and how many there are.

        Raises:
            ValueError: the three are not given together.
        """
        given = [x is not None for x in (coordinator, processes, process)]
        if any(given) and not all(given):
            raise ValueError(
                "coordinator, processes and process belong together: "
                f"got {coordinator!r}, {processes}, {process}"
            )
        jax.distributed.initialize(coordinator, processes, process)
        return cls(jax.process_index(), jax.process_count())

    @property
    def is_first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.process == 0

    def wait(self, name: str) -> None:
        """Wait until every process has come here.

        Raises:
            RuntimeError: another process is lost.
        """
        if self.count > 1:
            multihost_utils.sync_global_devices(name)
