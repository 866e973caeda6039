"""Head movements: OpenSim files, derivatives, random ones."""

from .motion import (
    CoordinateRangeWarning as CoordinateRangeWarning,
    LockedCoordinateWarning as LockedCoordinateWarning,
    Motion as Motion,
)
from .movements import (
    PLANES as PLANES,
    MotionSample as MotionSample,
    Movement as Movement,
    MovementKind as MovementKind,
    MovementSampler as MovementSampler,
    default_mix as default_mix,
    plane_of_coordinates as plane_of_coordinates,
    sample_motion as sample_motion,
)
from .recorded import RecordedMovements as RecordedMovements, read_motions as read_motions
from .shares import coordinate_shares as coordinate_shares
from .splines import (
    Derivatives as Derivatives,
    analyze_derivatives as analyze_derivatives,
    inverse_dynamics_derivatives as inverse_dynamics_derivatives,
)
from .storage import (
    Storage as Storage,
    read_storage as read_storage,
    write_storage as write_storage,
    write_storages as write_storages,
)
from .torso import TorsoInclination as TorsoInclination, inclined_gravity as inclined_gravity
