"""Torques that hold coordinates inside their range: OpenSim's CoordinateLimitForce."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from cervjax.model import Model, smooth_step


class JointLimits(eqx.Module):
    """A spring and a damper at either end of each coordinate, which set in smoothly.

    Attributes:
        lower, upper: rad, where they begin.
        stiffness: N m/rad, reached `transition` beyond.
        damping: N m s/rad, likewise.
        transition: rad.
    """

    lower: Float[Array, " q"]
    upper: Float[Array, " q"]
    stiffness: Float[Array, " q"]
    damping: Float[Array, " q"]
    transition: Float[Array, " q"]

    @classmethod
    def of(
        cls,
        model: Model,
        *,
        stiffness: float = 50.0,
        damping: float = 0.5,
        transition: float = 0.1,
    ) -> "JointLimits":
        """At the ranges of the free coordinates of `model`.

        Returns:
            Ends in rad; springs and dampers of an assumed size, in N m/rad and N m s/rad.

        Raises:
            ValueError: a value is not positive, or damping is negative.
        """
        for name, value in (("stiffness", stiffness), ("transition", transition)):
            if not value > 0:
                raise ValueError(f"{name} = {value:g} must be positive")
        if damping < 0:
            raise ValueError(f"damping = {damping:g} must not be negative")
        ranges = model.topology.free_ranges
        ones = jnp.ones(len(ranges))
        return cls(
            jnp.asarray(ranges[:, 0]),
            jnp.asarray(ranges[:, 1]),
            stiffness * ones,
            damping * ones,
            transition * ones,
        )

    def __call__(self, q: Float[Array, " q"], qd: Float[Array, " q"]) -> Float[Array, " q"]:
        """Torque on each coordinate, N m."""
        above = smooth_step((q - self.upper) / self.transition)
        below = smooth_step((self.lower - q) / self.transition)
        spring = below * (self.lower - q) - above * (q - self.upper)
        return self.stiffness * spring - self.damping * (above + below) * qd
