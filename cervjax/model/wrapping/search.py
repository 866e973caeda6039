"""The search for the segments of a path that its surfaces take, in rounds, as OpenSim does it."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cervjax.math.rotation import rotate, transpose

from .surface import AbstractWrapSurface, Look, Side, WrapOutcome, Wrapped, WrapTask
from .vectors import length_of

_ROUNDS = 8
_SETTLED_AS_OPENSIM, _SETTLED = 5e-4, 1e-7
"""m, by which the length still changes: OpenSim's, and ours."""

Kinds = tuple[type[AbstractWrapSurface], ...]


class Surfaces(NamedTuple):
    """The surfaces of one path, in the order in which they are looked at.

    Attributes:
        rotation, position: of their frames in ground; m.
        size: m, of each; filled up where kinds have fewer numbers than others.
        side: that the path has to be on.
        method: index into `WRAP_METHODS`.
        first, last: indices of the points between which the path may wrap.
        body: index of the body of every point, then of every surface.
    """

    rotation: Float[Array, "surfaces 3 3"]
    position: Float[Array, "surfaces 3"]
    size: Float[Array, "surfaces sizes"]
    side: Side
    method: Int[Array, " surfaces"]
    first: Int[Array, " surfaces"]
    last: Int[Array, " surfaces"]
    body: Int[Array, " points+surfaces"]


@functools.cache
def geometry(kinds: Kinds, alone: bool) -> tuple[Callable[..., Look], Callable[..., Wrapped]]:
    """`look` and `wrap` of the surface of a number: traced, and differentiated, once.

    Args:
        kinds: of the surfaces.
        alone: see `AbstractWrapSurface.wrap`.

    Returns:
        Functions of a number, a task, and both ends (m) of a segment in the surface's frame.
    """
    different = tuple(dict.fromkeys(kinds))
    index = np.array([different.index(kind) for kind in kinds])

    def of_number(functions: list[Callable]) -> Callable:
        def chosen(number: Array, task: WrapTask, start: Array, end: Array):
            branches = [
                lambda task, *ends, f=f, kind=kind: f(
                    task._replace(size=task.size[: kind.sizes]), *ends
                )
                for f, kind in zip(functions, different, strict=True)
            ]
            if len(branches) == 1:
                return branches[0](task, start, end)
            return jax.lax.switch(jnp.asarray(index)[number], branches, task, start, end)

        return jax.jit(chosen)

    look = of_number([kind.look for kind in different])
    return look, of_number([functools.partial(kind.wrap, alone=alone) for kind in different])


class Way(NamedTuple):
    """How to search: whether a surface is alone, whether as OpenSim, rounds at most, and the change
    of length (m) that ends them."""

    alone: bool
    as_opensim: bool
    rounds: int
    settled: float


CONSISTENT = Way(False, False, _ROUNDS, _SETTLED)
AS_OPENSIM = Way(False, True, _ROUNDS, _SETTLED_AS_OPENSIM)
ALONE_AS_OPENSIM = Way(True, True, 1, _SETTLED_AS_OPENSIM)


class Surface(NamedTuple):
    """One of `Surfaces`, and which."""

    number: Int[Array, ""]
    rotation: Float[Array, "3 3"]
    position: Float[Array, " 3"]
    task: WrapTask
    first: Int[Array, ""]
    last: Int[Array, ""]

    @classmethod
    def of(cls, surfaces: Surfaces, w: Int[Array, ""] | int) -> "Surface":
        """The surface of number `w`; in the units of `Surfaces`."""
        side = Side(surfaces.side.axis[w], surfaces.side.sign[w])
        task = WrapTask(surfaces.size[w], side, surfaces.method[w])
        at = (surfaces.rotation[w], surfaces.position[w], task)
        return cls(jnp.asarray(w), *at, surfaces.first[w], surfaces.last[w])

    def local(self, point: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
        """Points in the surface's frame, m."""
        return rotate(transpose(self.rotation)[None], point - self.position)

    def ground(self, point: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
        """Points of the surface in ground, m."""
        return self.position + rotate(self.rotation[None], point)


def choose(
    look: Callable[..., Look], surface: Surface, local: Array, open_to: Array
) -> tuple[Int[Array, ""], Bool[Array, ""], Int[Array, ""]]:
    """Which segment is wrapped, whether any is, and what OpenSim remembers of the last one.

    Args:
        look: of `geometry`.
        surface: that is looked at.
        local: m, points along the path in the surface's frame.
        open_to: which of the segments between them may be wrapped.

    Returns:
        An index, and a `WrapOutcome`; no unit. The choice has no derivative.
    """
    fixed, still = jax.tree.map(jax.lax.stop_gradient, (local, surface))
    seen = jax.vmap(look, (None, None, 0, 0))(still.number, still.task, fixed[:-1], fixed[1:])
    outcome = jnp.where(open_to, seen.outcome, int(WrapOutcome.NO_WRAP))
    through, round_it = outcome == WrapOutcome.MANDATORY, outcome == WrapOutcome.WRAPPED
    least = jnp.argmin(jnp.where(round_it, seen.change, jnp.inf))
    chosen = jnp.where(jnp.any(through), jnp.argmax(through), least)
    last_seen = jnp.max(jnp.where(open_to, jnp.arange(len(open_to)), 0))
    remembered = jnp.where(jnp.any(through), int(WrapOutcome.MANDATORY), outcome[last_seen])
    return chosen, jnp.any(through | round_it), remembered


class Route(NamedTuple):
    """A path with what wrapping added: points, then two of each surface.

    Attributes:
        at: m, in ground.
        shown: m, likewise, of every surface where its points were when they were first found.
        there: which are part of it.
        key: numbers that increase along the path.
        owner: index of the surface, -1 for a point.
        over: m, length on each surface.
    """

    at: Float[Array, "slots 3"]
    shown: Float[Array, "slots 3"]
    there: Bool[Array, " slots"]
    key: Float[Array, " slots"]
    owner: Int[Array, " slots"]
    over: Float[Array, " surfaces"]

    def slots(self, surface: Int[Array, ""]) -> Int[Array, " 2"]:
        """Where the two points of a surface are."""
        return len(self.at) - 2 * len(self.over) + 2 * surface + jnp.arange(2)

    def order(self) -> Int[Array, " slots"]:
        """The slots along the path, those that are no part of it last."""
        return jnp.argsort(jnp.where(self.there, self.key, jnp.inf), stable=True)

    def spans(self, at: Float[Array, "slots 3"]) -> Float[Array, " slots-1"]:
        """Of the straight parts through these places, m, along the path; zero for others."""
        order = self.order()
        place, there, owner = at[order], self.there[order], self.owner[order]
        same = (owner[1:] == owner[:-1]) & (owner[1:] >= 0)
        used = there[1:] & ~same
        # What is not on the path has no place: its length must not be looked at.
        apart = jnp.where(used[:, None], place[1:] - place[:-1], 0.0)
        return jnp.where(used, length_of(apart), 0.0)

    def length(self, at: Float[Array, "slots 3"], over: Array) -> Float[Array, ""]:
        """Of the path through these places, m."""
        return jnp.sum(self.spans(at)) + jnp.sum(over)


class Step(NamedTuple):
    """One surface looked at: which, the slots of the segment chosen, their places (m, in its
    frame), and whether it is wrapped."""

    surface: Int[Array, ""]
    slots: Int[Array, " 2"]
    ends: Float[Array, "2 3"]
    wraps: Bool[Array, ""]


class Search(NamedTuple):
    """Rounds over several surfaces: the route, its length after the last round (m), how many steps
    were taken, whether it has settled, the order of the surfaces, what came of each, and steps."""

    route: Route
    length: Float[Array, ""]
    number: Int[Array, ""]
    done: Bool[Array, ""]
    order: Int[Array, " surfaces"]
    seen: Int[Array, " surfaces"]
    steps: Step


def searched(kinds: Kinds, place: Array, inside: Array, surfaces: Surfaces, way: Way) -> Search:
    """Rounds over several surfaces until the length settles.

    Args:
        kinds: of the surfaces.
        place: m, of the path's points in ground.
        inside: which of them are part of the path.
        surfaces: of the path.
        way: how to search.

    Returns:
        The route in ground, m, and the steps that led there.
    """
    points, count = len(place), len(kinds)
    look, wrap = geometry(kinds, way.alone)
    spare = jnp.zeros((2 * count, 3), place.dtype)
    most = way.rounds * count
    start = Search(
        Route(
            jnp.concatenate([place, spare]),
            jnp.concatenate([place, jnp.full_like(spare, jnp.nan)]),
            jnp.concatenate([inside, jnp.zeros(2 * count, bool)]),
            jnp.concatenate([jnp.arange(points, dtype=place.dtype), spare[:, 0]]),
            jnp.asarray(np.r_[np.full(points, -1), np.repeat(np.arange(count), 2)]),
            jnp.zeros(count, place.dtype),
        ),
        jnp.asarray(jnp.inf, place.dtype),
        jnp.asarray(0),
        jnp.asarray(False),
        jnp.arange(count),
        jnp.zeros(count, jnp.int32),
        Step(
            jnp.zeros(most, int),
            jnp.zeros((most, 2), int),
            jnp.zeros((most, 2, 3), place.dtype),
            jnp.zeros(most, bool),
        ),
    )

    def step(search: Search) -> Search:
        turn = search.number % count
        w = search.order[turn]
        new, done, outcome = _over(look, wrap, search.route, Surface.of(surfaces, w))
        seen = search.seen.at[turn].set(outcome)
        ends = turn == count - 1
        measured = new.shown if way.as_opensim else new.at
        length = jax.lax.stop_gradient(new.length(measured, new.over))
        settled = ends & (jnp.abs(length - search.length) < way.settled)
        # A first surface that was missed because a point is inside the second one comes after it.
        swap = (search.number == count - 1) & ~settled
        # (With one surface there is no second one; its number is its own.)
        second = min(1, count - 1)
        swap &= (seen[0] == WrapOutcome.NO_WRAP) & (seen[second] == WrapOutcome.INSIDE_RADIUS)
        exchanged = jnp.asarray(np.r_[1, 0, np.arange(2, count)][:count])
        new = new._replace(
            there=jnp.where(swap & (new.owner == 0), False, new.there),
            over=jnp.where(swap, new.over.at[0].set(0.0), new.over),
        )
        return Search(
            new,
            jnp.where(ends, length, search.length),
            search.number + 1,
            settled,
            jnp.where(swap, exchanged, search.order),
            seen,
            jax.tree.map(lambda old, x: old.at[search.number].set(x), search.steps, done),
        )

    return jax.lax.while_loop(lambda s: ~s.done & (s.number < most), step, start)


def _over(
    look: Callable[..., Look], wrap: Callable[..., Wrapped], route: Route, surface: Surface
) -> tuple[Route, Step, Int[Array, ""]]:
    """The path taken over one surface anew, the step that was, and what OpenSim remembers."""
    slot = route.slots(surface.number)
    route = route._replace(there=route.there.at[slot].set(False))
    order = route.order()
    at, here, owner = route.at[order], route.there[order], route.owner[order]
    key = route.key[order]
    same = (owner[1:] == owner[:-1]) & (owner[1:] >= 0)
    ranged = (key[:-1] >= surface.first) & (key[1:] <= surface.last)
    local = surface.local(at)
    chosen, wraps, remembered = choose(look, surface, local, here[1:] & ~same & ranged)
    ends = jnp.stack([local[chosen], local[chosen + 1]])
    best = wrap(surface.number, surface.task, ends[0], ends[1])
    points = surface.ground(jnp.stack([best.first, best.last]))
    keys = key[chosen] + (key[chosen + 1] - key[chosen]) * jnp.array([1 / 3, 2 / 3], key.dtype)
    shown = jnp.where(wraps & jnp.isnan(route.shown[slot]), points, route.shown[slot])
    taken = Route(
        route.at.at[slot].set(jnp.where(wraps, points, 0.0)),
        route.shown.at[slot].set(shown),
        route.there.at[slot].set(wraps),
        route.key.at[slot].set(jnp.where(wraps, keys, 0.0)),
        route.owner,
        route.over.at[surface.number].set(jnp.where(wraps, best.length, 0.0)),
    )
    step = Step(surface.number, jnp.stack([order[chosen], order[chosen + 1]]), ends, wraps)
    return taken, step, remembered.astype(jnp.int32)
