"""The numbers of passive forces apart from the rest of them, so that forces that differ in their
numbers share one compiled function."""

import dataclasses
from collections.abc import Collection, Iterable
from typing import Any, TypeVar

Force = TypeVar("Force", bound=Any)


def number_names(force: Any) -> list[str]:
    """Names of the fields of a force that are numbers.

    Args:
        force: a dataclass of the spec.

    Returns:
        In their order.
    """
    return [n for n in force.__dataclass_fields__ if isinstance(getattr(force, n), float | int)]


def without_numbers(force: Force, **changes: Any) -> Force:
    """A force with its numbers at their defaults: equal for forces that differ in nothing else.

    Args:
        force: a dataclass of the spec.
        changes: further fields.

    Returns:
        A copy, which is hashable.
    """
    defaults = {n: force.__dataclass_fields__[n].default for n in number_names(force)}
    return dataclasses.replace(force, **defaults, **changes)


def check_laws(forces: Iterable[Any], laws: Collection[type], where: str) -> None:
    """That each force has a law.

    Args:
        forces: of a spec.
        laws: classes that have one.
        where: laws are, for the message.

    Raises:
        ValueError: a class of forces has none.
    """
    unknown = {type(f).__name__ for f in forces if type(f) not in laws}
    if unknown:
        raise ValueError(f"no law is known for {', '.join(sorted(unknown))}; add to {where}")
