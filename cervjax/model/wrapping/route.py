"""Where a path runs over its surfaces: OpenSim's `GeometryPath::applyWrapObjects`.

Surfaces are looked at in turn. Each takes the first segment that runs through it, else the segment
that wrapping lengthens least; with several surfaces this is repeated until the length settles.
Which segments these are, and how often it is repeated, are choices without a derivative; the length
has one between two changes of them.

OpenSim 4.6 itself does two things differently, which `as_opensim` repeats. Its moment arms hold the
tangent points still on their surfaces: no derivative of its lengths where these are not the
shortest. And where a path touches several surfaces it finds the tangent points again and again, but
measures the straight parts between those that it found first: `Point::getLocationInGround` keeps
them until the pose changes. Its lengths then belong to no path, by up to some millimeters.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cervjax.math.rotation import cross, rotate, transpose

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


class RouteForces(NamedTuple):
    """What a path over surfaces does.

    Attributes:
        length: m.
        force: derivative of the length by each point's place, no unit.
        wrench: by a move (no unit) and a turn about ground's origin (m) of each surface.
    """

    length: Float[Array, ""]
    force: Float[Array, "points 3"]
    wrench: Float[Array, "surfaces 6"]


@functools.cache
def _geometry(kinds: Kinds, alone: bool) -> tuple[Callable[..., Look], Callable[..., Wrapped]]:
    """`look` and `wrap` of the surface of a number: traced, and differentiated, once."""
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


def route_length(
    kind: type[AbstractWrapSurface],
    place: Float[Array, "points 3"],
    inside: Bool[Array, " points"],
    surfaces: Surfaces,
) -> Float[Array, ""]:
    """Length of a path over a single surface; differentiable in both modes.

    Args:
        kind: of the surface.
        place: m, of the path's points in ground.
        inside: which of them are part of the path.
        surfaces: of the path; one.

    Returns:
        m.
    """
    look, wrap = _geometry((kind,), True)
    surface = _Surface.of(surfaces, 0)
    order = jnp.argsort(~inside, stable=True)
    at, here = place[order], inside[order]
    ranged = (order[:-1] >= surface.first) & (order[1:] <= surface.last)
    local = surface.local(at)
    straight = jnp.where(here[1:], length_of(at[1:] - at[:-1]), 0.0)
    chosen, wraps, _ = _choose(look, surface, local, here[1:] & ranged)
    start, end = local[chosen], local[chosen + 1]
    found = wrap(surface.number, surface.task, start, end)
    way = length_of(found.first - start) + found.length + length_of(end - found.last)
    return jnp.sum(straight) + jnp.where(wraps, way - length_of(end - start), 0.0)


def route_forces(
    kinds: Kinds,
    place: Float[Array, "points 3"],
    inside: Bool[Array, " points"],
    surfaces: Surfaces,
) -> RouteForces:
    """Length of a path over several surfaces, and its derivatives, the search's steps followed
    back. Itself differentiable forwards only: OpenSim's search is a loop of unknown length.

    Args:
        kinds: of the surfaces.
        place: m, of the path's points in ground.
        inside: which of them are part of the path.
        surfaces: of the path.

    Returns:
        m and per m.
    """
    search = _searched(kinds, place, inside, surfaces, _CONSISTENT)
    length, back = jax.vjp(search.route.length, search.route.at, search.route.over)
    at_bar, over_bar = back(jnp.ones_like(length))
    wrench = jnp.zeros((len(kinds), 6), place.dtype)
    _, wrap = _geometry(kinds, False)

    def undo(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        """Carry what the outputs of a step are worth to its inputs."""
        number, at_bar, over_bar, wrench = state
        number = number - 1
        step: _Step = jax.tree.map(lambda x: x[number], search.steps)
        surface, slot = _Surface.of(surfaces, step.surface), search.route.slots(step.surface)
        worth = jnp.where(step.wraps, at_bar[slot], 0.0)
        worth_over = jnp.where(step.wraps, over_bar[step.surface], 0.0)
        at_bar = at_bar.at[slot].set(0.0)
        over_bar = over_bar.at[step.surface].set(0.0)

        def outputs(ends: Array) -> Array:
            found = wrap(surface.number, surface.task, ends[0], ends[1])
            return jnp.concatenate([found.first, found.last, found.length[None]])

        values = outputs(step.ends)
        jacobian = jax.jacfwd(outputs)(step.ends)
        local = rotate(transpose(surface.rotation)[None], worth)
        given = jnp.concatenate([local[0], local[1], worth_over[None]])
        pulled = jnp.tensordot(given, jacobian, axes=1)
        force = rotate(surface.rotation[None], pulled)
        at_bar = at_bar.at[step.slots].add(force)
        # Moving everything together changes nothing: the surface bears the difference.
        came = surface.ground(values[:6].reshape(2, 3))
        went = surface.ground(step.ends)
        moment = jnp.sum(cross(came, worth), axis=0) - jnp.sum(cross(went, force), axis=0)
        net = jnp.sum(worth, axis=0) - jnp.sum(force, axis=0)
        wrench = wrench.at[step.surface].add(jnp.concatenate([net, moment]))
        return number, at_bar, over_bar, wrench

    state = (search.number, at_bar, over_bar, wrench)
    _, at_bar, _, wrench = jax.lax.while_loop(lambda s: s[0] > 0, undo, state)
    return RouteForces(length, at_bar[: len(place)], wrench)


def route_forces_as_opensim(
    kinds: Kinds,
    alone: bool,
    place: Float[Array, "points 3"],
    inside: Bool[Array, " points"],
    surfaces: Surfaces,
) -> RouteForces:
    """Length of a path and forces on it as OpenSim 4.6 has them; see the module.

    Args:
        kinds: of the surfaces.
        alone: whether the path has a single wrap.
        place: m, of the path's points in ground.
        inside: which of them are part of the path.
        surfaces: of the path.

    Returns:
        m and per m.
    """
    way = _Way(alone, True, 1 if alone else _ROUNDS, _SETTLED_AS_OPENSIM)
    route = _searched(kinds, place, inside, surfaces, way).route
    length = route.length(route.shown, route.over)
    points, count = len(place), len(kinds)
    bodies = jnp.concatenate([surfaces.body[:points], jnp.repeat(surfaces.body[points:], 2)])

    def across(shown: Array) -> Array:
        order = route.order()
        apart = bodies[order][1:] != bodies[order][:-1]
        return jnp.sum(jnp.where(apart, route.spans(shown), 0.0))

    force = jax.grad(across)(route.shown)
    on_surface, at = force[points:].reshape(count, 2, 3), route.at[points:].reshape(count, 2, 3)
    moment = jnp.sum(cross(at, on_surface), axis=1)
    wrench = jnp.concatenate([jnp.sum(on_surface, axis=1), moment], axis=-1)
    return RouteForces(length, force[:points], wrench)


class _Way(NamedTuple):
    """How to search: whether a surface is alone, whether as OpenSim, rounds at most, and the change
    of length (m) that ends them."""

    alone: bool
    as_opensim: bool
    rounds: int
    settled: float


_CONSISTENT = _Way(False, False, _ROUNDS, _SETTLED)


class _Surface(NamedTuple):
    """One of `Surfaces`, and which."""

    number: Int[Array, ""]
    rotation: Float[Array, "3 3"]
    position: Float[Array, " 3"]
    task: WrapTask
    first: Int[Array, ""]
    last: Int[Array, ""]

    @classmethod
    def of(cls, surfaces: Surfaces, w: Int[Array, ""] | int) -> "_Surface":
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


def _choose(
    look: Callable[..., Look], surface: _Surface, local: Array, open_to: Array
) -> tuple[Int[Array, ""], Bool[Array, ""], Int[Array, ""]]:
    """Which segment is wrapped, whether any is, and what OpenSim remembers of the last one."""
    fixed, still = jax.tree.map(jax.lax.stop_gradient, (local, surface))
    seen = jax.vmap(look, (None, None, 0, 0))(still.number, still.task, fixed[:-1], fixed[1:])
    outcome = jnp.where(open_to, seen.outcome, int(WrapOutcome.NO_WRAP))
    through, round_it = outcome == WrapOutcome.MANDATORY, outcome == WrapOutcome.WRAPPED
    least = jnp.argmin(jnp.where(round_it, seen.change, jnp.inf))
    chosen = jnp.where(jnp.any(through), jnp.argmax(through), least)
    last_seen = jnp.max(jnp.where(open_to, jnp.arange(len(open_to)), 0))
    remembered = jnp.where(jnp.any(through), int(WrapOutcome.MANDATORY), outcome[last_seen])
    return chosen, jnp.any(through | round_it), remembered


class _Route(NamedTuple):
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


class _Step(NamedTuple):
    """One surface looked at: which, the slots of the segment chosen, their places (m, in its
    frame), and whether it is wrapped."""

    surface: Int[Array, ""]
    slots: Int[Array, " 2"]
    ends: Float[Array, "2 3"]
    wraps: Bool[Array, ""]


class _Search(NamedTuple):
    """Rounds over several surfaces: the route, its length after the last round (m), how many steps
    were taken, whether it has settled, the order of the surfaces, what came of each, and steps."""

    route: _Route
    length: Float[Array, ""]
    number: Int[Array, ""]
    done: Bool[Array, ""]
    order: Int[Array, " surfaces"]
    seen: Int[Array, " surfaces"]
    steps: _Step


def _searched(kinds: Kinds, place: Array, inside: Array, surfaces: Surfaces, way: _Way) -> _Search:
    points, count = len(place), len(kinds)
    look, wrap = _geometry(kinds, way.alone)
    spare = jnp.zeros((2 * count, 3), place.dtype)
    most = way.rounds * count
    start = _Search(
        _Route(
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
        _Step(
            jnp.zeros(most, int),
            jnp.zeros((most, 2), int),
            jnp.zeros((most, 2, 3), place.dtype),
            jnp.zeros(most, bool),
        ),
    )

    def step(search: _Search) -> _Search:
        turn = search.number % count
        w = search.order[turn]
        new, done, outcome = _over(look, wrap, search.route, _Surface.of(surfaces, w))
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
        return _Search(
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
    look: Callable[..., Look], wrap: Callable[..., Wrapped], route: _Route, surface: _Surface
) -> tuple[_Route, _Step, Int[Array, ""]]:
    """The path taken over one surface anew, the step that was, and what OpenSim remembers."""
    slot = route.slots(surface.number)
    route = route._replace(there=route.there.at[slot].set(False))
    order = route.order()
    at, here, owner = route.at[order], route.there[order], route.owner[order]
    key = route.key[order]
    same = (owner[1:] == owner[:-1]) & (owner[1:] >= 0)
    ranged = (key[:-1] >= surface.first) & (key[1:] <= surface.last)
    local = surface.local(at)
    chosen, wraps, remembered = _choose(look, surface, local, here[1:] & ~same & ranged)
    ends = jnp.stack([local[chosen], local[chosen + 1]])
    best = wrap(surface.number, surface.task, ends[0], ends[1])
    points = surface.ground(jnp.stack([best.first, best.last]))
    keys = key[chosen] + (key[chosen + 1] - key[chosen]) * jnp.array([1 / 3, 2 / 3], key.dtype)
    shown = jnp.where(wraps & jnp.isnan(route.shown[slot]), points, route.shown[slot])
    taken = _Route(
        route.at.at[slot].set(jnp.where(wraps, points, 0.0)),
        route.shown.at[slot].set(shown),
        route.there.at[slot].set(wraps),
        route.key.at[slot].set(jnp.where(wraps, keys, 0.0)),
        route.owner,
        route.over.at[surface.number].set(jnp.where(wraps, best.length, 0.0)),
    )
    step = _Step(surface.number, jnp.stack([order[chosen], order[chosen + 1]]), ends, wraps)
    return taken, step, remembered.astype(jnp.int32)
