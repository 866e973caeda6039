"""What a reference engine says of one frame of a neck."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class EngineResult:
    """One frame, in OpenSim's signs; SI units; `q` are the model's free coordinates.

    Attributes:
        rotation, position: poses of the bodies, without ground.
        length: of the muscle paths.
        moment_arm: in the coordinates `q`; None where it was not asked for.
        generalized_force: of inverse dynamics, projected onto `q`.
    """

    rotation: Float[np.ndarray, "bodies 3 3"]
    position: Float[np.ndarray, "bodies 3"]
    length: Float[np.ndarray, " muscles"]
    moment_arm: Float[np.ndarray, "q muscles"] | None
    generalized_force: Float[np.ndarray, " q"]
