"""Smooth curves through samples, evaluated while integrating."""

from typing import Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import PPoly

from .splines import natural_quintic_spline


class Trajectory(eqx.Module):
    """Piecewise polynomials of time, with two continuous derivatives; straight beyond the ends.

    Attributes:
        knots: s.
        coefficients: of each piece and column, highest power first, in the time since its knot.
    """

    knots: Float[Array, " knots"]
    coefficients: Float[Array, "powers pieces columns"]

    @classmethod
    def through(cls, time: Float[np.ndarray, " n"], values: Float[np.ndarray, "n columns"]) -> Self:
        """The natural quintic spline through samples, with which OpenSim differentiates motions.

        Returns:
            A curve over `time` (s), in the unit of `values`.

        Raises:
            ValueError: there are fewer than six samples, times do not increase, or values are not
                finite.
        """
        time, values = np.asarray(time, float), np.asarray(values, float)
        if len(time) < 6 or not np.all(np.diff(time) > 0):
            raise ValueError(f"{len(time)} samples; six or more at increasing times needed")
        if not np.isfinite(values).all():
            first = float(time[~np.isfinite(values).all(axis=1)][0])
            raise ValueError(f"values are not finite from {first:g} s on; cut or fill the gap")
        pieces = [PPoly.from_spline(natural_quintic_spline(time, v)) for v in values.T]
        ends = pieces[0].x
        kept = np.diff(ends) > 0
        coefficients = np.stack([p.c[:, kept] for p in pieces], axis=2)
        return cls(jnp.asarray(np.r_[ends[:-1][kept], ends[-1]]), jnp.asarray(coefficients))

    @property
    def coordinates(self) -> int:
        """Number of columns."""
        return self.coefficients.shape[2]

    def __call__(
        self, time: Float[Array, ""]
    ) -> tuple[Float[Array, " c"], Float[Array, " c"], Float[Array, " c"]]:
        """Values, first and second derivatives at `time` (s)."""
        inside = jnp.clip(time, self.knots[0], self.knots[-1])
        last = self.coefficients.shape[1] - 1
        piece = jnp.clip(jnp.searchsorted(self.knots, inside, side="right") - 1, 0, last)
        since = inside - self.knots[piece]
        value = speed = change = jnp.zeros_like(self.coefficients[0, 0])
        for row in self.coefficients[:, piece]:
            change = change * since + 2 * speed
            speed = speed * since + value
            value = value * since + row
        out = time - inside
        return value + speed * out, speed, jnp.where(out == 0, change, 0.0)
