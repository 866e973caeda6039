"""Forces behind a motion."""

from .inverse_dynamics import inverse_dynamics as inverse_dynamics
from .mechanics import Mechanics as Mechanics, mechanics as mechanics
