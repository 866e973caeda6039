"""The paths that wrap over surfaces of the same kinds, evaluated together."""

import dataclasses
from collections.abc import Sequence
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy.spatial.transform import Rotation

from cervjax.math.rotation import cross, multiply, rotate
from cervjax.spec import AbstractWrapObject, ModelSpec, PathWrap

from ..path_element import PathFrame
from .route import RouteForces, route_forces, route_forces_as_opensim, route_length
from .search import Kinds, Surfaces
from .surface import WRAP_METHODS, WRAP_SURFACES, Side


class WrapGroup(eqx.Module):
    """Paths over as many surfaces of the same kinds.

    Attributes:
        translation, rotation: of the surfaces' frames in their bodies; m.
        size: m, of the first surface of every path, of the second, and so on.
        axis, sign: the side asked for, see `Side`.
        method: index into `WRAP_METHODS`.
        kinds: of the first surface, of the second, ...
        alone: whether no path has another wrap; see `AbstractWrapSurface.wrap`.
        path: which paths.
        body: index of the body of each surface.
        name: of each surface.
        range: first and last point between which a path may wrap.
        point_body: index of the body of each of the paths' points.
        as_opensim: whether lengths and moment arms repeat what OpenSim 4.6 does; see `route`.
    """

    translation: Float[Array, "paths surfaces 3"]
    rotation: Float[Array, "paths surfaces 3 3"]
    size: tuple[Float[Array, "paths sizes"], ...]
    axis: Float[Array, "paths surfaces 3"]
    sign: Float[Array, "paths surfaces"]
    method: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    kinds: Kinds = eqx.field(static=True)
    alone: bool = eqx.field(static=True)
    path: tuple[int, ...] = eqx.field(static=True)
    body: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    name: tuple[tuple[str, ...], ...] = eqx.field(static=True)
    range: tuple[tuple[tuple[int, int], ...], ...] = eqx.field(static=True)
    point_body: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    as_opensim: bool = eqx.field(static=True, default=False)

    def in_ground(self, frame: PathFrame) -> Surfaces:
        """The surfaces of all paths in one frame.

        Args:
            frame: where the bodies are.

        Returns:
            Surfaces with a leading axis of paths.
        """
        body = np.array(self.body)
        turn = frame.rotation[body]
        ends, most = np.array(self.range), max(kind.sizes for kind in self.kinds)
        return Surfaces(
            multiply(turn, self.rotation),
            frame.position[body] + rotate(turn, self.translation),
            jnp.stack([jnp.pad(x, ((0, 0), (0, most - x.shape[1]))) for x in self.size], axis=1),
            Side(self.axis, self.sign),
            jnp.asarray(np.array(self.method)),
            jnp.asarray(ends[..., 0]),
            jnp.asarray(ends[..., 1]),
            jnp.concatenate([jnp.asarray(np.array(self.point_body)), jnp.asarray(body)], axis=1),
        )

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
            m and per m, with a leading axis of paths; see `RouteForces`.
        """
        if self.as_opensim:
            one = partial(route_forces_as_opensim, self.kinds, self.alone)
        else:
            one = self._alone if self.alone else partial(route_forces, self.kinds)
        return jax.vmap(one)(place, inside, self.in_ground(frame))

    def _alone(self, place: Array, inside: Array, surfaces: Surfaces) -> RouteForces:
        length, back = jax.vjp(lambda at: route_length(self.kinds[0], at, inside, surfaces), place)
        force = back(jnp.ones_like(length))[0]
        # Moving everything together changes nothing: what the points feel, the surface feels back.
        wrench = -jnp.concatenate([jnp.sum(force, axis=0), jnp.sum(cross(place, force), axis=0)])
        return RouteForces(length, force, wrench[None])

    def scaled(self, scale: Float[Array, "bodies 3"]) -> "WrapGroup":
        """The surfaces of a person whose bodies are scaled, as `Model.scale` has them.

        Args:
            scale: of each body along its axes.

        Returns:
            The same paths over larger or smaller surfaces.
        """
        by = scale[np.array(self.body)]
        # Lengths of the frame's axes, each stretched with the body.
        stretch = jnp.sqrt(jnp.sum((self.rotation * by[..., :, None]) ** 2, axis=-2))
        size = tuple(
            jax.vmap(kind.scaled)(own, stretch[:, w], by[:, w])
            for w, (kind, own) in enumerate(zip(self.kinds, self.size, strict=True))
        )
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
        known = {}
        for row, names in enumerate(self.name):
            for w, name in enumerate(names):
                x, y, z = (float(v) for v in np.asarray(self.translation[row, w]))
                size = tuple(float(v) for v in np.asarray(self.size[w][row]))
                known[name] = (self.kinds[w], (x, y, z), size)
        found = []
        for thing in wrap_objects:
            if thing.name in known:
                kind, translation, size = known[thing.name]
                thing = dataclasses.replace(kind.resized(thing, size), translation=translation)
            found.append(thing)
        return tuple(found)


def wrap_groups(
    wraps: Sequence[Sequence[PathWrap]],
    point_body: Sequence[tuple[int, ...]],
    spec: ModelSpec,
) -> tuple[WrapGroup, ...]:
    """The groups of paths with these wraps.

    Args:
        wraps: of each path, in the order in which they are looked at.
        point_body: index of the body of each point of each path.
        spec: whose wrap objects they name.

    Returns:
        Groups; paths whose surfaces are all inactive are in none.

    Raises:
        ValueError: a wrap object has no geometry here, or a range is not one of points.
    """
    bodies = ("ground", *(b.name for b in spec.bodies))
    sorted_paths: dict[tuple, list[tuple[int, list[tuple[PathWrap, AbstractWrapObject]]]]] = {}
    for path, own in enumerate(wraps):
        used = [(w, spec.wrap_object(w.wrap_object)) for w in own]
        used = [(w, thing) for w, thing in used if thing.active]
        for _, thing in used:
            if type(thing) not in WRAP_SURFACES:
                raise ValueError(
                    f"wrap object {thing.name!r} is a {type(thing).__name__}, whose geometry is "
                    "not known here"
                )
        if used:
            kinds = tuple(WRAP_SURFACES[type(thing)] for _, thing in used)
            sorted_paths.setdefault((kinds, len(own) == 1), []).append((path, used))
    groups = []
    for (kinds, alone), members in sorted_paths.items():
        things = [[thing for _, thing in used] for _, used in members]
        shape = len(members), len(kinds)
        turn = Rotation.from_euler(
            "XYZ", np.array([[t.xyz_body_rotation for t in row] for row in things]).reshape(-1, 3)
        ).as_matrix()
        sides = [[_side(t.quadrant) for t in row] for row in things]
        groups.append(
            WrapGroup(
                jnp.asarray(np.array([[t.translation for t in row] for row in things])),
                jnp.asarray(turn.reshape(*shape, 3, 3)),
                tuple(
                    jnp.asarray(np.array([kind.size(row[w]) for row in things]))
                    for w, kind in enumerate(kinds)
                ),
                jnp.asarray(np.array([[axis for axis, _ in row] for row in sides])),
                jnp.asarray(np.array([[sign for _, sign in row] for row in sides])),
                tuple(tuple(WRAP_METHODS.index(w.method) for w, _ in used) for _, used in members),
                kinds,
                alone,
                tuple(path for path, _ in members),
                tuple(tuple(bodies.index(t.body) for t in row) for row in things),
                tuple(tuple(t.name for t in row) for row in things),
                tuple(tuple(_range(w) for w, _ in used) for _, used in members),
                tuple(point_body[path] for path, _ in members),
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
