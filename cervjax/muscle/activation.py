"""Activation dynamics: how activation follows excitation."""

import abc
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


def first_order_activation_rate(
    excitation: Float[Array, " m"],
    activation: Float[Array, " m"],
    activation_time_constant: Float[Array, " m"],
    deactivation_time_constant: Float[Array, " m"],
    minimum_activation: Float[Array, " m"],
) -> Float[Array, " m"]:
    """OpenSim's MuscleFirstOrderActivationDynamicModel.

    Activation counts as within [`minimum_activation`, 1]; excitation as it is, so that one below
    `minimum_activation` takes activation below it too, as in OpenSim.

    Source: Thelen 2003, J Biomech Eng 125(1):70-77, equations 1 and 2.

    Returns:
        1/s.
    """
    present = jnp.clip(activation, minimum_activation, 1.0)
    slowing = 0.5 + 1.5 * present
    rises = excitation > present
    constant = jnp.where(
        rises, activation_time_constant * slowing, deactivation_time_constant / slowing
    )
    return (excitation - present) / constant


def smooth_activation_rate(
    excitation: Float[Array, " m"],
    activation: Float[Array, " m"],
    activation_time_constant: Float[Array, " m"],
    deactivation_time_constant: Float[Array, " m"],
    steepness: Float[Array, " m"],
) -> Float[Array, " m"]:
    """Between rising and falling a step of `steepness`; nothing is clamped.

    Source: De Groote, Kinney, Rao, Fregly 2016, Ann Biomed Eng 44(10):2922-2936, as OpenSim's
    DeGrooteFregly2016Muscle has it.

    Returns:
        1/s.
    """
    slowing = 0.5 + 1.5 * activation
    step = 0.5 * jnp.tanh(steepness * (excitation - activation))
    rate = (0.5 + step) / (activation_time_constant * slowing)
    rate = rate + (0.5 - step) * slowing / deactivation_time_constant
    return rate * (excitation - activation)


class ActivationConstants(NamedTuple):
    """Constants of a group of muscles.

    Attributes:
        activation_time_constant, deactivation_time_constant: s.
        minimum_activation: below which activation does not count.
    """

    activation_time_constant: Float[Array, " m"]
    deactivation_time_constant: Float[Array, " m"]
    minimum_activation: Float[Array, " m"]


class AbstractActivationDynamics(eqx.Module):
    """How activation follows excitation, of a group of muscles."""

    @abc.abstractmethod
    def rate(
        self,
        excitation: Float[Array, " m"],
        activation: Float[Array, " m"],
        constants: ActivationConstants,
    ) -> Float[Array, " m"]:
        """Rate of change of activation.

        Args:
            excitation: of each muscle.
            activation: of each muscle.
            constants: of each muscle.

        Returns:
            1/s.
        """


class FirstOrderActivation(AbstractActivationDynamics):
    """See `first_order_activation_rate`."""

    def rate(
        self,
        excitation: Float[Array, " m"],
        activation: Float[Array, " m"],
        constants: ActivationConstants,
    ) -> Float[Array, " m"]:
        return first_order_activation_rate(excitation, activation, *constants)


class SmoothActivation(AbstractActivationDynamics):
    """See `smooth_activation_rate`."""

    steepness: Float[Array, " m"]

    def rate(
        self,
        excitation: Float[Array, " m"],
        activation: Float[Array, " m"],
        constants: ActivationConstants,
    ) -> Float[Array, " m"]:
        return smooth_activation_rate(excitation, activation, *constants[:2], self.steepness)
