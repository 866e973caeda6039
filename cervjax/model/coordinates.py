"""From the free coordinates to all coordinates, and to the displacements of the joint axes.

These are two different maps: a coordinate drives an axis through a function of it, so in HYOID
the free coordinate `pitch2` turns T1-C7 by 0.099 of its value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.spec import Function, ModelSpec, Product, affine_form

from .functions import jax_function


@dataclass(frozen=True)
class _Term:
    """`output[target] +=` the product of functions, each of `input[source]`."""

    target: int
    sources: tuple[int, ...]
    functions: tuple[Function, ...]

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, ""]:
        value = jax_function(self.functions[0])(x[self.sources[0]])
        for source, function in zip(self.sources[1:], self.functions[1:], strict=True):
            value = value * jax_function(function)(x[source])
        return value


class _Map(eqx.Module):
    """`matrix @ x + offset` plus terms that are not affine."""

    matrix: Float[Array, "outputs inputs"]
    offset: Float[Array, " outputs"]
    gain: Float[Array, " terms"]
    terms: tuple[_Term, ...] = eqx.field(static=True)

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        output = self.matrix @ x + self.offset
        for term, gain in zip(self.terms, self.gain, strict=True):
            output = output.at[term.target].add(gain * term(x))
        return output

    def scaled(self, factor: Float[Array, " outputs"]) -> "_Map":
        """With each output multiplied."""
        gain = self.gain * factor[np.array([t.target for t in self.terms], dtype=int)]
        matrix, offset = self.matrix * factor[:, None], self.offset * factor
        return _Map(matrix, offset, gain, self.terms)


class AxisMotion(NamedTuple):
    """Displacement, velocity and acceleration of every joint axis; rad or m, and per s, s^2.

    Shape `[joints, 6]`: three rotations, then three translations.
    """

    displacement: Float[Array, "joints 6"]
    velocity: Float[Array, "joints 6"]
    acceleration: Float[Array, "joints 6"]


class CoordinateMap(eqx.Module):
    """The maps from the model's coordinates `q` to OpenSim's coordinates and to joint axes.

    Attributes:
        to_all: `q` -> all coordinates of the spec (locked ones at their default value).
        to_axes: all coordinates -> displacements of the axes of the moving joints, flattened.
        coupled: the coordinates that each step of `to_all` after the first finds from others.
    """

    to_all: tuple[_Map, ...]
    to_axes: _Map
    joints: int = eqx.field(static=True)
    coupled: tuple[tuple[int, ...], ...] = eqx.field(static=True, default=())

    def scaled_couplings(self, factor: Float[Array, " coordinates"]) -> "CoordinateMap":
        """With what couplers give to coordinates multiplied.

        Args:
            factor: of each of all coordinates; only those of coupled ones count.

        Returns:
            rad or m to rad or m.
        """
        stages = [self.to_all[0]]
        for following, targets in zip(self.to_all[1:], self.coupled, strict=True):
            found = np.zeros(factor.shape[0], bool)
            found[list(targets)] = True
            stages.append(following.scaled(jnp.where(found, factor, 1.0)))
        return CoordinateMap(tuple(stages), self.to_axes, self.joints, self.coupled)

    def all_coordinates(self, q: Float[Array, " q"]) -> Float[Array, " coordinates"]:
        """Values of all coordinates of the spec, in its order; rad or m."""
        values = self.to_all[0](q)
        for following in self.to_all[1:]:
            values = following(values)
        return values

    def displacement(self, q: Float[Array, " q"]) -> Float[Array, "joints 6"]:
        """Displacements of the axes of the moving joints; rad or m."""
        if self.is_affine:
            matrix, offset = self._affine()
            return (matrix @ q + offset).reshape(self.joints, 6)
        return self.to_axes(self.all_coordinates(q)).reshape(self.joints, 6)

    @property
    def is_affine(self) -> bool:
        """Whether every joint and coupler in use is affine, as in HYOID."""
        return not any(part.terms for part in (*self.to_all, self.to_axes))

    def jacobian(self, q: Float[Array, " q"]) -> Float[Array, "joints 6 q"]:
        """Derivative of `displacement` with respect to `q`; rad or m, per rad or m."""
        if self.is_affine:
            return self._affine()[0].reshape(self.joints, 6, -1)
        return jax.jacfwd(self.displacement)(q)

    def coordinate_jacobian(self, q: Float[Array, " q"]) -> Float[Array, "coordinates q"]:
        """Derivative of `all_coordinates`, the C of C^T tau, in rad or m, per rad or m."""
        return jax.jacfwd(self.all_coordinates)(q)

    def motion(
        self, q: Float[Array, " q"], qd: Float[Array, " q"], qdd: Float[Array, " q"]
    ) -> AxisMotion:
        """Motion of the joint axes under the motion `q, qd, qdd` of the model's coordinates."""
        if self.is_affine:
            matrix, _ = self._affine()
            velocity, acceleration = matrix @ qd, matrix @ qdd
            shape = (self.joints, 6)
            return AxisMotion(
                self.displacement(q), velocity.reshape(shape), acceleration.reshape(shape)
            )

        def velocity_of(q: Array, qd: Array) -> tuple[Array, Array]:
            return jax.jvp(self.displacement, (q,), (qd,))

        (displacement, velocity), (_, acceleration) = jax.jvp(velocity_of, (q, qd), (qd, qdd))
        return AxisMotion(displacement, velocity, acceleration)

    def _affine(self) -> tuple[Float[Array, "axes q"], Float[Array, " axes"]]:
        """Matrix and offset of `displacement` where every part is affine."""
        matrix, offset = self.to_all[0].matrix, self.to_all[0].offset
        for following in (*self.to_all[1:], self.to_axes):
            matrix = following.matrix @ matrix
            offset = following.matrix @ offset + following.offset
        return matrix, offset


def coordinate_map(
    spec: ModelSpec, coordinates: Sequence[str], moving_joints: Sequence[int]
) -> CoordinateMap:
    """The maps for `coordinates` (free ones, and locked ones that a motion prescribes).

    Args:
        coordinates: names, in the order of `q`.
        moving_joints: indices into `spec.joints`.

    Returns:
        From rad or m to rad or m.
    """
    names = [c.name for c in spec.coordinates]
    index = {name: i for i, name in enumerate(names)}
    rest = np.array([0.0 if c.name in coordinates else c.default_value for c in spec.coordinates])
    couplers = {c.dependent: c for c in spec.couplers}

    spread = np.zeros((len(names), len(coordinates)))
    for column, name in enumerate(coordinates):
        spread[index[name], column] = 1.0
    rest[[index[name] for name in couplers]] = 0.0
    first = _Map(jnp.asarray(spread), jnp.asarray(rest), jnp.zeros(0), ())

    def depth(name: str) -> int:
        return 1 + max(map(depth, couplers[name].drivers())) if name in couplers else 0

    stages, coupled = [first], []
    for level in range(1, 1 + max((depth(n) for n in couplers), default=0)):
        rows = [
            _Row(index[n], index[c.independent], c.function, _indexed(c.products, index))
            for n, c in couplers.items()
            if depth(n) == level
        ]
        stages.append(_map(rows, np.eye(len(names))))
        coupled.append(tuple(row.target for row in rows))

    axes = [
        _Row(
            6 * k + i,
            index[a.coordinate] if a.coordinate else 0,
            a.function,
            _indexed(a.products, index),
        )
        for k, joint in enumerate(moving_joints)
        for i, a in enumerate(spec.joints[joint].axes)
    ]
    to_axes = _map(axes, np.zeros((6 * len(moving_joints), len(names))))
    return CoordinateMap(tuple(stages), to_axes, len(moving_joints), tuple(coupled))


class _Row(NamedTuple):
    """One output of a map: `function` of an input, plus products of functions of several."""

    target: int
    source: int
    function: Function
    products: tuple[tuple[tuple[int, ...], tuple[Function, ...]], ...]


def _indexed(products: tuple[Product, ...], index: dict[str, int]):
    return tuple((tuple(index[n] for n, _ in p), tuple(f for _, f in p)) for p in products)


def _map(rows: list[_Row], matrix: np.ndarray) -> _Map:
    """A map from rows, added to `matrix`."""
    matrix = matrix.copy()
    offset = np.zeros(len(matrix))
    terms = []
    for target, source, function, products in rows:
        matrix[target] = 0.0
        form = affine_form(function)
        if form is None:
            terms.append(_Term(target, (source,), (function,)))
        else:
            matrix[target, source], offset[target] = form
        for sources, functions in products:
            form = affine_form(functions[0]) if len(functions) == 1 else None
            if form is None:
                terms.append(_Term(target, sources, functions))
            else:
                matrix[target, sources[0]] += form[0]
                offset[target] += form[1]
    gain = jnp.ones(len(terms))
    return _Map(jnp.asarray(matrix), jnp.asarray(offset), gain, tuple(terms))
