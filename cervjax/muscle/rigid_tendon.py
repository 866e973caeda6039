"""A muscle with a tendon that does not stretch: path length and speed to fiber force."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.spec import MillardCurves, Muscle, ThelenCurves

from .curves import (
    ForceCurves,
    MillardForceCurves,
    millard_force_curves,
    thelen_force_curves,
)

_MAX_PENNATION_ANGLE = math.acos(0.1)
"""rad; OpenSim's limit for both muscle models."""


class MuscleParameters(eqx.Module):
    """Parameters of the muscles, one entry each; OpenSim's names, SI units.

    Attributes:
        curves: groups of muscles with the same kind of curves; `members` says which.
    """

    max_isometric_force: Float[Array, " muscles"]
    optimal_fiber_length: Float[Array, " muscles"]
    tendon_slack_length: Float[Array, " muscles"]
    pennation_angle_at_optimal: Float[Array, " muscles"]
    max_contraction_velocity: Float[Array, " muscles"]
    fiber_damping: Float[Array, " muscles"]
    min_control: Float[Array, " muscles"]
    max_control: Float[Array, " muscles"]
    curves: tuple[ForceCurves, ...]
    members: tuple[tuple[int, ...], ...] = eqx.field(static=True)


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
        """Force along the tendon at `activation`, N: OpenSim's `fiberForceAlongTendon`.

        The fiber's total force is clamped at zero: a rigid tendon carries no compression.
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
    pennation angle, as in OpenSim. A slack tendon (length below tendon slack length) is the same.
    """
    optimal = muscles.optimal_fiber_length
    height = optimal * jnp.sin(muscles.pennation_angle_at_optimal)
    least_pennated = height / math.sin(_MAX_PENNATION_ANGLE)
    least = jnp.maximum(_per_muscle(muscles, "least_norm_fiber_length") * optimal, least_pennated)

    along = length - muscles.tendon_slack_length
    least_along = jnp.sqrt(jnp.maximum(least**2 - height**2, 0.0))
    clamped = along <= least_along
    safe_along = jnp.where(clamped, optimal, along)
    fiber_length = jnp.where(clamped, least, jnp.sqrt(height**2 + safe_along**2))
    cos_pennation = jnp.where(clamped, least_along / least, safe_along / fiber_length)

    norm_length = fiber_length / optimal
    speed = lengthening_speed * cos_pennation
    norm_velocity = jnp.where(clamped, 0.0, speed / (optimal * muscles.max_contraction_velocity))
    multiplier = _per_muscle(muscles, "active_force_length", norm_length) * _per_muscle(
        muscles, "force_velocity", norm_velocity
    )
    passive = (
        _per_muscle(muscles, "passive_force_length", norm_length)
        + muscles.fiber_damping * norm_velocity
    )
    strongest = muscles.max_isometric_force
    active = jnp.where(clamped, 0.0, strongest * multiplier)
    # For a Millard muscle OpenSim looks up the pennation angle at the *normalized* fiber length
    # here (as if in m), so that the cosine all but vanishes (opensim-core issue 4390).
    cos_at_norm = jnp.sqrt(jnp.maximum(1.0 - (height / norm_length) ** 2, 0.0))
    cos_of_tool = jnp.where(_is_millard(muscles), cos_at_norm, cos_pennation)
    return RigidTendonState(
        fiber_length,
        norm_velocity,
        cos_pennation,
        active,
        active * cos_of_tool,
        jnp.where(clamped, 0.0, strongest * passive),
    )


def muscle_parameters(muscles: Sequence[Muscle]) -> MuscleParameters:
    """The parameters of `muscles` as arrays."""
    groups: list[tuple[ForceCurves, tuple[int, ...]]] = []
    for kind, build in (
        (MillardCurves, millard_force_curves),
        (ThelenCurves, thelen_force_curves),
    ):
        members = tuple(i for i, m in enumerate(muscles) if isinstance(m.curves, kind))
        if members:
            groups.append((build([muscles[i].curves for i in members]), members))  # type: ignore

    def column(name: str) -> Array:
        return jnp.asarray(np.array([getattr(m, name) for m in muscles], dtype=float))

    return MuscleParameters(
        column("max_isometric_force"),
        column("optimal_fiber_length"),
        column("tendon_slack_length"),
        column("pennation_angle_at_optimal"),
        column("max_contraction_velocity"),
        column("fiber_damping"),
        column("min_control"),
        column("max_control"),
        tuple(g[0] for g in groups),
        tuple(g[1] for g in groups),
    )


def _is_millard(muscles: MuscleParameters) -> np.ndarray:
    is_millard = np.zeros(muscles.max_isometric_force.shape[0], bool)
    for curves, members in zip(muscles.curves, muscles.members, strict=True):
        is_millard[list(members)] = isinstance(curves, MillardForceCurves)
    return is_millard


def _per_muscle(muscles: MuscleParameters, curve: str, *at: Array) -> Array:
    """A method of each group's curves, gathered into one entry per muscle."""
    count = muscles.max_isometric_force.shape[0]
    if len(muscles.curves) == 1:
        return jnp.broadcast_to(getattr(muscles.curves[0], curve)(*at), (count,))
    result = jnp.zeros(count, muscles.max_isometric_force.dtype)
    for curves, members in zip(muscles.curves, muscles.members, strict=True):
        index = np.array(members)
        value = getattr(curves, curve)(*(x[index] for x in at))
        result = result.at[index].set(value)
    return result
