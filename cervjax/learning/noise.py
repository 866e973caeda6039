"""Errors of inertial sensors and marker clusters, for training and for judging robustness."""

import dataclasses
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from cervjax.math.rotation import axis_rotation, rotate


@dataclass(frozen=True)
class SensorNoise:
    """Standard deviations of the errors of sensor inputs.

    Attributes:
        orientation_deg: of the head's orientation, anew in each frame.
        orientation_offset_deg: of the same, one for all frames of a window: how the sensor sits.
        rate_deg: deg/s, of angular velocity, anew in each frame.
        rate_offset_deg: deg/s, one for all frames.
        acceleration: rad/s^2, of angular acceleration, anew in each frame.
        inclination_deg: of the torso's inclination, one for all frames.
        dropout: part of the frames that are lost; the one before is seen again. Needs a window.
    """

    orientation_deg: float = 0.0
    orientation_offset_deg: float = 0.0
    rate_deg: float = 0.0
    rate_offset_deg: float = 0.0
    acceleration: float = 0.0
    inclination_deg: float = 0.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not value >= 0 or (name == "dropout" and value >= 1):
                raise ValueError(f"{name} = {value} is not a size of errors")

    @property
    def any(self) -> bool:
        """Whether there is noise at all."""
        return any(dataclasses.asdict(self).values())

    def __call__(
        self, motion: Float[Array, "frames motion"], key: PRNGKeyArray
    ) -> Float[Array, "frames motion"]:
        """Inputs (`sensor`, `sensor-rates`) of consecutive frames with errors, units as before."""
        frames, size = motion.shape
        keys = jax.random.split(key, 7)

        def error(key: PRNGKeyArray, count: int, deviation: float) -> Array:
            return deviation * jax.random.normal(key, (count, 3), motion.dtype)

        turned = error(keys[0], frames, math.radians(self.orientation_deg))
        turned = turned + error(keys[1], 1, math.radians(self.orientation_offset_deg))
        columns = _turned(motion[:, :6].reshape(frames, 2, 3), turned[:, None])
        parts = [columns.reshape(frames, 6)]
        rate = motion[:, 6:9] + error(keys[2], frames, math.radians(self.rate_deg))
        parts.append(rate + error(keys[3], 1, math.radians(self.rate_offset_deg)))
        if size > 12:
            parts.append(motion[:, 9:12] + error(keys[4], frames, self.acceleration))
        parts.append(_turned(motion[:, -3:], error(keys[5], 1, math.radians(self.inclination_deg))))
        noisy = jnp.concatenate(parts, axis=1)
        if not self.dropout:
            return noisy
        seen = jax.random.uniform(keys[6], (frames,)) >= self.dropout
        latest = jax.lax.cummax(jnp.where(seen, jnp.arange(frames), 0))
        return noisy[latest]


def _turned(vectors: Float[Array, "*n 3"], angle: Float[Array, "*#n 3"]) -> Float[Array, "*n 3"]:
    """`vectors` turned by the rotation vectors `angle` (rad)."""
    size = jnp.sqrt(jnp.sum(angle**2, axis=-1) + jnp.finfo(angle.dtype).tiny)
    return rotate(axis_rotation(angle / size[..., None], size), vectors)
