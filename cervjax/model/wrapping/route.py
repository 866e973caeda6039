"""Where a path runs over its surfaces: OpenSim's `GeometryPath::applyWrapObjects`.

Surfaces are looked at in turn. Each takes the first segment that runs through it, else the segment
that wrapping lengthens least; with several surfaces this is repeated until the length settles.
Which segments these are, and how often it is repeated, are choices without a derivative; the length
has one between two changes of them.

OpenSim 4.6 itself does two things differently, which `as_opensim` repeats. Its moment arms hold the
tangent points still on their surfaces: no derivative of its lengths where these are not the
shortest. And where a path touches several surfaces it finds the tangent points again and again, but
measures the straight parts between those that it found first: `Point::getLocationInGround` keeps
them until the pose changes. Its lengths then belong to no path, by up to some millimeters, and its
lengthening speeds are not the derivatives of these: two points of one body, of which one is not
where it was measured, seem to move apart as the body turns.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from cervjax.math.rotation import cross, rotate, transpose

from .search import (
    ALONE_AS_OPENSIM,
    AS_OPENSIM,
    CONSISTENT,
    Kinds,
    Route,
    Step,
    Surface,
    Surfaces,
    choose,
    geometry,
    searched,
)
from .surface import AbstractWrapSurface
from .vectors import length_of


class RouteForces(NamedTuple):
    """What a path over surfaces does.

    Attributes:
        length: m.
        force: derivative of the length by each point's place, no unit.
        wrench: by a move (no unit) and a turn about ground's origin (m) of each surface.
        spin: m, by a turn of each surface, what OpenSim's lengthening speed has beside it.
    """

    length: Float[Array, ""]
    force: Float[Array, "points 3"]
    wrench: Float[Array, "surfaces 6"]
    spin: Float[Array, "surfaces 3"] | None = None


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
    look, wrap = geometry((kind,), True)
    surface = Surface.of(surfaces, 0)
    order = jnp.argsort(~inside, stable=True)
    at, here = place[order], inside[order]
    ranged = (order[:-1] >= surface.first) & (order[1:] <= surface.last)
    local = surface.local(at)
    straight = jnp.where(here[1:], length_of(at[1:] - at[:-1]), 0.0)
    chosen, wraps, _ = choose(look, surface, local, here[1:] & ranged)
    start, end = local[chosen], local[chosen + 1]
    found = wrap(surface.number, surface.task, start, end)
    return jnp.sum(straight) + jnp.where(wraps, found.change(start, end), 0.0)


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
    search = searched(kinds, place, inside, surfaces, CONSISTENT)
    length, back = jax.vjp(search.route.length, search.route.at, search.route.over)
    at_bar, over_bar = back(jnp.ones_like(length))
    wrench = jnp.zeros((len(kinds), 6), place.dtype)
    _, wrap = geometry(kinds, False)

    def undo(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        """Carry what the outputs of a step are worth to its inputs."""
        number, at_bar, over_bar, wrench = state
        number = number - 1
        step: Step = jax.tree.map(lambda x: x[number], search.steps)
        surface, slot = Surface.of(surfaces, step.surface), search.route.slots(step.surface)
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
    way = ALONE_AS_OPENSIM if alone else AS_OPENSIM
    route = searched(kinds, place, inside, surfaces, way).route
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
    return RouteForces(length, force[:points], wrench, _spin(route, bodies))


def _spin(route: Route, bodies: Int[Array, " slots"]) -> Float[Array, "surfaces 3"]:
    """What OpenSim's lengthening speed has for neighbours on the same body, per turn of it."""
    order = route.order()
    at, shown, owner = route.at[order], route.shown[order], route.owner[order]
    same = (bodies[order][1:] == bodies[order][:-1]) & route.there[order][1:]
    surface = jnp.maximum(owner[1:], owner[:-1])
    same &= surface >= 0
    apart = jnp.where(same[:, None], at[1:] - at[:-1], 0.0)
    seen = jnp.where(same[:, None], shown[1:] - shown[:-1], 0.0)
    far = length_of(seen)
    turned = cross(apart, seen / jnp.where(far > 0, far, 1.0)[:, None])
    mine = surface[None] == jnp.arange(len(route.over))[:, None]
    return jnp.sum(jnp.where(mine[..., None], turned, 0.0), axis=1)
