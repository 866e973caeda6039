"""Forces behind a motion, and the motion that forces make."""

from .external_loads import (
    ExternalLoads as ExternalLoads,
)
from .forward_dynamics import (
    accelerations as accelerations,
    body_load as body_load,
    mass_matrix as mass_matrix,
    mechanical_energy as mechanical_energy,
)
from .frame import (
    FrameEvaluation as FrameEvaluation,
    Mechanics as Mechanics,
    evaluate_frame as evaluate_frame,
    mechanics as mechanics,
)
from .inverse_dynamics import (
    inverse_dynamics as inverse_dynamics,
)
from .joint_limits import (
    JointLimits as JointLimits,
)
from .joint_loads import (
    JointLoads as JointLoads,
    JointStatics as JointStatics,
    joint_loads as joint_loads,
)
