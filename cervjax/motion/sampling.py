"""Head movements drawn at random: smooth, band-limited, inside the coordinates' ranges."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from cervjax.spec import NeckSpec

from .motion import Motion

_HARMONICS = 3


class MotionSample(NamedTuple):
    """Coordinates and their derivatives at some times; rad, s."""

    q: Float[Array, "frames q"]
    qd: Float[Array, "frames q"]
    qdd: Float[Array, "frames q"]


class MovementSampler(eqx.Module):
    """Draws periodic head movements.

    A movement is a posture plus an oscillation of a base frequency and its harmonics. Each of the
    three directions (pitch, roll, yaw) takes part with a random share, and lower and upper neck
    share a direction at random, so that planar and combined movements both occur. Derivatives
    are exact.

    Attributes:
        low, high: rad, range of each coordinate.
        slowest, fastest: Hz, of the base frequency.
        extent: largest part of a coordinate's range that is used.
    """

    low: Float[Array, " q"]
    high: Float[Array, " q"]
    slowest: float = 0.1
    fastest: float = 0.8
    extent: float = 0.8

    @classmethod
    def of(cls, spec: NeckSpec, **options: float) -> "MovementSampler":
        """A sampler over the ranges of the free coordinates of `spec`."""
        ranges = np.array([spec.coordinate(n).range for n in spec.free_coordinates])
        return cls(jnp.asarray(ranges[:, 0]), jnp.asarray(ranges[:, 1]), **options)

    def __call__(self, key: PRNGKeyArray, time: Float[Array, " frames"]) -> MotionSample:
        """One movement at `time` (s)."""
        count, dtype = self.low.shape[0], self.low.dtype
        center_key, share_key, size_key, phase_key, pitch_key = jax.random.split(key, 5)
        reach = 0.5 * (self.high - self.low) * self.extent
        middle = 0.5 * (self.high + self.low)
        # Squared uniforms: most movements are mainly in one direction.
        part = jax.random.uniform(share_key, (count,), dtype) ** 2
        center = jax.random.uniform(center_key, (count,), dtype, -1, 1)
        sizes = jax.random.uniform(size_key, (_HARMONICS, count), dtype)
        sizes = sizes / jnp.arange(1, _HARMONICS + 1, dtype=dtype)[:, None] ** 2
        sizes = sizes / jnp.sum(sizes, axis=0) * part * reach
        posture = middle + center * (1 - part) * reach
        phase = jax.random.uniform(phase_key, (_HARMONICS, count), dtype, 0, 2 * np.pi)
        base = jax.random.uniform(pitch_key, (), dtype, self.slowest, self.fastest)
        omega = 2 * np.pi * base * jnp.arange(1, _HARMONICS + 1, dtype=dtype)

        angle = omega[:, None] * time[:, None, None] + phase
        swing = sizes * jnp.sin(angle)
        return MotionSample(
            posture + jnp.sum(swing, axis=1),
            jnp.sum(sizes * omega[:, None] * jnp.cos(angle), axis=1),
            -jnp.sum(omega[:, None] ** 2 * swing, axis=1),
        )


def sample_motion(spec: NeckSpec, seed: int, duration: float = 4.0, rate: float = 100.0) -> Motion:
    """One random movement as a `Motion`, sampled at `rate` Hz for `duration` s."""
    time = np.arange(round(duration * rate) + 1) / rate
    sample = MovementSampler.of(spec)(jax.random.key(seed), jnp.asarray(time))
    return Motion(f"movement {seed}", spec.free_coordinates, time, np.asarray(sample.q, float))
