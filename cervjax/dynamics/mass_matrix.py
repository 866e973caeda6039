"""The mass matrix in the free and prescribed coordinates."""

import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics.tree import RestFrames, TreeState
from cervjax.math.contraction import contract
from cervjax.math.gather import gather
from cervjax.math.rotation import cross, multiply, rotate, transpose
from cervjax.model import Model

from .inverse_dynamics import moving_bodies


def mass_matrix_of(
    model: Model, rest: RestFrames, state: TreeState, twist: Float[Array, "n q 6"]
) -> Float[Array, "q q"]:
    """The mass matrix, from the twist of every body per unit speed.

    Args:
        model: whose masses they are.
        rest: of the model.
        state: of the bodies.
        twist: see `body_twists`.

    Returns:
        kg m^2 (kg m, kg where coordinates translate).
    """
    body = moving_bodies(model.topology)
    anchor = np.array(model.topology.anchor)[body]
    center = mass_centers(body, anchor, rest, state)
    own = gather(twist, anchor + 1)  # [bodies, q, 6]
    spin = own[..., :3]
    drift = own[..., 3:] + cross(spin, center[:, None])
    turn = multiply(gather(state.rotation, anchor), rest.rotation[body])
    local = rotate(transpose(turn)[:, None], spin)
    inertia = model.body_inertia[body]
    linear = contract("b,bqx,brx->qr", model.body_mass[body], drift, drift)
    return linear + contract("bqx,bxy,bry->qr", local, inertia, local)


def mass_centers(
    body: np.ndarray, anchor: np.ndarray, rest: RestFrames, state: TreeState
) -> Float[Array, "carried 3"]:
    """m, in ground, of bodies that move."""
    turn = gather(state.rotation, anchor)
    return gather(state.position, anchor) + rotate(turn, rest.mass_center[body])
