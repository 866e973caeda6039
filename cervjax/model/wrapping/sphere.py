"""OpenSim's WrapSphere: an arc of a great circle between tangent points."""

import dataclasses
from typing import cast

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.math.rotation import cross, dot
from cervjax.spec import AbstractWrapObject, WrapSphere

from .surface import (
    AbstractWrapSurface,
    Side,
    WrapOutcome,
    Wrapped,
    WrapTask,
    nearest_pair,
    register_wrap_surface,
)
from .vectors import angle_between, length_of, root, sphere_cuts, unit

_CENTRAL = 1e-5
"""Sine of the angle between the segment and its end's direction, below which OpenSim keeps the
last wrap, because the plane of the arc is not told. Here any plane is taken."""


@register_wrap_surface(WrapSphere)
class SphereSurface(AbstractWrapSurface):
    """Radius of a sphere about the origin."""

    sizes = 1

    @staticmethod
    def size(wrap_object: AbstractWrapObject) -> tuple[float, ...]:
        """The radius, m."""
        return (cast(WrapSphere, wrap_object).radius,)

    @staticmethod
    def scaled(
        size: Float[Array, " n"], stretch: Float[Array, " 3"], factors: Float[Array, " 3"]
    ) -> Float[Array, " n"]:
        """With the mean of the body's factors; m."""
        return size * jnp.mean(factors)

    @staticmethod
    def resized(wrap_object: AbstractWrapObject, size: tuple[float, ...]) -> AbstractWrapObject:
        """With another radius, m."""
        return dataclasses.replace(cast(WrapSphere, wrap_object), radius=size[0])

    @staticmethod
    def wrap(
        task: WrapTask, start: Float[Array, " 3"], end: Float[Array, " 3"], *, alone: bool
    ) -> Wrapped:
        """The segment over the sphere; see `AbstractWrapSurface`. m."""
        radius, side = task.size[0], task.side
        inside = (length_of(start) < radius) | (length_of(end) < radius)
        through, _ = sphere_cuts(start, end, radius)
        direction, away = unit(start - end), unit(end)
        normal = cross(direction, away)
        fallback = cross(away, jnp.array([0.0, 0.0, 1.0], away.dtype) + 0.5 * away[::-1])
        normal = unit(jnp.where(length_of(normal) < _CENTRAL, fallback, normal))
        start_a, start_b = _tangents(start, normal, radius)
        end_a, end_b = _tangents(end, normal, radius)
        shortest = nearest_pair((start_a, start_b), (end_a, end_b), lambda point: point)

        nearest = start - dot(start, direction) * direction
        reach = dot(start, direction)
        # OpenSim compares a distance in meters with one.
        mandatory = (dot(nearest, nearest) < radius**2) & (reach > 0) & (reach < 1)
        constrained = side.outcome(start, end, nearest, mandatory)
        outcome = jnp.where(side.sign != 0, constrained, int(WrapOutcome.WRAPPED))
        first, last, far = _constrained(
            side, (start, end), (start_a, start_b, end_a, end_b), shortest
        )
        outcome = jnp.where(through, outcome, int(WrapOutcome.NO_WRAP))
        outcome = jnp.where(inside, int(WrapOutcome.INSIDE_RADIUS), outcome)
        angle = angle_between(first, last)
        angle = jnp.where(far, 2 * np.pi - angle, angle)
        return Wrapped(outcome.astype(jnp.int32), first, last, radius * angle)


def _tangents(
    point: Array, normal: Array, radius: Array
) -> tuple[Float[Array, " 3"], Float[Array, " 3"]]:
    """Where lines through `point` in the plane across `normal` touch the sphere."""
    distance = length_of(point)
    inwards = -unit(point)
    aside = cross(normal, inwards)
    sine = jnp.clip(radius / jnp.where(distance > 0, distance, 1.0), 0.0, 1.0)
    cosine = root(1 - sine**2)
    reach = distance * cosine
    return (
        point + reach * (cosine * inwards - sine * aside),
        point + reach * (cosine * inwards + sine * aside),
    )


def _constrained(
    side: Side,
    ends: tuple[Array, Array],
    tangents: tuple[Array, Array, Array, Array],
    shortest: tuple[Array, Array],
) -> tuple[Array, Array, Array]:
    """The pair of tangent points on the side asked for, and whether the path goes the long way."""
    (start, end), (start_a, start_b, end_a, end_b) = ends, tangents
    applies = (side.sign != 0) & ~(side.of(start) & side.of(end))
    towards = unit(-start - end)
    takes_a = dot(unit(start_a), towards) > dot(unit(start_b), towards)
    ends_a = dot(unit(end_a), towards) > dot(unit(end_b), towards)
    first, first_other = jnp.where(takes_a, start_a, start_b), jnp.where(takes_a, start_b, start_a)
    last, last_other = jnp.where(ends_a, end_a, end_b), jnp.where(ends_a, end_b, end_a)
    pulled = unit((first - start) + (last - end))
    flip = side.sign * dot(pulled, side.axis) < 0
    first, last = jnp.where(flip, first_other, first), jnp.where(flip, last_other, last)
    far = dot(first + last, (first - start) + (last - end)) < 0
    return (
        jnp.where(applies, first, shortest[0]),
        jnp.where(applies, last, shortest[1]),
        applies & far,
    )
