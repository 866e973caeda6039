"""What the data can tell of each parameter, and what they cannot."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Bool, Float

from .identify import Linearised, Prior


def fisher_information(linear: Linearised) -> Float[Array, "p p"]:
    """Fisher information of the parameters' values, the windows' unknown starts and activation
    offsets accounted for.

    Args:
        linear: see `linearised`, `Identification`.

    Returns:
        One over the units of both parameters: none for factors, m for shifts.
    """
    rows = linear.whitening(linear.sensitivity.values)
    rows = rows.reshape(-1, rows.shape[-1])
    return rows.T @ rows


@dataclass(frozen=True)
class Identifiability:
    """How well parameters are determined.

    Attributes:
        names: of the parameters.
        standard_error: of each value, with the prior; the Cramér-Rao bound.
        determined: whether the data leave a parameter a standard error of at most `allowed`.
        allowed: in the unit of `standard_error`, of each parameter.
        partners: of each parameter that is not determined, the one it is confounded with most,
            and their correlation.
    """

    names: tuple[str, ...]
    standard_error: Float[np.ndarray, " p"]
    determined: Bool[np.ndarray, " p"]
    allowed: Float[np.ndarray, " p"]
    partners: dict[str, tuple[str, float]]


def identifiability(
    information: Float[Array, "p p"],
    names: tuple[str, ...],
    allowed: Float[np.ndarray, " p"],
    prior: Prior | None = None,
) -> Identifiability:
    """Standard errors from Fisher `information`, and which parameters they leave undetermined.

    A parameter that no data bear on has an infinite standard error unless there is a prior.

    Args:
        allowed: largest standard error of a parameter that counts as determined.

    Returns:
        Standard errors without unit for factors, in m for shifts.
    """
    own = np.asarray(information, float)
    if prior is not None:
        own = own + np.diag(1 / np.asarray(prior.sd, float) ** 2)
    # Scaled to a unit diagonal, so that what is singular does not depend on units.
    scale = np.sqrt(np.maximum(np.diag(own), 0.0))
    dead = scale <= 0
    scale = np.where(dead, 1.0, scale)
    values, vectors = np.linalg.eigh(own / np.outer(scale, scale))
    least = np.finfo(float).eps * len(own) * max(values.max(), 1.0)
    flat = values <= least
    inverse = (vectors[:, ~flat] / values[~flat]) @ vectors[:, ~flat].T
    variance = np.diag(inverse) / scale**2
    # A share in a direction without information is a share in an infinite variance.
    lost = np.sum(vectors[:, flat] ** 2, axis=1) > 1e-6
    error = np.where(lost | dead, np.inf, np.sqrt(np.maximum(variance, 0.0)))
    determined = error <= allowed
    spread = np.sqrt(np.maximum(np.diag(inverse), np.finfo(float).tiny))
    correlation = inverse / np.outer(spread, spread)
    np.fill_diagonal(correlation, 0.0)
    partners = {}
    for k in np.flatnonzero(~determined):
        other = int(np.argmax(np.abs(correlation[k])))
        partners[names[k]] = (names[other], float(correlation[k, other]))
    return Identifiability(names, error, determined, np.asarray(allowed), partners)
