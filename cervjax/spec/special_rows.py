"""Rows and columns of tables that only some models need: kinds of components, and products."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from .actuators import ACTUATORS, AbstractActuator, CoordinateActuator
from .functions import Product, function_from_dict, function_to_dict
from .plain import from_plain, to_plain

_ACTUATOR_NUMBERS = ("optimal_force", "min_control", "max_control")
_T = TypeVar("_T")


def products_column(
    products: tuple[Product, ...], of_all: Iterable[tuple[Product, ...]]
) -> dict[str, object]:
    """A column that a table has only where some row of it needs one.

    Args:
        products: of the row.
        of_all: rows.

    Returns:
        JSON; no column where no row has products.
    """
    if not any(of_all):
        return {}
    plain = [[[name, function_to_dict(f)] for name, f in product] for product in products]
    return {"products": json.dumps(plain) if plain else ""}


def read_products(row: dict[str, str]) -> tuple[Product, ...]:
    """The inverse of `products_column`.

    Args:
        row: of a table, with the column or without.

    Returns:
        Products in the unit that they had.
    """
    plain = json.loads(row.get("products") or "[]")
    return tuple(
        tuple((name, function_from_dict(function)) for name, function in product)
        for product in plain
    )


def kind_row(thing: Any) -> dict[str, object]:
    """The row of a component whose class is registered.

    Args:
        thing: with a name.

    Returns:
        Name, class and JSON; numbers in their own units.
    """
    kind = type(thing).__name__
    return {"name": thing.name, "kind": kind, "parameters": json.dumps(to_plain(thing))}


def read_kind_row(row: dict[str, str], kinds: Mapping[str, type[_T]], what: str) -> _T:
    """The inverse of `kind_row`.

    Args:
        row: of a table.
        kinds: registered classes by their names.
        what: they are, for the message of an error.

    Returns:
        The component, in its own units.

    Raises:
        ValueError: the class is not registered, or the row holds something else.
    """
    kind = row["kind"]
    if kind not in kinds:
        raise ValueError(f"{row['name']!r} is a {kind}, which is no {what} known here")
    return from_plain(json.loads(row["parameters"]), kinds[kind], f"a {kind}")


def actuator_rows(actuators: Sequence[AbstractActuator]) -> list[dict[str, object]]:
    """The rows of all actuators.

    Args:
        actuators: of a model.

    Returns:
        N, N m; with columns for kinds and parameters only where some actuator is on a body.
    """
    rows: list[dict[str, object]] = []
    special = not all(isinstance(a, CoordinateActuator) for a in actuators)
    for actuator in actuators:
        along = actuator.coordinate if isinstance(actuator, CoordinateActuator) else ""
        row: dict[str, object] = {"name": actuator.name, "coordinate": along}
        row |= {n: getattr(actuator, n) for n in _ACTUATOR_NUMBERS}
        if special:
            row["kind"] = type(actuator).__name__
            row["parameters"] = "" if along else json.dumps(to_plain(actuator))
        rows.append(row)
    return rows


def read_actuator_row(row: dict[str, str]) -> AbstractActuator:
    """The inverse of `actuator_rows`.

    Args:
        row: of the table.

    Returns:
        N, N m, m.

    Raises:
        ValueError: its class is not registered, or the row holds something else.
    """
    if row.get("kind", "CoordinateActuator") != "CoordinateActuator":
        return read_kind_row(row, ACTUATORS, "actuator")
    numbers = (float(row[n]) for n in _ACTUATOR_NUMBERS)
    return CoordinateActuator(row["name"], row["coordinate"], *numbers)
