"""What accelerations add up to between samples, along a motion that is measured.

Speeds change from one sample to the next by the integral of the acceleration, which the parameters
predict from the measured pose, speed and activation. No motion is integrated: errors do not grow,
and the neck with wrong parameters is asked about the poses that were seen, not about others.
Forces enter in proportion. It takes speeds that are exact or nearly so.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .movements import check_movements
from .shooting import ParametricDynamics

_TOGETHER = 32
"""Points whose accelerations are worked out at a time: more do not fit the caches."""


class Impulses(eqx.Module):
    """Measured changes of speed, and the points whose accelerations make them up.

    Attributes:
        state: `q` (rad), then `qd` (rad/s), at each sample and half-way to each next one.
        activation: there.
        change: rad/s, of the speeds from each sample to the next.
        step: s, between samples.
    """

    state: Float[Array, "movements points twofree"]
    activation: Float[Array, "movements points muscles"]
    change: Float[Array, "movements steps free"]
    step: float = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        q: Float[np.ndarray, "movements n free"],
        qd: Float[np.ndarray, "movements n free"],
        activation: Float[np.ndarray, "movements n muscles"],
        step: float,
        *,
        settle: float = 0.0,
    ) -> Self:
        """Of movements sampled every `step` s; half-way poses and speeds are a cubic's.

        Args:
            settle: s, left out at the beginning of each movement, where one that does not begin in
                equilibrium changes faster than samples show.

        Returns:
            States in rad and rad/s, changes of speed in rad/s.

        Raises:
            ValueError: `step` is not positive, shapes differ, fewer than two samples are left, or
                a value is not finite.
        """
        tables = {"q": q, "qd": qd, "activation": activation}
        check_movements(tables, step)
        first = round(settle / step)
        if q.shape[1] - first < 2:
            raise ValueError(
                f"settle = {settle:g} s leaves fewer than two of {q.shape[1]} samples; shorten it"
            )
        q, qd, activation = (np.asarray(t, float)[:, first:] for t in tables.values())
        middle = 0.5 * (q[:, :-1] + q[:, 1:]) - step / 8 * np.diff(qd, axis=1)
        speed = 1.5 / step * np.diff(q, axis=1) - 0.25 * (qd[:, :-1] + qd[:, 1:])
        between = 0.5 * (activation[:, :-1] + activation[:, 1:])
        state = _merged(np.concatenate([q, qd], 2), np.concatenate([middle, speed], 2))
        return cls(
            jnp.asarray(state),
            jnp.asarray(_merged(activation, between)),
            jnp.asarray(np.diff(qd, axis=1)),
            step,
        )

    def integral(
        self, rate: Float[Array, "movements points *k"]
    ) -> Float[Array, "movements steps *k"]:
        """From each sample to the next, by Simpson's rule; in the unit of `rate` times s."""
        ends, middle = rate[:, ::2], rate[:, 1::2]
        return self.step / 6 * (ends[:, :-1] + 4 * middle + ends[:, 1:])


class ImpulseErrors(NamedTuple):
    """Computed minus measured changes of speed (rad/s), in the order of `Impulses.change`, and
    their derivatives by the parameters."""

    error: Float[Array, " rows"]
    by_values: Float[Array, "rows p"]


@eqx.filter_jit
def impulse_errors(
    neck: ParametricDynamics,
    impulses: Impulses,
    values: Float[Array, " p"] | Float[np.ndarray, " p"],
) -> Float[Array, " rows"]:
    """Computed minus measured changes of speed; rad/s, in the order of `Impulses.change`."""
    at = jnp.asarray(values)
    rate = _at_points(lambda state, drive: neck.acceleration(state, drive, at), impulses)
    return (impulses.integral(rate) - impulses.change).reshape(-1)


@eqx.filter_jit
def impulse_errors_and_derivatives(
    neck: ParametricDynamics,
    impulses: Impulses,
    values: Float[Array, " p"] | Float[np.ndarray, " p"],
) -> ImpulseErrors:
    """`impulse_errors`, and their derivatives."""

    def one(state: Array, drive: Array) -> tuple[Array, Array]:
        rate, back = jax.vjp(lambda v: neck.acceleration(state, drive, v), jnp.asarray(values))
        return rate, jax.vmap(back)(jnp.eye(len(rate), dtype=rate.dtype))[0]

    rate, slope = _at_points(one, impulses)
    error = impulses.integral(rate) - impulses.change
    return ImpulseErrors(error.reshape(-1), impulses.integral(slope).reshape(error.size, -1))


def _merged(samples: np.ndarray, halves: np.ndarray) -> np.ndarray:
    count, steps, columns = halves.shape
    merged = np.empty((count, 2 * steps + 1, columns))
    merged[:, ::2], merged[:, 1::2] = samples, halves
    return merged


def _at_points(function: Callable, impulses: Impulses) -> Any:
    tables = (impulses.state, impulses.activation)
    points = jax.tree.map(lambda x: x.reshape(-1, x.shape[-1]), tables)
    flat = jax.lax.map(lambda at: function(*at), points, batch_size=_TOGETHER)
    shape = impulses.state.shape[:2]
    return jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]), flat)
