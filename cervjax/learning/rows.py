"""Rows to learn from: what a network is told, what mechanics asks for, what the optimizer answered."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int

from cervjax.dynamics import mechanics
from cervjax.labels import LabelBatch
from cervjax.model import NeckModel
from cervjax.motion import MotionSample
from cervjax.muscle import rigid_tendon_state
from cervjax.personalization import Personalizer, Subject

from .inputs import NetworkInputs, motion_inputs

_CHUNK = 128
"""Rows computed at once on a device: about a hundred stay in a CPU core's caches."""
_CALL = 64 * _CHUNK
"""Rows per device and call."""


class Balance(NamedTuple):
    """The mechanics of a row: what is asked of the muscles, and what they have to give.

    Attributes:
        moment_arm: m.
        capacity: N, force of each muscle at full activation (convention `opensim`).
        target: N m, the generalized forces to supply.
    """

    moment_arm: Float[Array, "*rows free muscles"]
    capacity: Float[Array, "*rows muscles"]
    target: Float[Array, "*rows free"]

    @property
    def matrix(self) -> Float[Array, "*rows free muscles"]:
        """N m that a unit of each activation supplies."""
        return self.moment_arm * self.capacity[..., None, :]


class TrainingRows(eqx.Module):
    """Rows, as losses and judgement need them.

    Attributes:
        inputs: of the network.
        balance: of the row's person and frame.
        activation, force: the labels; 1, N.
        reserve_force: N m, what reserves carry in each free coordinate of the label.
    """

    inputs: NetworkInputs
    balance: Balance
    activation: Float[Array, "*rows muscles"]
    force: Float[Array, "*rows muscles"]
    reserve_force: Float[Array, "*rows free"]

    def __len__(self) -> int:
        """Rows; a batch has one leading axis."""
        return len(self.force)

    @property
    def muscle_torque(self) -> Float[Array, "*rows free"]:
        """N m that the muscles of the label supply."""
        return self.balance.target - self.reserve_force


def frame_balance(
    model: NeckModel, motion: MotionSample, gravity: Float[Array, " 3"] | None = None
) -> Balance:
    """The mechanics of one frame; vmap for many.

    Args:
        gravity: m/s^2, in the torso's frame; the model's own if None.
    """
    if gravity is not None:
        model = eqx.tree_at(lambda m: m.gravity, model, gravity)
    frame = mechanics(model, *motion)
    state = rigid_tendon_state(model.muscles, frame.length, frame.lengthening_speed)
    free = model.topology.free
    return Balance(
        frame.moment_arm[:free], state.opensim_active_force, frame.generalized_force[:free]
    )


class RowBuilder:
    """Makes `TrainingRows` of labels, on all local devices, with one compiled function."""

    def __init__(self, personalizer: Personalizer, input_set: str) -> None:
        """Prepare; compilation happens at the first call."""
        self.personalizer = personalizer
        self.input_set = input_set
        devices = np.array(jax.local_devices())
        self._rows = _CALL * devices.size
        mesh, spec = Mesh(devices, ("device",)), PartitionSpec("device")

        def row(values: tuple[Array, ...]) -> tuple[Array, Balance]:
            ratios, gravity, *frame = values
            model = personalizer(Subject.from_vector(ratios))
            motion = MotionSample(*frame)
            inputs = motion_inputs(model, input_set, motion, gravity)
            return inputs, frame_balance(model, motion, gravity)

        def rows(*values: Array) -> tuple[Array, Balance]:
            return jax.lax.map(row, values, batch_size=_CHUNK)

        self._compiled = jax.jit(
            jax.shard_map(rows, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
        )

    def __call__(
        self, labels: LabelBatch, person: Float[np.ndarray, "rows person"]
    ) -> TrainingRows:
        """The rows of `labels`, in memory of the host.

        Args:
            person: inputs of each row's person.
        """
        given = [
            np.asarray(x)
            for x in (labels.subject, labels.gravity, labels.q, labels.qd, labels.qdd)
        ]
        count = len(given[0])
        parts = []
        for start in range(0, count, self._rows):
            block = [x[start : start + self._rows] for x in given]
            # The last call is filled up with its last row, so that all have one shape.
            filled = [
                np.pad(x, ((0, self._rows - len(x)), (0, 0)), mode="edge") for x in block
            ]
            done = self._compiled(*filled)
            parts.append(jax.tree.map(lambda x, n=len(block[0]): np.asarray(x)[:n], done))
        motion, balance = jax.tree.map(lambda *x: np.concatenate(x), *parts)
        topology = self.personalizer.model.topology
        reserves = np.zeros_like(balance.target)
        carried = np.asarray(labels.reserve_force)
        for k, coordinate in enumerate(topology.reserve_coordinates):
            reserves[:, coordinate] += carried[:, k]
        # The label's own target: that of a stored row is what was solved.
        balance = balance._replace(target=np.asarray(labels.generalized_force))
        person = np.asarray(person, motion.dtype)
        return TrainingRows(
            NetworkInputs(motion, person),
            balance,
            np.asarray(labels.activation),
            np.asarray(labels.muscle_force),
            reserves,
        )


def select_rows(rows: TrainingRows, index: Int[np.ndarray, " n"]) -> TrainingRows:
    """The rows `index`."""
    return jax.tree.map(lambda x: x[index], rows)


def joined_rows(parts: list[TrainingRows]) -> TrainingRows:
    """All rows of `parts`, one after the other."""
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


def as_device_rows(rows: TrainingRows) -> TrainingRows:
    """`rows` as JAX arrays."""
    return jax.tree.map(jnp.asarray, rows)
