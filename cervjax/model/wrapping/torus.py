"""OpenSim's WrapTorus: a cylinder in the place of the tube where the segment is near to it.

Where that is, OpenSim 4.6 finds with an equation that has the circle's radius twice
(`WrapTorus::calcCircleResids`), so that it is not quite the nearest place. This is repeated here:
models were made with it.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cervjax.math.rotation import cross, dot, rotate, transpose
from cervjax.spec import AbstractWrapObject, WrapTorus

from .cylinder import CylinderSurface
from .surface import (
    AbstractWrapSurface,
    Side,
    WrapOutcome,
    Wrapped,
    WrapTask,
    register_wrap_surface,
)
from .vectors import flattened, length_of, unit

_CYLINDER = 1e4
"""m, length of OpenSim's cylinder."""
_STEPS = 30
_TOLERANCE, _FACTOR = 1e-4, 0.2
"""Of OpenSim's search."""


@register_wrap_surface(WrapTorus)
class TorusSurface(AbstractWrapSurface):
    """Radii of the tube and of the circle in its middle, about z."""

    sizes = 2

    @staticmethod
    def size(wrap_object: AbstractWrapObject) -> tuple[float, ...]:
        """Inner and outer radius, m."""
        torus = cast(WrapTorus, wrap_object)
        return torus.inner_radius, torus.outer_radius

    @staticmethod
    def scaled(
        size: Float[Array, " n"], stretch: Float[Array, " 3"], factors: Float[Array, " 3"]
    ) -> Float[Array, " n"]:
        """With the mean across the axis; m."""
        return size * 0.5 * (stretch[0] + stretch[1])

    @staticmethod
    def resized(wrap_object: AbstractWrapObject, size: tuple[float, ...]) -> AbstractWrapObject:
        """With other radii, m."""
        torus = cast(WrapTorus, wrap_object)
        return dataclasses.replace(torus, inner_radius=size[0], outer_radius=size[1])

    @staticmethod
    def wrap(
        task: WrapTask, start: Float[Array, " 3"], end: Float[Array, " 3"], *, alone: bool
    ) -> Wrapped:
        """The segment over the torus; see `AbstractWrapSurface`. m."""
        inner, outer = task.size
        middle, found = _nearest_of_circle(outer, task.side, start, end)
        # The cylinder's x axis points from the middle of the tube to that of the hole.
        x = -unit(middle)
        y = jnp.array([0.0, 0.0, -1.0], x.dtype)
        turn = jnp.stack([x, y, cross(x, y)], axis=1)

        def into(point: Array) -> Array:
            return rotate(transpose(turn), point - middle)

        side = Side(jnp.array([1.0, 0.0, 0.0], x.dtype), jnp.ones((), x.dtype))
        size = jnp.stack([inner, jnp.full_like(inner, _CYLINDER)])
        over = CylinderSurface.wrap(
            WrapTask(size, side, task.method), into(start), into(end), alone=alone
        )
        wraps = found & (over.outcome >= int(WrapOutcome.WRAPPED))
        outcome = jnp.where(wraps, int(WrapOutcome.WRAPPED), int(WrapOutcome.NO_WRAP))
        first, last = (middle + rotate(turn, point) for point in (over.first, over.last))
        return Wrapped(outcome.astype(jnp.int32), first, last, over.length)


def _nearest_of_circle(
    radius: Array, side: Side, start: Array, end: Array
) -> tuple[Float[Array, " 3"], Bool[Array, ""]]:
    """The point of the circle that is nearest to the line, and whether one is on the right side.

    OpenSim looks for a place on the line from either end, and takes the nearer one.
    """
    one, two = _nearest_of_line(radius, start, end), _nearest_of_line(radius, end, start)
    near = _apart(radius, one) < _apart(radius, two)
    free = jnp.where(near, one, two)
    first_is, second_is = side.of(one), side.of(two)
    held = jnp.where(first_is & second_is, free, jnp.where(first_is, one, two))
    constrained = side.sign != 0
    place = jnp.where(constrained, held, free)
    return radius * unit(flattened(place)), ~constrained | first_is | second_is


def _nearest_of_line(radius: Array, start: Array, end: Array) -> Float[Array, " 3"]:
    """Where on the line through both ends OpenSim's equation is met best, seen from `start`; m."""
    direction = unit(end - start)

    def slope(along: Array, line: tuple[Array, Array, Array]) -> Array:
        start, direction, radius = line
        at = start + along * direction
        across = flattened(at)
        distance = length_of(across)
        # Of the squared distance it would be the radius itself: OpenSim 4.6 takes it twice.
        drawn = 2 * radius / jnp.where(distance > 0, distance, 1.0)
        return 2 * (dot(at, direction) - drawn * dot(across, direction))

    line = start, direction, radius
    fixed = jax.lax.stop_gradient(line)
    along = _levenberg_marquardt(lambda s: slope(s, fixed), jnp.zeros_like(radius))

    def steepness(s: Array, line: tuple[Array, Array, Array]) -> Array:
        """Half of the derivative of the square: zero at roots, and where there is none near."""
        value, change = jax.jvp(lambda s: slope(s, line), (s,), (jnp.ones_like(s),))
        return value * change

    # One step of Newton's method: no move where the search has ended, and the derivative there.
    value, change = jax.jvp(lambda s: steepness(s, fixed), (along,), (jnp.ones_like(along),))
    moved = steepness(along, line) - jax.lax.stop_gradient(value)
    return start + (along - moved / jnp.where(change == 0, 1.0, change)) * direction


class _Trust(NamedTuple):
    """State of a search: where it is, how far it may go (in units of `scale`), and whether it has
    ended."""

    at: Array
    scale: Array
    reach: Array
    done: Array


def _levenberg_marquardt(function: Callable[[Array], Array], start: Array) -> Float[Array, ""]:
    """MINPACK's `lmdif` for one unknown, from zero, with OpenSim's settings: it also ends where
    the function is least and not zero, and which end it comes to is part of the result."""

    def derivative(at: Array) -> tuple[Array, Array]:
        return jax.jvp(function, (at,), (jnp.ones_like(at),))

    def step(_: int, state: _Trust) -> _Trust:
        value, change = derivative(state.at)
        scale = jnp.maximum(state.scale, jnp.abs(change))
        full = -value / jnp.where(change == 0, 1.0, change)
        limited = jnp.abs(scale * full) > 1.1 * state.reach
        short = jnp.sign(full) * state.reach / jnp.where(scale == 0, 1.0, scale)
        move = jnp.where(limited, short, full)
        size = jnp.abs(scale * move)
        new = function(state.at + move)
        ratio_of = jnp.where(value == 0, 1.0, value)
        gained = 1 - (new / ratio_of) ** 2
        gained = jnp.where(0.1 * jnp.abs(new) < jnp.abs(value), gained, -1.0)
        linear = (change * move / ratio_of) ** 2
        damping = jnp.maximum(-change * value / jnp.where(move == 0, 1.0, move) - change**2, 0.0)
        damped = jnp.where(limited, damping * move**2 / ratio_of**2, 0.0)
        expected, slope = linear + 2 * damped, -(linear + damped)
        ratio = jnp.where(expected == 0, 0.0, gained / jnp.where(expected == 0, 1.0, expected))
        shrink = jnp.where(gained >= 0, 0.5, 0.5 * slope / (slope + 0.5 * gained))
        shrink = jnp.where((0.1 * jnp.abs(new) >= jnp.abs(value)) | (shrink < 0.1), 0.1, shrink)
        smaller = shrink * jnp.minimum(state.reach, 10 * size)
        larger = jnp.where(~limited | (ratio >= 0.75), 2 * size, state.reach)
        reach = jnp.where(ratio <= 0.25, smaller, larger)
        at = jnp.where(ratio >= 1e-4, state.at + move, state.at)
        ended = (jnp.abs(gained) <= _TOLERANCE) & (expected <= _TOLERANCE) & (ratio <= 2)
        ended |= (reach <= _TOLERANCE * jnp.abs(scale * at)) | (new == 0) | (value == 0)
        found = _Trust(jnp.where(value == 0, state.at, at), scale, reach, ended)
        return jax.tree.map(lambda old, x: jnp.where(state.done, old, x), state, found)

    first = jnp.abs(derivative(start)[1])
    state = _Trust(start, first, jnp.full_like(start, _FACTOR), jnp.asarray(False))
    return jax.lax.fori_loop(0, _STEPS, step, state).at


def _apart(radius: Array, point: Array) -> Float[Array, ""]:
    """m^2, squared distance of a point from the circle."""
    distance = length_of(flattened(point))
    return dot(point, point) + radius**2 - 2 * radius * distance
