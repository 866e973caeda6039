"""Force curves of a group of muscles: Millard 2012 and Thelen 2003, as OpenSim has them."""

from abc import abstractmethod
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.spec import MillardCurves, ThelenCurves

from .bezier import BezierCurve, corner_curve


class ForceCurves(eqx.Module):
    """Dimensionless force multipliers of muscles; arguments have one entry per muscle."""

    @abstractmethod
    def active_force_length(self, norm_fiber_length: Float[Array, " m"]) -> Float[Array, " m"]:
        """Active force over max isometric force."""

    @abstractmethod
    def force_velocity(self, norm_fiber_velocity: Float[Array, " m"]) -> Float[Array, " m"]:
        """Active force over its isometric value; velocity over max contraction velocity."""

    @abstractmethod
    def passive_force_length(self, norm_fiber_length: Float[Array, " m"]) -> Float[Array, " m"]:
        """Passive elastic force over max isometric force."""

    @abstractmethod
    def least_norm_fiber_length(self) -> Float[Array, "*m"]:
        """Normalized length below which a fiber carries no force."""


class MillardForceCurves(ForceCurves):
    """The curves of OpenSim's Millard2012EquilibriumMuscle.

    Source: Millard, Uchida, Seth, Delp 2013, J Biomech Eng 135(2):021005, and the shapes that
    OpenSim 4 gives them. They agree with OpenSim's own `calcValue` to 1e-12 (tests).
    """

    active: BezierCurve
    velocity: BezierCurve
    passive: BezierCurve

    def active_force_length(self, norm_fiber_length: Float[Array, " m"]) -> Float[Array, " m"]:
        return self.active(norm_fiber_length)

    def force_velocity(self, norm_fiber_velocity: Float[Array, " m"]) -> Float[Array, " m"]:
        return self.velocity(norm_fiber_velocity)

    def passive_force_length(self, norm_fiber_length: Float[Array, " m"]) -> Float[Array, " m"]:
        return self.passive(norm_fiber_length)

    def least_norm_fiber_length(self) -> Float[Array, "*m"]:
        return self.active.knots[..., 0]


class ThelenForceCurves(ForceCurves):
    """The curves of OpenSim's Thelen2003Muscle at full activation.

    Source: Thelen 2003, J Biomech Eng 125(1):70-77, with OpenSim's force-velocity curve: zero
    beyond the maximum contraction velocity, and straight above `threshold` of the greatest force.
    """

    width: Float[Array, " m"]
    passive_shape: Float[Array, " m"]
    passive_strain: Float[Array, " m"]
    curvature: Float[Array, " m"]
    greatest: Float[Array, " m"]
    threshold: Float[Array, " m"]

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
        k, strain = self.passive_shape, norm_fiber_length - 1.0
        scaled = jnp.clip(strain / self.passive_strain, 0.0, 1.0)
        force = jnp.expm1(k * scaled) / jnp.expm1(k)
        slope = k * jnp.exp(k) / jnp.expm1(k) / self.passive_strain
        return force + slope * jnp.maximum(strain - self.passive_strain, 0.0)

    def least_norm_fiber_length(self) -> Float[Array, "*m"]:
        return jnp.full_like(self.width, 0.01)


def millard_force_curves(shapes: Sequence[MillardCurves]) -> MillardForceCurves:
    """The curves of muscles with `shapes`; stored once where all are alike."""
    active, velocity, passive = [], [], []
    for s in shapes:
        active.append(_active_force_length_points(s))
        velocity.append(_force_velocity_points(s))
        passive.append(_passive_force_length_points(s))
    return MillardForceCurves(
        corner_curve(active, [[1.0] * 5 for _ in shapes]),
        corner_curve(
            velocity,
            [[s.concentric_curviness] * 2 + [s.eccentric_curviness] * 2 for s in shapes],
        ),
        corner_curve(passive, [[s.passive_curviness] * 2 for s in shapes]),
    )


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
            )
            for s in shapes
        ]
    ).T
    return ThelenForceCurves(*(jnp.asarray(c) for c in columns))


Points = list[tuple[float, float, float]]


def _active_force_length_points(s: MillardCurves) -> Points:
    x0, x1, x3 = (
        s.min_norm_active_fiber_length,
        s.transition_norm_fiber_length,
        s.max_norm_active_fiber_length,
    )
    x2, half_plateau = 1.0, 0.05
    shoulder = x2 - half_plateau
    y1 = 1.0 - s.shallow_ascending_slope * (shoulder - x1)
    return [
        (x0, s.minimum_value, 0.0),
        (0.5 * (x0 + x1), 0.5 * y1, 1.25 * y1 / (x1 - x0)),
        (0.5 * (x1 + shoulder), 0.5 * (1.0 + y1), s.shallow_ascending_slope),
        (x2, 1.0, 0.0),
        (0.5 * (x2 + half_plateau + x3), 0.5, -1.0 / (x3 - x2 - 2 * half_plateau)),
        (x3, s.minimum_value, 0.0),
    ]


def _force_velocity_points(s: MillardCurves) -> Points:
    top = s.max_eccentric_velocity_force_multiplier
    con_end, con_near = s.concentric_slope_at_vmax, s.concentric_slope_near_vmax
    ecc_end, ecc_near = s.eccentric_slope_at_vmax, s.eccentric_slope_near_vmax
    return [
        (-1.0, 0.0, con_end),
        (-0.9, 0.05 * (con_near + con_end), con_near),
        (0.0, 1.0, s.isometric_slope),
        (0.9, top - 0.05 * (ecc_near + ecc_end), ecc_near),
        (1.0, top, ecc_end),
    ]


def _passive_force_length_points(s: MillardCurves) -> Points:
    zero, one = 1.0 + s.passive_strain_at_zero_force, 1.0 + s.passive_strain_at_one_norm_force
    low, stiff = s.passive_stiffness_at_low_force, s.passive_stiffness_at_one_norm_force
    toe = min(0.1 / stiff, 0.1 * (one - zero))
    return [
        (zero, 0.0, 0.0),
        (zero + toe, 0.5 * low * toe, low),
        (one, 1.0, stiff),
    ]
