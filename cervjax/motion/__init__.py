"""Coordinates over time: OpenSim's storage files and derivatives."""

from .derivatives import (
    Derivatives as Derivatives,
    analyze_derivatives as analyze_derivatives,
    inverse_dynamics_derivatives as inverse_dynamics_derivatives,
)
from .external_loads import (
    ExternalForce as ExternalForce,
    ExternalLoadsTable as ExternalLoadsTable,
    SampledLoads as SampledLoads,
)
from .motion import (
    CoordinateRangeWarning as CoordinateRangeWarning,
    LockedCoordinateWarning as LockedCoordinateWarning,
    Motion as Motion,
)
from .storage import (
    Storage as Storage,
    read_storage as read_storage,
    write_storage as write_storage,
    write_storages as write_storages,
)
