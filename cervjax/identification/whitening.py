"""What is left of a window's residuals once its unknown start and activations are accounted for."""

from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .shooting import Sensitivity


class Whitening(NamedTuple):
    """Turns residuals of one window into independent ones of unit variance.

    Errors of the angles and offsets of the activations (Gaussian, with a known standard deviation)
    make up a covariance; the start of the window, of which nothing is assumed, is projected out.

    Attributes:
        factor: lower Cholesky factor of the covariance over that of the angles.
        basis: orthonormal directions that a change of the start moves whitened residuals in.
        back: from whitened residuals to the change of the start.
        angle_sd: rad.
    """

    factor: Float[Array, "rows rows"]
    basis: Float[Array, "rows twofree"]
    back: Float[Array, "twofree rows"]
    angle_sd: Float[Array, ""]

    @classmethod
    def of(
        cls,
        sensitivity: Sensitivity,
        angle_sd: Float[Array, ""],
        activation_sd: Float[Array, " muscles"],
    ) -> Self:
        """Of a window with `sensitivity`, angles measured with `angle_sd` (rad)."""
        rows = sensitivity.start.shape[0] * sensitivity.start.shape[1]
        offsets = sensitivity.activation.reshape(rows, -1) * (activation_sd / angle_sd)
        factor = jnp.linalg.cholesky(jnp.eye(rows, dtype=offsets.dtype) + offsets @ offsets.T)
        start = sensitivity.start.reshape(rows, -1) / angle_sd
        start = jax.scipy.linalg.solve_triangular(factor, start, lower=True)
        basis, right = jnp.linalg.qr(start)
        back = jax.scipy.linalg.solve_triangular(right, basis.T)
        return cls(factor, basis, back, angle_sd)

    def whitened(self, residual: Float[Array, "n free *k"]) -> Float[Array, "rows *k"]:
        """Without the start's part taken out; `residual` in rad."""
        rows = len(self.factor)
        flat = residual.reshape(rows, *residual.shape[2:]) / self.angle_sd
        return jax.scipy.linalg.solve_triangular(self.factor, flat, lower=True)

    def __call__(self, residual: Float[Array, "n free *k"]) -> Float[Array, "rows *k"]:
        """Whitened residuals without what another start could explain."""
        white = self.whitened(residual)
        return white - self.basis @ (self.basis.T @ white)

    def start_change(self, residual: Float[Array, "n free"]) -> Float[Array, " twofree"]:
        """The change of the start that explains most of `residual` (rad)."""
        return self.back @ self.whitened(residual)
