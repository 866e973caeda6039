"""Parameters from motion: least squares over windows, the windows' starts eliminated."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .damped_least_squares import Evaluated, Stepped, damped_steps
from .movements import Windows
from .parameters import ParameterSpace
from .shooting import ParametricDynamics, Sensitivity, Shooting, motion_and_sensitivity
from .whitening import Whitening


class Prior(eqx.Module):
    """What is known of the parameters beforehand: Gaussian and independent.

    Attributes:
        mean, sd: of each parameter; an infinite `sd` for nothing.
    """

    mean: Float[Array, " p"]
    sd: Float[Array, " p"]

    @classmethod
    def none(cls, space: ParameterSpace) -> "Prior":
        """Nothing is known."""
        return cls(space.nominal_values, jnp.full(len(space.names), jnp.inf, space.low.dtype))


_GROWN = 1e8
"""More than the least stable postures seen (errors grow with 23 per s) make of an error in 0.8 s;
longer windows there would be refused, and could not be fitted anyway."""
_ROUNDING = 1e-10
"""What a parameter changes by on its way to a number without bounds and back, and more."""


@dataclass(frozen=True)
class IdentificationSettings:
    """How to search.

    Attributes:
        rounds: at most; each makes new starts and whitens residuals anew.
        evaluations: of the motion and its sensitivities in each, at most.
        tolerance: largest change of a parameter in a round at which the search ends.
        damping: at the beginning of a search, in spreads of the parameters (see `identify`), over
            the sum of squares that errors do not explain.
        shooting: how motions are integrated.
    """

    rounds: int = 8
    evaluations: int = 6
    tolerance: float = 1e-6
    damping: float = 0.01
    shooting: Shooting = field(default_factory=Shooting)

    def __post_init__(self) -> None:
        for name in ("rounds", "evaluations", "tolerance", "damping"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)} must be positive")


class Linearised(NamedTuple):
    """Motion at some parameters and starts, and how its residuals are weighted.

    Attributes:
        left: rad, measured minus computed angles.
        sensitivity: of the computed ones.
        whitening: of each window.
    """

    left: Float[Array, "windows n free"]
    sensitivity: Sensitivity
    whitening: Whitening


class Estimate(NamedTuple):
    """Where a search is.

    Attributes:
        values: of the parameters.
        start: of each window; rad, rad/s.
        cost: half the sum of squares of the whitened residuals, that of the prior included.
    """

    values: Float[Array, " p"]
    start: Float[Array, "windows twofree"]
    cost: Float[Array, ""]


class IdentificationProblem(NamedTuple):
    """What is searched in.

    Attributes:
        neck: the dynamics and their parameters.
        windows: measured.
        angle_sd: rad, of the errors of measured angles, independent from sample to sample.
        prior: of the parameters.
        settings: of the search.
    """

    neck: ParametricDynamics
    windows: Windows
    angle_sd: float
    prior: Prior
    settings: IdentificationSettings


@dataclass(frozen=True)
class Identification:
    """Identified parameters.

    Attributes:
        problem: that was solved.
        estimate: the last one.
        linearised: the motion there.
        history: values after each round, the first guess first.
        cost: after each round.
        converged: whether the last round moved no parameter by more than the tolerance, by steps
            that were better or because residuals are no larger than their errors.
    """

    problem: IdentificationProblem
    estimate: Estimate
    linearised: Linearised
    history: Float[np.ndarray, "rounds p"]
    cost: Float[np.ndarray, " searched"]
    converged: bool

    @property
    def misfit(self) -> float:
        """Sum of squares of whitened residuals over their number less that of the starts' values.

        Returns:
            A ratio: about 1, or less by the part of the parameters in it, where errors are what
            they were said to be. Much more means that the search ended in a false minimum or that
            the neck is another one: standard errors mean nothing then.
        """
        left = self.linearised.whitening(self.linearised.left)
        return float(jnp.sum(left**2)) / (left.size - self.estimate.start.size)


def identify(
    neck: ParametricDynamics,
    windows: Windows,
    guess: Float[Array, " p"],
    *,
    angle_sd: float,
    prior: Prior | None = None,
    settings: IdentificationSettings = IdentificationSettings(),
    progress: Callable[[int, float], None] = lambda done, cost: None,
) -> Identification:
    """Parameters under which the neck moves as measured.

    Args:
        guess: of the parameters' values.
        angle_sd: rad, of the errors of measured angles, independent from sample to sample.
        prior: nothing is known if None. Its standard deviations are the spreads that damping is
            counted in; `ParameterSpace.usual_spread` where there are none.
        progress: is told the rounds done and the cost after each.

    Returns:
        Factors (no unit) and shifts (m), and how the search went.

    Raises:
        ValueError: `angle_sd` is not positive, or the guess is at a bound or beyond.
        FloatingPointError: a motion is not finite or its integration not stable; the message names
            the window.
    """
    if not angle_sd > 0:
        raise ValueError(f"angle_sd = {angle_sd} rad must be positive")
    space = neck.space
    values = jnp.asarray(guess, space.low.dtype)
    space.check_inside(np.asarray(values))
    prior = Prior.none(space) if prior is None else prior
    problem = IdentificationProblem(neck, windows, angle_sd, prior, settings)
    estimate = Estimate(values, windows.start, jnp.full((), jnp.inf, values.dtype))
    linear = linearised(neck, windows, estimate, angle_sd, settings.shooting)
    damping = first_damping(problem, estimate, linear)
    history, cost, converged = [np.asarray(values)], [], False
    for k in range(settings.rounds):
        estimate, linear, damping = search_round(problem, estimate, linear, damping)
        history.append(np.asarray(estimate.values))
        cost.append(float(estimate.cost))
        progress(k + 1, cost[-1])
        change = np.max(np.abs(history[-1] - history[-2]))
        better = change > _ROUNDING
        # Where nothing better is found the search may be stuck, unless all is explained already.
        explained = 2 * cost[-1] <= windows.q.size
        if (better or explained) and change < settings.tolerance:
            converged = True
            break
    return Identification(problem, estimate, linear, np.stack(history), np.array(cost), converged)


def linearised(
    neck: ParametricDynamics,
    windows: Windows,
    estimate: Estimate,
    angle_sd: float,
    shooting: Shooting = Shooting(),
) -> Linearised:
    """The motion at `estimate`.

    Returns:
        Residuals, rad, and their sensitivity and whitening.

    Raises:
        FloatingPointError: see `identify`.
    """
    left, sensitivity = _sensed(neck, windows, estimate.values, estimate.start, shooting)
    return _whitened(left, sensitivity, windows, angle_sd)


def first_damping(
    problem: IdentificationProblem, estimate: Estimate, linear: Linearised
) -> Float[Array, ""]:
    """Of a search from `estimate`, no unit; little where errors explain all that is left."""
    prior, settings = problem.prior, problem.settings
    misfit = linear.whitening(linear.left)
    far = (prior.mean - estimate.values) / prior.sd
    beyond = jnp.sum(misfit**2) + jnp.sum(far**2) - misfit.size
    return settings.damping * jnp.maximum(beyond, 1.0)


def search_round(
    problem: IdentificationProblem,
    estimate: Estimate,
    linear: Linearised,
    damping: Float[Array, ""],
) -> tuple[Estimate, Linearised, Float[Array, ""]]:
    """A few steps from `estimate`, with the windows' starts eliminated to first order and their
    whitening kept, then better starts.

    Args:
        linear: the motion at `estimate`, or near it.
        damping: of `first_damping` or the round before.

    Returns:
        Where the search is; the motion there, but for the better starts (residuals in rad); the
        damping to go on with, no unit.

    Raises:
        FloatingPointError: see `identify`.
    """
    end, cost = _searched(
        problem.neck,
        problem.windows,
        estimate,
        linear.whitening,
        problem.prior,
        damping,
        (problem.settings.evaluations, problem.settings.shooting),
    )
    left, sensitivity = end.more
    now = _whitened(left, sensitivity, problem.windows, problem.angle_sd)
    start = estimate.start + now.whitening.start_change(left)
    return Estimate(end.values, start, cost), now, end.damping


def _whitened(
    left: Float[Array, "windows n free"],
    sensitivity: Sensitivity,
    windows: Windows,
    angle_sd: float,
) -> Linearised:
    finite = np.isfinite(np.asarray(left)).all(axis=(1, 2))
    if not finite.all():
        raise FloatingPointError(
            f"the motion of window {int(np.flatnonzero(~finite)[0])} explodes; use shorter "
            "windows, another guess or more substeps"
        )
    grown = np.abs(np.asarray(sensitivity.start)).max(axis=(1, 2, 3))
    if not grown.max() < _GROWN:
        raise FloatingPointError(
            f"derivatives of window {int(np.argmax(grown))} by its start reach {grown.max():.2g}: "
            "the solver is not stable there; use Shooting(solver='rkc') or more substeps"
        )
    whitening = Whitening.of(sensitivity, angle_sd, windows.activation_sd)
    return Linearised(left, sensitivity, whitening)


@eqx.filter_jit
def _searched(
    neck: ParametricDynamics,
    windows: Windows,
    estimate: Estimate,
    whitening: Whitening,
    prior: Prior,
    damping: Float[Array, ""],
    effort: tuple[int, Shooting],
) -> tuple[Stepped, Float[Array, ""]]:
    """The end of `effort[0]` steps, with residuals (rad) and sensitivities, and its cost."""
    evaluations, shooting = effort

    def misfit(left: Array, values: Array) -> Array:
        return jnp.concatenate([whitening(left).reshape(-1), (prior.mean - values) / prior.sd])

    def evaluate(values: Array) -> Evaluated:
        left, sensitivity = _sensed(neck, windows, values, estimate.start, shooting)
        matrix = whitening(sensitivity.values).reshape(-1, len(values))
        matrix = jnp.concatenate([matrix, jnp.diag(1 / prior.sd)])
        return Evaluated(misfit(left, values), -matrix, (left, sensitivity))

    usual = neck.space.usual_spread
    spread = jnp.where(jnp.isfinite(prior.sd), prior.sd, jnp.asarray(usual, prior.sd.dtype))
    end = damped_steps(evaluate, neck.space, estimate.values, spread, damping, evaluations)
    return end, 0.5 * jnp.sum(misfit(end.more[0], end.values) ** 2)


@eqx.filter_jit
def _sensed(
    neck: ParametricDynamics,
    windows: Windows,
    values: Float[Array, " p"],
    start: Float[Array, "windows twofree"],
    shooting: Shooting,
) -> tuple[Float[Array, "windows n free"], Sensitivity]:
    """Residuals (rad) and sensitivities of all windows."""
    angles, sensitivity = jax.vmap(
        lambda start, activation: motion_and_sensitivity(
            neck, values, start, activation, windows.step, shooting
        )
    )(start, windows.activation)
    return windows.q - angles, sensitivity
