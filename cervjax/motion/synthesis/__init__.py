"""Movements that are made: drawn at random, cut from recordings, and a leaning torso."""

from .coordinate_movements import CoordinateSampler as CoordinateSampler
from .movement import (
    MotionSample as MotionSample,
    Movement as Movement,
    MovementKind as MovementKind,
)
from .movements import (
    PLANES as PLANES,
    MovementOptions as MovementOptions,
    MovementSampler as MovementSampler,
    default_mix as default_mix,
    plane_of_coordinates as plane_of_coordinates,
    sample_motion as sample_motion,
)
from .recorded import (
    RecordedMovements as RecordedMovements,
    read_motions as read_motions,
)
from .shares import (
    coordinate_shares as coordinate_shares,
)
from .torso import (
    FixedGravity as FixedGravity,
    TorsoInclination as TorsoInclination,
    inclined_gravity as inclined_gravity,
)
