"""Rows to learn from: what a network is told, what mechanics asks, what the optimizer answered."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int

from cervjax.dynamics import mechanics
from cervjax.labels import LabelBatch
from cervjax.model import Model, Topology
from cervjax.motion.synthesis import MotionSample
from cervjax.muscle import rigid_tendon_state
from cervjax.people import Personalizer, Subject

from .inputs import AnyArray, NetworkInputs, motion_inputs

_CHUNK = 128
"""Rows computed at once on a device: about a hundred stay in a CPU core's caches."""
_CALL = 64 * _CHUNK
"""Rows per device and call."""


class Frame(NamedTuple):
    """All that mechanics needs to know of a row.

    Attributes:
        subject: ratios, in the order of `cervjax.people.LIMITS`.
        gravity: m/s^2, in the torso's frame.
        motion: of the free coordinates.
    """

    subject: Float[AnyArray, "*rows ratios"]
    gravity: Float[AnyArray, "*rows 3"]
    motion: MotionSample


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
        frame: of the row's person; its mechanics are computed where they are needed, since moment
            arms would be ten times the bytes of all the rest.
        activation, force: the labels; 1, N.
        target: N m, generalized forces that were to be supplied.
        reserve_force: N m, what reserves carry in each free coordinate of the label.
    """

    inputs: NetworkInputs
    frame: Frame
    activation: Float[AnyArray, "*rows muscles"]
    force: Float[AnyArray, "*rows muscles"]
    target: Float[AnyArray, "*rows free"]
    reserve_force: Float[AnyArray, "*rows free"]

    def __len__(self) -> int:
        """Rows; a batch has one leading axis."""
        return len(self.force)

    @property
    def capacity(self) -> Float[AnyArray, "*rows muscles"]:
        """N, force of each muscle at full activation: activations are never zero."""
        return self.force / self.activation


def frame_balance(model: Model, motion: MotionSample) -> Balance:
    """The mechanics of one frame of the person `model`; vmap for many."""
    frame = mechanics(model, *motion)
    state = rigid_tendon_state(model.muscles, frame.length, frame.lengthening_speed)
    free = model.topology.num_free
    return Balance(
        frame.moment_arm[:free], state.opensim_active_force, frame.generalized_force[:free]
    )


def frame_model(personalizer: Personalizer, frame: Frame) -> Model:
    """The neck of the person of one row, under the row's gravity."""
    model = personalizer(Subject.from_vector(jnp.asarray(frame.subject)))
    return eqx.tree_at(lambda m: m.gravity, model, jnp.asarray(frame.gravity))


def row_balance(personalizer: Personalizer, frame: Frame) -> Balance:
    """The mechanics of one row; vmap for many."""
    return frame_balance(frame_model(personalizer, frame), frame.motion)


class RowBuilder:
    """Makes `TrainingRows` of labels, on all local devices, with one compiled function."""

    def __init__(self, personalizer: Personalizer, input_set: str) -> None:
        """Prepare; compilation happens at the first call."""
        self.personalizer = personalizer
        self.input_set = input_set
        self._sensed = None
        if input_set != "full":

            def sensed(frame: Frame) -> Array:
                model = frame_model(personalizer, frame)
                return motion_inputs(model, input_set, frame.motion, model.gravity)

            self._sensed = _over_devices(sensed)

    def __call__(
        self, labels: LabelBatch, person: Float[np.ndarray, "rows person"]
    ) -> TrainingRows:
        """The rows of `labels`, in memory of the host.

        Args:
            person: inputs of each row's person.
        """
        motion = jax.tree.map(np.asarray, labels.motion)
        frame = Frame(np.asarray(labels.subject), np.asarray(labels.gravity), motion)
        if self._sensed is None:
            seen = np.concatenate([*motion, frame.gravity], axis=1)
        else:
            seen = self._sensed(frame)
        return TrainingRows(
            NetworkInputs(seen, np.asarray(person, seen.dtype)),
            frame,
            np.asarray(labels.activation),
            np.asarray(labels.muscle_force),
            np.asarray(labels.generalized_force),
            reserve_forces(labels, self.personalizer.model.topology),
        )


class BalanceBuilder:
    """Computes the mechanics of many rows, on all local devices, with one compiled function."""

    def __init__(self, personalizer: Personalizer) -> None:
        """Prepare; compilation happens at the first call."""
        self._balance = _over_devices(lambda frame: row_balance(personalizer, frame))

    def __call__(self, rows: TrainingRows) -> Balance:
        """The mechanics of `rows`, in memory of the host."""
        return self._balance(rows.frame)


def reserve_forces(labels: LabelBatch, topology: Topology) -> Float[np.ndarray, "rows free"]:
    """N m, what the reserves of `labels` carry in each free coordinate."""
    carried = np.asarray(labels.reserve_force)
    found = np.zeros(np.shape(labels.generalized_force), carried.dtype)
    for k, coordinate in enumerate(topology.reserve_coordinates):
        found[:, coordinate] += carried[:, k]
    return found


def _over_devices(function):
    """`function` of one row's `Frame`, for any number of rows; to and from the host's memory."""
    devices = np.array(jax.local_devices())
    mesh, spec = Mesh(devices, ("device",)), PartitionSpec("device")
    size = _CALL * devices.size

    def rows(frame: Frame):
        return jax.lax.map(function, frame, batch_size=_CHUNK)

    compiled = jax.jit(
        jax.shard_map(rows, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    )

    def call(frame: Frame):
        count, parts = len(frame.subject), []
        for start in range(0, count, size):
            block = jax.tree.map(lambda x, s=start: np.asarray(x)[s : s + size], frame)
            have = len(block.subject)
            # The last call is filled up with its last row, so that all have one shape.
            filled = jax.tree.map(
                lambda x, n=size - have: np.pad(x, ((0, n), (0, 0)), mode="edge"), block
            )
            parts.append(jax.tree.map(lambda x, n=have: np.asarray(x)[:n], compiled(filled)))
        return jax.tree.map(lambda *x: np.concatenate(x), *parts)

    return call


def select_rows(rows: TrainingRows, index: Int[np.ndarray, " n"]) -> TrainingRows:
    """The rows `index`."""
    return jax.tree.map(lambda x: x[index], rows)


def joined_rows(parts: list[TrainingRows]) -> TrainingRows:
    """All rows of `parts`, one after the other."""
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)
