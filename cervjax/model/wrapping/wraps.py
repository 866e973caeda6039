"""The paths that wrap over surfaces of one kind, evaluated together."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy.spatial.transform import Rotation

from cervjax.math.rotation import cross, multiply, rotate
from cervjax.spec import AbstractWrapObject, ModelSpec, PathWrap

from ..path_element import PathFrame
from .route import Surface, route_length
from .surface import WRAP_SURFACES, AbstractWrapSurface, Side


class RouteForces(NamedTuple):
    """What paths over surfaces do.

    Attributes:
        length: m.
        force: derivative of the length by each point's place, no unit.
        wrench: by a move (no unit) and a turn about ground's origin (m) of each path's surface.
    """

    length: Float[Array, " paths"]
    force: Float[Array, "paths points 3"]
    wrench: Float[Array, "paths 6"]


class WrapGroup(eqx.Module):
    """Paths over one surface each, all of one kind.

    Attributes:
        translation, rotation: of the surfaces' frames in their bodies; m.
        size: m, of the surfaces.
        axis, sign: the side asked for, see `Side`.
        kind: of the surfaces.
        path: which paths.
        body: index of the body of each surface.
        name: of each surface.
        range: first and last point between which a path may wrap.
    """

    translation: Float[Array, "paths 3"]
    rotation: Float[Array, "paths 3 3"]
    size: Float[Array, "paths sizes"]
    axis: Float[Array, "paths 3"]
    sign: Float[Array, " paths"]
    kind: type[AbstractWrapSurface] = eqx.field(static=True)
    path: tuple[int, ...] = eqx.field(static=True)
    body: tuple[int, ...] = eqx.field(static=True)
    name: tuple[str, ...] = eqx.field(static=True)
    range: tuple[tuple[int, int], ...] = eqx.field(static=True)

    def evaluate(
        self,
        frame: PathFrame,
        place: Float[Array, "paths points 3"],
        inside: Bool[Array, "paths points"],
    ) -> RouteForces:
        """Lengths of the paths, and their derivatives.

        Args:
            frame: where the bodies are.
            place: m, of the points in ground.
            inside: which are part of their paths.

        Returns:
            m and per m; see `RouteForces`.
        """
        body, ends = np.array(self.body), np.array(self.range)
        turn = frame.rotation[body]
        surfaces = Surface(
            multiply(turn, self.rotation),
            frame.position[body] + rotate(turn, self.translation),
            self.size,
            Side(self.axis, self.sign),
            jnp.asarray(ends[:, 0]),
            jnp.asarray(ends[:, 1]),
        )
        return jax.vmap(self._one)(place, inside, surfaces)

    def _one(self, place: Array, inside: Array, surface: Surface) -> RouteForces:
        length, back = jax.vjp(lambda at: route_length(self.kind, at, inside, surface), place)
        force = back(jnp.ones_like(length))[0]
        # Moving everything together changes nothing: what the points feel, the surface feels back.
        wrench = -jnp.concatenate([jnp.sum(force, axis=0), jnp.sum(cross(place, force), axis=0)])
        return RouteForces(length, force, wrench)

    def scaled(self, scale: Float[Array, "bodies 3"]) -> "WrapGroup":
        """The surfaces of a person whose bodies are scaled, as `Model.scale` has them.

        Args:
            scale: of each body along its axes.

        Returns:
            The same paths over larger or smaller surfaces.
        """
        by = scale[np.array(self.body)]
        # Lengths of the frame's axes, each stretched with the body.
        stretch = jnp.sqrt(jnp.sum((self.rotation * by[:, :, None]) ** 2, axis=1))
        size = jax.vmap(self.kind.scaled)(self.size, stretch)
        return eqx.tree_at(lambda g: (g.translation, g.size), self, (self.translation * by, size))

    def written(
        self, wrap_objects: tuple[AbstractWrapObject, ...]
    ) -> tuple[AbstractWrapObject, ...]:
        """Wrap objects with the numbers held here.

        Args:
            wrap_objects: of the spec that this was made from.

        Returns:
            Changed copies, m.
        """
        rows = {name: k for k, name in enumerate(self.name)}
        places, sizes = np.asarray(self.translation, float), np.asarray(self.size, float)
        found = []
        for thing in wrap_objects:
            if thing.name in rows:
                row = rows[thing.name]
                x, y, z = (float(v) for v in places[row])
                thing = self.kind.resized(thing, tuple(float(v) for v in sizes[row]))
                thing = dataclasses.replace(thing, translation=(x, y, z))
            found.append(thing)
        return tuple(found)


def wrap_groups(wraps: Sequence[Sequence[PathWrap]], spec: ModelSpec) -> tuple[WrapGroup, ...]:
    """The groups of paths with these wraps.

    Args:
        wraps: of each path.
        spec: whose wrap objects they name.

    Returns:
        Groups; paths whose surface is inactive are in none.

    Raises:
        ValueError: a wrap object has no geometry here, or a path has several.
    """
    bodies = ("ground", *(b.name for b in spec.bodies))
    members: dict[type[AbstractWrapSurface], list[tuple[int, PathWrap, AbstractWrapObject]]] = {}
    for path, own in enumerate(wraps):
        if len(own) > 1:
            raise ValueError(
                f"path wraps {', '.join(w.name for w in own)} are of one path: several are not "
                "wrapped as OpenSim does it yet"
            )
        for wrap in own:
            thing = spec.wrap_object(wrap.wrap_object)
            if type(thing) not in WRAP_SURFACES:
                raise ValueError(
                    f"wrap object {thing.name!r} is a {type(thing).__name__}, whose geometry is "
                    "not known here"
                )
            if thing.active:
                members.setdefault(WRAP_SURFACES[type(thing)], []).append((path, wrap, thing))
    groups = []
    for kind, rows in members.items():
        things = [thing for *_, thing in rows]
        turn = Rotation.from_euler("XYZ", [t.xyz_body_rotation for t in things]).as_matrix()
        sides = [_side(t.quadrant) for t in things]
        groups.append(
            WrapGroup(
                translation=jnp.asarray(np.array([t.translation for t in things])),
                rotation=jnp.asarray(turn),
                size=jnp.asarray(np.array([kind.size(t) for t in things])),
                axis=jnp.asarray(np.array([axis for axis, _ in sides])),
                sign=jnp.asarray(np.array([sign for _, sign in sides])),
                kind=kind,
                path=tuple(path for path, *_ in rows),
                body=tuple(bodies.index(t.body) for t in things),
                name=tuple(t.name for t in things),
                range=tuple(_range(wrap) for _, wrap, _ in rows),
            )
        )
    return tuple(groups)


def _side(quadrant: str) -> tuple[tuple[float, float, float], float]:
    if quadrant == "all":
        return (1.0, 0.0, 0.0), 0.0
    x, y, z = (float(quadrant[-1] == a) for a in "xyz")
    return (x, y, z), -1.0 if quadrant.startswith("-") else 1.0


def _range(wrap: PathWrap) -> tuple[int, int]:
    first, last = wrap.range
    return (0 if first < 1 else first - 1), (10**6 if last < 1 else last - 1)
