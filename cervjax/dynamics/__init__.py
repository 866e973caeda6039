"""Forces behind a motion."""

from .inverse_dynamics import inverse_dynamics as inverse_dynamics
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
