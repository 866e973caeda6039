"""Parameters that explain impulses: the search, and muscles put on their other limbs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .damped_least_squares import Evaluated, damped_steps
from .force_length_limbs import OtherLimb, other_limb
from .impulses import Impulses, impulse_errors, impulse_errors_and_derivatives
from .shooting import ParametricDynamics

_STEPS = 11
"""Of a round; the first is where it starts."""


@dataclass(frozen=True)
class ImpulseSettings:
    """How to search.

    Attributes:
        damping: of Levenberg and Marquardt at the beginning of a search, in spreads of the
            parameters, over the sum of squares there.
        tolerance: relative change of the sum of squares in a round at which a search ends.
        rounds: of ten steps, in each search, at most.
        limbs: muscles, at most, that are tried on the other limb of their force-length curve.
        promising: part of the sum of squares that a muscle on its other limb must leave, judged to
            first order, at most, to be tried.
    """

    damping: float = 1e-4
    tolerance: float = 1e-3
    rounds: int = 12
    limbs: int = 8
    promising: float = 0.9

    def __post_init__(self) -> None:
        for name in ("damping", "tolerance", "rounds", "promising"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)} must be positive")
        if self.limbs < 0:
            raise ValueError(f"limbs = {self.limbs} must not be negative")


class ImpulseFit(NamedTuple):
    """Values that explain impulses.

    Attributes:
        values: of the parameters.
        rms: rad/s, of what is left of the changes of speed.
        other_limbs: muscles that were put on the other limb of their force-length curve, in order.
        history: values at the guess and after each search.
    """

    values: Float[np.ndarray, " p"]
    rms: float
    other_limbs: tuple[str, ...]
    history: Float[np.ndarray, "searches p"]


def fit_impulses(
    neck: ParametricDynamics,
    impulses: Impulses,
    guess: Float[Array, " p"] | Float[np.ndarray, " p"],
    *,
    spread: Float[np.ndarray, " p"] | None = None,
    settings: ImpulseSettings = ImpulseSettings(),
    progress: Callable[[int, float], None] = lambda searches, rms: None,
) -> ImpulseFit:
    """Parameters under which accelerations add up to the measured changes of speed.

    Damping (Levenberg's: the same for all parameters, in spreads) falls slowly, so that parameters
    that the data hardly determine stay where they are until the others fit. A muscle whose fibers
    are about optimally long can be fitted nearly as well by fibers as much too short as they are
    too long; where a search ends, those that would explain more from there are put there, one after
    the other.

    Args:
        spread: by how much each parameter of the guess may be off; 0.1 for factors and 3 mm for
            shifts of a mass center if None.
        progress: is told the searches done and the rms that each leaves, rad/s.

    Returns:
        Factors (no unit) and shifts (m), and the rms left, rad/s.

    Raises:
        ValueError: the guess is at a bound or beyond.
        FloatingPointError: accelerations at the guess are not finite.
    """
    space = neck.space
    values = np.asarray(guess, float)
    space.check_inside(values)
    spread = space.usual_spread if spread is None else np.asarray(spread, float)
    if not np.isfinite(impulse_errors(neck, impulses, values)).all():
        raise FloatingPointError(
            "accelerations at the guess are not finite; is it a neck that can move?"
        )

    def search(start: np.ndarray) -> tuple[np.ndarray, float]:
        values = jnp.asarray(start)
        cost = float(np.sum(impulse_errors(neck, impulses, values) ** 2))
        damping = jnp.asarray(settings.damping * cost)
        for _ in range(settings.rounds):
            values, damping = _round(neck, impulses, values, spread, damping)
            before, cost = cost, float(np.sum(impulse_errors(neck, impulses, values) ** 2))
            if cost > (1 - settings.tolerance) * before:
                break
        return np.asarray(values), cost

    rows = impulses.change.size
    flipped: list[str] = []
    history = [values]
    values, cost = search(values)
    history.append(values)
    progress(1, np.sqrt(cost / rows))
    for _ in range(settings.limbs):
        best: OtherLimb | None = other_limb(neck, impulses, values, spread)
        if best is None or best.left > settings.promising:
            break
        tried, lower = search(best.values)
        if lower >= cost:
            break
        values, cost = tried, lower
        flipped.append(best.muscle)
        history.append(values)
        progress(len(history) - 1, np.sqrt(cost / rows))
    return ImpulseFit(values, float(np.sqrt(cost / rows)), tuple(flipped), np.stack(history))


@eqx.filter_jit
def _round(
    neck: ParametricDynamics,
    impulses: Impulses,
    start: Float[Array, " p"],
    spread: Float[np.ndarray, " p"],
    damping: Float[Array, ""],
) -> tuple[Float[Array, " p"], Float[Array, ""]]:
    """A few steps of a search, and the damping to go on with."""

    def evaluate(values: Array) -> Evaluated:
        return Evaluated(*impulse_errors_and_derivatives(neck, impulses, values))

    end = damped_steps(evaluate, neck.space, start, jnp.asarray(spread), damping, _STEPS)
    return end.values, end.damping
