"""Everything static optimization needs to know of one frame, computed in one pass."""

from typing import NamedTuple

from jaxtyping import Array, Float

from cervjax.kinematics.paths import paths_from_state
from cervjax.kinematics.tree import rest_frames, tree_state
from cervjax.model import NeckModel

from .inverse_dynamics import forces_from_state


class Mechanics(NamedTuple):
    """One frame of one person.

    Attributes:
        generalized_force: N m, to be supplied in each coordinate of `q`.
        length: m, of the muscle paths.
        lengthening_speed: m/s, of the muscle paths.
        moment_arm: m, in each coordinate of `q`.
    """

    generalized_force: Float[Array, " q"]
    length: Float[Array, " muscles"]
    lengthening_speed: Float[Array, " muscles"]
    moment_arm: Float[Array, "q muscles"]


def mechanics(
    model: NeckModel,
    q: Float[Array, " q"],
    qd: Float[Array, " q"],
    qdd: Float[Array, " q"],
) -> Mechanics:
    """Inverse dynamics and muscle paths of the motion `q, qd, qdd` (rad or m, s)."""
    rest = rest_frames(model)
    state = tree_state(model, rest, model.coordinates.motion(q, qd, qdd))
    jacobian = model.coordinates.jacobian(q)
    paths = paths_from_state(model, rest, state, jacobian)
    return Mechanics(
        forces_from_state(model, rest, state, jacobian),
        paths.length,
        paths.lengthening_speed(qd),
        paths.moment_arm,
    )
