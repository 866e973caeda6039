"""What every term of a loss has. A term is one file: a registered class of `AbstractLoss`."""

import abc
from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar, Literal, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cervjax.learning.inputs import AnyArray
from cervjax.learning.networks import ActuatorBounds, Prediction
from cervjax.learning.rows import TrainingRows
from cervjax.optimization import TorqueEquation
from cervjax.spec.known_names import check_known

from .residuals import Residuals, least_squares_activation, residuals

_LEAST_FORCE, _LEAST_ACTIVATION = 0.25, 0.005
"""N, 1. Least spreads: muscles that rest but in a row of a thousand do not rule the loss."""


class Scales(eqx.Module):
    """Spread of what the terms compare, over training rows.

    Attributes:
        force: N.
        activation: dimensionless.
        capacity: N.
        torque: N m.
    """

    force: Float[Array, " muscles"]
    activation: Float[Array, " muscles"]
    capacity: Float[Array, " muscles"]
    torque: Float[Array, " free"]

    @classmethod
    def of(
        cls,
        rows: TrainingRows,
        equation: TorqueEquation,
        actuation: ActuatorBounds,
        *,
        labels: bool,
    ) -> "Scales":
        """Standard deviations over training rows.

        Args:
            rows: on the device.
            equation: of some of the rows.
            actuation: bounds and reserves.
            labels: whether labels may be looked at; otherwise activations are those of least
                squares, and of one spread.

        Returns:
            Spreads, never below a floor that muscles at rest would fall under.
        """
        activation = jnp.maximum(_spread(rows.activation), _LEAST_ACTIVATION)
        force = jnp.maximum(_spread(rows.force), _LEAST_FORCE)
        if not labels:
            guess = jax.vmap(lambda e: least_squares_activation(e, actuation))(equation)
            # One size for all: muscles that least squares leaves at rest may well work.
            activation = jnp.full_like(activation, jnp.sqrt(jnp.mean(_spread(guess) ** 2)))
            force = activation * jnp.mean(jnp.asarray(equation.capacity), axis=0)
        return cls(
            force,
            activation,
            _spread(equation.capacity),
            _spread(equation.target),
        )


class LossContext:
    """What terms of a loss look at: rows, and what a network predicts for them.

    Attributes:
        prediction: of the rows, with gradients.
        rows: inputs and labels.
        scales: spreads that terms are over.
        actuation: bounds and reserves.
        labels: whether labels may be looked at.
    """

    def __init__(
        self,
        prediction: Prediction,
        rows: TrainingRows,
        equation: TorqueEquation | None,
        scales: Scales,
        actuation: ActuatorBounds,
        *,
        labels: bool,
    ) -> None:
        """Hold these together; `equation` is None where no term needs it."""
        self.prediction, self.rows, self.scales = prediction, rows, scales
        self.actuation, self.labels, self._equation = actuation, labels, equation

    @property
    def equation(self) -> TorqueEquation:
        """The torque equations of the rows.

        Returns:
            In N m per unit of activation.

        Raises:
            ValueError: the term does not say that it `needs` mechanics.
        """
        if self._equation is None:
            raise ValueError("a term of the loss needs mechanics that it does not say it `needs`")
        return self._equation

    @cached_property
    def residuals(self) -> Residuals:
        """Of torque balance, bounds and optimality."""
        return jax.vmap(residuals, in_axes=(0, 0, None))(
            self.prediction, self.equation, self.actuation
        )


class AbstractLoss(eqx.Module):
    """A term of the loss: a mean square over the spread of its quantity, so dimensionless.

    Attributes:
        name: of the term, in configurations and metrics.
        needs: `labels`, `mechanics`, or `either` for a term that takes what there is.
        schedule: whether its weight follows that of the labels, that of the physics, or neither.
    """

    name: ClassVar[str]
    needs: ClassVar[Literal["labels", "mechanics", "either"]]
    schedule: ClassVar[Literal["labels", "physics", "constant"]] = "constant"

    @abc.abstractmethod
    def __call__(self, context: LossContext) -> Float[Array, ""]:
        """The term.

        Args:
            context: rows, predictions and scales.

        Returns:
            A dimensionless mean square.
        """


LOSSES: dict[str, AbstractLoss] = {}
"""Every term by its name."""

_Loss = TypeVar("_Loss", bound=AbstractLoss)


def register_loss(term: type[_Loss]) -> type[_Loss]:
    """Make a term known by its name.

    Args:
        term: a class of `AbstractLoss` without fields.

    Returns:
        The class itself: this is a decorator.
    """
    LOSSES[term.name] = term()
    return term


def check_terms(names: Iterable[str]) -> None:
    """See that there are terms of these names.

    Args:
        names: of terms.

    Raises:
        ValueError: one is unknown.
    """
    check_known(names, LOSSES, "loss term", "cervjax.learning.register_loss")


def mean_square(values: AnyArray) -> Float[Array, ""]:
    """The mean of squares over rows and columns.

    Args:
        values: dimensionless differences.

    Returns:
        A scalar, no unit.
    """
    return jnp.mean(jnp.asarray(values) ** 2)


def _spread(values: Float[AnyArray, "rows n"]) -> Float[Array, " n"]:
    spread = jnp.std(jnp.asarray(values), axis=0)
    return jnp.where(spread > 1e-8, spread, 1.0)
