"""Passive forces along coordinates, evaluated together: springs, limits and expressions.

Another kind is a class in the spec and its function in `FORCE_LAWS`.
"""

import ast
import dataclasses
from collections.abc import Callable, Mapping, Sequence

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import erf, erfc
from jaxtyping import Array, Float

from cervjax.spec import (
    EXPRESSION_FUNCTIONS,
    AbstractCoordinateForce,
    CoordinateLimitForce,
    Expression,
    ExpressionBasedCoordinateForce,
    ModelSpec,
    SpringGeneralizedForce,
)

from .force_numbers import check_laws, number_names, without_numbers

ForceLaw = Callable[[Mapping[str, Array], AbstractCoordinateForce, Array, Array], Array]
"""From numbers (by field), the component, value and speed of its coordinate to the force on it."""


def smooth_step(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """From 0 at 0 to 1 at 1, with no slope or curvature there: Simbody's step.

    Args:
        x: no unit.

    Returns:
        0 to 1, no unit.
    """
    x = jnp.clip(x, 0.0, 1.0)
    return x**3 * (10.0 + x * (6.0 * x - 15.0))


def _limit(number: Mapping[str, Array], _: object, q: Array, rate: Array) -> Array:
    above = smooth_step((q - number["upper_limit"]) / number["transition"])
    below = smooth_step((number["lower_limit"] - q) / number["transition"])
    up = number["upper_stiffness"] * above * (q - number["upper_limit"])
    low = number["lower_stiffness"] * below * (number["lower_limit"] - q)
    return low - up - number["damping"] * (above + below) * rate


def _spring(number: Mapping[str, Array], _: object, q: Array, rate: Array) -> Array:
    return -number["stiffness"] * (q - number["rest_length"]) - number["viscosity"] * rate


def _expression(_: object, force: AbstractCoordinateForce, q: Array, rate: Array) -> Array:
    assert isinstance(force, ExpressionBasedCoordinateForce)
    return evaluate_expression(force.parsed(), {"q": q, "qdot": rate})


FORCE_LAWS: dict[type[AbstractCoordinateForce], ForceLaw] = {
    CoordinateLimitForce: _limit,
    SpringGeneralizedForce: _spring,
    ExpressionBasedCoordinateForce: _expression,
}
"""The law of each kind of force."""

_OPERATIONS: dict[type[ast.operator], Callable[[Array, Array], Array]] = {
    ast.Add: jnp.add,
    ast.Sub: jnp.subtract,
    ast.Mult: jnp.multiply,
    ast.Div: jnp.divide,
    ast.Pow: jnp.power,
}
_FUNCTIONS: dict[str, Callable[..., Array]] = {
    **{n: getattr(jnp, n) for n in ("sqrt", "exp", "log", "sin", "cos", "tan", "sinh", "cosh",
                                    "tanh", "square", "abs")},
    **{n: getattr(jnp, f"arc{n[1:]}") for n in ("asin", "acos", "atan")},
    "sec": lambda x: 1 / jnp.cos(x),
    "csc": lambda x: 1 / jnp.sin(x),
    "cot": lambda x: 1 / jnp.tan(x),
    "erf": erf,
    "erfc": erfc,
    "step": lambda x: jnp.where(x >= 0, 1.0, 0.0).astype(x.dtype),
    "cube": lambda x: x**3,
    "recip": lambda x: 1 / x,
    "min": jnp.minimum,
    "max": jnp.maximum,
}  # fmt: skip
assert _FUNCTIONS.keys() == EXPRESSION_FUNCTIONS.keys()


def evaluate_expression(
    expression: Expression, variables: Mapping[str, Float[Array, ""]]
) -> Float[Array, ""]:
    """The value of an expression.

    Args:
        expression: from `parse_expression`.
        variables: in any unit.

    Returns:
        In the unit of the expression: N m, or N.

    Raises:
        ValueError: it was not checked by `parse_expression`.
    """
    match expression:
        case ast.Constant(value=int() | float() as value):
            return jnp.full_like(next(iter(variables.values())), value)
        case ast.Name(id=name):
            return variables[name]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -evaluate_expression(inner, variables)
        case ast.UnaryOp(operand=inner):
            return evaluate_expression(inner, variables)
        case ast.BinOp(base, ast.Pow(), ast.Constant(value=int() | float() as power)):
            # With a power that is known to be whole, negative bases have derivatives.
            whole = int(power) if float(power).is_integer() else power
            return evaluate_expression(base, variables) ** whole
        case ast.BinOp(left, operation, right):
            parts = (evaluate_expression(part, variables) for part in (left, right))
            return _OPERATIONS[type(operation)](*parts)
        case ast.Call(func=ast.Name(id=name), args=parts):
            return _FUNCTIONS[name](*(evaluate_expression(p, variables) for p in parts))
    raise ValueError(f"{ast.unparse(expression)!r} is no expression that was checked")


class CoordinateForces(eqx.Module):
    """All passive forces along coordinates of a model.

    Attributes:
        number: of each force, the numbers of its fields, SI units.
        force: the components that they are of; their numbers are not read.
        coordinate: index of each force's coordinate among all of the model's.
    """

    number: tuple[dict[str, Float[Array, ""]], ...]
    force: tuple[AbstractCoordinateForce, ...] = eqx.field(static=True)
    coordinate: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def of(cls, spec: ModelSpec) -> "CoordinateForces":
        """Those of a model.

        Args:
            spec: the model.

        Returns:
            N m or N, rad or m.

        Raises:
            ValueError: a class of forces has no law here.
        """
        names = [c.name for c in spec.coordinates]
        check_laws(spec.coordinate_forces, FORCE_LAWS, "FORCE_LAWS")
        numbers = tuple(
            {n: jnp.asarray(getattr(f, n)) for n in number_names(f)} for f in spec.coordinate_forces
        )
        # One compiled function serves forces that differ in their numbers.
        kinds = tuple(map(without_numbers, spec.coordinate_forces))
        return cls(numbers, kinds, tuple(names.index(f.coordinate) for f in spec.coordinate_forces))

    def __call__(
        self, value: Float[Array, " coordinates"], rate: Float[Array, " coordinates"]
    ) -> Float[Array, " coordinates"]:
        """The force along each coordinate.

        Args:
            value: rad or m, of all coordinates of the model.
            rate: per s.

        Returns:
            N m or N, on the coordinates.
        """
        total = jnp.zeros_like(value)
        for number, force, k in zip(self.number, self.force, self.coordinate, strict=True):
            total = total.at[k].add(FORCE_LAWS[type(force)](number, force, value[k], rate[k]))
        return total

    def written(
        self, forces: Sequence[AbstractCoordinateForce]
    ) -> tuple[AbstractCoordinateForce, ...]:
        """Components with the numbers held here.

        Args:
            forces: of the spec that this was made from.

        Returns:
            Changed copies.
        """
        return tuple(
            dataclasses.replace(f, **{n: float(v) for n, v in number.items()})
            for f, number in zip(forces, self.number, strict=True)
        )
