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
    """

    rounds: int = 8
    evaluations: int = 6
    tolerance: float = 1e-6
    damping: float = 1.0
    substeps: int = 4

    def __post_init__(self) -> None:
        for name in ("rounds", "evaluations", "tolerance", "damping", "substeps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)} must be positive")
        if self.substeps % 2:
            raise ValueError(f"substeps = {self.substeps} must be even")


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
        converged: whether the last round moved no parameter by more than the tolerance.
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
    for k in np.flatnonzero(~np.asarray((values > space.low) & (values < space.high))):
        raise ValueError(
            f"guess of {space.names[k]} = {float(values[k]):g} is not between "
            f"{float(space.low[k]):g} and {float(space.high[k]):g}"
        )
    prior = Prior.none(space) if prior is None else prior
    sd = jnp.asarray(angle_sd, values.dtype)
    estimate = Estimate(values, windows.start, jnp.full((), jnp.inf, values.dtype))
    linear = linearised(neck, windows, estimate, sd, settings.substeps)
    history, cost, converged = [np.asarray(values)], [], False
    damping = settings.damping
    for k in range(settings.rounds):
        _check(linear, k)
        estimate, linear = search_round(
            neck,
            windows,
            estimate,
            linear,
            sd,
            prior,
            jnp.asarray(damping, values.dtype),
            settings.evaluations,
            settings.substeps,
        )
        history.append(np.asarray(estimate.values))
        cost.append(float(estimate.cost))
        progress(k + 1, cost[-1])
        change = np.max(np.abs(history[-1] - history[-2]))
        better = change > _ROUNDING
        if better and change < settings.tolerance:
            converged = True
            break
        damping = settings.damping if better else 10.0 * damping
    _check(linear, len(cost))
    return Identification(estimate, linear, np.stack(history), np.array(cost), converged)


def _check(linear: Linearised, rounds: int) -> None:
    finite = np.isfinite(np.asarray(linear.left)).all(axis=(1, 2))
    if not finite.all():
        raise FloatingPointError(
            f"the motion of window {int(np.flatnonzero(~finite)[0])} explodes after {rounds} "
            "rounds; use shorter windows, another guess or more substeps"
        )


@eqx.filter_jit
def linearised(
    neck: Neck,
    windows: Windows,
    estimate: Estimate,
    angle_sd: Float[Array, ""],
    substeps: int,
) -> Linearised:
    """The motion at `estimate`."""
    return _whitened(*_sensed(neck, windows, estimate, substeps), windows, angle_sd)


@eqx.filter_jit
def search_round(
    neck: Neck,
    windows: Windows,
    estimate: Estimate,
    linear: Linearised,
    angle_sd: Float[Array, ""],
    prior: Prior,
    damping: Float[Array, ""],
    evaluations: int,
    substeps: int,
) -> tuple[Estimate, Linearised]:
    """A few steps from `estimate`, with the windows' starts eliminated to first order and their
    whitening kept, then better starts.

    Args:
        linear: the motion at `estimate`, or near it.
    """
    space, whitening = neck.space, linear.whitening

    def misfit(left: Array, values: Array) -> Array:
        rows = jax.vmap(lambda w, r: w(r))(whitening, left).reshape(-1)
        return jnp.concatenate([rows, (prior.mean - values) / prior.sd])

    # Damping in proportion to the squared residual: far from the truth no parameter runs to its
    # bounds along directions that the data hardly determine, near it steps are Gauss and Newton's.
    # Yamashita & Fukushima 2001, Computing Suppl 15:239-249.
    mean = jnp.mean(misfit(linear.left, estimate.values) ** 2)
    scale = jnp.sqrt(damping * jnp.maximum(1.0, mean))

    def residual(free: Array, _: None) -> tuple[Array, tuple[Array, Sensitivity]]:
        here = jax.lax.stop_gradient(free)
        values, slope = jax.jvp(space.bounded, (here,), (jnp.ones_like(here),))
        left, sensitivity = _sensed(neck, windows, estimate._replace(values=values), substeps)
        matrix = jax.vmap(lambda w, s: w(s))(whitening, sensitivity.values)
        matrix = jnp.concatenate([matrix.reshape(-1, len(free)), jnp.diag(1 / prior.sd)])
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
    values, now = space.bounded(solution.value), _whitened(*solution.aux, windows, angle_sd)
    start = estimate.start + jax.vmap(lambda w, r: w.start_change(r))(now.whitening, now.left)
    cost = 0.5 * jnp.sum(misfit(now.left, values) ** 2)
    return Estimate(values, start, cost), now


def _sensed(
    neck: Neck, windows: Windows, estimate: Estimate, substeps: int
) -> tuple[Float[Array, "windows n free"], Sensitivity]:
    """Residuals (rad) and sensitivities of all windows."""
    angles, sensitivity = jax.vmap(
        lambda start, activation: motion_and_sensitivity(
            neck, estimate.values, start, activation, windows.step, substeps
        )
    )(estimate.start, windows.activation)
    return windows.q - angles, sensitivity


def _whitened(
    left: Float[Array, "windows n free"],
    sensitivity: Sensitivity,
    windows: Windows,
    angle_sd: Float[Array, ""],
) -> Linearised:
    # Outside of all loops: batched factorizations in a loop block XLA's thread pool on two cores.
    whitening = jax.vmap(Whitening.of, (0, None, 0))(sensitivity, angle_sd, windows.activation_sd)
    return Linearised(left, sensitivity, whitening)
