"""OpenSim's WrapCylinder: a spiral between tangent points.

OpenSim does not seek the shortest way. The tangent points are found across the axis, and slid along
it to where the plane through both ends and a point of the cylinder's edge cuts; where a path has
several wraps they are then moved until the path is tangent to 0.1 degrees.
"""

import dataclasses
from typing import NamedTuple, cast

import jax
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
    WrapTask,
    nearest_pair,
    register_wrap_surface,
)
from .vectors import angle_between, flattened, length_of, root, unit

_TANGENT = np.radians(0.1)
"""rad; OpenSim's tolerance."""
_MOST_STEPS = 100
_STEP = 0.002
"""m, of OpenSim's points along the spiral."""
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
    def scaled(
        size: Float[Array, " n"], stretch: Float[Array, " 3"], factors: Float[Array, " 3"]
    ) -> Float[Array, " n"]:
        """The radius with the mean across the axis, the length along it; m."""
        return size * jnp.stack([0.5 * (stretch[0] + stretch[1]), stretch[2]])

    @staticmethod
    def resized(wrap_object: AbstractWrapObject, size: tuple[float, ...]) -> AbstractWrapObject:
        """With another radius and length, m."""
        cylinder = cast(WrapCylinder, wrap_object)
        return dataclasses.replace(cylinder, radius=size[0], length=size[1])

    @staticmethod
    def wrap(
        task: WrapTask, start: Float[Array, " 3"], end: Float[Array, " 3"], *, alone: bool
    ) -> Wrapped:
        """The segment over the cylinder; see `AbstractWrapSurface`. m."""
        radius, half, side = task.size[0], 0.5 * task.size[1], task.side
        inside = (_across(start) < radius**2) | (_across(end) < radius**2)
        near, between = _nearest_to_axis(start, end)
        through = (_across(near) < radius**2) & between
        constrained = side.sign != 0
        free = jnp.where(through, int(WrapOutcome.MANDATORY), int(WrapOutcome.NO_WRAP))
        outcome = jnp.where(constrained, side.outcome(start, end, near, through), free)
        outcome = jnp.where(inside, int(WrapOutcome.INSIDE_RADIUS), outcome)

        (start_a, start_b), (end_a, end_b) = _tangents(start, radius), _tangents(end, radius)
        first, last, far, long = _constrained(side, (start, end), (start_a, start_b, end_a, end_b))
        free_first, free_last = nearest_pair((start_a, start_b), (end_a, end_b), flattened)
        first = jnp.where(constrained, first, free_first)
        last = jnp.where(constrained, last, free_last)
        far, long = constrained & far, constrained & long

        first, last = _slid(first, last, start, end, radius, far)
        beyond = (jnp.abs(first[2]) > half) & (jnp.abs(last[2]) > half)
        wrapped = outcome >= int(WrapOutcome.WRAPPED)
        outcome = jnp.where(beyond & wrapped, int(WrapOutcome.NO_WRAP), outcome)
        if not alone:
            used = outcome >= int(WrapOutcome.WRAPPED)
            first, last = made_tangent(_Spiral(radius, long), (first, last), (start, end), used)
        length = _Spiral(radius, long).of(first, last)[0]
        return Wrapped(outcome.astype(jnp.int32), first, last, length)


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
    away, distance = unit(flattened(point)), length_of(flattened(point))
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
    alpha = angle_between(flattened(start_a), flattened(end_b))
    beta = angle_between(flattened(start_b), flattened(end_a))
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
    outwards = flattened(first) + flattened(last)
    return first, last, far, dot(outwards, pulled) < 0


def _slid(
    first: Array, last: Array, start: Array, end: Array, radius: Array, far: Array
) -> tuple[Float[Array, " 3"], Float[Array, " 3"]]:
    """Tangent points slid along the axis into the plane through both ends and the apex."""
    near, away = length_of(flattened(start)), length_of(flattened(end))
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


class _Spiral(NamedTuple):
    """A spiral between two points of a cylinder, by its radius (m), and whether it goes the long
    way round."""

    radius: Array
    long: Array

    def of(self, first: Array, last: Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Length (m) and angle (rad) of the spiral from `first` to `last`.

        The angle is signed about z, also the long way round: OpenSim's is then more than a full
        turn where the short way would be negative.
        """
        a, b = flattened(first), flattened(last)
        across, along = a[0] * b[1] - a[1] * b[0], dot(a, b)
        nowhere = (across == 0) & (along == 0)
        angle = jnp.arctan2(across, jnp.where(nowhere, 1.0, along))
        angle = jnp.where(self.long, 2 * np.pi - angle, angle)
        rise = last[2] - first[2]
        return root((self.radius * angle) ** 2 + rise**2), angle


def made_tangent(
    spiral: _Spiral, points: tuple[Array, Array], ends: tuple[Array, Array], used: Array
) -> tuple[Float[Array, " 3"], Float[Array, " 3"]]:
    """Tangent points moved along the axis, by OpenSim's iteration, until the straight parts run
    into the spiral.

    Args:
        spiral: on which they are.
        points: first and last, m.
        ends: of the straight parts, m.
        used: whether they are moved at all.

    Returns:
        First and last, m.
    """
    start, end = ends

    def step(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        first, last, steps, _ = state
        length, angle = spiral.of(first, last)
        rise = last[2] - first[2]
        # A spiral of fewer than two of OpenSim's points is left as it is.
        count = jnp.floor(length / _STEP)
        turning = jnp.where(spiral.long, -angle, angle)

        def along(part: Array, origin: Array) -> Array:
            sine, cosine = jnp.sin(part * turning), jnp.cos(part * turning)
            x, y = origin[0], origin[1]
            turned = cosine * x - sine * y, sine * x + cosine * y
            return jnp.stack([*turned, origin[2] + part * rise])

        part = 1 / jnp.maximum(count, 1.0)
        first_shift, first_off = _shift(start, first, along(part, first))
        moves_first = (count >= 2) & first_off
        first = first.at[2].add(jnp.where(moves_first, first_shift, 0.0))
        # OpenSim looks at the other end from the first point as it is now.
        last_shift, last_off = _shift(end, last, along(1 - part, first))
        moves_last = (count >= 2) & last_off
        last = last.at[2].add(jnp.where(moves_last, last_shift, 0.0))
        return first, last, steps + 1, moves_first | moves_last

    def going(state: tuple[Array, Array, Array, Array]) -> Bool[Array, ""]:
        return state[3] & (state[2] < _MOST_STEPS)

    first, last, _, _ = jax.lax.while_loop(going, step, (*points, jnp.asarray(0), used))
    return first, last


def _shift(
    outside: Array, tangent: Array, on_surface: Array
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """How far (m) OpenSim moves a tangent point along the axis, and whether it does."""
    straight, wound = tangent - outside, on_surface - tangent
    apart = jnp.abs(_slope(straight) - _slope(wound))
    # The point of the line along the axis that is nearest to the line from outside to the surface.
    span = on_surface - outside
    flat = _across(span)
    reach = dot(flattened(tangent - outside), flattened(span)) / jnp.where(flat > 0, flat, 1.0)
    height = outside[2] + reach * span[2]
    return 1.5 * (height - tangent[2]), apart > _TANGENT


def _slope(direction: Float[Array, " 3"]) -> Float[Array, ""]:
    """rad, from the axis."""
    across = length_of(flattened(direction))
    nowhere = (across == 0) & (direction[2] == 0)
    return jnp.arctan2(across, jnp.where(nowhere, 1.0, direction[2]))
