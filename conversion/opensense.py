"""OpenSense orientation files: `.sto` of quaternions, as OpenSim's IMU tools read them."""

from pathlib import Path

import numpy as np
import opensim

from cervjax.motion.recordings.sensors import SensorRecording


def read_orientations(
    path: str | Path,
    *,
    torso: str,
    head: str,
    sensor_to_opensim_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> SensorRecording:
    """Orientations of two bodies from an OpenSense file.

    Args:
        torso, head: names of the columns. They are of the bodies' own frames: registered sensors,
            or marker clusters.
        sensor_to_opensim_deg: body-fixed X-Y-Z angles that turn the file's ground into OpenSim's,
            whose y axis points up; OpenSense's `sensor_to_opensim_rotations`. (-90, 0, 0) for
            sensors whose z axis points up.

    Returns:
        Rotations, rad/s, rad/s^2 and m/s^2, in the torso's frame.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has no such columns, or is no file of orientations.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        table = opensim.TimeSeriesTableQuaternion(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path} is no OpenSense file of orientations: {error}") from error
    names = list(table.getColumnLabels())
    missing = [name for name in (torso, head) if name not in names]
    if missing:
        raise ValueError(f"{path} has no columns {missing}; there are {names}")
    angles = opensim.Vec3(*np.radians(sensor_to_opensim_deg))
    turn = opensim.Rotation()
    turn.setRotationToBodyFixedXYZ(angles)
    opensim.OpenSenseUtilities.rotateOrientationTable(table, turn)
    time = np.array(table.getIndependentColumn())

    def column(name: str) -> np.ndarray:
        k = names.index(name)
        # Columns and the matrix have no wrapper in Python; rows do.
        elements = [table.getRowAtIndex(i).getElt(0, k) for i in range(len(time))]
        return np.array([[element.get(i) for i in range(4)] for element in elements])

    return SensorRecording.of(time, column(torso), column(head))
