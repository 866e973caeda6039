"""OpenSim's InverseKinematicsTool on a recording of markers."""

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import opensim
from jaxtyping import Float

from cervjax.motion import Motion, read_storage
from cervjax.motion.recordings import MarkerRecording, write_trc
from cervjax.spec import ModelSpec

from .opensim_support import quiet_opensim
from .opensim_writer import write_osim


@dataclass(frozen=True)
class TrackedMarkers:
    """What the tool says.

    Attributes:
        motion: the free coordinates.
        marker_error: m, root mean square over the markers of each frame.
        seconds: of the tool's run.
    """

    motion: Motion
    marker_error: Float[np.ndarray, " frames"]
    seconds: float


def opensim_inverse_kinematics(
    spec: ModelSpec,
    recording: MarkerRecording,
    *,
    weights: dict[str, float] | None = None,
    coordinate_weight: float = 0.0,
    accuracy: float = 1e-5,
) -> TrackedMarkers:
    """Run the tool on all markers of `recording`; the torso is free to move.

    Args:
        weights: of markers by name, 1 for the others.
        coordinate_weight: of a task for every free coordinate, to be zero.

    Returns:
        Coordinates in rad or m, errors in m, and the run's time in s.

    Raises:
        RuntimeError: the tool failed.
    """
    quiet_opensim()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_osim(spec, folder / "neck.osim")
        write_trc(folder / "markers.trc", recording)
        model = opensim.Model(str(folder / "neck.osim"))
        model.initSystem()
        _free_torso(model)
        tool: Any = opensim.InverseKinematicsTool()
        tool.setName("ik")
        tool.setModel(model)
        tool.setMarkerDataFileName(str(folder / "markers.trc"))
        tool.setStartTime(float(recording.time[0]))
        tool.setEndTime(float(recording.time[-1]))
        tool.setOutputMotionFileName(str(folder / "ik.mot"))
        tool.setResultsDir(str(folder))
        tool.set_report_errors(True)
        tool.set_accuracy(accuracy)
        for marker in recording.markers:
            task = opensim.IKMarkerTask()
            task.setName(marker)
            task.setWeight((weights or {}).get(marker, 1.0))
            tool.getIKTaskSet().cloneAndAppend(task)
        for name in spec.free_coordinates if coordinate_weight else ():
            task = opensim.IKCoordinateTask()
            task.setName(name)
            task.setValueType(opensim.IKCoordinateTask.ManualValue)
            task.setValue(0.0)
            task.setWeight(coordinate_weight)
            tool.getIKTaskSet().cloneAndAppend(task)
        started = time.perf_counter()
        if not tool.run():
            raise RuntimeError("OpenSim's InverseKinematicsTool failed; see its log")
        seconds = time.perf_counter() - started
        motion = Motion.from_storage(read_storage(folder / "ik.mot"), spec)
        errors = read_storage(next(folder.glob("*ik_marker_errors.sto")))
    return TrackedMarkers(motion, errors.column("marker_error_RMS"), seconds)


def _free_torso(model: Any) -> None:
    """Unlocks the coordinates between ground and the first body."""
    joints = model.getJointSet()
    for k in range(joints.getSize()):
        joint = joints.get(k)
        if joint.getParentFrame().findBaseFrame().getName() != "ground":
            continue
        for i in range(joint.numCoordinates()):
            coordinate = joint.get_coordinates(i)
            coordinate.set_locked(False)
            coordinate.set_clamped(False)
            coordinate.setDefaultLocked(False)
            coordinate.setDefaultClamped(False)
