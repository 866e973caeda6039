"""Recordings of people: markers and orientations, and the files they come in."""

from .marker_files import (
    read_markers as read_markers,
    write_trc as write_trc,
)
from .markers import (
    MARKER_MAPS as MARKER_MAPS,
    MarkerRecording as MarkerRecording,
)
from .orientation_csv import read_orientations_csv as read_orientations_csv
from .orientation_sto import read_orientations_sto as read_orientations_sto
from .orientations import (
    OrientationRecording as OrientationRecording,
)
from .readers import (
    AbstractRecordingReader as AbstractRecordingReader,
    ReadOptions as ReadOptions,
    Recording as Recording,
    find_reader as find_reader,
    known_suffixes as known_suffixes,
    register_reader as register_reader,
)
from .sensor_calibration import (
    MOUNTINGS as MOUNTINGS,
    CalibratedSensors as CalibratedSensors,
    Convention as Convention,
    SensorProtocol as SensorProtocol,
    calibrate_sensors as calibrate_sensors,
)
from .sensors import SensorRecording as SensorRecording
