"""Parameters of the muscles of a neck, whatever their curves."""

import dataclasses
import math
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.spec import Muscle

from .activation import ActivationConstants
from .curves import MUSCLE_MODELS, AbstractForceCurves

MAX_PENNATION_ANGLE = math.acos(0.1)
"""rad; OpenSim's limit for Millard and Thelen muscles."""


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
    activation_time_constant: Float[Array, " muscles"]
    deactivation_time_constant: Float[Array, " muscles"]
    minimum_activation: Float[Array, " muscles"]
    curves: tuple[AbstractForceCurves, ...]
    members: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    def per_muscle(self, curve: str, *at: Float[Array, " muscles"]) -> Float[Array, " muscles"]:
        """The method `curve` of each group's curves at `at`, one entry per muscle; no unit."""
        count = self.max_isometric_force.shape[0]
        if len(self.curves) == 1:
            return jnp.broadcast_to(getattr(self.curves[0], curve)(*at), (count,))
        result = jnp.zeros(count, self.max_isometric_force.dtype)
        for curves, members in zip(self.curves, self.members, strict=True):
            index = np.array(members)
            value = getattr(curves, curve)(*(x[index] for x in at))
            result = result.at[index].set(value)
        return result

    def group(self, curves: AbstractForceCurves, members: Sequence[int]) -> "MuscleParameters":
        """Those of one group.

        Args:
            curves: of the group.
            members: its muscles.

        Returns:
            In SI units, one entry per member.
        """
        index = np.array(members)
        own = {
            f.name: getattr(self, f.name)[index]
            for f in dataclasses.fields(self)
            if f.name not in ("curves", "members")
        }
        return MuscleParameters(**own, curves=(curves,), members=(tuple(range(len(index))),))

    def activation_rate(
        self, excitation: Float[Array, " muscles"], activation: Float[Array, " muscles"]
    ) -> Float[Array, " muscles"]:
        """Rate of change of activation, by each group's activation dynamics.

        Args:
            excitation: of each muscle.
            activation: of each muscle.

        Returns:
            1/s.
        """
        constants = ActivationConstants(
            self.activation_time_constant, self.deactivation_time_constant, self.minimum_activation
        )
        if len(self.curves) == 1:
            return self.curves[0].activation.rate(excitation, activation, constants)
        result = jnp.zeros_like(activation)
        for curves, members in zip(self.curves, self.members, strict=True):
            index = np.array(members)
            own = ActivationConstants(*(x[index] for x in constants))
            rate = curves.activation.rate(excitation[index], activation[index], own)
            result = result.at[index].set(rate)
        return result

    @property
    def least_fiber_length(self) -> Float[Array, " muscles"]:
        """m; a fiber is not shorter, be it by its curves or by its pennation angle."""
        steepest = self.fiber_height / math.sin(MAX_PENNATION_ANGLE)
        shortest = self.per_muscle("least_norm_fiber_length") * self.optimal_fiber_length
        return jnp.maximum(shortest, steepest)

    @property
    def fiber_height(self) -> Float[Array, " muscles"]:
        """m; distance of the fiber's ends across the tendon's direction, which does not change."""
        return self.optimal_fiber_length * jnp.sin(self.pennation_angle_at_optimal)


def muscle_parameters(muscles: Sequence[Muscle]) -> MuscleParameters:
    """The parameters of `muscles` as arrays.

    Returns:
        In SI units; see `MuscleParameters`.

    Raises:
        ValueError: a muscle's curves are of a class that is not registered.
    """
    groups: list[tuple[AbstractForceCurves, tuple[int, ...]]] = []
    for muscle in muscles:
        if type(muscle.curves) not in MUSCLE_MODELS:
            kind = type(muscle.curves).__name__
            raise ValueError(f"muscle {muscle.name!r} has curves of class {kind}: not registered")
    for kind, model in MUSCLE_MODELS.items():
        members = tuple(i for i, m in enumerate(muscles) if type(m.curves) is kind)
        if members:
            groups.append((model.of([muscles[i].curves for i in members]), members))

    def column(name: str) -> Array:
        return jnp.asarray(np.array([getattr(m, name) for m in muscles], dtype=float))

    return MuscleParameters(
        curves=tuple(g[0] for g in groups),
        members=tuple(g[1] for g in groups),
        **{
            f.name: column(f.name)
            for f in dataclasses.fields(MuscleParameters)
            if f.name not in ("curves", "members")
        },
    )
