"""Small numerical tools: contractions, gathers, rotations, positive definite systems, splines."""

from .contraction import contract as contract
from .gather import gather as gather
from .simm_spline import simm_spline_pieces as simm_spline_pieces
from .spd import inverse_spd as inverse_spd, solve_spd as solve_spd
from .splines import natural_quintic_spline as natural_quintic_spline
from .trajectory import Trajectory as Trajectory
