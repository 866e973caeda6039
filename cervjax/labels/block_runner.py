"""Blocks of people over all devices of this process."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from cervjax.people import Person

from .factory import LabelFactory
from .row import LabelBatch


class BlockRunner:
    """Computes `count` blocks at a time, shared out over local devices.

    Compiled once for factories of equal shape.

    Every device computes whole blocks, so that a row does not depend on how many devices there
    are. On a CPU, JAX counts as many devices as `jax_num_cpu_devices` says; one per core is
    fastest.
    """

    def __init__(
        self, factory: LabelFactory, count: int, devices: Sequence[Any] | None = None
    ) -> None:
        """Prepare; compilation happens at the first call.

        Args:
            devices: those of this process if None.
        """
        self.count = count
        self.factory = factory
        mesh = Mesh(np.array(jax.local_devices() if devices is None else devices), ("device",))
        spec = PartitionSpec("device")
        self._sharding = NamedSharding(mesh, spec)
        # Two at least for a device: XLA dissolves a loop over a single one, fuses across it, and
        # the last bits change.
        self.computed = max(2, -(-count // mesh.size)) * mesh.size
        self._mesh = mesh

    @property
    def wasted(self) -> float:
        """Blocks that nobody asked for, as a part of those computed; no unit."""
        return 1 - self.count / self.computed

    def __call__(self, first: int) -> tuple[Person, LabelBatch]:
        """Compute blocks `first` to `first + count - 1`.

        Blocks after these that fill up the devices follow them in the arrays. They are not cut off
        here: that would take a collective of all devices, and two of these at a time stop a CPU
        with fewer cores than devices for good.

        Returns:
            People, and their rows person by person; at once, while the devices compute. The arrays
            stay on them.
        """
        return _computed(self.factory, self._index(first), self._mesh)

    def shapes(self) -> tuple[Person, LabelBatch]:
        """What a call returns, as shapes and types."""
        return eqx.filter_eval_shape(_computed, self.factory, self._index(0), self._mesh)

    def compiled(self) -> Any:
        """The compiled program, for its cost analysis."""
        return _computed.lower(self.factory, self._index(0), self._mesh).compile().compiled

    def _index(self, first: int) -> jax.Array:
        index = np.arange(first, first + self.computed, dtype=np.uint32)
        return jax.device_put(jnp.asarray(index), self._sharding)


@eqx.filter_jit
def _computed(factory: LabelFactory, index: jax.Array, mesh: Mesh) -> tuple[Person, LabelBatch]:
    arrays, rest = eqx.partition(factory, eqx.is_array)
    split = PartitionSpec("device")

    def blocks(arrays: LabelFactory, index: jax.Array) -> tuple[Person, LabelBatch]:
        return eqx.combine(arrays, rest).blocks(index)

    return jax.shard_map(
        blocks, mesh=mesh, in_specs=(PartitionSpec(), split), out_specs=split, check_vma=False
    )(arrays, index)
