"""Inclination of the torso: the direction of gravity in the torso's frame."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray


class TorsoInclination(eqx.Module):
    """Draws how a person holds the torso.

    A share stands upright; the others lean in any direction, evenly up to `largest`. The torso
    itself is ground and at rest.

    Attributes:
        gravity: m/s^2, in ground, of an upright torso.
        upright: share of upright torsos.
        largest: rad.
    """

    gravity: Float[Array, " 3"]
    upright: float = eqx.field(static=True, default=0.3)
    largest: float = eqx.field(static=True, default=math.radians(45))

    @classmethod
    def of(
        cls,
        gravity: tuple[float, float, float],
        *,
        upright: float = 0.3,
        largest_deg: float = 45.0,
        dtype: DTypeLike | None = None,
    ) -> "TorsoInclination":
        """Inclinations up to `largest_deg`, in a ground whose y axis points up.

        Returns:
            Of gravity in m/s^2.

        Raises:
            ValueError: an option is out of range, or gravity does not act along -y.
        """
        if not 0 <= upright <= 1:
            raise ValueError(f"upright = {upright} is a share, between 0 and 1")
        if not 0 <= largest_deg <= 180:
            raise ValueError(f"largest_deg = {largest_deg} is not between 0 and 180 degrees")
        if gravity[0] or gravity[2] or gravity[1] > 0:
            raise ValueError(f"gravity {gravity} does not act along -y of ground")
        return cls(jnp.asarray(gravity, dtype), upright, math.radians(largest_deg))

    def __call__(self, key: PRNGKeyArray) -> Float[Array, " 3"]:
        """Gravity (m/s^2) in the frame of one torso."""
        return self.from_uniforms(jax.random.uniform(key, (3,), self.gravity.dtype))

    def from_uniforms(self, uniforms: Float[Array, " 3"]) -> Float[Array, " 3"]:
        """Gravity (m/s^2) in the frame of the torso that three uniform random numbers make."""
        lean, azimuth, stands = uniforms
        lean = jnp.where(stands < self.upright, 0.0, self.largest * lean)
        return inclined_gravity(self.gravity, lean, 2 * np.pi * azimuth)


class FixedGravity(eqx.Module):
    """Gravity that is the same for everybody: the model's own.

    Attributes:
        gravity: m/s^2, in ground.
    """

    gravity: Float[Array, " 3"]

    def from_uniforms(self, uniforms: Float[Array, " 3"]) -> Float[Array, " 3"]:
        """Gravity, m/s^2; whatever the random numbers are."""
        del uniforms
        return self.gravity


def inclined_gravity(
    gravity: Float[Array, " 3"], lean: Float[Array, ""], azimuth: Float[Array, ""]
) -> Float[Array, " 3"]:
    """Gravity in the frame of a torso that leans by `lean` (rad).

    Args:
        gravity: m/s^2, along -y.
        azimuth: rad, direction of leaning: 0 forwards (x), pi/2 to the right (z).

    Returns:
        m/s^2.
    """
    size = -gravity[1]
    across = size * jnp.sin(lean)
    return jnp.stack([across * jnp.cos(azimuth), -size * jnp.cos(lean), across * jnp.sin(azimuth)])
