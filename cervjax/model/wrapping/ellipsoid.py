"""OpenSim's WrapEllipsoid: an arc of the ellipse in which a plane cuts the ellipsoid.

OpenSim does not seek the shortest way. It chooses a point of the surface near the segment, and the
path stays in the plane of this point and of the segment's ends. How that point is chosen is the
wrap's method: nearest to the middle of what is inside (midpoint), nearest within the plane across
the axis that the segment is most parallel to (axial), or a blend of the latter with the mean of the
directions to the surface from many places inside (hybrid). OpenSim adds up chords of some 1 mm
where the length here is that of the arc.
"""

import dataclasses
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cervjax.math.rotation import cross, dot
from cervjax.spec import AbstractWrapObject, WrapEllipsoid

from .surface import (
    WRAP_METHODS,
    AbstractWrapSurface,
    Look,
    Side,
    WrapOutcome,
    Wrapped,
    WrapTask,
    register_wrap_surface,
)
from .vectors import length_of, root, sphere_cuts, unit

_INSIDE, _COLLINEAR = -1e-4, 1e-4
"""OpenSim's tolerances: of the ellipsoid's equation, and of the cosine of an angle less one."""
_FAN_ONLY, _AXIAL_ONLY = 0.7073, 0.9
"""Cosine of the angle between the segment and an axis, between which hybrid blends."""
_NEAR_END = 0.3
"""Part of the way inside, at whose ends the axial method is faded out."""
_FAN = 300
"""OpenSim's number of places inside: from the second to the last but two, evenly spaced. Their mean
is here an integral over where they are, by Gauss and Legendre's rule ..."""
_FAN_NODES = 32
"""... with so many places: directions are smooth where the segment does not cross the middle."""
_ON_PLANE = 2e-13
_STRAIGHT, _TWO_CHORDS = 1e-3, 2e-3
"""m, of OpenSim's chords."""
_NODES = 16
_ROOT_STEPS = 12


@register_wrap_surface(WrapEllipsoid)
class EllipsoidSurface(AbstractWrapSurface):
    """The three radii of an ellipsoid about the origin."""

    sizes = 3

    @staticmethod
    def size(wrap_object: AbstractWrapObject) -> tuple[float, ...]:
        """The radii, m."""
        return cast(WrapEllipsoid, wrap_object).dimensions

    @staticmethod
    def scaled(
        size: Float[Array, " n"], stretch: Float[Array, " 3"], factors: Float[Array, " 3"]
    ) -> Float[Array, " n"]:
        """Each with its axis; m."""
        return size * stretch

    @staticmethod
    def resized(wrap_object: AbstractWrapObject, size: tuple[float, ...]) -> AbstractWrapObject:
        """With other radii, m."""
        x, y, z = size
        return dataclasses.replace(cast(WrapEllipsoid, wrap_object), dimensions=(x, y, z))

    @staticmethod
    def wrap(
        task: WrapTask, start: Float[Array, " 3"], end: Float[Array, " 3"], *, alone: bool
    ) -> Wrapped:
        """The segment over the ellipsoid; see `AbstractWrapSurface`. m."""
        # OpenSim's tolerances are of an ellipsoid with radii of about one.
        unit_length = jnp.mean(task.size)
        radii, p1, p2 = task.size / unit_length, start / unit_length, end / unit_length
        outcome, (enter, leave) = _met(radii, p1, p2)
        point = _point_of_plane(task.side, task.method, radii, (p1, p2), (enter, leave))
        tolerances = _Chords(_STRAIGHT / unit_length, _TWO_CHORDS / unit_length)
        first, last, length = _arc(radii, (p1, p2), point, task.side.sign != 0, tolerances)
        return Wrapped(outcome, first * unit_length, last * unit_length, length * unit_length)

    @classmethod
    def look(cls, task: WrapTask, start: Float[Array, " 3"], end: Float[Array, " 3"]) -> Look:
        """Whether the segment is wrapped: it has to be, or it is not; see `AbstractWrapSurface`."""
        unit_length = jnp.mean(task.size)
        ends = start / unit_length, end / unit_length
        outcome, _ = _met(task.size / unit_length, *ends)
        return Look(outcome, jnp.zeros_like(unit_length))


def _met(
    radii: Float[Array, " 3"], p1: Float[Array, " 3"], p2: Float[Array, " 3"]
) -> tuple[Int[Array, ""], tuple[Float[Array, " 3"], Float[Array, " 3"]]]:
    """Whether the segment runs through the ellipsoid, and where it enters and leaves."""
    one, two = p1 / radii, p2 / radii
    through, cuts = sphere_cuts(one, two, 1.0)
    through &= jnp.abs(dot(unit(p1), unit(p2)) - 1.0) >= _COLLINEAR
    inside = (dot(one, one) - 1.0 < _INSIDE) | (dot(two, two) - 1.0 < _INSIDE)
    outcome = jnp.where(through, int(WrapOutcome.MANDATORY), int(WrapOutcome.NO_WRAP))
    outcome = jnp.where(inside, int(WrapOutcome.INSIDE_RADIUS), outcome)
    enter, leave = (p2 + x * (p1 - p2) for x in cuts)
    return outcome.astype(jnp.int32), (enter, leave)


class _Choice(NamedTuple):
    """Attributes: `point`: of the surface, which the plane goes through; `fan`: weight of the mean
    of directions in it, for turning it to another side."""

    point: Float[Array, " 3"]
    fan: Float[Array, ""]


def _point_of_plane(
    side: Side, method: Int[Array, ""], radii: Array, ends: tuple, cuts: tuple
) -> Float[Array, " 3"]:
    """The point of the surface that the path's plane goes through."""
    (p1, p2), (enter, leave) = ends, cuts
    inner = leave - enter
    middle = closest_point(radii, enter + 0.5 * inner)
    axial = _axial(radii, unit(p1 - p2), enter, inner)
    hybrid = _hybrid(radii, axial, enter, inner)
    which = [WRAP_METHODS.index(name) for name in ("midpoint", "axial")]
    point = jnp.where(
        method == which[0], middle, jnp.where(method == which[1], axial.point, hybrid.point)
    )
    fan = jnp.where(method == WRAP_METHODS.index("hybrid"), hybrid.fan, 0.0)
    return _on_side(side, radii, _Choice(point, fan))


def _on_side(side: Side, radii: Array, choice: _Choice) -> Float[Array, " 3"]:
    """The point on the half that is asked for: mirrored, and drawn back to the middle with the
    weight of the fan."""
    point = choice.point
    turned = point - 2 * side.axis * dot(side.axis, point)
    between = turned + choice.fan * (0.5 * (turned + point) - turned)
    flipped = jnp.where(choice.fan > 0, closest_point(radii, between), turned)
    return jnp.where((side.sign != 0) & ~side.of(point), flipped, point)


class _Axial(NamedTuple):
    """Attributes: `parallel`: cosine between the segment and the axis that it is most parallel to,
    faded near the segment's ends; `point`: of the surface, in the plane of the other two axes, and
    there nearest to where the segment crosses it."""

    parallel: Float[Array, ""]
    point: Float[Array, " 3"]


def _axial(radii: Array, direction: Array, enter: Array, inner: Array) -> _Axial:
    cosine = jnp.abs(direction)
    axis = jnp.argmax(cosine)
    here, across = enter[axis], inner[axis]
    along = -here / jnp.where(across == 0, 1.0, across)
    inside = enter + along * inner
    # Within the plane: as on an ellipsoid whose axis across it is not there.
    off = jnp.arange(3) == axis
    inside = jnp.where(off, 0.0, inside)
    point = closest_point(radii, inside, within=~off)
    near = jnp.minimum(along, 1.0 - along) / _NEAR_END
    fade = jnp.clip(near, 0.0, 1.0)
    whole = cosine[axis]
    faded = jnp.where(whole > _FAN_ONLY, _FAN_ONLY + fade * (whole - _FAN_ONLY), whole)
    return _Axial(faded, point)


def _hybrid(radii: Array, axial: _Axial, enter: Array, inner: Array) -> _Choice:
    middle = enter + 0.5 * inner
    toward = _fan_direction(radii, enter, inner)
    fan = closest_point(radii, middle + toward)
    part = (axial.parallel - _FAN_ONLY) / (_AXIAL_ONLY - _FAN_ONLY)
    part = jnp.clip(part, 0.0, 1.0)
    blended = closest_point(radii, part * axial.point + (1 - part) * fan)
    point = jnp.where(part >= 1, axial.point, jnp.where(part <= 0, fan, blended))
    return _Choice(point, 1 - part)


def _fan_direction(radii: Array, enter: Array, inner: Array) -> Float[Array, " 3"]:
    """The mean direction from places inside to the points of the surface that are nearest."""
    nodes, weights = np.polynomial.legendre.leggauss(_FAN_NODES)
    first, last = 0.5 / _FAN, (_FAN - 1.5) / _FAN
    places = first + 0.5 * (last - first) * (nodes + 1.0)
    inside = enter + jnp.asarray(places, enter.dtype)[:, None] * inner
    nearest = jax.vmap(closest_point, (None, 0))(radii, inside)
    weighted = jnp.asarray(weights, enter.dtype)[:, None] * unit(nearest - inside)
    return unit(jnp.sum(weighted, axis=0))


def closest_point(
    radii: Float[Array, " 3"],
    point: Float[Array, " 3"],
    within: Bool[Array, " 3"] | None = None,
) -> Float[Array, " 3"]:
    """The point of an ellipsoid that is nearest to a point.

    Newton's method on the sum of `(r u / (t + r^2))^2`, which falls and is convex: from below it
    comes to the root without passing it. The last step makes the derivative exact.

    Args:
        radii: of the ellipsoid.
        point: in any unit.
        within: axes to which the search is confined; all if None.

    Returns:
        In the unit of `radii`.
    """
    used = jnp.ones(3, bool) if within is None else within
    # A point on a plane of symmetry keeps to it, as OpenSim has it; of several the narrowest.
    flat = used & (jnp.abs(point) <= _ON_PLANE)
    used = used & ~(flat & (jnp.arange(3) == jnp.argmax(jnp.where(flat, radii, -jnp.inf))))
    point = jnp.where(used & (point == 0), jnp.finfo(point.dtype).tiny ** 0.25, point)

    def terms(t: Array, point: Array, radii: Array) -> tuple[Array, Array]:
        scaled = jnp.where(used, radii * point / (t + radii**2), 0.0)
        value = jnp.sum(scaled**2) - 1.0
        return value, -2 * jnp.sum(scaled**2 / (t + radii**2))

    fixed, still = jax.lax.stop_gradient((point, radii))
    start = jnp.max(jnp.where(used, still * jnp.abs(fixed) - still**2, -jnp.inf))

    def step(_: int, t: Array) -> Array:
        value, slope = terms(t, fixed, still)
        return t - value / slope

    root_of = jax.lax.fori_loop(0, _ROOT_STEPS, step, start)
    value, slope = terms(root_of, point, radii)
    t = root_of - value / jax.lax.stop_gradient(slope)
    return jnp.where(used, radii**2 * point / (t + radii**2), 0.0)


class _Chords(NamedTuple):
    """Distances between the tangent points, up to which OpenSim's path is straight, and up to which
    it has a single chord."""

    straight: Array
    single: Array


def _arc(
    radii: Array, ends: tuple[Array, Array], point: Array, constrained: Array, chords: _Chords
) -> tuple[Float[Array, " 3"], Float[Array, " 3"], Float[Array, ""]]:
    """Tangent points and length of the arc in the plane of three points.

    With lengths along the axes divided by the radii the ellipsoid is a sphere and the section a
    circle; what is tangent stays tangent. A path that would have to turn back where it comes onto
    the surface goes the long way round, if a side is asked for.
    """
    p1, p2 = ends
    one, two, on = p1 / radii, p2 / radii, point / radii
    normal = unit(cross(one - two, one - on))
    center = normal * dot(normal, on)
    radius = root(1.0 - dot(center, center))
    # The side of the straight line between the ends on which the point is.
    middle = unit(on - center)

    def tangent(end: Array) -> Array:
        away = end - center
        distance = length_of(away)
        spoke = unit(away)
        along = radius**2 / jnp.where(distance > 0, distance, 1.0)
        aside = root(radius**2 - along**2) * cross(normal, spoke)
        a, b = center + along * spoke + aside, center + along * spoke - aside
        return jnp.where(dot(a, middle) > dot(b, middle), a, b)

    first, last = tangent(one), tangent(two)
    spoke = unit(first - center)
    turned = cross(normal, spoke)
    away = last - center
    angle = jnp.arctan2(dot(turned, away), dot(spoke, away))
    sense = jnp.where(angle < 0, -1.0, 1.0)
    coming = sense * turned
    going = sense * cross(normal, unit(away))
    back = dot(p1 - first * radii, coming * radii) > 0
    back |= dot(p2 - last * radii, -going * radii) > 0
    chord = length_of((last - first) * radii)
    far = constrained & back & (chord >= chords.single)
    angle = jnp.where(far, angle - sense * 2 * np.pi, angle)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    at = 0.5 * angle * jnp.asarray(nodes + 1.0, angle.dtype)[:, None]
    speed = length_of(radii * (jnp.cos(at) * turned - jnp.sin(at) * spoke))
    length = 0.5 * jnp.abs(angle) * radius * jnp.sum(jnp.asarray(weights, angle.dtype) * speed)
    return first * radii, last * radii, jnp.where(chord < chords.straight, chord, length)
