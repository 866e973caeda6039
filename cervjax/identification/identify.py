"""Parameters from motion: least squares over windows, the windows' starts eliminated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Float

from .movements import Windows
from .parameters import ParameterSpace
from .shooting import Neck, Sensitivity, motion_and_sensitivity
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


_ROUNDING = 1e-10
"""What a parameter changes by on its way to a number without bounds and back, and more."""


@dataclass(frozen=True)
class IdentificationSettings:
    """How to search.

    Attributes:
        rounds: at most; each makes new starts and whitens residuals anew.
        evaluations: of the motion and its sensitivities in each, at most.
        tolerance: largest change of a parameter in a round at which the search ends.
        damping: of Levenberg and Marquardt at the beginning of a round, over the mean squared
            residual; tenfold after a round that found nothing better.
        substeps: of the solver, between samples.
        tempered: factors on the standard deviation of the angles in the first rounds, where a
            guess is far off: what is certain is fitted first, and a prior holds the rest.
    """

    rounds: int = 8
    evaluations: int = 6
    tolerance: float = 1e-6
    damping: float = 1.0
    substeps: int = 4
    tempered: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("rounds", "evaluations", "tolerance", "damping", "substeps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)} must be positive")
        if any(not factor >= 1 for factor in self.tempered):
            raise ValueError(f"tempered = {self.tempered}: factors must be 1 or more")
        if self.substeps % 4:
            raise ValueError(f"substeps = {self.substeps} must be a multiple of four")


class Linearised(NamedTuple):
    """Motion at some parameters and starts, and what its residuals are worth.

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


@dataclass(frozen=True)
class Identification:
    """Identified parameters.

    Attributes:
        estimate: the last one.
        linearised: the motion there.
        history: values after each round, the first guess first.
        cost: after each round.
        converged: whether the last round moved no parameter by more than the tolerance, by steps
            that were better or because residuals are no larger than their errors.
    """

    estimate: Estimate
    linearised: Linearised
    history: Float[np.ndarray, "rounds p"]
    cost: Float[np.ndarray, " searched"]
    converged: bool


def identify(
    neck: Neck,
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
        prior: nothing is known if None.
        progress: is told the rounds done and the cost after each.

    Raises:
        ValueError: `angle_sd` is not positive, or the guess is at a bound or beyond.
        FloatingPointError: a motion is not finite; the message names the window.
    """
    if not angle_sd > 0:
        raise ValueError(f"angle_sd = {angle_sd} rad must be positive")
    space = neck.space
    values = jnp.asarray(guess, space.low.dtype)
    space.check_inside(np.asarray(values))
    prior = Prior.none(space) if prior is None else prior
    estimate = Estimate(values, windows.start, jnp.full((), jnp.inf, values.dtype))
    errors = [factor * angle_sd for factor in settings.tempered]
    errors += [angle_sd] * (settings.rounds + 1)
    linear = linearised(neck, windows, estimate, errors[0], settings.substeps)
    history, cost, converged = [np.asarray(values)], [], False
    damping = settings.damping
    for k in range(settings.rounds):
        estimate, linear = search_round(
            neck, windows, estimate, linear, errors[k + 1], prior, damping, settings
        )
        history.append(np.asarray(estimate.values))
        cost.append(float(estimate.cost))
        progress(k + 1, cost[-1])
        change = np.max(np.abs(history[-1] - history[-2]))
        better = change > _ROUNDING
        # Where nothing better is found the search may be stuck, unless all is explained already.
        explained = 2 * cost[-1] <= windows.q.size
        final = k >= len(settings.tempered)
        if final and (better or explained) and change < settings.tolerance:
            converged = True
            break
        damping = settings.damping if better else 10.0 * damping
    return Identification(estimate, linear, np.stack(history), np.array(cost), converged)


def linearised(
    neck: Neck, windows: Windows, estimate: Estimate, angle_sd: float, substeps: int
) -> Linearised:
    """The motion at `estimate`.

    Raises:
        FloatingPointError: see `identify`.
    """
    left, sensitivity = _sensed(neck, windows, estimate.values, estimate.start, substeps)
    return _whitened(left, sensitivity, windows, angle_sd)


def search_round(
    neck: Neck,
    windows: Windows,
    estimate: Estimate,
    linear: Linearised,
    angle_sd: float,
    prior: Prior,
    damping: float,
    settings: IdentificationSettings,
) -> tuple[Estimate, Linearised]:
    """A few steps from `estimate`, with the windows' starts eliminated to first order and their
    whitening kept, then better starts.

    Args:
        linear: the motion at `estimate`, or near it.
        angle_sd: rad, that the result is whitened with.
        damping: see `IdentificationSettings`.

    Raises:
        FloatingPointError: see `identify`.
    """
    values, cost, left, sensitivity = _searched(
        neck,
        windows,
        estimate,
        linear.left,
        linear.whitening,
        prior,
        jnp.asarray(damping, estimate.values.dtype),
        settings.evaluations,
        settings.substeps,
    )
    now = _whitened(left, sensitivity, windows, angle_sd)
    start = estimate.start + now.whitening.start_change(left)
    return Estimate(values, start, cost), now


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
    whitening = Whitening.of(sensitivity, angle_sd, windows.activation_sd)
    return Linearised(left, sensitivity, whitening)


@eqx.filter_jit
def _searched(
    neck: Neck,
    windows: Windows,
    estimate: Estimate,
    left: Float[Array, "windows n free"],
    whitening: Whitening,
    prior: Prior,
    damping: Float[Array, ""],
    evaluations: int,
    substeps: int,
) -> tuple[Float[Array, " p"], Float[Array, ""], Float[Array, "windows n free"], Sensitivity]:
    """Values and their cost, residuals (rad) and sensitivities there."""
    space = neck.space

    def misfit(left: Array, values: Array) -> Array:
        return jnp.concatenate([whitening(left).reshape(-1), (prior.mean - values) / prior.sd])

    # Damping in proportion to the squared residual: far from the truth no parameter runs to its
    # bounds along directions that the data hardly determine, near it steps are Gauss and Newton's.
    # Yamashita & Fukushima 2001, Computing Suppl 15:239-249.
    mean = jnp.mean(misfit(left, estimate.values) ** 2)
    scale = jnp.sqrt(damping * jnp.maximum(1.0, mean))

    def residual(free: Array, _: None) -> tuple[Array, tuple[Array, Sensitivity]]:
        here = jax.lax.stop_gradient(free)
        values, slope = jax.jvp(space.bounded, (here,), (jnp.ones_like(here),))
        left, sensitivity = _sensed(neck, windows, values, estimate.start, substeps)
        matrix = whitening(sensitivity.values).reshape(-1, len(free))
        matrix = jnp.concatenate([matrix, jnp.diag(1 / prior.sd)])
        # The derivative is known: no need to differentiate the motion.
        moved = (matrix * slope) @ (free - here)
        return (misfit(left, values) - moved) / scale, jax.lax.stop_gradient((left, sensitivity))

    solution = optx.least_squares(
        residual,
        optx.LevenbergMarquardt(rtol=1e-12, atol=1e-12),
        space.unbounded(estimate.values),
        has_aux=True,
        max_steps=evaluations,
        throw=False,
    )
    values, (left, sensitivity) = space.bounded(solution.value), solution.aux
    return values, 0.5 * jnp.sum(misfit(left, values) ** 2), left, sensitivity


@eqx.filter_jit
def _sensed(
    neck: Neck,
    windows: Windows,
    values: Float[Array, " p"],
    start: Float[Array, "windows twofree"],
    substeps: int,
) -> tuple[Float[Array, "windows n free"], Sensitivity]:
    """Residuals (rad) and sensitivities of all windows."""
    angles, sensitivity = jax.vmap(
        lambda start, activation: motion_and_sensitivity(
            neck, values, start, activation, windows.step, substeps
        )
    )(start, windows.activation)
    return windows.q - angles, sensitivity
