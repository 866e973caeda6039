"""Knowing how far a network may be off: ensembles with calibrated intervals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cervjax.execution import read_arrays, reading, sealed_arrays
from cervjax.optimization import TorqueEquation

from .evaluation import predict_rows
from .inputs import AnyArray, NetworkInputs
from .networks import AbstractForceNetwork
from .novelty import Novelty
from .rows import TrainingRows


class IntervalPrediction(eqx.Module):
    """Forces that an ensemble predicts, with their intervals.

    Attributes:
        activation, force: means of the members; 1, N.
        reserve_force: N m.
        low, high: N, ends of the interval that holds the label with the stated chance.
        novel: whether the row is unlike those the members were trained on.
    """

    activation: Float[Array, "*rows muscles"]
    force: Float[Array, "*rows muscles"]
    reserve_force: Float[Array, "*rows free"]
    low: Float[Array, "*rows muscles"]
    high: Float[Array, "*rows muscles"]
    novel: Bool[Array, "*rows"]


class ForceEnsemble(eqx.Module):
    """Networks of several seeds, with intervals calibrated on people who had no part in training.

    The half-width of an interval is `width * (disagreement + floor)`, per muscle: split conformal
    prediction, its score the error over what the members disagree by (Lei et al. 2018, J. Am. Stat.
    Assoc. 113:1094). It holds on average over people like those it was calibrated on, not for each
    person, and says how far from static optimization a force may be, not from the truth.

    Attributes:
        members: networks of one kind.
        coverage: chance that a label is in its interval.
        floor: N, added to the disagreement.
        width: dimensionless.
        novelty: of inputs.
        missing_inputs: whether it was calibrated on people of whom something is not known.
    """

    members: tuple[AbstractForceNetwork, ...]
    coverage: float = eqx.field(static=True)
    floor: Float[Array, " muscles"]
    width: Float[Array, " muscles"]
    novelty: Novelty
    missing_inputs: bool = eqx.field(static=True)

    @classmethod
    def calibrated(
        cls,
        members: Sequence[AbstractForceNetwork],
        rows: TrainingRows,
        equation: TorqueEquation | None,
        training: NetworkInputs,
        *,
        coverage: float = 0.9,
    ) -> "ForceEnsemble":
        """Calibrate on `rows` of people who neither trained nor validated any member.

        Intervals hold for people like these: where something about those to come will not be
        known, hide as much of these.

        Args:
            equation: torque equations of `rows`; for dual networks.
            training: inputs that were trained on, for novelty.

        Returns:
            The ensemble of `members`.

        Raises:
            ValueError: fewer than two members, or a coverage that `rows` are too few for.
        """
        if len(members) < 2:
            raise ValueError(f"an ensemble of {len(members)}; intervals need two networks or more")
        count = len(rows)
        rank = np.ceil((count + 1) * coverage) / max(count, 1)
        if not 0 < coverage < 1 or rank > 1:
            raise ValueError(f"{count} rows are too few for a coverage of {coverage}")
        mean, spread = _mean_and_spread(
            [predict_rows(m, rows.inputs, equation).force for m in members]
        )
        error = np.abs(np.asarray(rows.force) - mean)
        # Where members agree by chance the interval must not vanish.
        floor = 0.25 * np.mean(error, axis=0) + 1e-4
        width = np.quantile(error / (spread + floor), rank, axis=0, method="higher")
        return cls(
            tuple(members),
            coverage,
            jnp.asarray(floor, jnp.float32),
            jnp.asarray(width, jnp.float32),
            Novelty.of(training),
            bool(np.isnan(np.asarray(rows.inputs.person)).any()),
        )

    @property
    def needs_equation(self) -> bool:
        """Whether a prediction needs the row's mechanics."""
        return self.members[0].needs_equation

    def __call__(
        self, inputs: NetworkInputs, equation: TorqueEquation | None = None
    ) -> IntervalPrediction:
        """Forces of one row with their intervals; vmap for many."""
        predicted = [member(inputs, equation) for member in self.members]
        merged = jax.tree.map(lambda *x: jnp.mean(jnp.stack(x), axis=0), *predicted)
        _, spread = _mean_and_spread([x.force for x in predicted])
        half = self.width * (spread + self.floor)
        return IntervalPrediction(
            merged.activation,
            merged.force,
            merged.reserve_force,
            jnp.maximum(merged.force - half, 0.0),
            merged.force + half,
            self.novelty(inputs),
        )

    def predict(
        self, inputs: NetworkInputs, equation: TorqueEquation | None = None
    ) -> IntervalPrediction:
        """Predictions for many rows, in memory of the host."""
        return predict_rows(self, inputs, equation)

    def save_calibration(self, path: Path) -> None:
        """Write what is not in the members' own folders, as NPZ."""
        numbers: dict[str, Any] = {k: np.asarray(v) for k, v in vars(self.novelty).items()}
        own: dict[str, Any] = {"coverage": self.coverage, "floor": self.floor, "width": self.width}
        own["missing_inputs"] = self.missing_inputs
        np.savez(path, **sealed_arrays(own | numbers))

    @classmethod
    def restored(cls, members: Sequence[AbstractForceNetwork], path: Path) -> "ForceEnsemble":
        """The inverse of `save_calibration`."""
        what, remedy = "the calibration of an ensemble", "calibrate the ensemble again"
        stored = read_arrays(path, what, remedy)
        with reading(path, what, remedy):
            numbers = {k: jnp.asarray(v) for k, v in stored.items()}
            coverage = float(numbers.pop("coverage"))
            # The second name is that of calibrations before version 0.2.
            name = "missing_inputs" if "missing_inputs" in numbers else "half_known"
            missing_inputs = bool(numbers.pop(name))
            floor, width = numbers.pop("floor"), numbers.pop("width")
            return cls(tuple(members), coverage, floor, width, Novelty(**numbers), missing_inputs)


def _mean_and_spread(forces: Sequence[AnyArray]) -> tuple[Array, Array]:
    stacked = jnp.stack([jnp.asarray(x) for x in forces])
    return jnp.mean(stacked, axis=0), jnp.std(stacked, axis=0, ddof=1)
