"""A neck that moves: forward simulation, and what excites its muscles."""

from .controllers import (
    AbstractController as AbstractController,
    ComputedMuscleControl as ComputedMuscleControl,
    OpenLoop as OpenLoop,
    StretchReflex as StretchReflex,
)
from .drives import GivenActivation as GivenActivation
from .dynamics import (
    BodyLoad as BodyLoad,
    Dynamics as Dynamics,
    State as State,
    Tendon as Tendon,
)
from .simulate import (
    Simulation as Simulation,
    SimulationSettings as SimulationSettings,
    SimulationStatus as SimulationStatus,
    failure as failure,
    simulate as simulate,
)
