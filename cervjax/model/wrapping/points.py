"""Path points that are fixed, that move with a coordinate, or that come and go with one."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cervjax.math.rotation import rotate
from cervjax.spec import (
    AbstractPathComponent,
    ConditionalPathPoint,
    Function,
    ModelSpec,
    MovingPathPoint,
    MultiplierFunction,
    PathPoint,
)

from ..functions import jax_function
from ..path_element import PathFrame

_WIDENED = 1e-5
"""rad or m, by which OpenSim widens the range of a conditional point."""


class _Moving(NamedTuple):
    """How one point moves along one axis of its body.

    Attributes:
        at: path, point and axis.
        coordinate: index.
        range: rad or m, in which the coordinate is held.
        function: of the coordinate, m.
    """

    at: tuple[int, int, int]
    coordinate: int
    range: tuple[float, float]
    function: Function


class PathPoints(eqx.Module):
    """The points of several paths, filled up to the longest.

    Attributes:
        location: m, in the bodies; zero along axes on which a point moves.
        factor: of moving points, by which a scaled body makes their movement larger; no unit.
        low, high: rad or m, of the coordinate of each point, between which it is in the path.
        body: index of the body of each point.
        condition: index of the coordinate that `low` and `high` are of.
        given: which entries are points at all.
        moving: those that move.
    """

    location: Float[Array, "paths points 3"]
    factor: Float[Array, "paths points 3"]
    low: Float[Array, "paths points"]
    high: Float[Array, "paths points"]
    body: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    condition: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    given: tuple[tuple[bool, ...], ...] = eqx.field(static=True)
    moving: tuple[_Moving, ...] = eqx.field(static=True)

    @classmethod
    def of(cls, paths: Sequence[Sequence[AbstractPathComponent]], spec: ModelSpec) -> "PathPoints":
        """Those of `paths`.

        Args:
            paths: of fixed, moving and conditional points.
            spec: whose bodies and coordinates they name.

        Returns:
            m, rad.

        Raises:
            ValueError: a path has another component.
        """
        bodies = ("ground", *(b.name for b in spec.bodies))
        coordinates = {c.name: (k, c.range) for k, c in enumerate(spec.coordinates)}
        shape = len(paths), max(map(len, paths))
        location, factor = np.zeros((*shape, 3)), np.ones((*shape, 3))
        low, high = np.full(shape, -np.inf), np.full(shape, np.inf)
        body, condition = np.zeros(shape, int), np.zeros(shape, int)
        given, moving = np.zeros(shape, bool), []
        for m, path in enumerate(paths):
            for p, part in enumerate(path):
                given[m, p] = True
                match part:
                    case PathPoint():
                        location[m, p] = part.location
                    case ConditionalPathPoint():
                        location[m, p] = part.location
                        condition[m, p] = coordinates[part.coordinate][0]
                        low[m, p], high[m, p] = part.range[0] - _WIDENED, part.range[1] + _WIDENED
                    case MovingPathPoint():
                        for axis, (function, name) in enumerate(
                            zip(part.location, part.coordinate, strict=True)
                        ):
                            if name:
                                index, within = coordinates[name]
                                moving.append(_Moving((m, p, axis), index, within, function))
                            else:
                                at = jax_function(function)(jnp.zeros(()))
                                location[m, p, axis] = float(at)
                    case _:
                        raise ValueError(
                            f"path component {part.name!r} is a {type(part).__name__}, which a "
                            "path with moving or conditional points or wraps cannot have"
                        )
                body[m, p] = bodies.index(part.attached_to()[0])
        return cls(
            location=jnp.asarray(location),
            factor=jnp.asarray(factor),
            low=jnp.asarray(low),
            high=jnp.asarray(high),
            body=_rows(body),
            condition=_rows(condition),
            given=_rows(given),
            moving=tuple(moving),
        )

    def inside(self, coordinate: Float[Array, " coordinates"]) -> Bool[Array, "paths points"]:
        """Which points are part of their paths.

        Args:
            coordinate: rad or m, all of the model's.

        Returns:
            False for entries that are no points.
        """
        at = coordinate[np.array(self.condition)]
        return jnp.asarray(np.array(self.given)) & (at >= self.low) & (at <= self.high)

    def local(self, coordinate: Float[Array, " coordinates"]) -> Float[Array, "paths points 3"]:
        """Where the points are in their bodies.

        Args:
            coordinate: rad or m, all of the model's.

        Returns:
            m, in the frames of the bodies.
        """
        place = self.location
        if self.moving:
            where = np.array([part.at for part in self.moving]).T
            place = place.at[tuple(where)].set(self._moved(coordinate))
        return place * self.factor

    def _moved(self, coordinate: Float[Array, " coordinates"]) -> Float[Array, " moving"]:
        """m; functions of equal kind and size are few, and each is compiled once per point."""
        values = []
        for part in self.moving:
            held = jnp.clip(coordinate[part.coordinate], *part.range)
            values.append(jax_function(part.function)(held))
        return jnp.stack(values)

    def in_ground(self, frame: PathFrame) -> Float[Array, "paths points 3"]:
        """Where the points are, m."""
        body = np.array(self.body)
        return frame.position[body] + rotate(frame.rotation[body], self.local(frame.coordinate))

    def own_motion(self, frame: PathFrame) -> Float[Array, "moving q 3"]:
        """How moving points move in ground while all bodies are held; m/rad (or m/m).

        Returns:
            One row for each entry of `moving`: the part along its axis.
        """
        _, slope = jax.jvp(self._moved, (frame.coordinate,), (jnp.ones_like(frame.coordinate),))
        muscle, point, axis = np.array([part.at for part in self.moving]).T
        body = np.array(self.body)[muscle, point]
        direction = frame.rotation[body, :, axis] * self.factor[muscle, point, axis][:, None]
        rate = frame.coordinate_rate[np.array([part.coordinate for part in self.moving])]
        return slope[:, None, None] * rate[:, :, None] * direction[:, None]

    def scaled(self, scale: Float[Array, "bodies 3"]) -> "PathPoints":
        """Those of a person whose bodies are scaled.

        Args:
            scale: of each body along its axes.

        Returns:
            The same points in larger or smaller bodies.
        """
        by = scale[np.array(self.body)]
        return eqx.tree_at(lambda p: p.factor, self, self.factor * by)

    def written(
        self, m: int, path: Sequence[AbstractPathComponent]
    ) -> tuple[AbstractPathComponent, ...]:
        """The components of a path with the numbers held here.

        Args:
            m: which path.
            path: as `of` was given it.

        Returns:
            Changed copies, m.
        """
        parts: list[AbstractPathComponent] = []
        place = np.asarray(self.location * self.factor, float)
        factor = np.asarray(self.factor, float)
        for p, part in enumerate(path):
            if isinstance(part, PathPoint | ConditionalPathPoint):
                x, y, z = (float(v) for v in place[m, p])
                parts.append(dataclasses.replace(part, location=(x, y, z)))
            elif isinstance(part, MovingPathPoint):
                x, y, z = (
                    function if by == 1.0 else _times(function, float(by))
                    for function, by in zip(part.location, factor[m, p], strict=True)
                )
                parts.append(dataclasses.replace(part, location=(x, y, z)))
        return tuple(parts)


def _rows(table: np.ndarray) -> tuple[tuple[Any, ...], ...]:
    return tuple(map(tuple, table.tolist()))


def _times(function: Function, factor: float) -> Function:
    if isinstance(function, MultiplierFunction):
        return MultiplierFunction(function.function, factor * function.scale)
    return MultiplierFunction(function, factor)
