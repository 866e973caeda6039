"""A muscle whose tendon stretches: the fiber is a state, its speed what balances the tendon."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .parameters import MuscleParameters

_BISECTIONS = {jnp.dtype(jnp.float64): 50, jnp.dtype(jnp.float32): 24}
"""Halvings of a fiber's possible lengths, until rounding is all that is left."""


class CompliantTendonState(NamedTuple):
    """What a muscle does whose fiber has a length of its own; one entry per muscle.

    Attributes:
        fiber_velocity: m/s, along the fiber; positive lengthens.
        norm_fiber_velocity: over max contraction velocity.
        tendon_force: N, along the tendon.
        cos_pennation: cosine of the pennation angle.
        stopped: whether the fiber is at its least length and would shorten further.
    """

    fiber_velocity: Float[Array, " muscles"]
    norm_fiber_velocity: Float[Array, " muscles"]
    tendon_force: Float[Array, " muscles"]
    cos_pennation: Float[Array, " muscles"]
    stopped: Bool[Array, " muscles"]


class _Balance(NamedTuple):
    """Forces over max isometric force at a fiber length; see `_balance`."""

    cos_pennation: Float[Array, " muscles"]
    active_force_length: Float[Array, " muscles"]
    passive: Float[Array, " muscles"]
    tendon: Float[Array, " muscles"]


def compliant_tendon_state(
    muscles: MuscleParameters,
    activation: Float[Array, " muscles"],
    fiber_length: Float[Array, " muscles"],
    length: Float[Array, " muscles"],
) -> CompliantTendonState:
    """The fiber's speed that its tendon's pull allows.

    OpenSim's damped equilibrium: (activation x active force-length x force-velocity + passive +
    damping x velocity) x cos(pennation) = tendon force. A fiber at its least length does not
    shorten further. Activation counts as within [`minimum_activation`, 1].

    Source: Millard, Uchida, Seth, Delp 2013, J Biomech Eng 135(2):021005, section 2.

    Args:
        fiber_length: m; the muscles' state.
        length: m, of the paths.

    Returns:
        Speeds in m/s, forces in N.
    """
    least = muscles.least_fiber_length
    held = jnp.maximum(fiber_length, least)
    balance = _balance(muscles, jnp.sqrt(held**2 - muscles.fiber_height**2), length)
    norm_velocity = muscles.per_muscle(
        "norm_fiber_velocity",
        jnp.clip(activation, muscles.minimum_activation, 1.0),
        balance.active_force_length,
        balance.tendon / balance.cos_pennation - balance.passive,
        muscles.fiber_damping,
    )
    stopped = (fiber_length <= least) & (norm_velocity <= 0)
    norm_velocity = jnp.where(stopped, 0.0, norm_velocity)
    return CompliantTendonState(
        norm_velocity * muscles.optimal_fiber_length * muscles.max_contraction_velocity,
        norm_velocity,
        balance.tendon * muscles.max_isometric_force,
        balance.cos_pennation,
        stopped,
    )


class FiberEquilibrium(NamedTuple):
    """Fibers at rest on their tendons; one entry per muscle.

    Attributes:
        fiber_length: m.
        tendon_force: N.
        imbalance: of fiber and tendon, over max isometric force; zero in a taut muscle.
        slack: whether the path is too short to stretch the tendon beyond a fiber at its least
            length, so that the muscle carries nothing.
    """

    fiber_length: Float[Array, " muscles"]
    tendon_force: Float[Array, " muscles"]
    imbalance: Float[Array, " muscles"]
    slack: Bool[Array, " muscles"]


def fiber_equilibrium(
    muscles: MuscleParameters,
    activation: Float[Array, " muscles"],
    length: Float[Array, " muscles"],
) -> FiberEquilibrium:
    """Fiber lengths at which muscles of path `length` (m) stand still at `activation`.

    What OpenSim's `computeEquilibrium` finds for a path at rest. The root is bracketed between
    the least fiber length and a tendon just slack; derivatives are those of the implicit function.

    Returns:
        Lengths in m, forces in N.
    """
    activation = jnp.clip(activation, muscles.minimum_activation, 1.0)
    height = muscles.fiber_height
    least = jnp.sqrt(muscles.least_fiber_length**2 - height**2)
    longest = length - muscles.tendon_slack_length
    slack = longest <= least

    def excess(along: Array) -> Array:
        """Of fiber over tendon."""
        balance = _balance(muscles, along, length)
        fiber = activation * balance.active_force_length + balance.passive
        return fiber * balance.cos_pennation - balance.tendon

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = 0.5 * (low + high)
        long = excess(middle) > 0
        return jnp.where(long, low, middle), jnp.where(long, middle, high)

    bracket = jax.lax.stop_gradient((least, jnp.maximum(longest, least)))
    low, high = jax.lax.fori_loop(0, _BISECTIONS[length.dtype], halve, bracket)
    along = 0.5 * (low + high)
    # Two differentiable steps from the root make the first and second derivatives exact.
    for _ in range(2):
        value, slope = jax.jvp(excess, (along,), (jnp.ones_like(along),))
        along = along - jnp.where(slope > 0, value / jnp.where(slope > 0, slope, 1.0), 0.0)
    along = jnp.where(slack, least, along)
    balance = _balance(muscles, along, length)
    return FiberEquilibrium(
        jnp.sqrt(along**2 + height**2),
        balance.tendon * muscles.max_isometric_force,
        jnp.where(slack, 0.0, excess(along)),
        slack,
    )


def _balance(
    muscles: MuscleParameters, along: Float[Array, " muscles"], length: Float[Array, " muscles"]
) -> _Balance:
    """Forces of fibers that reach `along` (m) in the direction of their tendons."""
    fiber_length = jnp.sqrt(along**2 + muscles.fiber_height**2)
    norm_length = fiber_length / muscles.optimal_fiber_length
    return _Balance(
        along / fiber_length,
        muscles.per_muscle("active_force_length", norm_length),
        muscles.per_muscle("passive_force_length", norm_length),
        muscles.per_muscle("tendon_force_length", (length - along) / muscles.tendon_slack_length),
    )
