"""Knowing what a network does not know: ensembles with calibrated intervals, and novelty."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .evaluation import predict_rows
from .inputs import AnyArray, NetworkInputs
from .networks import ForceNetwork
from .rows import Balance, TrainingRows


class IntervalPrediction(eqx.Module):
    """What an ensemble says.

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


class Novelty(eqx.Module):
    """Whether inputs are unlike those of training.

    A row is novel where one input alone is beyond nearly all of training, or where the inputs
    together are (Mahalanobis distance of those that are known).

    Attributes:
        low, high: of each input, between which training lies but for a stated share.
        mean: of the inputs.
        precision: inverse covariance.
        farthest: squared distance that few training rows exceed.
    """

    low: Float[Array, " inputs"]
    high: Float[Array, " inputs"]
    mean: Float[Array, " inputs"]
    precision: Float[Array, "inputs inputs"]
    farthest: Float[Array, ""]

    @classmethod
    def of(cls, inputs: NetworkInputs, *, share: float = 1e-3) -> "Novelty":
        """Learn from training rows; about `share` of them is novel by each of the two criteria."""
        values = np.asarray(_flat(inputs), dtype=float)
        mean = np.nanmean(values, axis=0)
        filled = np.where(np.isfinite(values), values, mean)
        covariance = np.cov(filled, rowvar=False)
        # Inputs may be tied to one another, as the columns of a rotation are.
        ridge = 1e-4 * np.diag(covariance) + 1e-12
        precision = np.linalg.inv(covariance + np.diag(ridge))
        away = filled - mean
        distance = np.einsum("ri,ij,rj->r", away, precision, away)
        # Each of so many inputs has its own two ends.
        part = 0.5 * share / values.shape[1]
        ends = np.nanquantile(values, [part, 1 - part], axis=0)
        arrays = (*ends, mean, precision, np.quantile(distance, 1 - share))
        return cls(*(jnp.asarray(x, jnp.float32) for x in arrays))

    def __call__(self, inputs: NetworkInputs) -> Bool[Array, ""]:
        """Whether one row is novel; vmap for many."""
        return jnp.any(self.beyond(inputs)) | (self.distance(inputs) > self.farthest)

    def beyond(self, inputs: NetworkInputs) -> Bool[Array, " inputs"]:
        """Which inputs alone are; those not known are not."""
        values = _flat(inputs)
        return (values < self.low) | (values > self.high)

    def distance(self, inputs: NetworkInputs) -> Float[Array, ""]:
        """Squared Mahalanobis distance; what is not known counts as average."""
        values = _flat(inputs)
        away = jnp.where(jnp.isfinite(values), values - self.mean, 0.0)
        return jnp.dot(away, jnp.dot(self.precision, away))


class ForceEnsemble(eqx.Module):
    """Networks of several seeds, with intervals calibrated on people none of them was trained on.

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
    """

    members: tuple[ForceNetwork, ...]
    coverage: float = eqx.field(static=True)
    floor: Float[Array, " muscles"]
    width: Float[Array, " muscles"]
    novelty: Novelty

    @classmethod
    def calibrated(
        cls,
        members: Sequence[ForceNetwork],
        rows: TrainingRows,
        balance: Balance | None,
        training: NetworkInputs,
        *,
        coverage: float = 0.9,
    ) -> "ForceEnsemble":
        """Calibrate on `rows` of people that were not trained on.

        Args:
            balance: mechanics of `rows`; for dual networks.
            training: inputs that were trained on, for novelty.

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
            [predict_rows(m, rows.inputs, balance).force for m in members]
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
        )

    @property
    def needs_balance(self) -> bool:
        """Whether a prediction needs the row's mechanics."""
        return self.members[0].needs_balance

    def __call__(self, inputs: NetworkInputs, balance: Balance | None = None) -> IntervalPrediction:
        """Forces of one row with their intervals; vmap for many."""
        said = [member(inputs, balance) for member in self.members]
        merged = jax.tree.map(lambda *x: jnp.mean(jnp.stack(x), axis=0), *said)
        _, spread = _mean_and_spread([x.force for x in said])
        half = self.width * (spread + self.floor)
        return IntervalPrediction(
            merged.activation,
            merged.force,
            merged.reserve_force,
            jnp.maximum(merged.force - half, 0.0),
            merged.force + half,
            self.novelty(inputs),
        )

    def predict(self, inputs: NetworkInputs, balance: Balance | None = None) -> IntervalPrediction:
        """Predictions for many rows, in memory of the host."""
        return predict_rows(self, inputs, balance)

    def save_calibration(self, path: Path) -> None:
        """Write what is not in the members' own folders, as NPZ."""
        numbers: dict[str, Any] = {k: np.asarray(v) for k, v in vars(self.novelty).items()}
        own: dict[str, Any] = {"coverage": self.coverage, "floor": self.floor, "width": self.width}
        np.savez(path, **own, **numbers)

    @classmethod
    def restored(cls, members: Sequence[ForceNetwork], path: Path) -> "ForceEnsemble":
        """The inverse of `save_calibration`."""
        with np.load(path) as stored:
            numbers = {k: jnp.asarray(v) for k, v in stored.items()}
        coverage = float(numbers.pop("coverage"))
        floor, width = numbers.pop("floor"), numbers.pop("width")
        return cls(tuple(members), coverage, floor, width, Novelty(**numbers))


def _flat(inputs: NetworkInputs) -> Array:
    """All inputs of a row (or rows); of a window the last frame."""
    motion = inputs.motion
    if motion.ndim > inputs.person.ndim:
        motion = motion[..., -1, :]
    return jnp.concatenate([jnp.asarray(motion), jnp.asarray(inputs.person)], axis=-1)


def _mean_and_spread(forces: Sequence[AnyArray]) -> tuple[Array, Array]:
    stacked = jnp.stack([jnp.asarray(x) for x in forces])
    return jnp.mean(stacked, axis=0), jnp.std(stacked, axis=0, ddof=1)
