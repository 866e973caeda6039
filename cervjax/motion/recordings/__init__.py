"""Recordings of people: markers and orientations, and the files they come in."""

from .marker_files import (
    read_markers as read_markers,
    write_trc as write_trc,
)
from .markers import (
    MARKER_MAPS as MARKER_MAPS,
    MarkerRecording as MarkerRecording,
)
from .orientations import (
    OrientationRecording as OrientationRecording,
    read_orientations_csv as read_orientations_csv,
)
