"""The curves of OpenSim's Schutte1993Muscle_Deprecated: SIMM's muscle model."""

from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cervjax.math import simm_spline_pieces
from cervjax.spec import SchutteCurves, SimmSpline

from .activation import AbstractActivationDynamics, ActivationConstants
from .curves import AbstractForceCurves, register_muscle_model

_CONCENTRIC, _ECCENTRIC_SLOPE, _GREATEST = 0.15, 0.13, 1.4
"""Of the force-velocity relation; OpenSim's values."""
_STRAIGHT = _ECCENTRIC_SLOPE * _CONCENTRIC / (_CONCENTRIC + 1)


class _Splines(eqx.Module):
    """One SIMM spline for each muscle, filled up to equally many pieces.

    Attributes:
        knots: where each piece begins; infinite beyond the last.
        cubics: coefficients in `value - knot`, highest power first.
    """

    knots: Float[Array, "m pieces"]
    cubics: Float[Array, "4 m pieces"]

    @classmethod
    def of(cls, splines: Sequence[SimmSpline]) -> "_Splines":
        found = [simm_spline_pieces(np.array(s.x), np.array(s.y)) for s in splines]
        most = max(cubics.shape[1] for _, cubics in found)
        knots = np.full((len(found), most), np.inf)
        cubics = np.zeros((4, len(found), most))
        for row, (at, pieces) in enumerate(found):
            knots[row, : pieces.shape[1]] = at[:-1]
            cubics[:, row, : pieces.shape[1]] = pieces
        return cls(jnp.asarray(knots), jnp.asarray(cubics))

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " m"]:
        # The first piece also continues to the left.
        begun = jnp.sum(x[:, None] >= self.knots[:, 1:], axis=1)
        here = begun[:, None] == jnp.arange(self.knots.shape[1])
        local = x - jnp.sum(jnp.where(here, self.knots, 0.0), axis=1)
        value = jnp.zeros_like(x)
        for cubic in self.cubics:
            value = value * local + jnp.sum(jnp.where(here, cubic, 0.0), axis=1)
        return value


class SchutteActivation(AbstractActivationDynamics):
    """Schutte 1993: excitation drives a rise, and a fall, at rates of their own."""

    rise: Float[Array, " m"]
    both: Float[Array, " m"]

    def rate(
        self,
        excitation: Float[Array, " m"],
        activation: Float[Array, " m"],
        constants: ActivationConstants,
    ) -> Float[Array, " m"]:
        rises = excitation >= activation
        return (excitation - activation) * jnp.where(rises, self.rise * excitation, 0.0) + (
            excitation - activation
        ) * self.both


@register_muscle_model(SchutteCurves)
class SchutteForceCurves(AbstractForceCurves):
    """The curves of OpenSim's Schutte1993Muscle_Deprecated.

    Source: Schutte, Rodgers, Zajac, Glaser 1993, IEEE Trans Rehabil Eng 1(2):109-125, with the
    constants of OpenSim's code. Fiber damping is part of the force-velocity relation that it
    inverts, and so is exact here.
    """

    isometric_on_tendon: ClassVar[bool] = True

    active: _Splines
    passive: _Splines
    tendon: _Splines
    exponential: Bool[Array, " m"]
    rise: Float[Array, " m"]
    both: Float[Array, " m"]

    @classmethod
    def of(cls, shapes: Sequence[SchutteCurves]) -> "SchutteForceCurves":
        nothing = SimmSpline((0.0, 1.0), (0.0, 0.0))
        scale = np.array([s.time_scale for s in shapes])
        return cls(
            _Splines.of([s.active_force_length_curve for s in shapes]),
            _Splines.of([s.passive_force_length_curve or nothing for s in shapes]),
            _Splines.of([s.tendon_force_length_curve for s in shapes]),
            jnp.asarray(np.array([s.passive_force_length_curve is None for s in shapes])),
            jnp.asarray(np.array([s.activation1 for s in shapes]) / scale),
            jnp.asarray(np.array([s.activation2 for s in shapes]) / scale),
        )

    @property
    def activation(self) -> AbstractActivationDynamics:
        """Schutte's own."""
        return SchutteActivation(self.rise, self.both)

    def active_force_length(self, norm_fiber_length: Float[Array, " m"]) -> Float[Array, " m"]:
        return jnp.maximum(self.active(norm_fiber_length), 0.0)

    def force_velocity(self, norm_fiber_velocity: Float[Array, " m"]) -> Float[Array, " m"]:
        shortening = jnp.clip(norm_fiber_velocity, -1.0, 0.0)
        concentric = _CONCENTRIC * (1 + shortening) / (_CONCENTRIC - shortening)
        lengthening = jnp.maximum(norm_fiber_velocity, 0.0)
        eccentric = (_GREATEST * lengthening + _STRAIGHT) / (lengthening + _STRAIGHT)
        return jnp.where(norm_fiber_velocity < 0, concentric, eccentric)

    def passive_force_length(self, norm_fiber_length: Float[Array, " m"]) -> Float[Array, " m"]:
        # Without a curve in the file: one at 1.5 optimal fiber lengths.
        rise = jnp.exp(8.0 * (norm_fiber_length - 1.0) - 4.0)
        return jnp.where(self.exponential, rise, self.passive(norm_fiber_length))

    def tendon_force_length(self, norm_tendon_length: Float[Array, " m"]) -> Float[Array, " m"]:
        strain = norm_tendon_length - 1.0
        return jnp.where(strain < 0, 0.0, self.tendon(jnp.maximum(strain, 0.0)))

    def norm_fiber_velocity(
        self,
        activation: Float[Array, " m"],
        active_force_length: Float[Array, " m"],
        force: Float[Array, " m"],
        damping: Float[Array, " m"],
    ) -> Float[Array, " m"]:
        """Roots of the quadratic equations that force-velocity and damping make together.

        Returns:
            Velocity over max contraction velocity.
        """
        isometric, pull = activation * active_force_length, jnp.maximum(force, 0.0)
        shortens = pull < isometric
        k, s = _CONCENTRIC, _STRAIGHT
        apart = jnp.where(shortens, k, -s) * (pull - isometric)
        middle = jnp.where(
            shortens,
            -(pull + k * isometric + k * damping),
            -(pull - _GREATEST * isometric - s * damping),
        )
        # d v^2 + b v + c = 0; of its two roots the one near zero, written so that none cancels.
        root = jnp.sqrt(jnp.maximum(middle**2 - 4 * damping * apart, 0.0))
        fast = ~shortens & (middle < 0)
        far = jnp.where(shortens, root - middle, -(middle + root))
        near = 2 * apart / jnp.where(fast | (far == 0), 1.0, far)
        return jnp.where(fast, (root - middle) / (2 * jnp.maximum(damping, 1e-6)), near)

    def least_norm_fiber_length(self) -> Float[Array, "*m"]:
        return jnp.full_like(self.rise, 1e-3)
