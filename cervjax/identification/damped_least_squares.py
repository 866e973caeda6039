"""Levenberg and Marquardt's steps between bounds, where the derivative comes with the residual.

Damping is the same for all parameters, in units of how far off each may be, falls slowly and is
handed on from one call to the next: parameters that the data hardly determine stay where they are
until the others fit. Scaled by columns instead they would run first, and farthest.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Float, PyTree

from .parameters import ParameterSpace

_LEAST_SLOPE = 0.1
"""Of a value by its number without bounds, over that of the nominal value: near a bound the number
runs far for a small change."""


class Evaluated(NamedTuple):
    """Residuals at some values.

    Attributes:
        residual: to be made small.
        by_values: its derivatives.
        more: whatever else is known there.
    """

    residual: Float[Array, " rows"]
    by_values: Float[Array, "rows p"]
    more: PyTree = None


class Stepped(NamedTuple):
    """Where steps led.

    Attributes:
        values: the best ones.
        more: of `Evaluated`, there.
        damping: to go on with.
    """

    values: Float[Array, " p"]
    more: PyTree
    damping: Float[Array, ""]


def damped_steps(
    evaluate: Callable[[Float[Array, " p"]], Evaluated],
    space: ParameterSpace,
    values: Float[Array, " p"],
    spread: Float[Array, " p"],
    damping: Float[Array, ""],
    evaluations: int,
) -> Stepped:
    """A few steps from `values`; for `jax.jit`.

    Args:
        spread: by how much each value may be off.
        damping: squared residuals per squared spread; halved after a step that does what was
            expected of it, fourfold after one that makes things worse.
        evaluations: the first is at `values` themselves.

    Returns:
        Values and damping in the units of those given.
    """
    free = space.unbounded(values)

    def slope(at: Array) -> Array:
        return jax.jvp(space.bounded, (at,), (jnp.ones_like(at),))[1]

    least = _LEAST_SLOPE * slope(space.unbounded(space.nominal_values))
    unit = spread / jnp.maximum(slope(free), least)

    def residual(moved: Array, _: None) -> tuple[Array, PyTree]:
        here = jax.lax.stop_gradient(moved)
        at, slopes = jax.jvp(
            lambda x: space.bounded(free + unit * x), (here,), (jnp.ones_like(here),)
        )
        known = jax.lax.stop_gradient(evaluate(at))
        # The derivative is known: no need to differentiate again.
        linear = known.residual + (known.by_values * slopes) @ (moved - here)
        return linear / jnp.sqrt(damping), known.more

    solver = eqx.tree_at(
        lambda s: s.search,
        optx.LevenbergMarquardt(rtol=1e-12, atol=1e-12),
        optx.ClassicalTrustRegion(high_cutoff=0.75, high_constant=2.0),
    )
    solution = optx.least_squares(
        residual, solver, jnp.zeros_like(free), has_aux=True, max_steps=evaluations, throw=False
    )
    return Stepped(
        space.bounded(free + unit * solution.value),
        solution.aux,
        damping / solution.state.search_state.step_size,
    )
