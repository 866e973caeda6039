"""Muscles: force curves, activation dynamics, fibers with rigid and with compliant tendons."""

from .activation import (
    AbstractActivationDynamics as AbstractActivationDynamics,
    ActivationConstants as ActivationConstants,
    FirstOrderActivation as FirstOrderActivation,
    SmoothActivation as SmoothActivation,
    first_order_activation_rate as first_order_activation_rate,
    smooth_activation_rate as smooth_activation_rate,
)
from .compliant_tendon import (
    CompliantTendonState as CompliantTendonState,
    FiberEquilibrium as FiberEquilibrium,
    compliant_tendon_state as compliant_tendon_state,
    fiber_equilibrium as fiber_equilibrium,
)
from .curves import (
    MUSCLE_MODELS as MUSCLE_MODELS,
    AbstractForceCurves as AbstractForceCurves,
    register_muscle_model as register_muscle_model,
)
from .degroote_fregly import (
    DeGrooteFreglyForceCurves as DeGrooteFreglyForceCurves,
    degroote_fregly_force_curves as degroote_fregly_force_curves,
)
from .millard import (
    MillardForceCurves as MillardForceCurves,
    millard_force_curves as millard_force_curves,
)
from .parameters import (
    MuscleParameters as MuscleParameters,
    muscle_parameters as muscle_parameters,
)
from .rigid_tendon import (
    RigidTendonState as RigidTendonState,
    rigid_tendon_state as rigid_tendon_state,
)
from .schutte import SchutteForceCurves as SchutteForceCurves
from .thelen import (
    ThelenForceCurves as ThelenForceCurves,
    thelen_force_curves as thelen_force_curves,
)
