"""Parameters of muscles and bones from motion, and what motion cannot tell of them."""

from .fit_impulses import (
    ImpulseFit as ImpulseFit,
    ImpulseSettings as ImpulseSettings,
    fit_impulses as fit_impulses,
)
from .force_length_limbs import (
    OtherLimb as OtherLimb,
    other_limb as other_limb,
)
from .identifiability import (
    Identifiability as Identifiability,
    fisher_information as fisher_information,
    identifiability as identifiability,
)
from .identify import (
    Estimate as Estimate,
    Identification as Identification,
    IdentificationProblem as IdentificationProblem,
    IdentificationSettings as IdentificationSettings,
    Linearised as Linearised,
    Prior as Prior,
    first_damping as first_damping,
    identify as identify,
    linearised as linearised,
    search_round as search_round,
)
from .impulses import (
    ImpulseErrors as ImpulseErrors,
    Impulses as Impulses,
    impulse_errors as impulse_errors,
    impulse_errors_and_derivatives as impulse_errors_and_derivatives,
)
from .movements import (
    Windows as Windows,
)
from .parameter_kinds import (
    PARAMETER_KINDS as PARAMETER_KINDS,
    AbstractParameterKind as AbstractParameterKind,
    MuscleFactor as MuscleFactor,
    Owner as Owner,
    register_parameter as register_parameter,
)
from .parameters import (
    HEAD_KINDS as HEAD_KINDS,
    MUSCLE_KINDS as MUSCLE_KINDS,
    ParameterSpace as ParameterSpace,
)
from .profile_likelihood import (
    Profile as Profile,
    profile_likelihood as profile_likelihood,
)
from .shooting import (
    ParametricDynamics as ParametricDynamics,
    Sensitivity as Sensitivity,
    Shooting as Shooting,
    motion as motion,
    motion_and_sensitivity as motion_and_sensitivity,
)
from .synthetic import (
    Recording as Recording,
    random_activations as random_activations,
    random_poses as random_poses,
    recorded as recorded,
)
