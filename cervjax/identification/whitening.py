"""What is left of a window's residuals once its unknown start and activations are accounted for."""

from typing import NamedTuple, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.math.contraction import contract

from .shooting import Sensitivity


class Whitening(NamedTuple):
    """Turns residuals of windows (rad) into independent ones of unit variance.

    Errors of the angles and offsets of the activations (Gaussian, with a known standard deviation)
    make up a covariance; the starts of the windows, of which nothing is assumed, are projected out.

    Attributes:
        project: of each window; 1/rad.
        back: from residuals to the change of the start that explains most of them.
    """

    project: Float[Array, "windows rows rows"]
    back: Float[Array, "windows twofree rows"]

    @classmethod
    def of(
        cls,
        sensitivity: Sensitivity,
        angle_sd: float,
        activation_sd: Float[Array, "windows muscles"],
    ) -> Self:
        """Of windows with `sensitivity`, angles measured with `angle_sd` (rad).

        On the host: inside compiled functions XLA's CPU backend can wait forever for a thread to
        run a batch of factorizations on, where there are few.

        Returns:
            1/rad to whiten residuals; rad and rad/s, per rad, to change starts.
        """
        count, samples, free, _ = sensitivity.start.shape
        rows = samples * free
        start = np.asarray(sensitivity.start, float).reshape(count, rows, -1) / angle_sd
        offsets = np.asarray(sensitivity.activation, float).reshape(count, rows, -1)
        offsets = offsets * (np.asarray(activation_sd, float)[:, None] / angle_sd)
        covariance = np.eye(rows) + offsets @ np.swapaxes(offsets, 1, 2)
        # No variance is less than that of the angles; rounding may say so where motions explode.
        variance, axes = np.linalg.eigh(covariance)
        white = axes / np.sqrt(np.maximum(variance, 1.0))[:, None] @ np.swapaxes(axes, 1, 2)
        basis, right = np.linalg.qr(white @ start)
        across = np.swapaxes(basis, 1, 2) @ white
        return cls(
            jnp.asarray((white - basis @ across) / angle_sd),
            jnp.asarray(np.linalg.solve(right, across) / angle_sd),
        )

    def __call__(
        self, residual: Float[Array, "windows n free *k"]
    ) -> Float[Array, "windows rows *k"]:
        """Residuals (rad) whitened, to no unit, without what another start could explain."""
        windows, samples, free, *rest = residual.shape
        flat = residual.reshape(windows, samples * free, -1)
        white = contract("wrs,wsk->wrk", self.project, flat)
        return white.reshape(windows, -1, *rest)

    def start_change(
        self, residual: Float[Array, "windows n free"]
    ) -> Float[Array, "windows twofree"]:
        """The change of the starts that explains most of `residual` (rad)."""
        return contract("wtr,wr->wt", self.back, residual.reshape(len(residual), -1))
