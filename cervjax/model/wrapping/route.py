"""Where a path runs over its surfaces: OpenSim's `GeometryPath::applyWrapObjects`.

Surfaces are looked at in turn. Each takes the first segment that runs through it, else the segment
that wrapping lengthens least; with several surfaces this is repeated until the length settles.
Which segments these are is a choice without a derivative; the length has one between two changes of
it.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cervjax.math.rotation import rotate, transpose

from .surface import AbstractWrapSurface, Side, WrapOutcome, Wrapped
from .vectors import length_of

_ROUNDS = 8
_SETTLED = 5e-4
"""m; OpenSim's."""

Kinds = tuple[type[AbstractWrapSurface], ...]


class Surfaces(NamedTuple):
    """The surfaces of one path, in the order in which they are looked at.

    Attributes:
        rotation, position: of their frames in ground; m.
        size: m, of each; filled up where kinds have fewer numbers than others.
        axis, sign: see `Side`.
        first, last: indices of the points between which the path may wrap.
    """

    rotation: Float[Array, "surfaces 3 3"]
    position: Float[Array, "surfaces 3"]
    size: Float[Array, "surfaces sizes"]
    axis: Float[Array, "surfaces 3"]
    sign: Float[Array, " surfaces"]
    first: Int[Array, " surfaces"]
    last: Int[Array, " surfaces"]


class _Route(NamedTuple):
    """A path with what wrapping added: points, then two of each surface.

    Attributes:
        at: m, in ground.
        there: which are part of it.
        key: numbers that increase along the path.
        owner: index of the surface, -1 for a point.
        over: m, length on each surface.
    """

    at: Float[Array, "slots 3"]
    there: Bool[Array, " slots"]
    key: Float[Array, " slots"]
    owner: Int[Array, " slots"]
    over: Float[Array, " surfaces"]

    def length(self) -> Float[Array, ""]:
        """Of the path, m."""
        order = jnp.argsort(jnp.where(self.there, self.key, jnp.inf), stable=True)
        at, there, owner = self.at[order], self.there[order], self.owner[order]
        same = (owner[1:] == owner[:-1]) & (owner[1:] >= 0)
        apart = jnp.where(there[1:] & ~same, length_of(at[1:] - at[:-1]), 0.0)
        return jnp.sum(apart) + jnp.sum(self.over)


def route_length(
    kinds: Kinds,
    alone: bool,
    place: Float[Array, "points 3"],
    inside: Bool[Array, " points"],
    surfaces: Surfaces,
) -> Float[Array, ""]:
    """Length of a path over its surfaces.

    Args:
        kinds: of the surfaces.
        alone: see `AbstractWrapSurface.wrap`.
        place: m, of the path's points in ground.
        inside: which of them are part of the path.
        surfaces: of the path.

    Returns:
        m.
    """
    points, count = len(place), len(kinds)
    spare = jnp.zeros((2 * count, 3), place.dtype)
    route = _Route(
        jnp.concatenate([place, spare]),
        jnp.concatenate([inside, jnp.zeros(2 * count, bool)]),
        jnp.concatenate([jnp.arange(points, dtype=place.dtype), spare[:, 0]]),
        jnp.asarray(np.r_[np.full(points, -1), np.repeat(np.arange(count), 2)]),
        jnp.zeros(count, place.dtype),
    )
    if count == 1:
        return _over(kinds, alone, route, _Surface.of(surfaces, 0))[0].length()
    order = jnp.arange(count)
    start = _Search(
        route,
        jnp.asarray(jnp.inf, place.dtype),
        jnp.asarray(False),
        order,
        jnp.zeros(count, jnp.int32),
    )

    def step(search: _Search, number: Array) -> tuple[_Search, None]:
        turn = number % count
        w = search.order[turn]
        new, outcome = _over(kinds, alone, search.route, _Surface.of(surfaces, w))
        seen = search.seen.at[turn].set(outcome)
        # At the end of a round.
        ends = turn == count - 1
        length = new.length()
        settled = ends & (jnp.abs(length - search.length) < _SETTLED)
        # A first surface that was missed because a point is inside the second one comes after it.
        swap = (number == count - 1) & ~settled
        swap &= (seen[0] == WrapOutcome.NO_WRAP) & (seen[1] == WrapOutcome.INSIDE_RADIUS)
        exchanged = jnp.asarray(np.r_[1, 0, np.arange(2, count)])
        new = new._replace(there=jnp.where(swap & (new.owner == 0), False, new.there))
        new = new._replace(over=jnp.where(swap, new.over.at[0].set(0.0), new.over))
        found = _Search(
            new,
            jnp.where(ends, length, search.length),
            search.done | settled,
            jnp.where(swap, exchanged, search.order),
            seen,
        )
        return jax.tree.map(lambda old, x: jnp.where(search.done, old, x), search, found), None

    search, _ = jax.lax.scan(step, start, jnp.arange(_ROUNDS * count))
    return search.route.length()


class _Search(NamedTuple):
    """Rounds over several surfaces: the route, its length after the last round (m), whether it has
    settled, the order of the surfaces, and what came of each."""

    route: _Route
    length: Float[Array, ""]
    done: Bool[Array, ""]
    order: Int[Array, " surfaces"]
    seen: Int[Array, " surfaces"]


class _Surface(NamedTuple):
    """One of `Surfaces`, and which."""

    number: Int[Array, ""]
    rotation: Float[Array, "3 3"]
    position: Float[Array, " 3"]
    size: Float[Array, " sizes"]
    side: Side
    first: Int[Array, ""]
    last: Int[Array, ""]

    @classmethod
    def of(cls, surfaces: Surfaces, w: Int[Array, ""] | int) -> "_Surface":
        side = Side(surfaces.axis[w], surfaces.sign[w])
        at = (surfaces.rotation[w], surfaces.position[w], surfaces.size[w], side)
        return cls(jnp.asarray(w), *at, surfaces.first[w], surfaces.last[w])

    def local(self, point: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
        """Points in the surface's frame, m."""
        return rotate(transpose(self.rotation)[None], point - self.position)

    def ground(self, point: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
        """Points of the surface in ground, m."""
        return self.position + rotate(self.rotation[None], point)


@functools.cache
def _compiled(kinds: Kinds, alone: bool) -> Callable[..., Wrapped]:
    """The geometry of one of several surfaces as a function of its own: traced, and
    differentiated, once."""
    different = tuple(dict.fromkeys(kinds))
    index = np.array([different.index(kind) for kind in kinds])

    def branch(kind: type[AbstractWrapSurface]) -> Callable[..., Wrapped]:
        return lambda size, side, start, end: kind.wrap(
            size[: kind.sizes], side, start, end, alone=alone
        )

    @jax.jit
    def wrap(surface: _Surface, start: Array, end: Array) -> Wrapped:
        arguments = surface.size, surface.side, start, end
        if len(different) == 1:
            return branch(different[0])(*arguments)
        which = jnp.asarray(index)[surface.number]
        return jax.lax.switch(which, [branch(kind) for kind in different], *arguments)

    return wrap


def _over(
    kinds: Kinds, alone: bool, route: _Route, surface: _Surface
) -> tuple[_Route, Int[Array, ""]]:
    """The path taken over one surface anew, and the outcome that was looked at last."""
    slots, w = len(route.at), surface.number
    slot = slots - 2 * len(route.over) + 2 * w + jnp.arange(2)
    there = route.there.at[slot].set(False)
    order = jnp.argsort(jnp.where(there, route.key, jnp.inf), stable=True)
    at, here, owner = route.at[order], there[order], route.owner[order]
    key = route.key[order]
    same = (owner[1:] == owner[:-1]) & (owner[1:] >= 0)
    ranged = (key[:-1] >= surface.first) & (key[1:] <= surface.last)
    open_to = here[1:] & ~same & ranged
    local = surface.local(at)
    wrap = _compiled(kinds, alone)

    # Which segment it is has no derivative.
    fixed, still = jax.tree.map(jax.lax.stop_gradient, (local, surface))
    tried = jax.vmap(wrap, (None, 0, 0))(still, fixed[:-1], fixed[1:])
    outcome = jnp.where(open_to, tried.outcome, int(WrapOutcome.NO_WRAP))
    change = (
        length_of(tried.first - fixed[:-1]) + tried.length + length_of(fixed[1:] - tried.last)
    ) - length_of(fixed[1:] - fixed[:-1])
    through, round_it = outcome == WrapOutcome.MANDATORY, outcome == WrapOutcome.WRAPPED
    least = jnp.argmin(jnp.where(round_it, change, jnp.inf))
    chosen = jnp.where(jnp.any(through), jnp.argmax(through), least)
    any_wrap = jnp.any(through | round_it)

    best = wrap(surface, local[chosen], local[chosen + 1])
    ends = surface.ground(jnp.stack([best.first, best.last]))
    keys = key[chosen] + (key[chosen + 1] - key[chosen]) * jnp.array([1 / 3, 2 / 3], key.dtype)
    last_seen = jnp.max(jnp.where(open_to, jnp.arange(slots - 1), 0))
    looked = jnp.where(jnp.any(through), int(WrapOutcome.MANDATORY), outcome[last_seen])
    taken = _Route(
        route.at.at[slot].set(jnp.where(any_wrap, ends, 0.0)),
        there.at[slot].set(any_wrap),
        route.key.at[slot].set(jnp.where(any_wrap, keys, 0.0)),
        route.owner,
        route.over.at[w].set(jnp.where(any_wrap, best.length, 0.0)),
    )
    return taken, looked.astype(jnp.int32)
