"""Movements of a neck that is known, to try identification on."""

from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics.tree import rest_frames
from cervjax.simulation import Dynamics, GivenActivation, State
from cervjax.simulation.integrate import AdaptiveSteps, integrate_adaptively

_RANGE = 0.35
"""Of a coordinate's range, that movements start in."""


class Recording(NamedTuple):
    """Movements, sample by sample.

    Attributes:
        q, qd: rad, rad/s, of the free coordinates.
        activation: of each muscle, straight between samples.
    """

    q: Float[np.ndarray, "movements n free"]
    qd: Float[np.ndarray, "movements n free"]
    activation: Float[np.ndarray, "movements n muscles"]


def random_activations(
    rng: np.random.Generator, movements: int, samples: int, muscles: int, step: float
) -> Float[np.ndarray, "movements n muscles"]:
    """Activations that each rise and fall on their own.

    Log-normal about 0.08 from muscle to muscle and movement to movement, times sines of 0.5 to
    3 Hz: rich rather than natural.

    Returns:
        Between 0.01 and 1, no unit.
    """
    time = step * np.arange(samples)
    level = np.exp(rng.normal(np.log(0.08), 0.8, (movements, 1, muscles)))
    rate = rng.uniform(0.5, 3.0, (movements, 1, muscles, 3))
    phase = rng.uniform(0, 2 * np.pi, (movements, 1, muscles, 3))
    waves = np.sin(2 * np.pi * rate * time[:, None, None] + phase).sum(axis=3)
    return np.clip(level * np.exp(0.4 * waves), 0.01, 1.0)


def random_poses(
    rng: np.random.Generator,
    movements: int,
    ranges: Float[np.ndarray, "free 2"],
) -> Float[np.ndarray, "movements free"]:
    """Poses in the middle of the `ranges` (rad)."""
    return rng.uniform(_RANGE * ranges[:, 0], _RANGE * ranges[:, 1], (movements, len(ranges)))


@eqx.filter_jit
def _recorded(
    dynamics: Dynamics, pose: Array, activation: Array, step: float, tolerance: float
) -> tuple[Array, Array]:
    samples = step * np.arange(activation.shape[1])
    rest = rest_frames(dynamics.model)

    def one(pose: Array, table: Array) -> tuple[Array, Array]:
        drive = GivenActivation(jnp.asarray(samples), table)
        start = dynamics.at_rest(pose, table[0])

        def rates(time: Array, state: tuple[Array, Array, Array], _: None) -> tuple:
            q, qd, fiber = state
            full = State(q, qd, drive.at(time), fiber)
            acceleration, fibers = dynamics.motion_rates(time, full, rest)
            return qd, acceleration, fibers

        solution = integrate_adaptively(
            rates,
            (start.q, start.qd, start.norm_fiber_length),
            samples,
            None,
            AdaptiveSteps(
                "tsit5", (tolerance, tolerance), 200_000, diffrax.ForwardMode(), stops=True
            ),
        )
        q, qd, _ = solution.ys  # pyright: ignore[reportGeneralTypeIssues]
        return q, qd

    return jax.vmap(one)(pose, activation)


def recorded(
    dynamics: Dynamics,
    pose: Float[np.ndarray, "movements free"],
    activation: Float[np.ndarray, "movements n muscles"],
    step: float,
    *,
    tolerance: float = 1e-9,
) -> Recording:
    """How a neck moves from rest in each `pose` (rad) under given activations `step` s apart.

    Args:
        tolerance: of the solver, rad and rad/s.

    Returns:
        rad, rad/s, and the activations.

    Raises:
        FloatingPointError: a movement explodes.
    """
    q, qd = (
        np.asarray(x)
        for x in _recorded(dynamics, jnp.asarray(pose), jnp.asarray(activation), step, tolerance)
    )
    finite = np.isfinite(q).all(axis=(1, 2))
    if not finite.all():
        worst = int(np.flatnonzero(~finite)[0])
        row = int(np.flatnonzero(~np.isfinite(q[worst]).all(axis=1))[0])
        raise FloatingPointError(f"movement {worst} explodes before {row * step:.3g} s")
    return Recording(q, qd, np.asarray(activation))
