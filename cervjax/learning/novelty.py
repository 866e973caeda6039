"""Out-of-distribution detection for network inputs."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cervjax.execution import read_arrays, reading, replace_file, sealed_arrays
from cervjax.math.contraction import contract

from .inputs import NetworkInputs


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
        known = np.isfinite(values)
        never = ~known.any(axis=0)
        mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        filled = np.where(known, values, mean)
        covariance = np.cov(filled, rowvar=False)
        # Inputs may be tied to one another, as the columns of a rotation are.
        ridge = 1e-4 * np.diag(covariance) + 1e-12
        precision = np.linalg.inv(covariance + np.diag(ridge))
        away = filled - mean
        distance = np.einsum("ri,ij,rj->r", away, precision, away)
        # Each of so many inputs has its own two ends.
        part = 0.5 * share / values.shape[1]
        ends = np.nanquantile(np.where(never, 0.0, values), [part, 1 - part], axis=0)
        # To know what was never known in training is beyond it.
        ends = np.where(never, [[np.inf], [-np.inf]], ends)
        arrays = (*ends, mean, precision, np.quantile(distance, 1 - share))
        return cls(*(jnp.asarray(x, jnp.float32) for x in arrays))

    @classmethod
    def read(cls, path: Path) -> "Novelty":
        """The inverse of `write`.

        Args:
            path: of the file.

        Returns:
            What was written.

        Raises:
            ValueError: the file is damaged, or was edited.
        """
        what = "a description of the inputs of training"
        remedy = "bring back the file as the training wrote it, or train again"
        stored = read_arrays(path, what, remedy)
        with reading(path, what, remedy):
            size = len(stored["mean"])
            shapes = {
                "low": (size,),
                "high": (size,),
                "mean": (size,),
                "precision": (size, size),
                "farthest": (),
            }
            found = {name: stored[name].shape for name in shapes}
            if found != shapes or set(stored) != set(shapes):
                raise ValueError(f"its arrays have shapes {found}")
            return cls(**{k: jnp.asarray(v, jnp.float32) for k, v in stored.items()})

    def write(self, path: Path) -> None:
        """As NPZ; the file appears whole or not at all."""
        numbers: dict[str, Any] = {k: np.asarray(v) for k, v in vars(self).items()}
        with replace_file(path) as file:
            np.savez(file, **sealed_arrays(numbers))

    def __call__(self, inputs: NetworkInputs) -> Bool[Array, ""]:
        """Whether one row is novel; vmap for many."""
        return jnp.any(self.beyond(inputs)) | (self.distance(inputs) > self.farthest)

    def beyond(self, inputs: NetworkInputs) -> Bool[Array, " inputs"]:
        """Which inputs alone are; those not known are not."""
        values = _flat(inputs)
        return (values < self.low) | (values > self.high)

    def distance(self, inputs: NetworkInputs) -> Float[Array, ""]:
        """Squared Mahalanobis distance, no unit; what is not known counts as average."""
        values = _flat(inputs)
        away = jnp.where(jnp.isfinite(values), values - self.mean, 0.0)
        return jnp.sum(away * contract("ij,j->i", self.precision, away))


def _flat(inputs: NetworkInputs) -> Array:
    """All inputs of a row (or rows); of a window the last frame."""
    motion = inputs.motion
    if motion.ndim > inputs.person.ndim:
        motion = motion[..., -1, :]
    return jnp.concatenate([jnp.asarray(motion), jnp.asarray(inputs.person)], axis=-1)
