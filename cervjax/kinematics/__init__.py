"""Where the bodies are, and how long and at what moment arm the muscles pull."""

from .body_motion import (
    BodyMotion as BodyMotion,
    body_motion as body_motion,
)
from .frame_poses import (
    frame_poses as frame_poses,
    upright_pose as upright_pose,
)
from .markers import (
    Bending as Bending,
    MarkerMotion as MarkerMotion,
    marker_bending as marker_bending,
    marker_motion as marker_motion,
    marker_positions as marker_positions,
)
from .path_fitting import (
    FittedPaths as FittedPaths,
    PathFit as PathFit,
    PathFittingSettings as PathFittingSettings,
    fit_paths as fit_paths,
)
from .paths import (
    MusclePaths as MusclePaths,
    muscle_paths as muscle_paths,
)
from .poses import (
    BodyPoses as BodyPoses,
    body_poses as body_poses,
)
