"""Where a path runs over its surfaces: OpenSim's `GeometryPath::applyWrapObjects`.

A surface takes the first segment that runs through it, else the segment that wrapping lengthens
least. Which segment that is, is a choice without a derivative; the length has one between two
changes of it.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from cervjax.math.rotation import rotate, transpose

from .surface import AbstractWrapSurface, Side, WrapOutcome, Wrapped
from .vectors import length_of


class Surface(NamedTuple):
    """The surface of one path.

    Attributes:
        rotation, position: of its frame in ground; m.
        size: m.
        side: that the path has to be on.
        first, last: indices of the points between which the path may wrap.
    """

    rotation: Float[Array, "3 3"]
    position: Float[Array, " 3"]
    size: Float[Array, " sizes"]
    side: Side
    first: Int[Array, ""]
    last: Int[Array, ""]


@functools.cache
def _compiled(kind: type[AbstractWrapSurface]) -> Callable[..., Wrapped]:
    """The geometry as a function of its own: traced, and differentiated, once."""
    return jax.jit(kind.wrap)


def route_length(
    kind: type[AbstractWrapSurface],
    place: Float[Array, "points 3"],
    inside: Bool[Array, " points"],
    surface: Surface,
) -> Float[Array, ""]:
    """Length of a path over its surface.

    Args:
        kind: of the surface.
        place: m, of the path's points in ground.
        inside: which of them are part of the path.
        surface: of the path.

    Returns:
        m.
    """
    order = jnp.argsort(~inside, stable=True)
    at, here = place[order], inside[order]
    ranged = (order[:-1] >= surface.first) & (order[1:] <= surface.last)
    local = rotate(transpose(surface.rotation)[None], at - surface.position)
    straight = jnp.where(here[1:], length_of(at[1:] - at[:-1]), 0.0)

    def wrap(surface: Surface, start: Array, end: Array) -> tuple[Array, Array]:
        found = _compiled(kind)(surface.size, surface.side, start, end)
        way = length_of(found.first - start) + found.length + length_of(end - found.last)
        return found.outcome, way - length_of(end - start)

    # Which segment it is has no derivative.
    fixed, still = jax.tree.map(jax.lax.stop_gradient, (local, surface))
    outcome, change = jax.vmap(wrap, (None, 0, 0))(still, fixed[:-1], fixed[1:])
    outcome = jnp.where(here[1:] & ranged, outcome, int(WrapOutcome.NO_WRAP))
    through, round_it = outcome == WrapOutcome.MANDATORY, outcome == WrapOutcome.WRAPPED
    least = jnp.argmin(jnp.where(round_it, change, jnp.inf))
    chosen = jnp.where(jnp.any(through), jnp.argmax(through), least)
    _, longer = wrap(surface, local[chosen], local[chosen + 1])
    return jnp.sum(straight) + jnp.where(jnp.any(through | round_it), longer, 0.0)
