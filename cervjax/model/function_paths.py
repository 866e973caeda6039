"""Paths of muscles whose length is a polynomial of coordinates: OpenSim's FunctionBasedPath.

They say how long a muscle is and what it does along coordinates, not where it pulls: loads of
joints cannot be had from them, and they do not follow a body that is scaled.
"""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.spec import (
    AbstractPathComponent,
    FunctionBasedPath,
    ModelSpec,
    MultivariatePolynomialFunction,
    monomials,
)

from .path_element import (
    AbstractPathElement,
    Line,
    PathFrame,
    PathLines,
    Stretch,
    register_path_element,
)


def polynomial(
    x: Float[Array, " variables"], coefficients: Float[Array, " monomials"], order: int
) -> Float[Array, ""]:
    """A polynomial of several variables.

    Args:
        x: in any units.
        coefficients: in OpenSim's order, see `cervjax.spec.monomials`.
        order: largest sum of exponents.

    Returns:
        In units of the coefficients.
    """
    # Repeated products, not powers: these have derivatives at zero.
    powers = [jnp.ones_like(x)]
    for _ in range(order):
        powers.append(powers[-1] * x)
    table = jnp.stack(powers, axis=-1)
    exponent = np.array(monomials(len(x), order))
    terms = coefficients
    for k in range(len(x)):
        terms = terms * table[k, exponent[:, k]]
    return jnp.sum(terms)


class _Polynomials(eqx.Module):
    """Polynomials with equally many variables and of one order.

    Attributes:
        coefficients: m per rad (or m) to the powers of the monomials.
        coordinate: indices into all coordinates of the model.
        row: which stretches these are.
    """

    coefficients: Float[Array, "paths monomials"]
    coordinate: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    order: int = eqx.field(static=True)
    row: tuple[int, ...] = eqx.field(static=True)

    def __call__(
        self, coordinate: Float[Array, " coordinates"]
    ) -> tuple[Float[Array, " paths"], Float[Array, "paths variables"]]:
        """Lengths, and their derivatives by the variables."""
        x = coordinate[np.array(self.coordinate)]
        return jax.vmap(jax.value_and_grad(lambda x, c: polynomial(x, c, self.order)))(
            x, self.coefficients
        )


@register_path_element(FunctionBasedPath)
class FunctionPaths(AbstractPathElement):
    """All muscles whose paths are functions of coordinates.

    Attributes:
        groups: of polynomials that are evaluated together.
    """

    whole: ClassVar[bool] = True
    has_lines: ClassVar[bool] = False

    groups: tuple[_Polynomials, ...]
    stretches: tuple[Stretch, ...] = eqx.field(static=True)

    @classmethod
    def build(cls, stretches: Sequence[Stretch], spec: ModelSpec) -> "FunctionPaths":
        """Those of `stretches`; see `AbstractPathElement`.

        Args:
            stretches: each of one FunctionBasedPath.
            spec: of the model.

        Returns:
            The element.
        """
        names = [c.name for c in spec.coordinates]
        grouped: dict[tuple[int, int], list[tuple[int, FunctionBasedPath]]] = {}
        for row, stretch in enumerate(stretches):
            path = _path_of(stretch)
            function = path.length_function
            grouped.setdefault((function.dimension, function.order), []).append((row, path))
        groups = tuple(
            _Polynomials(
                coefficients=jnp.asarray([p.length_function.coefficients for _, p in paths]),
                coordinate=tuple(tuple(map(names.index, p.coordinates)) for _, p in paths),
                order=order,
                row=tuple(row for row, _ in paths),
            )
            for (_, order), paths in grouped.items()
        )
        return cls(groups=groups, stretches=tuple(stretches))

    def lines(self) -> tuple[Line, ...]:
        """None: such a path does not say where it pulls.

        Returns:
            Nothing.
        """
        return ()

    def evaluate(self, frame: PathFrame) -> PathLines:
        """The paths in one frame; see `AbstractPathElement`."""
        count, dtype = len(self.stretches), frame.coordinate.dtype
        length = jnp.zeros(count, dtype)
        own_rate = jnp.zeros((count, len(frame.q)), dtype)
        for group in self.groups:
            row, at = np.array(group.row), np.array(group.coordinate)
            value, slope = group(frame.coordinate)
            length = length.at[row].set(value)
            rate = jnp.sum(slope[:, :, None] * frame.coordinate_rate[at], axis=1)
            own_rate = own_rate.at[row].set(rate)
        nothing = jnp.zeros((0, 3), dtype)
        return PathLines(length, nothing, nothing, own_rate)

    def scaled(self, scale: Float[Array, "bodies 3"]) -> "FunctionPaths":
        """Refused: the length in a scaled body is another function.

        Args:
            scale: of each body along its axes.

        Returns:
            Never.

        Raises:
            ValueError: always.
        """
        names = ", ".join(_path_of(s).name for s in self.stretches)
        raise ValueError(
            f"function-based paths ({names}) do not follow bodies that are scaled; scale the model "
            "that they were fitted to and fit them again (cervjax.kinematics.fit_paths)"
        )

    def written(self, k: int) -> tuple[AbstractPathComponent, ...]:
        """The path with the coefficients held here; see `AbstractPathElement`."""
        path = _path_of(self.stretches[k])
        group = next(g for g in self.groups if k in g.row)
        coefficients = np.asarray(group.coefficients, float)[group.row.index(k)]
        function = MultivariatePolynomialFunction(
            tuple(coefficients.tolist()), len(path.coordinates), group.order
        )
        return (dataclasses.replace(path, length_function=function),)


def _path_of(stretch: Stretch) -> FunctionBasedPath:
    (path,) = stretch.components
    assert isinstance(path, FunctionBasedPath)
    return path
