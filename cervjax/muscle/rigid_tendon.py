"""A muscle with a tendon that does not stretch: path length and speed to fiber force."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .compliant_tendon import fiber_equilibrium
from .parameters import MuscleParameters


class RigidTendonState(NamedTuple):
    """What a rigid-tendon muscle does at full activation; one entry per muscle.

    Attributes:
        fiber_length: m.
        norm_fiber_velocity: fiber velocity over max contraction velocity.
        cos_pennation: cosine of the pennation angle.
        active_fiber_force: N, along the fiber, at activation 1.
        opensim_active_force: N at activation 1, as OpenSim's StaticOptimization takes it from
            `calcInextensibleTendonActiveFiberForce`; not along the tendon.
        passive_fiber_force: N, along the fiber, elastic plus damping; may be negative in fast
            shortening.
    """

    fiber_length: Float[Array, " muscles"]
    norm_fiber_velocity: Float[Array, " muscles"]
    cos_pennation: Float[Array, " muscles"]
    active_fiber_force: Float[Array, " muscles"]
    opensim_active_force: Float[Array, " muscles"]
    passive_fiber_force: Float[Array, " muscles"]

    def tendon_force(self, activation: Float[Array, " muscles"]) -> Float[Array, " muscles"]:
        """Force along the tendon at `activation`: OpenSim's `fiberForceAlongTendon`.

        The fiber's total force is clamped at zero: a rigid tendon carries no compression.

        Returns:
            N.
        """
        total = activation * self.active_fiber_force + self.passive_fiber_force
        return jnp.maximum(total, 0.0) * self.cos_pennation


def rigid_tendon_state(
    muscles: MuscleParameters,
    length: Float[Array, " muscles"],
    lengthening_speed: Float[Array, " muscles"],
) -> RigidTendonState:
    """State of muscles whose paths have `length` (m) and `lengthening_speed` (m/s).

    A fiber at its least length carries no active force, is at rest, and stands at its largest
    pennation angle, as in OpenSim: it is held where the path is shorter than the tendon's slack
    length and the least length along the tendon together. A path below the slack length alone is
    such a case.

    Returns:
        Lengths in m, forces in N; velocities over the maximum.
    """
    optimal = muscles.optimal_fiber_length
    height, least = muscles.fiber_height, muscles.least_fiber_length

    along = length - muscles.tendon_slack_length
    least_along = jnp.sqrt(jnp.maximum(least**2 - height**2, 0.0))
    clamped = along <= least_along
    safe_along = jnp.where(clamped, optimal, along)
    fiber_length = jnp.where(clamped, least, jnp.sqrt(height**2 + safe_along**2))
    cos_pennation = jnp.where(clamped, least_along / least, safe_along / fiber_length)

    norm_length = fiber_length / optimal
    speed = lengthening_speed * cos_pennation
    norm_velocity = jnp.where(clamped, 0.0, speed / (optimal * muscles.max_contraction_velocity))
    multiplier = muscles.per_muscle("active_force_length", norm_length) * muscles.per_muscle(
        "force_velocity", norm_velocity
    )
    passive = (
        muscles.per_muscle("passive_force_length", norm_length)
        + muscles.fiber_damping * norm_velocity
    )
    strongest = muscles.max_isometric_force
    active = jnp.where(clamped, 0.0, strongest * multiplier)
    # For a Millard muscle OpenSim looks up the pennation angle at the *normalized* fiber length
    # here (as if in m), so that the cosine all but vanishes (opensim-core issue 4390).
    cos_at_norm = jnp.sqrt(jnp.maximum(1.0 - (height / norm_length) ** 2, 0.0))
    cos_of_tool = jnp.where(_normalized_pennation(muscles), cos_at_norm, cos_pennation)
    of_tool = active * cos_of_tool
    for curves, members in zip(muscles.curves, muscles.members, strict=True):
        if curves.isometric_on_tendon:
            index = np.array(members)
            own = muscles.group(curves, members)
            force = _isometric_on_tendon(own, length[index], lengthening_speed[index])
            of_tool = of_tool.at[index].set(force)
    return RigidTendonState(
        fiber_length,
        norm_velocity,
        cos_pennation,
        active,
        of_tool,
        jnp.where(clamped, 0.0, strongest * passive),
    )


def _isometric_on_tendon(
    muscles: MuscleParameters, length: Float[Array, " m"], speed: Float[Array, " m"]
) -> Float[Array, " m"]:
    """What a muscle of OpenSim's class ActivationFiberLengthMuscle_Deprecated gives out for the
    force on an inextensible tendon, N. It finds the balance by steps of its own, to 0.01 N."""
    at_rest = fiber_equilibrium(muscles, jnp.ones_like(length), length)
    force = jnp.where(at_rest.slack, 0.0, at_rest.tendon_force)
    fastest = muscles.max_contraction_velocity * muscles.optimal_fiber_length
    shortening = -jnp.cos(muscles.pennation_angle_at_optimal) * speed / fastest
    return force * (1.8 - 1.8 / (1.0 + jnp.exp((0.04 - shortening) / 0.18)))


def _normalized_pennation(muscles: MuscleParameters) -> np.ndarray:
    quirk = np.zeros(muscles.max_isometric_force.shape[0], bool)
    for curves, members in zip(muscles.curves, muscles.members, strict=True):
        quirk[list(members)] = curves.normalized_pennation
    return quirk
