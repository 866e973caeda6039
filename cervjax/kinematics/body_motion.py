"""Motion of one body: what a marker cluster or an inertial sensor on it would see."""

from typing import NamedTuple

from jaxtyping import Array, Float

from cervjax.math.rotation import cross, multiply, rotate
from cervjax.model import Model

from .tree import rest_frames, tree_state


class BodyMotion(NamedTuple):
    """Motion of a body, all in ground; m, rad, s.

    Attributes:
        rotation: matrix from the body's frame to ground.
        angular_velocity, angular_acceleration: of the body.
        position, velocity, acceleration: of the body's origin; without gravity.
    """

    rotation: Float[Array, "3 3"]
    angular_velocity: Float[Array, " 3"]
    angular_acceleration: Float[Array, " 3"]
    position: Float[Array, " 3"]
    velocity: Float[Array, " 3"]
    acceleration: Float[Array, " 3"]


def body_motion(
    model: Model,
    body: int,
    q: Float[Array, " q"],
    qd: Float[Array, " q"],
    qdd: Float[Array, " q"],
) -> BodyMotion:
    """Motion of the moving body `body` (see `Model.body_index`) at `q, qd, qdd`.

    Returns:
        rad, m, and per s, s^2, in ground.

    Raises:
        ValueError: the body does not move.
    """
    anchor = model.topology.anchor[body]
    if anchor < 0:
        raise ValueError(f"body {model.topology.bodies[body]!r} is fixed to ground")
    rest = rest_frames(model)
    state = tree_state(model, rest, model.coordinates.motion(q, qd, qdd))
    turn, omega, alpha = (
        x[anchor] for x in (state.rotation, state.angular_velocity, state.angular_acceleration)
    )
    arm = rotate(turn, rest.position[body])
    sweep = cross(omega, arm)
    return BodyMotion(
        multiply(turn, rest.rotation[body]),
        omega,
        alpha,
        state.position[anchor] + arm,
        state.velocity[anchor] + sweep,
        state.acceleration[anchor] + cross(alpha, arm) + cross(omega, sweep),
    )
