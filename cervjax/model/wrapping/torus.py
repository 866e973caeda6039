"""OpenSim's WrapTorus: the cylinder that touches the tube where the segment is nearest to it."""

import dataclasses
from typing import cast

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
from .vectors import length_of, unit

_CYLINDER = 1e4
"""m, length of OpenSim's cylinder."""
_STEPS = 12


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
    flat = place * jnp.array([1.0, 1.0, 0.0], place.dtype)
    return radius * unit(flat), ~constrained | first_is | second_is


def _nearest_of_line(radius: Array, start: Array, end: Array) -> Float[Array, " 3"]:
    """Where the distance between line and circle is stationary, seen from `start`; m."""
    direction = unit(end - start)

    def slope(along: Array, start: Array, direction: Array, radius: Array) -> Array:
        at = start + along * direction
        flat = at * jnp.array([1.0, 1.0, 0.0], at.dtype)
        distance = length_of(flat)
        return dot(at, direction) - radius * dot(flat, direction) / jnp.where(
            distance > 0, distance, 1.0
        )

    fixed = jax.lax.stop_gradient((start, direction, radius))

    def step(_: int, along: Array) -> Array:
        value, change = jax.jvp(lambda s: slope(s, *fixed), (along,), (jnp.ones_like(along),))
        full = -value / jnp.where(change == 0, 1.0, change)
        # Halved until the slope has become smaller.
        tries = full * 0.5 ** jnp.arange(8, dtype=along.dtype)
        better = jnp.abs(jax.vmap(lambda s: slope(along + s, *fixed))(tries)) < jnp.abs(value)
        return along + jnp.where(jnp.any(better), tries[jnp.argmax(better)], 0.0)

    zero = jnp.zeros_like(radius)
    along = jax.lax.stop_gradient(jax.lax.fori_loop(0, _STEPS, step, zero))
    value, change = jax.jvp(
        lambda s: slope(s, start, direction, radius), (along,), (jnp.ones_like(along),)
    )
    along = along - value / jnp.where(change == 0, 1.0, jax.lax.stop_gradient(change))
    return start + along * direction


def _apart(radius: Array, point: Array) -> Float[Array, ""]:
    """m^2, squared distance of a point from the circle."""
    distance = length_of(point * jnp.array([1.0, 1.0, 0.0], point.dtype))
    return dot(point, point) + radius**2 - 2 * radius * distance
