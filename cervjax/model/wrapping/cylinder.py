"""OpenSim's WrapCylinder: a spiral between tangent points.

OpenSim does not seek the shortest way. The tangent points are found across the axis, and slid along
it to where the plane through both ends and a point of the cylinder's edge cuts.
"""

import dataclasses
from typing import cast

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cervjax.math.rotation import cross, dot
from cervjax.spec import AbstractWrapObject, WrapCylinder

from .surface import (
    AbstractWrapSurface,
    Side,
    WrapOutcome,
    Wrapped,
    nearest_pair,
    register_wrap_surface,
)
from .vectors import angle_between, length_of, root, unit

_REACH = 10.0
"""m, by which tangent points are slid at most."""
_PARALLEL = 1e-5


@register_wrap_surface(WrapCylinder)
class CylinderSurface(AbstractWrapSurface):
    """Radius and length of a cylinder about z."""

    sizes = 2

    @staticmethod
    def size(wrap_object: AbstractWrapObject) -> tuple[float, ...]:
        """Radius and length, m."""
        cylinder = cast(WrapCylinder, wrap_object)
        return cylinder.radius, cylinder.length

    @staticmethod
    def scaled(size: Float[Array, " n"], stretch: Float[Array, " 3"]) -> Float[Array, " n"]:
        """The radius with the mean across the axis, the length along it; m."""
        return size * jnp.stack([0.5 * (stretch[0] + stretch[1]), stretch[2]])

    @staticmethod
    def resized(wrap_object: AbstractWrapObject, size: tuple[float, ...]) -> AbstractWrapObject:
        """With another radius and length, m."""
        cylinder = cast(WrapCylinder, wrap_object)
        return dataclasses.replace(cylinder, radius=size[0], length=size[1])

    @staticmethod
    def wrap(
        size: Float[Array, " n"],
        side: Side,
        start: Float[Array, " 3"],
        end: Float[Array, " 3"],
    ) -> Wrapped:
        """The segment over the cylinder; see `AbstractWrapSurface`. m."""
        radius, half = size[0], 0.5 * size[1]
        inside = (_across(start) < radius**2) | (_across(end) < radius**2)
        near, between = _nearest_to_axis(start, end)
        through = (_across(near) < radius**2) & between
        constrained = side.sign != 0
        free = jnp.where(through, int(WrapOutcome.MANDATORY), int(WrapOutcome.NO_WRAP))
        outcome = jnp.where(constrained, side.outcome(start, end, near, through), free)
        outcome = jnp.where(inside, int(WrapOutcome.INSIDE_RADIUS), outcome)

        (start_a, start_b), (end_a, end_b) = _tangents(start, radius), _tangents(end, radius)
        first, last, far, long = _constrained(side, (start, end), (start_a, start_b, end_a, end_b))
        free_first, free_last = nearest_pair((start_a, start_b), (end_a, end_b), _flat)
        first = jnp.where(constrained, first, free_first)
        last = jnp.where(constrained, last, free_last)
        far, long = constrained & far, constrained & long

        first, last = _slid(first, last, start, end, radius, far)
        beyond = (jnp.abs(first[2]) > half) & (jnp.abs(last[2]) > half)
        wrapped = outcome >= int(WrapOutcome.WRAPPED)
        outcome = jnp.where(beyond & wrapped, int(WrapOutcome.NO_WRAP), outcome)
        length = _spiral(first, last, radius, long)[0]
        return Wrapped(outcome.astype(jnp.int32), first, last, length)


def _flat(point: Float[Array, " 3"]) -> Float[Array, " 3"]:
    """Across the axis."""
    return point * jnp.array([1.0, 1.0, 0.0], point.dtype)


def _across(point: Float[Array, " 3"]) -> Float[Array, ""]:
    """m^2, squared distance from the axis."""
    return point[0] ** 2 + point[1] ** 2


def _nearest_to_axis(
    start: Float[Array, " 3"], end: Float[Array, " 3"]
) -> tuple[Float[Array, " 3"], Bool[Array, ""]]:
    """The point of the segment's line that is nearest to the axis, and whether it is between."""
    span = end - start
    flat = _across(span)
    # OpenSim gives up where the lines are parallel.
    parallel = flat <= 1e-14 * jnp.maximum(dot(span, span), 1e-30)
    along = -(start[0] * span[0] + start[1] * span[1]) / jnp.where(parallel, 1.0, flat)
    along = jnp.where(parallel, -1.0, along)
    return start + along * span, (along > 0) & (along < 1)


def _tangents(
    point: Float[Array, " 3"], radius: Float[Array, ""]
) -> tuple[Float[Array, " 3"], Float[Array, " 3"]]:
    """Where lines through `point` across the axis touch the circle, at the point's height."""
    away, distance = unit(_flat(point)), length_of(_flat(point))
    along = radius**2 / jnp.where(distance > 0, distance, 1.0)
    aside = root(radius**2 - along**2)
    turned = jnp.stack([-away[1], away[0], jnp.zeros_like(radius)])
    foot = along * away + point * jnp.array([0.0, 0.0, 1.0], point.dtype)
    return foot + aside * turned, foot - aside * turned


def _constrained(
    side: Side, ends: tuple[Array, Array], tangents: tuple[Array, Array, Array, Array]
) -> tuple[Array, Array, Bool[Array, ""], Bool[Array, ""]]:
    """The pair of tangent points on the side that is asked for; whether the path goes round the
    far side, and whether by more than half of the circle."""
    (start, end), (start_a, start_b, end_a, end_b) = ends, tangents
    alpha = angle_between(_flat(start_a), _flat(end_b))
    beta = angle_between(_flat(start_b), _flat(end_a))
    wide = alpha > beta
    a_is, b_is = side.of(start_a), side.of(start_b)
    end_a_is, end_b_is = side.of(end_a), side.of(end_b)
    takes_b = jnp.where(
        a_is == b_is,
        jnp.where(a_is, end_a_is, jnp.where(end_a_is, True, jnp.where(end_b_is, False, ~wide))),
        b_is,
    )
    nobody = ~(a_is | b_is | end_a_is | end_b_is)
    first, last = jnp.where(takes_b, start_b, start_a), jnp.where(takes_b, end_a, end_b)
    far = jnp.where(nobody, True, jnp.where(takes_b, ~wide, wide))
    pulled = (first - start) + (last - end)
    outwards = _flat(first) + _flat(last)
    return first, last, far, dot(outwards, pulled) < 0


def _slid(
    first: Array, last: Array, start: Array, end: Array, radius: Array, far: Array
) -> tuple[Float[Array, " 3"], Float[Array, " 3"]]:
    """Tangent points slid along the axis into the plane through both ends and the apex."""
    near, away = length_of(_flat(start)), length_of(_flat(end))
    total = near + away
    middle = start + near / jnp.where(total > 0, total, 1.0) * (end - start)
    on_axis = middle * jnp.array([0.0, 0.0, 1.0], middle.dtype)
    normal = unit(cross(unit(start - on_axis), unit(end - on_axis)))
    up = jnp.array([0.0, 0.0, 1.0], middle.dtype)
    edge = unit(cross(up, normal))
    apexes = on_axis + radius * edge, on_axis - radius * edge
    squared = [dot(middle - a, middle - a) for a in apexes]
    nearer = squared[0] < squared[1]
    apex = jnp.where(nearer != far, apexes[0], apexes[1])
    plane = unit(cross(unit(start - apex), unit(end - apex)))
    flat = jnp.abs(20.0 * plane[2]) < _PARALLEL

    def height(point: Array) -> tuple[Array, Array]:
        slide = dot(plane, start - point) / jnp.where(flat, 1.0, plane[2])
        within = ~flat & (jnp.abs(slide) <= _REACH * (1 + 2e-5))
        return point[2] + jnp.where(within, slide, 0.0), within

    apart = jnp.abs(start[2] - end[2])
    first_height, first_cut = height(first)
    last_height, last_cut = height(last)
    first_moves = first_cut & (jnp.abs(first_height - end[2]) < apart)
    last_moves = last_cut & (jnp.abs(last_height - start[2]) < apart)
    return (
        first.at[2].set(jnp.where(first_moves, first_height, first[2])),
        last.at[2].set(jnp.where(last_moves, last_height, last[2])),
    )


def _spiral(
    first: Array, last: Array, radius: Array, long: Array
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Length (m) and angle (rad) of the spiral from `first` to `last`."""
    angle = angle_between(_flat(first), _flat(last))
    angle = jnp.where(long, 2 * np.pi - angle, angle)
    rise = last[2] - first[2]
    return root((radius * angle) ** 2 + rise**2), angle
