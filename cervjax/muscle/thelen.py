"""The curves of OpenSim's Thelen2003Muscle."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.spec import ThelenCurves

from .curves import AbstractForceCurves, register_muscle_model

_TOE_SHAPE, _TOE_FORCE = 3.0, 0.33
"""Of the tendon, as OpenSim has them: exponential up to a third of max isometric force."""


@register_muscle_model(ThelenCurves)
class ThelenForceCurves(AbstractForceCurves):
    """The curves of OpenSim's Thelen2003Muscle.

    `force_velocity` is that of full activation, as a rigid tendon needs it; with less activation
    the muscle is slower, which `norm_fiber_velocity` knows.

    Source: Thelen 2003, J Biomech Eng 125(1):70-77, with OpenSim's force-velocity curve: zero
    beyond the maximum contraction velocity, and straight above `threshold` of the greatest force.
    """

    width: Float[Array, " m"]
    passive_shape: Float[Array, " m"]
    passive_strain: Float[Array, " m"]
    curvature: Float[Array, " m"]
    greatest: Float[Array, " m"]
    threshold: Float[Array, " m"]
    tendon_strain: Float[Array, " m"]

    @classmethod
    def of(cls, shapes: Sequence[ThelenCurves]) -> "ThelenForceCurves":
        return thelen_force_curves(shapes)

    def active_force_length(self, norm_fiber_length: Float[Array, " m"]) -> Float[Array, " m"]:
        return jnp.exp(-((norm_fiber_length - 1.0) ** 2) / self.width)

    def force_velocity(self, norm_fiber_velocity: Float[Array, " m"]) -> Float[Array, " m"]:
        v, af, top = norm_fiber_velocity, self.curvature, self.greatest
        shortening = jnp.clip(v, -1.0, 0.0)
        concentric = (1 + shortening) / (1 - shortening / af)

        gain = (2 + 2 / af) / (top - 1)
        limit = self.threshold * top
        v_limit = (limit - 1) / (gain * (top - limit))
        lengthening = jnp.clip(v, 0.0, v_limit)
        eccentric = (1 + gain * top * lengthening) / (1 + gain * lengthening)
        slope = gain * (top - 1) / (1 + gain * v_limit) ** 2
        eccentric = eccentric + slope * jnp.maximum(v - v_limit, 0.0)
        return jnp.where(v < 0, concentric, eccentric)

    def passive_force_length(self, norm_fiber_length: Float[Array, " m"]) -> Float[Array, " m"]:
        # Exponential however long, where Thelen's paper goes on straight: OpenSim's own code.
        k, strain = self.passive_shape, jnp.maximum(norm_fiber_length - 1.0, 0.0)
        return jnp.expm1(k * strain / self.passive_strain) / jnp.expm1(k)

    def tendon_force_length(self, norm_tendon_length: Float[Array, " m"]) -> Float[Array, " m"]:
        strain, k = norm_tendon_length - 1.0, _TOE_SHAPE
        # Where the exponential toe meets the straight part with its slope.
        rise = k * math.exp(k) / math.expm1(k) * _TOE_FORCE
        toe = self.tendon_strain * rise / (rise + 1.0 - _TOE_FORCE)
        within = jnp.clip(strain, 0.0, toe)
        curved = _TOE_FORCE * jnp.expm1(k * within / toe) / math.expm1(k)
        return curved + rise / toe * jnp.maximum(strain - toe, 0.0)

    def norm_fiber_velocity(
        self,
        activation: Float[Array, " m"],
        active_force_length: Float[Array, " m"],
        force: Float[Array, " m"],
        damping: Float[Array, " m"],
    ) -> Float[Array, " m"]:
        """Thelen 2003, equations 6 and 7, straight outside of them; this muscle has no damping.

        Returns:
            Velocity over max contraction velocity.
        """
        isometric = activation * active_force_length
        greatest = isometric * self.greatest
        limit = self.threshold * greatest
        gain = (2 + 2 / self.curvature) / (self.greatest - 1)
        inside = jnp.where(force < 0, 0.0, jnp.where(force > limit, limit, force))
        shortens = inside <= isometric
        b = jnp.where(shortens, isometric + inside / self.curvature, gain * (greatest - inside))
        db = jnp.where(shortens, 1 / self.curvature, -gain)
        rate = 0.25 + 0.75 * activation
        slope = rate * (b - (inside - isometric) * db) / b**2
        return rate * (inside - isometric) / b + slope * (force - inside)

    def least_norm_fiber_length(self) -> Float[Array, "*m"]:
        # OpenSim's is zero for a muscle without pennation; a length must be divided by.
        return jnp.full_like(self.width, 1e-6)


def thelen_force_curves(shapes: Sequence[ThelenCurves]) -> ThelenForceCurves:
    """The curves of muscles with `shapes`."""
    columns = np.array(
        [
            (
                s.KshapeActive,
                s.KshapePassive,
                s.FmaxMuscleStrain,
                s.Af,
                s.Flen,
                s.fv_linear_extrap_threshold,
                s.FmaxTendonStrain,
            )
            for s in shapes
        ]
    ).T
    return ThelenForceCurves(*(jnp.asarray(c) for c in columns))
