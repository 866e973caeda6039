"""Rows to learn from: what a network is told, what mechanics asks, what the optimizer answered."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cervjax.dynamics import mechanics
from cervjax.execution import map_rows
from cervjax.labels import LabelBatch
from cervjax.model import Model, Topology
from cervjax.motion.synthesis import MotionSample
from cervjax.muscle import rigid_tendon_state
from cervjax.optimization import TorqueEquation
from cervjax.people import Personalizer, Subject

from .inputs import AnyArray, NetworkInputs, motion_inputs

_ACTIVE = 1e-6
"""Activation below which a muscle's force does not tell its capacity."""


class LabelledPose(NamedTuple):
    """All that mechanics needs to know of a row.

    Attributes:
        subject: ratios, in the order of `cervjax.people.LIMITS`.
        gravity: m/s^2, in the torso's frame.
        motion: of the free coordinates.
    """

    subject: Float[AnyArray, "*rows ratios"]
    gravity: Float[AnyArray, "*rows 3"]
    motion: MotionSample


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
    frame: LabelledPose
    activation: Float[AnyArray, "*rows muscles"]
    force: Float[AnyArray, "*rows muscles"]
    target: Float[AnyArray, "*rows free"]
    reserve_force: Float[AnyArray, "*rows free"]

    def __len__(self) -> int:
        """Rows; a batch has one leading axis."""
        return len(self.force)

    @property
    def capacity(self) -> Float[AnyArray, "*rows muscles"]:
        """N, force of each muscle at full activation; NaN where it is not active."""
        active = self.activation > _ACTIVE
        numpy = np if isinstance(self.force, np.ndarray) else jnp
        return numpy.where(
            active, self.force / numpy.where(active, self.activation, 1.0), numpy.nan
        )


def torque_equation(model: Model, motion: MotionSample) -> TorqueEquation:
    """The torque equation of one frame, in convention `opensim`; vmap for many.

    Args:
        model: of the person, under the frame's gravity.
        motion: of all coordinates; rad, s.

    Returns:
        Moment arms (m), capacities (N) and torques (N m) in the free coordinates.
    """
    frame = mechanics(model, *motion)
    state = rigid_tendon_state(model.muscles, frame.length, frame.lengthening_speed)
    free = model.topology.num_free
    return TorqueEquation(
        frame.moment_arm[:free], state.opensim_active_force, frame.generalized_force[:free]
    )


def pose_model(personalizer: Personalizer, pose: LabelledPose) -> Model:
    """The model of the person of one row, under the row's gravity.

    Args:
        personalizer: of the population.
        pose: of the row.

    Returns:
        A scaled model.
    """
    model = personalizer(Subject.from_vector(jnp.asarray(pose.subject)))
    return eqx.tree_at(lambda m: m.gravity, model, jnp.asarray(pose.gravity))


def pose_equation(personalizer: Personalizer, pose: LabelledPose) -> TorqueEquation:
    """The torque equation of one row; vmap for many.

    Args:
        personalizer: of the population.
        pose: of the row.

    Returns:
        See `torque_equation`.
    """
    return torque_equation(pose_model(personalizer, pose), pose.motion)


class RowBuilder:
    """Makes `TrainingRows` of labels, on all local devices."""

    def __init__(self, personalizer: Personalizer, input_set: str) -> None:
        """Prepare; compilation happens at the first call."""
        self.personalizer = personalizer
        self.input_set = input_set

    def __call__(
        self, labels: LabelBatch, person: Float[np.ndarray, "rows person"]
    ) -> TrainingRows:
        """The rows of `labels`, in memory of the host.

        Args:
            labels: of many rows.
            person: inputs of each row's person.

        Returns:
            As many rows.
        """
        motion = jax.tree.map(np.asarray, labels.motion)
        pose = LabelledPose(np.asarray(labels.subject), np.asarray(labels.gravity), motion)
        if self.input_set == "full":
            seen = np.concatenate([*motion, pose.gravity], axis=1)
        else:
            seen = map_rows(_sensed, pose, (self.personalizer, self.input_set))
        return TrainingRows(
            NetworkInputs(seen, np.asarray(person, seen.dtype)),
            pose,
            np.asarray(labels.activation),
            np.asarray(labels.muscle_force),
            np.asarray(labels.generalized_force),
            reserve_forces(labels, self.personalizer.model.topology),
        )


def row_equations(personalizer: Personalizer, rows: TrainingRows) -> TorqueEquation:
    """The torque equations of many rows, computed on all local devices.

    Args:
        personalizer: of the population.
        rows: as many as there are.

    Returns:
        One equation per row, in memory of the host.
    """
    return map_rows(_equation, rows.frame, personalizer)


def _equation(personalizer: Personalizer, pose: LabelledPose) -> TorqueEquation:
    return pose_equation(personalizer, pose)


def _sensed(constants: tuple[Personalizer, str], pose: LabelledPose) -> Array:
    personalizer, input_set = constants
    model = pose_model(personalizer, pose)
    return motion_inputs(model, input_set, pose.motion, model.gravity)


def reserve_forces(labels: LabelBatch, topology: Topology) -> Float[np.ndarray, "rows free"]:
    """N m, what the reserves of `labels` carry in each free coordinate."""
    carried = np.asarray(labels.reserve_force)
    found = np.zeros(np.shape(labels.generalized_force), carried.dtype)
    for k, coordinate in enumerate(topology.reserve_coordinates):
        found[:, coordinate] += carried[:, k]
    return found


def select_rows(rows: TrainingRows, index: Int[np.ndarray, " n"]) -> TrainingRows:
    """The rows `index`."""
    return jax.tree.map(lambda x: x[index], rows)


def joined_rows(parts: list[TrainingRows]) -> TrainingRows:
    """All rows of `parts`, one after the other."""
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)
