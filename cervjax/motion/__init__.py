"""Head movements: OpenSim files, derivatives, random ones."""

from .motion import (
    CoordinateRangeWarning as CoordinateRangeWarning,
    LockedCoordinateWarning as LockedCoordinateWarning,
    Motion as Motion,
)
from .sampling import (
    MotionSample as MotionSample,
    MovementSampler as MovementSampler,
    sample_motion as sample_motion,
)
from .splines import (
    Derivatives as Derivatives,
    analyze_derivatives as analyze_derivatives,
    inverse_dynamics_derivatives as inverse_dynamics_derivatives,
)
from .storage import (
    Storage as Storage,
    read_storage as read_storage,
    write_storage as write_storage,
)
