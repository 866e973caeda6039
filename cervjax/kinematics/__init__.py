"""Where the bodies are, and how long and at what moment arm the muscles pull."""

from .body_motion import BodyMotion as BodyMotion, body_motion as body_motion
from .paths import MusclePaths as MusclePaths, muscle_paths as muscle_paths
from .poses import (
    BodyPoses as BodyPoses,
    body_poses as body_poses,
    marker_positions as marker_positions,
)
