"""Passive forces along paths, evaluated together: ligaments and springs.

Another kind is a class in the spec and its function in `PATH_FORCE_LAWS`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.spec import AbstractPathForce, AbstractWrapObject, Ligament, ModelSpec, PathSpring

from .force_numbers import check_laws, number_names, without_numbers
from .functions import jax_function
from .path_element import Line, Stretch
from .wrapping import WholePaths

PathForceLaw = Callable[[Mapping[str, Array], AbstractPathForce, Array, Array], Array]
"""From numbers (by field), the component, length (m) and lengthening speed (m/s) to tension (N);
all of many forces of one kind, in a row."""


def _ligament(
    number: Mapping[str, Array], force: AbstractPathForce, length: Array, _: object
) -> Array:
    curve = jax_function(cast(Ligament, force).force_length_curve)
    ratio = length / number["resting_length"]
    # Not beyond one where it is slack: the curve need not be zero there, the tension is.
    taut = length > number["resting_length"]
    pull = jax.vmap(curve)(jnp.where(taut, ratio, 1.0)) * number["pcsa_force"]
    return jnp.where(taut, pull, 0.0)


def _spring(number: Mapping[str, Array], _: object, length: Array, speed: Array) -> Array:
    stretch = jnp.maximum(length - number["resting_length"], 0.0)
    return number["stiffness"] * stretch * (1 + number["dissipation"] * speed)


PATH_FORCE_LAWS: dict[type[AbstractPathForce], PathForceLaw] = {
    Ligament: _ligament,
    PathSpring: _spring,
}
"""The law of each kind of force."""


class PathForces(eqx.Module):
    """All of a model.

    Attributes:
        element: their paths; None where there are none.
        number: for each group, values of the numbers of its forces, by the names of fields.
        group: for each group, the component without its numbers and path, and which forces it has.
        names: of all forces.
    """

    element: WholePaths | None
    number: tuple[dict[str, Float[Array, " forces"]], ...]
    group: tuple[tuple[AbstractPathForce, tuple[int, ...]], ...] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)

    @classmethod
    def of(cls, spec: ModelSpec) -> "PathForces":
        """Those of a model.

        Args:
            spec: the model.

        Returns:
            N, m, m/s.

        Raises:
            ValueError: a class of forces has no law here.
        """
        forces = spec.path_forces
        check_laws(forces, PATH_FORCE_LAWS, "PATH_FORCE_LAWS")
        if not forces:
            return cls(None, (), (), ())
        alike: dict[AbstractPathForce, list[int]] = {}
        for k, force in enumerate(forces):
            bare = without_numbers(force, name="", path=(), wraps=())
            alike.setdefault(bare, []).append(k)
        stretches = [Stretch(k, -1, -1, 0, 0, f.path, f.wraps) for k, f in enumerate(forces)]
        return cls(
            WholePaths.build(stretches, spec),
            tuple(
                {n: jnp.asarray([getattr(forces[k], n) for k in rows]) for n in number_names(kind)}
                for kind, rows in alike.items()
            ),
            tuple((kind, tuple(rows)) for kind, rows in alike.items()),
            tuple(f.name for f in forces),
        )

    @property
    def lines(self) -> tuple[Line, ...]:
        """Along which they pull; `Line.muscle` is the index of the force."""
        return () if self.element is None else self.element.lines()

    def tension(
        self, length: Float[Array, " forces"], speed: Float[Array, " forces"]
    ) -> Float[Array, " forces"]:
        """What each pulls with.

        Args:
            length: m, of the paths.
            speed: m/s, at which they lengthen.

        Returns:
            N.
        """
        total = jnp.zeros_like(length)
        for number, (kind, rows) in zip(self.number, self.group, strict=True):
            at = np.array(rows)
            pull = PATH_FORCE_LAWS[type(kind)](number, kind, length[at], speed[at])
            total = total.at[at].set(pull)
        return total

    def scaled(self, scale: Float[Array, "bodies 3"]) -> "PathForces":
        """Those of a person whose bodies are scaled, at the resting lengths that they had.

        Args:
            scale: of each body along its axes.

        Returns:
            The same forces along longer and shorter paths.
        """
        if self.element is None:
            return self
        return dataclasses.replace(self, element=self.element.scaled(scale))

    def stretched(self, stretch: Float[Array, " forces"]) -> "PathForces":
        """With longer and shorter resting lengths.

        Args:
            stretch: factor of each.

        Returns:
            The same forces along the same paths.
        """
        number = tuple(
            values | {"resting_length": values["resting_length"] * stretch[np.array(rows)]}
            for values, (_, rows) in zip(self.number, self.group, strict=True)
        )
        return dataclasses.replace(self, number=number)

    def reproducing_opensim(self) -> "PathForces":
        """With wraps as OpenSim has them; see `AbstractPathElement`.

        Returns:
            A copy.
        """
        if self.element is None:
            return self
        return dataclasses.replace(self, element=self.element.reproducing_opensim())

    def written(self, forces: Sequence[AbstractPathForce]) -> tuple[AbstractPathForce, ...]:
        """Components with the numbers held here.

        Args:
            forces: of the spec that this was made from.

        Returns:
            Changed copies.
        """
        if self.element is None:
            return tuple(forces)
        found = list(forces)
        for number, (_, rows) in zip(self.number, self.group, strict=True):
            for i, k in enumerate(rows):
                numbers = {n: float(v[i]) for n, v in number.items()}
                path = self.element.written(k)
                found[k] = dataclasses.replace(forces[k], path=path, **numbers)
        return tuple(found)

    def written_wraps(
        self, wrap_objects: Sequence[AbstractWrapObject]
    ) -> tuple[AbstractWrapObject, ...]:
        """Wrap objects with the numbers held here; see `AbstractPathElement`.

        Args:
            wrap_objects: of the spec.

        Returns:
            As many.
        """
        if self.element is None:
            return tuple(wrap_objects)
        return self.element.written_wraps(wrap_objects)
