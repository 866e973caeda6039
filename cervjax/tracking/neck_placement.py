"""Where a neck sits between the markers of torso and head, from how the head moves."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from cervjax.kinematics import upright_pose
from cervjax.model import Model
from cervjax.motion.recordings import MarkerRecording
from cervjax.spec import Marker

from .calibration import Calibration
from .frames import FRAMES_AT_ONCE, solve_frames, with_limits
from .inverse_kinematics import InverseKinematics

_SHIFT_SD = 0.02
"""m; by which markers on skin sit elsewhere than the model's. Assumed: what three volunteers of
another laboratory show is 1 to 4 cm."""
_FIT_SD = 0.005
"""m; by which markers slide on skin (root mean square). Assumed."""
_INDEPENDENT = 8
"""Frames of a recording that tell something of their own; neighbors slide alike. Assumed."""
_FARTHEST = 0.06
"""m."""


def place_neck(
    calibration: Calibration,
    recording: MarkerRecording,
    limits: tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"]] | None = None,
    *,
    share_weight: float,
) -> Calibration:
    """A calibration whose neck turns about where the person's does.

    A static trial says where markers sit on a person, not where the neck begins between them: a
    breastbone's marker two centimeters lower is a neck two centimeters higher. The middle of the
    head moves about the neck's joints, and so its path tells. Found are one shift forwards and one
    up of all markers against the model, by least squares of the distances that inverse kinematics
    leaves, beside 2 cm of standard deviation that they are taken to have; a recording of one
    movement shifts what it tells of.

    Args:
        calibration: of a static trial.
        recording: of the same markers, moving.
        limits: rad, of the coordinates; the model's if None.
        share_weight: of the inverse kinematics that follows.

    Returns:
        The calibration, its markers shifted, and `neck_shift`.
    """
    model = Model.from_spec(calibration.spec)
    task = InverseKinematics.of(model, calibration.markers, share_weight=share_weight)
    if limits is not None:
        task = with_limits(task, *limits)
    at = np.unique(np.round(np.linspace(0, len(recording.time) - 1, FRAMES_AT_ONCE)).astype(int))
    # As many as are solved at once, however long the recording is.
    seen = recording.chosen(calibration.markers).position[np.resize(at, FRAMES_AT_ONCE)]
    turns = _rotations(model, calibration.markers)

    def residuals(shift: np.ndarray) -> np.ndarray:
        moved = _shifted(model, turns, shift)
        error = solve_frames(task, moved, seen).marker_error
        left = np.where(np.isfinite(error), error, 0.0).ravel()
        left = left * np.sqrt(_INDEPENDENT / FRAMES_AT_ONCE) / _FIT_SD
        return np.concatenate([left, shift / _SHIFT_SD])

    # Tenths of a millimeter are enough.
    found = least_squares(
        residuals,
        np.zeros(2),
        bounds=(-_FARTHEST, _FARTHEST),
        diff_step=1e-2,
        x_scale=_SHIFT_SD,
        ftol=1e-4,
        xtol=1e-3,
    )
    moved = np.asarray(_shifted(model, turns, found.x).marker_location)
    markers = tuple(
        Marker(m.name, m.body, (float(place[0]), float(place[1]), float(place[2])))
        if m.name in turns
        else m
        for m, place in zip(calibration.spec.markers, moved, strict=True)
    )
    return dataclasses.replace(
        calibration,
        spec=dataclasses.replace(calibration.spec, markers=markers),
        neck_shift=(float(found.x[0]), float(found.x[1])),
    )


def _rotations(model: Model, markers: tuple[str, ...]) -> dict[str, np.ndarray]:
    """From the torso's frame to that of each marker's body, in the neutral pose."""
    poses, _ = upright_pose(model)
    body = dict(zip(model.topology.markers, model.topology.marker_body, strict=True))
    return {m: np.asarray(poses.rotation[body[m]]).T for m in markers}


def _shifted(model: Model, turns: dict[str, np.ndarray], shift: np.ndarray) -> Model:
    """The model with its markers forwards and up; m."""
    away = np.array([shift[0], shift[1], 0.0])
    moves = [turns[m] @ away if m in turns else np.zeros(3) for m in model.topology.markers]
    return dataclasses.replace(
        model, marker_location=model.marker_location + jnp.asarray(np.array(moves), model.dtype)
    )
