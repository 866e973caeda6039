"""Forces behind a motion."""

from .inverse_dynamics import inverse_dynamics as inverse_dynamics
