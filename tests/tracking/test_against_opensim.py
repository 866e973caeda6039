"""Inverse kinematics against OpenSim's InverseKinematicsTool: same neck, markers and weights."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from cervjax import NeckModel
from cervjax.tracking import InverseKinematics, MarkerRecording, PoseStatus, calibrate, read_markers
from conversion.opensim_tracking import opensim_inverse_kinematics
from tests.helpers import TRACKED_MARKERS

WEIGHTS = {"CV7": 2.0, "LAH": 0.5}
TASK = 1e-4


@pytest.mark.filterwarnings("ignore::cervjax.motion.LockedCoordinateWarning")
@pytest.mark.filterwarnings("ignore::cervjax.motion.CoordinateRangeWarning")
def test_poses_are_opensims(tracked, model, solve, posed):
    """With a weak task for every coordinate, because markers that slide do not tell how upper and
    lower neck are turned against each other: 0.02 deg; markers no farther than OpenSim's."""
    noise = np.random.default_rng(6).normal(scale=0.002, size=posed[3].shape)
    turn, place = posed[1][0], posed[2][0]
    # OpenSim starts each frame from the one before: one torso, movements in small steps.
    seen = np.einsum("fyx,fmy->fmx", posed[1], posed[3] - posed[2][:, None])
    seen = np.einsum("xy,fmy->fmx", turn, seen) + place + noise
    seen[5:8, 7] = np.nan
    time = np.arange(len(seen)) / 100
    recording = MarkerRecording("simulated", TRACKED_MARKERS, time, seen)
    theirs = opensim_inverse_kinematics(
        tracked, recording, weights=WEIGHTS, coordinate_weight=TASK, accuracy=1e-9
    )
    ours = solve(
        InverseKinematics.of(
            tracked,
            model,
            TRACKED_MARKERS,
            weights=WEIGHTS,
            coordinate_weight=TASK,
            share_weight=0.0,
            max_steps=100,
        ),
        model,
        jnp.asarray(seen),
    )
    assert np.all(np.asarray(ours.status) == PoseStatus.CONVERGED)
    difference = np.degrees(np.asarray(ours.q) - theirs.motion.q)
    assert np.sqrt(np.mean(difference**2, axis=0)).max() < 0.02


@pytest.mark.filterwarnings("ignore::cervjax.motion.LockedCoordinateWarning")
def test_a_recorded_movement_is_opensims(neck, data, solve):
    """A person calibrated from a static trial, 24 frames of turning the head: 0.2 deg."""
    folder = data / "head_motion"
    person = calibrate(read_markers(folder / "Static.c3d"), neck)
    whole = read_markers(folder / "Head_movements.c3d").chosen(person.markers)
    recording = whole.between(13.0, 13.235)
    person_neck = dataclasses.replace(
        person.spec, markers=tuple(m for m in person.spec.markers if m.name in person.markers)
    )
    model = NeckModel.from_spec(person_neck)
    theirs = opensim_inverse_kinematics(
        person_neck, recording, coordinate_weight=TASK, accuracy=1e-9
    )
    task = InverseKinematics.of(
        person_neck, model, person.markers, coordinate_weight=TASK, share_weight=0.0, max_steps=100
    )
    ours = solve(task, model, jnp.asarray(recording.position))
    assert np.all(np.asarray(ours.status) == PoseStatus.CONVERGED)
    difference = np.degrees(np.asarray(ours.q) - theirs.motion.q)
    assert np.sqrt(np.mean(difference**2, axis=0)).max() < 0.2
    error = np.sqrt(np.mean(np.square(ours.marker_error), axis=1))
    assert np.mean(error) <= np.mean(theirs.marker_error) * (1 + 1e-3)
