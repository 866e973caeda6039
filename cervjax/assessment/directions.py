"""Directions in which a head turns, and their names."""

import itertools

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from cervjax.kinematics import frame_poses
from cervjax.model import Model

MAIN = (
    "flexion",
    "extension",
    "left bending",
    "right bending",
    "left rotation",
    "right rotation",
)
"""The six directions of every examination."""
MAIN_AXIS = (0, 0, 1, 1, 2, 2)
"""Component of a turn that each belongs to."""
MAIN_SIGN = (-1, 1, -1, 1, 1, -1)
"""Its sign: extension, bending to the right and rotation to the left are positive."""


def _directions() -> tuple[tuple[str, ...], Float[np.ndarray, "26 3"]]:
    at = {(axis, sign): k for k, (axis, sign) in enumerate(zip(MAIN_AXIS, MAIN_SIGN, strict=True))}
    main = [tuple(MAIN_SIGN[k] * (MAIN_AXIS[k] == a) for a in range(3)) for k in range(6)]
    between = [s for s in itertools.product((-1, 0, 1), repeat=3) if sum(map(abs, s)) > 1]
    names: list[str] = list(MAIN)
    vectors = [np.array(v, float) for v in main]
    for signs in between:
        parts = [MAIN[at[a, s]] for a, s in enumerate(signs) if s]
        names.append(" with ".join([parts[0], " and ".join(parts[1:])]))
        vectors.append(np.array(signs, float) / np.sqrt(sum(map(abs, signs))))
    return tuple(names), np.array(vectors)


DIRECTIONS, DIRECTION_VECTORS = _directions()
"""The six and the twenty between them; unit vectors of turns."""


def head_turns(
    model: Model, q: Float[np.ndarray, "frames q"], *, head: str | None = None
) -> Float[np.ndarray, "frames 3"]:
    """How far the head is turned against the torso: axis times angle, from the neutral pose.

    Returns:
        rad: extension, bending to the right, rotation to the left.
    """
    skull = model.topology.anatomy.skull if head is None else head
    both = np.concatenate([np.zeros((1, q.shape[1])), q])
    rotation = frame_poses(model, both).rotation[:, model.body_index(skull)]
    turned = Rotation.from_matrix(np.asarray(rotation, float))
    return turns_of(turned[1:] * turned[0].inv())


def turns_of(relative: Rotation) -> Float[np.ndarray, "frames 3"]:
    """The same from rotations of the head in the torso's frame (x forwards, y up, z right), rad."""
    forwards, up, right = relative.as_rotvec().T
    return np.column_stack([right, forwards, up])


def rotation_of(turn: Float[np.ndarray, "frames 3"]) -> Rotation:
    """The inverse of `turns_of`."""
    pitch, roll, yaw = np.asarray(turn).T
    return Rotation.from_rotvec(np.column_stack([roll, yaw, pitch]))
