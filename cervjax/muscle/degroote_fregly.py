"""The curves of OpenSim's DeGrooteFregly2016Muscle."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.spec import DeGrooteFreglyCurves

from .activation import AbstractActivationDynamics, SmoothActivation
from .curves import AbstractForceCurves, register_muscle_model

_BELLS = (
    (0.8150671134243542, 1.055033428970575, 0.162384573599574, 0.063303448465465),
    (0.433004984392647, 0.716775413397760, -0.029947116970696, 0.200356847296188),
    (0.1, 1.0, 0.5 * math.sqrt(0.5), 0.0),
)
"""Height, center, width and slope of the width of three bells; OpenSim's values, with which the
sum is one at optimal fiber length."""
_D1, _D2, _D3, _D4 = -0.3211346127989808, -8.149, -0.374, 0.8825327733249912
"""Of the force-velocity curve, d1 asinh(d2 v + d3) + d4; zero at -1 and one at 0."""
_PASSIVE_SHAPE = 4.0
_LEAST_NORM_FIBER_LENGTH = 0.2
"""Where the passive force is zero."""
_TENDON_HEIGHT = 0.2
_NEWTON_STEPS = 12
"""From the right of the root of a convex function each step at least halves what is large, then
doubles the digits: 12 reach rounding for every force and damping in use (tests)."""


@register_muscle_model(DeGrooteFreglyCurves)
class DeGrooteFreglyForceCurves(AbstractForceCurves):
    """The curves of De Groote, Kinney, Rao, Fregly 2016, Ann Biomed Eng 44(10):2922-2936.

    Smooth everywhere, as trajectory optimization likes them. The constants are OpenSim's. A slack
    tendon pushes a little (down to -0.2), as it does there.
    """

    width_scale: Float[Array, " m"]
    passive_strain: Float[Array, " m"]
    tendon_strain: Float[Array, " m"]
    steepness: Float[Array, " m"]

    @classmethod
    def of(cls, shapes: Sequence[DeGrooteFreglyCurves]) -> "DeGrooteFreglyForceCurves":
        return degroote_fregly_force_curves(shapes)

    def active_force_length(self, norm_fiber_length: Float[Array, " m"]) -> Float[Array, " m"]:
        x = (norm_fiber_length - 1.0) / self.width_scale + 1.0
        total = jnp.zeros_like(x)
        for height, center, width, slope in _BELLS:
            total = total + height * jnp.exp(-0.5 * ((x - center) / (width + slope * x)) ** 2)
        return total

    def force_velocity(self, norm_fiber_velocity: Float[Array, " m"]) -> Float[Array, " m"]:
        return _D1 * jnp.arcsinh(_D2 * norm_fiber_velocity + _D3) + _D4

    def passive_force_length(self, norm_fiber_length: Float[Array, " m"]) -> Float[Array, " m"]:
        k = _PASSIVE_SHAPE
        least = jnp.exp(k * (_LEAST_NORM_FIBER_LENGTH - 1.0) / self.passive_strain)
        rise = jnp.exp(k * (norm_fiber_length - 1.0) / self.passive_strain)
        return (rise - least) / (math.exp(k) - least)

    def tendon_force_length(self, norm_tendon_length: Float[Array, " m"]) -> Float[Array, " m"]:
        shape = math.log((1.0 + _TENDON_HEIGHT) / _TENDON_HEIGHT) / self.tendon_strain
        return _TENDON_HEIGHT * jnp.expm1(shape * (norm_tendon_length - 1.0))

    def norm_fiber_velocity(
        self,
        activation: Float[Array, " m"],
        active_force_length: Float[Array, " m"],
        force: Float[Array, " m"],
        damping: Float[Array, " m"],
    ) -> Float[Array, " m"]:
        # In s = asinh(d2 v + d3) the balance is p s + r sinh(s) = w, which grows with s.
        isometric = activation * active_force_length
        p, r = -_D1 * isometric, damping / -_D2
        w = _D4 * isometric - force - r * _D3
        size = jnp.abs(w)
        damped = jnp.where(r > 0, jnp.arcsinh(size / jnp.where(r > 0, r, 1.0)), jnp.inf)
        # Beyond what the exponential function can hold is beyond any fiber.
        start = jnp.minimum(jnp.minimum(size / p, damped), 0.5 * math.log(jnp.finfo(w.dtype).max))
        s = jax.lax.stop_gradient(jnp.sign(w) * start)
        plain_p, plain_r, plain_w = (jax.lax.stop_gradient(x) for x in (p, r, w))
        for _ in range(_NEWTON_STEPS):
            s = s - (plain_p * s + plain_r * jnp.sinh(s) - plain_w) / (
                plain_p + plain_r * jnp.cosh(s)
            )
        # Two differentiable steps from the root make the first and second derivatives exact.
        for _ in range(2):
            s = s - (p * s + r * jnp.sinh(s) - w) / (p + r * jnp.cosh(s))
        return (jnp.sinh(s) - _D3) / _D2

    @property
    def activation(self) -> AbstractActivationDynamics:
        """A smooth step between rising and falling."""
        return SmoothActivation(self.steepness)

    def least_norm_fiber_length(self) -> Float[Array, "*m"]:
        return jnp.full_like(self.width_scale, _LEAST_NORM_FIBER_LENGTH)


def degroote_fregly_force_curves(
    shapes: Sequence[DeGrooteFreglyCurves],
) -> DeGrooteFreglyForceCurves:
    """The curves of muscles with `shapes`."""
    columns = np.array(
        [
            (
                s.active_force_width_scale,
                s.passive_fiber_strain_at_one_norm_force,
                s.tendon_strain_at_one_norm_force,
                s.activation_dynamics_smoothing,
            )
            for s in shapes
        ]
    ).T
    return DeGrooteFreglyForceCurves(*(jnp.asarray(c) for c in columns))
