"""Rows to train on."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cervjax.labels import LabelBatch, moment_arms
from cervjax.optimization import SolverResult
from cervjax.personalization import Personalizer

from .network import network_inputs


class TrainingRows(NamedTuple):
    """Rows of labels as a loss needs them.

    Attributes:
        inputs: of the network.
        force: N, the labels.
        moment_arm: m.
        muscle_torque: N m, what the muscles supply: generalized force less reserves.
    """

    inputs: Float[Array, "rows inputs"]
    force: Float[Array, "rows muscles"]
    moment_arm: Float[Array, "rows free muscles"]
    muscle_torque: Float[Array, "rows free"]


def training_rows(personalizer: Personalizer, labels: LabelBatch) -> TrainingRows:
    """The converged rows of `labels`, with the moment arms of each row's person and pose."""
    labels = converged_rows(labels)
    topology = personalizer.model.topology
    columns = np.array(topology.reserve_coordinates, dtype=int)
    reserves = jnp.zeros_like(labels.generalized_force)
    reserves = reserves.at[:, columns].add(labels.reserve_force)
    return TrainingRows(
        network_inputs(labels),
        labels.muscle_force,
        moment_arms(personalizer, labels.subject, labels.motion),
        labels.generalized_force - reserves,
    )


def converged_rows(labels: LabelBatch) -> LabelBatch:
    """The rows whose certificate says CONVERGED; others are not labels.

    Raises:
        ValueError: no row converged.
    """
    keep = np.asarray(labels.certificate.result) == SolverResult.CONVERGED
    if not keep.any():
        raise ValueError("no row of the labels converged; check the motions and the reserves")
    return select_rows(labels, np.flatnonzero(keep))


def select_rows(labels: LabelBatch, index: Int[np.ndarray, " n"]) -> LabelBatch:
    """The rows `index`."""
    return jax.tree.map(lambda x: x[index], labels)
