"""Quaternions of either convention, and torso sensors that face anywhere: the same movement, or a
refusal that names the option."""

import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cervjax.motion.recordings import (
    OrientationRecording,
    SensorProtocol,
    calibrate_sensors,
    read_orientations_csv,
)
from cervjax.motion.recordings.orientation_csv import COLUMNS

RATE = 50.0
NOD, TURN = (1.0, 3.0), (3.0, 5.0)


@pytest.fixture(scope="module")
def turned():
    """The head against the torso (x forwards, y up, z right): rest, a nod down and up, a turn left
    and right, a bend."""
    time = np.arange(int(8 * RATE)) / RATE
    wave = np.sin(np.pi * np.clip(time - 1.0, 0, 2))
    nod = -np.radians(40) * wave
    turn = np.radians(60) * np.sin(np.pi * np.clip(time - 3.0, 0, 2))
    bend = np.radians(30) * np.sin(np.pi * np.clip(time - 5.0, 0, 2))
    return time, Rotation.from_rotvec(np.column_stack([bend, turn, nod]))


def seen(turned, *, inverted, facing, on_head):
    """What sensors on a person write who sits facing 30 degrees from the ground's x."""
    time, relative = turned
    body = Rotation.from_euler("y", 30, degrees=True)
    on_torso = Rotation.from_euler("y", facing, degrees=True)
    torso = body * on_torso * Rotation.identity(len(time))
    head = body * relative * on_head
    if inverted:
        torso, head = torso.inv(), head.inv()
    quaternions = [x.as_quat(scalar_first=True) for x in (torso, head)]
    return OrientationRecording.of("imu.csv", time, *quaternions, up="y", stated=False)


HEADS = {
    "upright": Rotation.identity(),
    "aslant": Rotation.from_euler("xyz", [70, -40, 100], degrees=True),
    "on its side": Rotation.from_euler("x", 90, degrees=True),
}


@pytest.mark.parametrize(
    ("inverted", "facing", "worn"), list(itertools.product([False, True], [0, 90, 180], HEADS))
)
def test_the_same_movement_or_a_refusal(turned, inverted, facing, worn):
    """With a nod and a turn everything follows, to 1e-6 rad; without anything nothing does; what is
    given wrongly is noticed beside a nod and a turn."""
    recording = seen(turned, inverted=inverted, facing=facing, on_head=HEADS[worn])
    found = calibrate_sensors(recording, SensorProtocol(nod=NOD, turn=TURN))
    assert (found.aligned.relative * turned[1].inv()).magnitude().max() < 1e-6
    assert len(found.decided) == 2
    with pytest.raises(ValueError, match=r"--convention .* --turn"):
        calibrate_sensors(recording, SensorProtocol(mounting="x"))
    right = "ground-to-sensor" if inverted else "sensor-to-ground"
    wrong = "sensor-to-ground" if inverted else "ground-to-sensor"
    with pytest.raises(ValueError, match=r"--mounting .* --nod"):
        calibrate_sensors(recording, SensorProtocol(convention=right))
    mounting = {0: "x", 90: "z", 180: "-x"}[facing]
    given = calibrate_sensors(recording, SensorProtocol(convention=right, mounting=mounting))
    assert (given.aligned.relative * turned[1].inv()).magnitude().max() < 1e-6
    with pytest.raises(ValueError, match="--"):
        calibrate_sensors(
            recording, SensorProtocol(convention=wrong, mounting=mounting, nod=NOD, turn=TURN)
        )
    other = {"x": "-x", "z": "x", "-x": "-z"}[mounting]
    with pytest.raises(ValueError, match=f"--mounting {other}"):
        calibrate_sensors(recording, SensorProtocol(convention=right, mounting=other, nod=NOD))


def test_intervals_without_movement_are_refused(turned):
    recording = seen(turned, inverted=False, facing=0, on_head=HEADS["aslant"])
    with pytest.raises(ValueError, match="degrees only"):
        calibrate_sensors(recording, SensorProtocol(nod=(0.0, 0.9), turn=TURN))
    with pytest.raises(ValueError, match="no frames between"):
        calibrate_sensors(recording, SensorProtocol(nod=NOD, turn=(90.0, 95.0)))
    # What is called a turn is a nod.
    with pytest.raises(ValueError, match="does not turn to the left"):
        calibrate_sensors(recording, SensorProtocol(nod=NOD, turn=NOD))


@pytest.mark.parametrize(
    ("header", "vendor"),
    [
        ("PacketCounter,SampleTimeFine,Quat_W,Quat_X,Quat_Y,Quat_Z", "Movella DOT"),
        ("PacketCounter,Quat_q0,Quat_q1,Quat_q2,Quat_q3", "Xsens"),
        ("Time,Orientation/S,Orientation/X,Orientation/Y,Orientation/Z", "APDM"),
    ],
)
def test_exports_of_vendors_are_named(tmp_path, header, vendor):
    (tmp_path / "export.csv").write_text(f"{header}\n1,2,3,4,5,6\n")
    with pytest.raises(ValueError, match=f"{vendor}.*{COLUMNS[1]}"):
        read_orientations_csv(tmp_path / "export.csv")
