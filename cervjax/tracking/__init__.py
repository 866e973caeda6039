"""From what cameras or sensors saw of a person to the motion of their neck."""

from .calibration import (
    Calibration as Calibration,
    MarkerBodies as MarkerBodies,
    calibrate as calibrate,
)
from .inverse_kinematics import (
    SHARE_WEIGHT as SHARE_WEIGHT,
    InverseKinematics as InverseKinematics,
    Pose as Pose,
)
from .marker_search import PoseStatus as PoseStatus
from .orientation_kinematics import (
    HeadPose as HeadPose,
    OrientationKinematics as OrientationKinematics,
)
