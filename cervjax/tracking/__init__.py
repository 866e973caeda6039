"""From what cameras or sensors saw of a person to the motion of their neck."""

from .calibration import (
    Calibration as Calibration,
    MarkerBodies as MarkerBodies,
    calibrate as calibrate,
)
from .files import read_markers as read_markers, write_trc as write_trc
from .inverse_kinematics import (
    SHARE_WEIGHT as SHARE_WEIGHT,
    InverseKinematics as InverseKinematics,
    Pose as Pose,
    PoseStatus as PoseStatus,
)
from .orientation_kinematics import (
    HeadPose as HeadPose,
    OrientationKinematics as OrientationKinematics,
)
from .orientations import (
    OrientationRecording as OrientationRecording,
    read_orientations_csv as read_orientations_csv,
)
from .recording import MARKER_MAPS as MARKER_MAPS, MarkerRecording as MarkerRecording
