"""One movement: a posture plus a sum of sinusoids, with exact speeds and accelerations."""

from enum import IntEnum
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class MovementKind(IntEnum):
    """What a movement is.

    PLANAR is one of pitch, roll, yaw alone; COMBINED all three in step, each with a phase of its
    own; CIRCUMDUCTION pitch and roll a quarter turn apart; HOLD a posture, still or swaying a
    little; DAILY all three wandering, with frequencies that are no multiples of one another;
    RECORDED a frame of a recorded motion.
    """

    PLANAR = 0
    COMBINED = 1
    CIRCUMDUCTION = 2
    HOLD = 3
    DAILY = 4
    RECORDED = 5


class MotionSample(NamedTuple):
    """Coordinates and their derivatives at some times; rad, s."""

    q: Float[Array, "*frames q"]
    qd: Float[Array, "*frames q"]
    qdd: Float[Array, "*frames q"]


class Movement(eqx.Module):
    """`q_i(t) = center_i + sum_k amplitude_ik sin(frequency_k t + phase_ik)`.

    Attributes:
        kind: a `MovementKind`.
        center, amplitude: rad.
        frequency: rad/s.
        phase: rad.
    """

    kind: Int[Array, "*n"]
    center: Float[Array, "*n q"]
    amplitude: Float[Array, "*n q k"]
    frequency: Float[Array, "*n k"]
    phase: Float[Array, "*n q k"]

    def at(self, time: Float[Array, " frames"]) -> MotionSample:
        """The movement at `time` (s)."""
        angle = self.frequency * time[:, None, None] + self.phase
        swing = self.amplitude * jnp.sin(angle)
        rate = self.amplitude * self.frequency * jnp.cos(angle)
        change = -(self.frequency**2) * swing
        return MotionSample(self.center + _total(swing), _total(rate), _total(change))


def _total(parts: Array) -> Array:
    total = parts[..., 0]
    for k in range(1, parts.shape[-1]):
        total = total + parts[..., k]
    return total
