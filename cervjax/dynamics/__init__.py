"""Forces behind a motion, and the motion that forces make."""

from .forward_dynamics import (
    ForwardFrame as ForwardFrame,
    accelerations as accelerations,
    body_load as body_load,
    forward_frame as forward_frame,
    mass_matrix as mass_matrix,
    mechanical_energy as mechanical_energy,
    muscle_torque as muscle_torque,
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
from .mechanics import (
    Mechanics as Mechanics,
    mechanics as mechanics,
    mechanics_and_joints as mechanics_and_joints,
)
