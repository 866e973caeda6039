"""Inverse kinematics against OpenSim's InverseKinematicsTool: same neck, markers and weights."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cervjax import Model
from cervjax.kinematics import marker_positions
from cervjax.motion.recordings import MarkerRecording, read_markers
from cervjax.tracking import InverseKinematics, PoseStatus, calibrate
from conversion.opensim_tracking import opensim_inverse_kinematics
from tests.tracking.conftest import FRAMES

WEIGHTS = {"CV7": 2.0, "LAH": 0.5}
TASK = 1e-4


@pytest.mark.filterwarnings("ignore::cervjax.motion.LockedCoordinateWarning")
def test_poses_are_opensims(tracked, model, solve):
    """Some markers weighing more, one lost for a while, all off by millimeters: 0.02 deg, markers
    no farther than OpenSim's. OpenSim starts each frame from the one before, so in small steps."""
    rng = np.random.default_rng(6)
    ranges = np.array([tracked.coordinate(n).range for n in tracked.free_coordinates])
    time = np.arange(FRAMES) / 100
    swing = np.sin(2 * np.pi * time[:, None] + rng.uniform(0, 3, 6))
    q = ranges.mean(axis=1) + 0.3 * np.ptp(ranges, axis=1) * swing
    still = np.asarray(jax.jit(jax.vmap(marker_positions, (None, 0)))(model, jnp.asarray(q)))
    leaning = Rotation.from_euler("zyx", [10, 20, -5], degrees=True)
    seen = np.einsum("xy,fmy->fmx", leaning.as_matrix(), still) + np.array([0.2, 1.0, -0.3])
    seen += rng.normal(scale=0.002, size=seen.shape)
    seen[5:8, 7] = np.nan
    recording = MarkerRecording("simulated", model.topology.markers, time, seen)
    theirs = opensim_inverse_kinematics(
        tracked, recording, weights=WEIGHTS, coordinate_weight=TASK, accuracy=1e-9
    )
    task = InverseKinematics.of(
        model,
        recording.markers,
        weights=WEIGHTS,
        coordinate_weight=TASK,
        share_weight=0.0,
        orientation_weight=1.0,
    )
    ours = solve(task, model, jnp.asarray(seen))
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
    model = Model.from_spec(person_neck)
    theirs = opensim_inverse_kinematics(
        person_neck, recording, coordinate_weight=TASK, accuracy=1e-9
    )
    task = InverseKinematics.of(
        model, person.markers, coordinate_weight=TASK, share_weight=0.0, orientation_weight=1.0
    )
    ours = solve(task, model, jnp.asarray(recording.position))
    assert np.all(np.asarray(ours.status) == PoseStatus.CONVERGED)
    difference = np.degrees(np.asarray(ours.q) - theirs.motion.q)
    assert np.sqrt(np.mean(difference**2, axis=0)).max() < 0.2
    error = np.sqrt(np.mean(np.square(ours.marker_error), axis=1))
    assert np.mean(error) <= np.mean(theirs.marker_error) * (1 + 1e-3)
