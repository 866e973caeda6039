"""From what cameras or sensors saw of a person to the motion of their neck."""

from .calibration import (
    Calibration as Calibration,
    MarkerBodies as MarkerBodies,
    calibrate as calibrate,
)
from .clusters import (
    ClusterTurns as ClusterTurns,
    cluster_turns as cluster_turns,
)
from .frames import solve_frames as solve_frames, with_limits as with_limits
from .inverse_kinematics import (
    ORIENTATION_WEIGHT as ORIENTATION_WEIGHT,
    SHARE_WEIGHT as SHARE_WEIGHT,
    InverseKinematics as InverseKinematics,
    Pose as Pose,
)
from .marker_search import PoseStatus as PoseStatus
from .neck_placement import place_neck as place_neck
from .orientation_kinematics import (
    HeadPose as HeadPose,
    OrientationKinematics as OrientationKinematics,
)
