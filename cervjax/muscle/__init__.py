"""Muscles: force curves and the rigid-tendon fiber."""

from .curves import (
    ForceCurves as ForceCurves,
    MillardForceCurves as MillardForceCurves,
    ThelenForceCurves as ThelenForceCurves,
    millard_force_curves as millard_force_curves,
    thelen_force_curves as thelen_force_curves,
)
from .rigid_tendon import (
    MuscleParameters as MuscleParameters,
    RigidTendonState as RigidTendonState,
    muscle_parameters as muscle_parameters,
    rigid_tendon_state as rigid_tendon_state,
)
