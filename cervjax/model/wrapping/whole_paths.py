"""Paths of muscles that have moving or conditional points, or wrap: evaluated as a whole.

The length is a function of where the path's points are and of how the wrapped surfaces lie. Its
derivatives by these are forces on the bodies, so that moment arms are exactly minus the derivative
of the length, also where OpenSim's tangent points are not quite tangent.
"""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cervjax.math.rotation import cross
from cervjax.spec import (
    AbstractPathComponent,
    AbstractWrapObject,
    ConditionalPathPoint,
    ModelSpec,
    MovingPathPoint,
)

from ..path_element import (
    AbstractPathElement,
    Line,
    PathFrame,
    PathLines,
    Stretch,
    register_path_element,
)
from .points import PathPoints
from .vectors import length_of
from .wraps import WrapGroup, wrap_groups


@register_path_element(MovingPathPoint, ConditionalPathPoint)
class WholePaths(AbstractPathElement):
    """All muscles whose paths are evaluated as a whole.

    Attributes:
        points: of their paths.
        groups: of those that wrap, by the kind of the surface.
    """

    whole: ClassVar[bool] = True

    points: PathPoints
    groups: tuple[WrapGroup, ...]
    stretches: tuple[Stretch, ...] = eqx.field(static=True)

    @classmethod
    def build(cls, stretches: Sequence[Stretch], spec: ModelSpec) -> "WholePaths":
        """Those of `stretches`; see `AbstractPathElement`.

        Args:
            stretches: whole paths.
            spec: of the model.

        Returns:
            The element.
        """
        points = PathPoints.of([s.components for s in stretches], spec)
        wraps = [s.wraps for s in stretches]
        return cls(
            points=points, groups=wrap_groups(wraps, points.body, spec), stretches=tuple(stretches)
        )

    def lines(self) -> tuple[Line, ...]:
        """From ground to every point of a path, and to every surface.

        Returns:
            Lines whose pulls add up to nothing for each muscle.
        """
        found = [
            Line(stretch.muscle, 0, body)
            for stretch, bodies in zip(self.stretches, self.points.body, strict=True)
            for body in bodies
        ]
        for group in self.groups:
            for path, bodies in zip(group.path, group.body, strict=True):
                found.extend(Line(self.stretches[path].muscle, 0, body) for body in bodies)
        return tuple(found)

    def evaluate(self, frame: PathFrame) -> PathLines:
        """The paths in one frame; see `AbstractPathElement`."""
        place, inside = self.points.in_ground(frame), self.points.inside(frame.coordinate)
        wrapping = sorted(path for group in self.groups for path in group.path)
        plain = np.setdiff1d(np.arange(len(self.stretches)), wrapping)
        length = jnp.zeros(len(place), place.dtype)
        force = jnp.zeros_like(place)
        wrenches, spins = [], []
        if len(plain):
            straight, towards = _pulled(place[plain], inside[plain])
            length = length.at[plain].set(straight)
            force = force.at[plain].set(towards)
        for group in self.groups:
            rows = np.array(group.path)
            found = group.evaluate(frame, place[rows], inside[rows])
            length = length.at[rows].set(found.length)
            force = force.at[rows].set(found.force)
            wrenches.append(found.wrench.reshape(-1, 6))
            if found.spin is not None:
                spins.append(found.spin.reshape(-1, 3))
        couple = cross(place, force)
        lines = jnp.concatenate([force, couple], axis=-1).reshape(-1, 6)
        lines = jnp.concatenate([lines, *wrenches])
        spin = None
        if spins:
            still = jnp.zeros((force.size // 3, 3), force.dtype)
            spin = jnp.concatenate([still, *spins])
        return PathLines(length, lines[:, :3], lines[:, 3:], self._own_rate(frame, force), spin)

    def _own_rate(
        self, frame: PathFrame, force: Float[Array, "paths points 3"]
    ) -> Float[Array, "paths q"]:
        rate = jnp.zeros((len(self.stretches), len(frame.q)), force.dtype)
        if not self.points.moving:
            return rate
        path, point, _ = np.array([part.at for part in self.points.moving]).T
        motion = self.points.own_motion(frame)
        moved = jnp.sum(motion * force[path, point][:, None], axis=-1)
        owner = (path == np.arange(len(self.stretches))[:, None]).astype(float)
        return rate + jnp.asarray(owner, force.dtype) @ moved

    def scaled(self, scale: Float[Array, "bodies 3"]) -> "WholePaths":
        """Those of a person; see `AbstractPathElement`."""
        groups = tuple(group.scaled(scale) for group in self.groups)
        return eqx.tree_at(
            lambda e: (e.points, e.groups), self, (self.points.scaled(scale), groups)
        )

    def reproducing_opensim(self) -> "WholePaths":
        """Wraps as OpenSim has them; see `AbstractPathElement`."""
        groups = tuple(dataclasses.replace(group, as_opensim=True) for group in self.groups)
        return dataclasses.replace(self, groups=groups)

    def written(self, k: int) -> tuple[AbstractPathComponent, ...]:
        """The path's components; see `AbstractPathElement`."""
        return self.points.written(k, self.stretches[k].components)

    def written_wraps(
        self, wrap_objects: Sequence[AbstractWrapObject]
    ) -> tuple[AbstractWrapObject, ...]:
        """The surfaces; see `AbstractPathElement`."""
        found = tuple(wrap_objects)
        for group in self.groups:
            found = group.written(found)
        return found


@jax.vmap
def _pulled(
    place: Float[Array, "points 3"], inside: Bool[Array, " points"]
) -> tuple[Float[Array, ""], Float[Array, "points 3"]]:
    """Length of the straight path through the points inside, m, and its derivatives by them."""
    length, back = jax.vjp(lambda at: _straight(at, inside), place)
    return length, back(jnp.ones_like(length))[0]


def _straight(place: Float[Array, "points 3"], inside: Bool[Array, " points"]) -> Float[Array, ""]:
    order = jnp.argsort(~inside, stable=True)
    at, there = place[order], inside[order]
    span = length_of(at[1:] - at[:-1])
    return jnp.sum(jnp.where(there[1:], span, 0.0))
