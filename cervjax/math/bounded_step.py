"""A step of Newton's method inside limits."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .contraction import contract
from .spd import solve_spd

_PASSES = 4
"""Times that a step is solved anew because unknowns would leave their limits."""


def bounded_step(
    gradient: Float[Array, " u"],
    matrix: Float[Array, "u u"],
    low: Float[Array, " u"],
    high: Float[Array, " u"],
    held: Bool[Array, " u"],
) -> Float[Array, " u"]:
    """The change that a quadratic model asks for, inside the limits: unknowns that would leave them
    go as far as they may, and the others make up for it.

    Args:
        low, high: of the change.
        held: unknowns that do not change.

    Returns:
        The change of each unknown, in its own unit.
    """

    def once(step: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        change, held = step
        known = jnp.where(held, change, 0.0)
        right = gradient + contract("uv,v->u", matrix, known)
        change = known - solve_spd(*without(held, matrix, right))
        beyond = (change < low) | (change > high)
        return (jnp.clip(change, low, high), held | beyond), None

    # A loop: the elimination would be compiled once for each pass.
    (change, _), _ = jax.lax.scan(once, (jnp.zeros_like(gradient), held), length=_PASSES)
    return change


def held_at_limits(
    gradient: Float[Array, " u"], low: Float[Array, " u"], high: Float[Array, " u"]
) -> Bool[Array, " u"]:
    """Unknowns that have no room where the cost pushes them."""
    return ((low >= 0) & (gradient > 0)) | ((high <= 0) & (gradient < 0))


def without(
    held: Bool[Array, " u"], matrix: Float[Array, "u u"], right: Float[Array, " u"]
) -> tuple[Float[Array, "u u"], Float[Array, " u"]]:
    """The equations of the unknowns not held, in units of those given; the others do not change."""
    free = ~held
    matrix = jnp.where(free[:, None] & free[None, :], matrix, 0.0)
    return matrix + jnp.diag(jnp.where(held, 1.0, 0.0).astype(matrix.dtype)), right * free
