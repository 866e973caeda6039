"""How good predicted forces are, muscle by muscle and torque by torque."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Bool, Float

from cervjax.optimization import TorqueEquation

from .inputs import NetworkInputs
from .networks import Prediction
from .rows import TrainingRows

LEAST_VARIATION = 1.0
"""N. A muscle whose label varies by less is listed apart: its R^2 says little."""

_CENTRAL = (0.005, 0.995)
"""Quantiles between which a label's variation is taken: a handful of extreme rows does not make a
muscle vary."""

_CHUNK = 8192
_BOUND_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Evaluation:
    """Predicted forces against labels.

    Attributes:
        muscles: names.
        label, prediction: N.
        r2: coefficient of determination, per muscle.
        correlation: Pearson's, per muscle; 0 where one of the two does not vary.
        rmse: N, per muscle.
        rmse_percent: % of the model's max isometric force, per muscle.
        variation: N, between the 0.5th and the 99.5th percentile of the labels, per muscle.
        torque_residual: N m, R F + reserves - tau of the prediction, per row and free coordinate.
        label_residual: N m, R F - tau of the labels: what their reserves carry.
        torque_rms: N m, root mean square of tau per free coordinate.
        bounds_violated: part of the activations beyond their bounds, or forces that push.
    """

    muscles: tuple[str, ...]
    label: Float[np.ndarray, "rows muscles"]
    prediction: Float[np.ndarray, "rows muscles"]
    r2: Float[np.ndarray, " muscles"]
    correlation: Float[np.ndarray, " muscles"]
    rmse: Float[np.ndarray, " muscles"]
    rmse_percent: Float[np.ndarray, " muscles"]
    variation: Float[np.ndarray, " muscles"]
    torque_residual: Float[np.ndarray, "rows free"]
    label_residual: Float[np.ndarray, "rows free"]
    torque_rms: Float[np.ndarray, " free"]
    bounds_violated: float

    @property
    def judged(self) -> Bool[np.ndarray, " muscles"]:
        """Which muscles vary enough to be judged by R^2."""
        return self.variation > LEAST_VARIATION

    @property
    def worst(self) -> tuple[str, float]:
        """Name and R^2 (no unit) of the worst muscle that varies enough."""
        index = int(np.argmin(np.where(self.judged, self.r2, np.inf)))
        return self.muscles[index], float(self.r2[index])

    @property
    def median_r2(self) -> float:
        """Over the muscles that vary enough, no unit; NaN if none does."""
        return float(np.median(self.r2[self.judged])) if self.judged.any() else float("nan")

    @property
    def mean_r2(self) -> float:
        """Over the muscles that vary enough, no unit; NaN if none does."""
        return float(np.mean(self.r2[self.judged])) if self.judged.any() else float("nan")

    @property
    def residual_rms(self) -> float:
        """N m, of the torque residual."""
        return float(np.sqrt(np.mean(self.torque_residual**2)))

    @property
    def relative_residual(self) -> float:
        """RMS of the torque residual over that of the torques."""
        return self.residual_rms / float(np.sqrt(np.mean(self.torque_rms**2)))

    def write_table(self, path: Path) -> None:
        """One row per muscle, as CSV."""
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(
                [
                    "muscle",
                    "R2",
                    "correlation",
                    "RMSE_N",
                    "RMSE_percent_of_max",
                    "variation_N",
                    "judged",
                ]
            )
            for i, name in enumerate(self.muscles):
                numbers = (
                    self.r2[i],
                    self.correlation[i],
                    self.rmse[i],
                    self.rmse_percent[i],
                    self.variation[i],
                )
                writer.writerow([name, *(f"{x:.5g}" for x in numbers), bool(self.judged[i])])


def evaluate(
    prediction: Prediction,
    rows: TrainingRows,
    equation: TorqueEquation,
    muscles: tuple[str, ...],
    max_isometric_force: Float[np.ndarray, " muscles"],
    bounds: tuple[Float[np.ndarray, " muscles"], Float[np.ndarray, " muscles"]] | None = None,
) -> Evaluation:
    """Compare `prediction` with the labels of `rows`.

    Args:
        equation: torque equations of `rows`.
        max_isometric_force: N, of the unscaled model.
        bounds: least and greatest activation; not looked at if None.

    Returns:
        Statistics over `rows`, with both forces themselves.
    """
    force, label = (np.asarray(x, dtype=float) for x in (prediction.force, rows.force))
    tau = np.asarray(rows.target, dtype=float)
    arms = np.asarray(equation.moment_arm, dtype=float)
    error = force - label
    spread, moved = label - label.mean(axis=0), force - force.mean(axis=0)
    sizes = np.sqrt(np.sum(spread**2, axis=0) * np.sum(moved**2, axis=0))
    rmse = np.sqrt(np.mean(error**2, axis=0))
    violated = force < -_BOUND_TOLERANCE
    if bounds is not None:
        activation = np.asarray(prediction.activation)
        violated |= activation < np.asarray(bounds[0]) - _BOUND_TOLERANCE
        violated |= activation > np.asarray(bounds[1]) + _BOUND_TOLERANCE
    carried = np.asarray(prediction.reserve_force, dtype=float)
    return Evaluation(
        muscles,
        label,
        force,
        1 - np.sum(error**2, axis=0) / np.maximum(np.sum(spread**2, axis=0), 1e-30),
        np.sum(spread * moved, axis=0) / np.maximum(sizes, 1e-30),
        rmse,
        100 * rmse / np.asarray(max_isometric_force),
        np.subtract(*np.quantile(label, _CENTRAL[::-1], axis=0)),
        np.einsum("rfm,rm->rf", arms, force) + carried - tau,
        np.einsum("rfm,rm->rf", arms, label) - tau,
        np.sqrt(np.mean(tau**2, axis=0)),
        float(np.mean(violated)),
    )


Predicted = TypeVar("Predicted", covariant=True)


@runtime_checkable
class RowNetwork(Protocol[Predicted]):
    """A network, or an ensemble of them: a function of one row."""

    @property
    def needs_equation(self) -> bool:
        """Whether a prediction needs the row's mechanics."""
        ...

    def __call__(self, inputs: NetworkInputs, equation: TorqueEquation | None = None) -> Predicted:
        """The prediction for one row."""
        ...


def predict_rows(
    network: RowNetwork[Predicted], inputs: NetworkInputs, equation: TorqueEquation | None = None
) -> Predicted:
    """Predictions for many rows.

    Args:
        equation: of the rows; only a network that `needs_equation` looks at it.

    Returns:
        What the network gives for a row, with an axis of rows first, in memory of the host.
    """
    given = (inputs, equation if network.needs_equation else None)
    parts = []
    for start in range(0, len(inputs.person), _CHUNK):
        block = jax.tree.map(lambda x, s=start: x[s : s + _CHUNK], given)
        parts.append(jax.tree.map(np.asarray, _predict(network, *block)))
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


@eqx.filter_jit
def _predict(network, inputs, equation):
    if equation is None:
        return jax.vmap(network)(inputs)
    return jax.vmap(network)(inputs, equation)
