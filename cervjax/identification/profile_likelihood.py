"""Profile likelihood: how much worse the fit becomes where one parameter is held elsewhere."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .identify import (
    Estimate,
    Identification,
    Prior,
    first_damping,
    linearised,
    search_round,
)

_HELD = 1e-8
"""Standard deviation of a prior that holds a parameter: small beside any standard error."""


class Profile(NamedTuple):
    """A parameter's profile.

    Attributes:
        name: of the parameter.
        at: values it was held at.
        rise: of twice the negative log-likelihood above that of the estimate, all other parameters
            fitted anew; 3.84 bounds the 95 % interval.
    """

    name: str
    at: Float[np.ndarray, " n"]
    rise: Float[np.ndarray, " n"]


def profile_likelihood(
    found: Identification, name: str, at: Float[np.ndarray, " n"], *, rounds: int = 1
) -> Profile:
    """The profile of the parameter `name`.

    Args:
        found: the estimate, from which the other parameters start each time, in its problem.
        at: values to hold the parameter at.
        rounds: of the search at each value.

    Returns:
        The rise of twice the negative log-likelihood, no unit, at each value.

    Raises:
        ValueError: there is no such parameter, or a value is at its bounds or beyond.
    """
    problem, prior = found.problem, found.problem.prior
    space = problem.neck.space
    if name not in space.names:
        raise ValueError(f"no parameter {name!r}; there are {', '.join(space.names[:3])}, ...")
    which = space.names.index(name)
    low, high = float(space.low[which]), float(space.high[which])
    if np.min(at) <= low or np.max(at) >= high:
        raise ValueError(f"at = {np.min(at):g} to {np.max(at):g} is not inside {low:g} to {high:g}")
    rise = []
    for value in at:
        held = Prior(prior.mean.at[which].set(float(value)), prior.sd.at[which].set(_HELD))
        estimate = found.estimate._replace(values=found.estimate.values.at[which].set(float(value)))
        linear = linearised(
            problem.neck, problem.windows, estimate, problem.angle_sd, problem.settings.shooting
        )
        holding = problem._replace(prior=held)
        damping = first_damping(holding, estimate, linear)
        for _ in range(rounds):
            estimate, linear, damping = search_round(holding, estimate, linear, damping)
        rise.append(2 * (_without(estimate, held, which) - _without(found.estimate, prior, which)))
    return Profile(name, np.asarray(at, float), np.array(rise))


def _without(estimate: Estimate, prior: Prior, which: int) -> float:
    """Cost without the prior's share for one parameter."""
    share = 0.5 * ((estimate.values - prior.mean) / prior.sd)[which] ** 2
    return float(estimate.cost - share)
