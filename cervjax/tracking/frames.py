"""Poses of many frames: one compiled function for recordings of any length."""

from functools import partial
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.execution.rows import CPU_CHUNK, in_chunks
from cervjax.model import Model

from .inverse_kinematics import InverseKinematics
from .orientation_kinematics import OrientationKinematics

Task = TypeVar("Task", InverseKinematics, OrientationKinematics)

FRAMES_AT_ONCE = CPU_CHUNK
"""Frames that are solved together, and compiled for."""


def solve_frames(task: Task, model: Model, frames: np.ndarray) -> Any:
    """The pose of every frame.

    Args:
        task: inverse kinematics of markers or of orientations.
        model: of the person.
        frames: what was seen, along the first axis.

    Returns:
        What `task` returns of one frame, with an axis of frames.
    """
    return in_chunks(partial(_solved, task, model), FRAMES_AT_ONCE, np.asarray(frames, model.dtype))


def with_limits(task: Task, low: Float[np.ndarray, " q"], high: Float[np.ndarray, " q"]) -> Task:
    """`task` inside other limits of the coordinates, rad."""
    ends = tuple(jnp.asarray(x, task.low.dtype) for x in (low, high))
    return eqx.tree_at(lambda t: (t.low, t.high), task, ends)


@eqx.filter_jit
def _solved(task: Task, model: Model, frames: Array) -> Any:
    return jax.vmap(lambda frame: task(model, frame))(frames)
