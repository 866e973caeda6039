"""How good a force network is, muscle by muscle and torque by torque."""

import csv
from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from .data import TrainingRows
from .network import ForceNetwork

LEAST_VARIATION = 1.0
"""N. A muscle whose label varies by less (largest minus smallest) is listed apart: its R^2 says
little."""


@dataclass(frozen=True)
class Evaluation:
    """A network against labels.

    Attributes:
        muscles: names.
        label, prediction: N.
        r2: coefficient of determination, per muscle.
        rmse: N, per muscle.
        rmse_percent: % of the model's max isometric force, per muscle.
        variation: N, largest minus smallest label, per muscle.
        torque_residual: N m, R F - tau of the predicted forces, per row and free coordinate.
        label_residual: N m, the same of the labels: what reserves carry.
        torque_rms: N m, root mean square of tau per free coordinate.
    """

    muscles: tuple[str, ...]
    label: Float[np.ndarray, "rows muscles"]
    prediction: Float[np.ndarray, "rows muscles"]
    r2: Float[np.ndarray, " muscles"]
    rmse: Float[np.ndarray, " muscles"]
    rmse_percent: Float[np.ndarray, " muscles"]
    variation: Float[np.ndarray, " muscles"]
    torque_residual: Float[np.ndarray, "rows free"]
    label_residual: Float[np.ndarray, "rows free"]
    torque_rms: Float[np.ndarray, " free"]

    @property
    def judged(self) -> np.ndarray:
        """Which muscles vary enough to be judged by R^2."""
        return self.variation > LEAST_VARIATION

    @property
    def worst(self) -> tuple[str, float]:
        """Name and R^2 of the worst muscle that varies enough."""
        index = int(np.argmin(np.where(self.judged, self.r2, np.inf)))
        return self.muscles[index], float(self.r2[index])

    def write_table(self, path: Path) -> None:
        """One row per muscle, as CSV."""
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(
                ["muscle", "R2", "RMSE_N", "RMSE_percent_of_max", "variation_N", "judged"]
            )
            for i, name in enumerate(self.muscles):
                numbers = (self.r2[i], self.rmse[i], self.rmse_percent[i], self.variation[i])
                writer.writerow([name, *(f"{x:.5g}" for x in numbers), bool(self.judged[i])])


def evaluate(
    network: ForceNetwork,
    rows: TrainingRows,
    generalized_force: Float[np.ndarray, "rows free"],
    muscles: tuple[str, ...],
    max_isometric_force: Float[np.ndarray, " muscles"],
) -> Evaluation:
    """Compare `network` with the labels of `rows`.

    Args:
        generalized_force: N m, tau of each row.
        max_isometric_force: N, of the unscaled model.
    """
    predicted = np.asarray(_predict(network, rows.inputs), dtype=float)
    label, tau = np.asarray(rows.force, dtype=float), np.asarray(generalized_force, dtype=float)
    arms = np.asarray(rows.moment_arm, dtype=float)
    error = predicted - label
    spread = label - label.mean(axis=0)
    rmse = np.sqrt(np.mean(error**2, axis=0))
    return Evaluation(
        muscles,
        label,
        predicted,
        1 - np.sum(error**2, axis=0) / np.maximum(np.sum(spread**2, axis=0), 1e-30),
        rmse,
        100 * rmse / np.asarray(max_isometric_force),
        np.ptp(label, axis=0),
        np.einsum("rfm,rm->rf", arms, predicted) - tau,
        np.einsum("rfm,rm->rf", arms, label) - tau,
        np.sqrt(np.mean(tau**2, axis=0)),
    )


@eqx.filter_jit
def _predict(network: ForceNetwork, inputs):
    return jax.vmap(network)(inputs)
