"""Force curves of a group of muscles: what every one of OpenSim's muscle models has."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, TypeVar

import equinox as eqx
from jaxtyping import Array, Float

from cervjax.spec import AbstractMuscleCurves

from .activation import AbstractActivationDynamics, FirstOrderActivation


class AbstractForceCurves(eqx.Module):
    """Dimensionless force multipliers of muscles; arguments have one entry per muscle.

    A muscle model is one file: a class of this kind, registered for its curves' shape parameters.

    Attributes:
        normalized_pennation: whether OpenSim's StaticOptimization looks up the pennation angle at
            the *normalized* fiber length (as if in m), so that the cosine all but vanishes
            (opensim-core issue 4390).
        isometric_on_tendon: whether OpenSim's StaticOptimization takes the force of a fiber at rest
            on a tendon that stretches, passive force included, and its own force-velocity factor.
    """

    normalized_pennation: ClassVar[bool] = False
    isometric_on_tendon: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def of(cls, shapes: Sequence[Any]) -> Self:
        """The curves of muscles.

        Args:
            shapes: shape parameters of each muscle.

        Returns:
            Curves of the group; stored once where all are alike.
        """

    @property
    def activation(self) -> AbstractActivationDynamics:
        """How activation follows excitation; OpenSim's first-order model."""
        return FirstOrderActivation()

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
        force-velocity + damping x velocity.

        Returns:
            Velocity over max contraction velocity; positive lengthens.
        """

    @abstractmethod
    def least_norm_fiber_length(self) -> Float[Array, "*m"]:
        """Fiber length over the optimal one, below which a fiber carries no force."""


MUSCLE_MODELS: dict[type[AbstractMuscleCurves], type[AbstractForceCurves]] = {}
"""The curves of each class of shape parameters."""

_Model = TypeVar("_Model", bound=AbstractForceCurves)


def register_muscle_model(
    shape: type[AbstractMuscleCurves],
) -> Callable[[type[_Model]], type[_Model]]:
    """Make a class evaluate the curves of muscles.

    Args:
        shape: class of the shape parameters, `Muscle.curves`.

    Returns:
        A decorator that gives back the class.
    """

    def known(curves: type[_Model]) -> type[_Model]:
        MUSCLE_MODELS[shape] = curves
        return curves

    return known
