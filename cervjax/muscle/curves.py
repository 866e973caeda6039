"""Force curves of a group of muscles: what every one of OpenSim's muscle models has."""

from abc import abstractmethod

import equinox as eqx
from jaxtyping import Array, Float

from .activation import first_order_activation_rate


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
    def tendon_force_length(self, norm_tendon_length: Float[Array, " m"]) -> Float[Array, " m"]:
        """Tendon force over max isometric force; length over tendon slack length."""

    @abstractmethod
    def norm_fiber_velocity(
        self,
        activation: Float[Array, " m"],
        active_force_length: Float[Array, " m"],
        force: Float[Array, " m"],
        damping: Float[Array, " m"],
    ) -> Float[Array, " m"]:
        """The velocity at which a fiber pulls with `force` (over max isometric force), beyond what
        it does passively at that length: the inverse of activation x active force-length x
        force-velocity + damping x velocity."""

    def activation_rate(
        self,
        excitation: Float[Array, " m"],
        activation: Float[Array, " m"],
        activation_time_constant: Float[Array, " m"],
        deactivation_time_constant: Float[Array, " m"],
        minimum_activation: Float[Array, " m"],
    ) -> Float[Array, " m"]:
        """Rate of change of activation, 1/s."""
        return first_order_activation_rate(
            excitation,
            activation,
            activation_time_constant,
            deactivation_time_constant,
            minimum_activation,
        )

    @abstractmethod
    def least_norm_fiber_length(self) -> Float[Array, "*m"]:
        """Normalized length below which a fiber carries no force."""
