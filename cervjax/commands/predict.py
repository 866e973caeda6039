"""Muscle forces behind a head movement, by a trained network."""

import sys
from pathlib import Path
from typing import Annotated

import jax.numpy as jnp
import numpy as np
import tyro

from cervjax.learning import RunFolder, described_person
from cervjax.learning.predict import Predictor, predict_motion, predict_recording, write_prediction
from cervjax.motion import Motion, read_storage
from cervjax.motion.recordings import (
    OrientationRecording,
    ReadOptions,
    SensorProtocol,
    SensorRecording,
    calibrate_sensors,
    find_reader,
)
from cervjax.motion.synthesis import inclined_gravity

from ._arguments import assignments


def run(
    motion: Annotated[Path, tyro.conf.Positional],
    network: Path,
    out: Path,
    person: tuple[str, ...] = (),
    lowpass: float | None = None,
    inclination_deg: float | None = None,
    torso: str = "torso",
    head: str = "skull",
    sensor_to_opensim_deg: tuple[float, float, float] | None = None,
    sensors: Annotated[SensorProtocol, tyro.conf.arg(name="")] = SensorProtocol(),
) -> None:
    """Muscle forces behind a head movement, by a trained network.

    Args:
        motion: a .mot or .sto file with the model's free coordinates, or an OpenSense .sto with the
            orientations of torso and head, for a network of the sensor input sets.
        network: folder of a training run, or of an ensemble.
        out: folder for StaticOptimization_activation.sto, StaticOptimization_force.sto and more.
        person: what is known, as name=value: sex=female age=34 stature=1.66 weight=61, or ratios
            to the model: neck_length, shoulder_width, head_mass, head_size, strength,
            flexor_strength, extensor_strength. What is left out counts as not known.
        lowpass: cutoff (Hz) for what was recorded: accelerations of raw recordings are noise.
        inclination_deg: how far the torso leans forwards, for coordinates; orientations tell it
            themselves.
        torso, head: columns of an orientation file.
        sensor_to_opensim_deg: rotation of an orientation file's ground into OpenSim's;
            -90 0 0 for one whose z axis points up.
        sensors: for a CSV of two sensors that sit on the bodies anyhow.
    """
    predictor = Predictor.load(network)
    known = described_person(assignments(person))
    if not motion.is_file():
        raise FileNotFoundError(f"no motion file at {motion}")
    reader = find_reader(motion)
    if reader is not None:
        if inclination_deg is not None:
            raise ValueError(
                f"--inclination-deg {inclination_deg}: {motion} holds orientations, which tell how "
                "the torso leans; leave it out"
            )
        oriented = reader.read(motion, ReadOptions(torso=torso, head=head))
        if not isinstance(oriented, OrientationRecording):
            raise ValueError(
                f"{motion} holds markers; solve their inverse kinematics first (cervjax assess "
                "leaves motion.sto)"
            )
        if sensor_to_opensim_deg is not None:
            oriented = oriented.turned_deg(sensor_to_opensim_deg)
        if not oriented.stated or sensors.given:
            oriented = calibrate_sensors(oriented, sensors).aligned
        recording = SensorRecording.from_orientations(oriented)
        recording = recording if lowpass is None else recording.lowpass(lowpass)
        predicted = predict_recording(predictor, recording, known)
    else:
        spec = RunFolder(predictor.members[0]).spec()
        moved = Motion.from_storage(read_storage(motion), spec)
        if sensor_to_opensim_deg is not None:
            raise ValueError(
                f"--sensor-to-opensim-deg {sensor_to_opensim_deg}: {motion} holds coordinates, not "
                "orientations; leave it out"
            )
        moved = moved if lowpass is None else moved.lowpass(lowpass)
        lean = np.radians(inclination_deg or 0.0)
        down = inclined_gravity(predictor.model.gravity, jnp.asarray(lean), jnp.zeros(()))
        predicted = predict_motion(predictor, moved, known, gravity=np.asarray(down))
    for path in write_prediction(predicted, out):
        print(path)
    if predicted.novel.any():
        count, frames = int(predicted.novel.sum()), len(predicted.time)
        which = f" ({', '.join(predicted.beyond)} beyond training)" if predicted.beyond else ""
        print(
            f"cervjax: {count} of {frames} frames are unlike anything the network was trained on"
            f"{which}; do not trust them",
            file=sys.stderr,
        )
