"""Everything static optimization needs to know of one frame, computed in one pass."""

from typing import NamedTuple

from jaxtyping import Array, Float

from cervjax.kinematics.paths import paths_and_segments
from cervjax.kinematics.tree import rest_frames, tree_state
from cervjax.model import Model

from .inverse_dynamics import generalized_forces, joint_wrenches
from .joint_loads import JointStatics, joint_statics


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
    model: Model,
    q: Float[Array, " q"],
    qd: Float[Array, " q"],
    qdd: Float[Array, " q"],
) -> Mechanics:
    """Inverse dynamics and muscle paths of the motion `q, qd, qdd` (rad or m, s)."""
    return mechanics_and_joints(model, q, qd, qdd)[0]


def mechanics_and_joints(
    model: Model,
    q: Float[Array, " q"],
    qd: Float[Array, " q"],
    qdd: Float[Array, " q"],
) -> tuple[Mechanics, JointStatics]:
    """`mechanics`, and what the loads of the joints need besides."""
    rest = rest_frames(model)
    state = tree_state(model, rest, model.coordinates.motion(q, qd, qdd))
    jacobian = model.coordinates.jacobian(q)
    paths, segments = paths_and_segments(model, rest, state, jacobian)
    wrenches = joint_wrenches(model, rest, state)
    frame = Mechanics(
        generalized_forces(model, state, jacobian, wrenches),
        paths.length,
        paths.lengthening_speed(qd),
        paths.moment_arm,
    )
    return frame, joint_statics(model, rest, state, wrenches, segments)
