"""A neck that moves: forward simulation, and what excites its muscles."""

from .controllers import (
    Controller as Controller,
    OpenLoop as OpenLoop,
    StretchReflex as StretchReflex,
    Tracking as Tracking,
)
from .neck_dynamics import (
    BodyLoad as BodyLoad,
    NeckDynamics as NeckDynamics,
    NeckState as NeckState,
    Tendon as Tendon,
)
from .simulate import (
    Simulation as Simulation,
    SimulationSettings as SimulationSettings,
    SimulationStatus as SimulationStatus,
    failure as failure,
    simulate as simulate,
)
from .trajectory import TorsoMotion as TorsoMotion, Trajectory as Trajectory
