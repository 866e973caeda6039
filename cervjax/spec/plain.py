"""Dataclasses as plain values and back, by cattrs: files outlive the classes that wrote them.

A field that a file lacks has its default. A name that this version does not know is refused:
leaving it out would change what the file means.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

import cattrs
from cattrs.preconf.json import make_converter

from .functions import Function, function_from_dict, function_to_dict
from .path_components import PATH_COMPONENTS, AbstractPathComponent

T = TypeVar("T")

_CONVERTER = make_converter(forbid_extra_keys=True, detailed_validation=False)
_CONVERTER.register_structure_hook_func(
    lambda kind: kind == Function, lambda values, kind: function_from_dict(values)
)


def _component_to_plain(component: Any) -> Any:
    return {"type": type(component).__name__, **_CONVERTER.unstructure(component)}


def _component_from_plain(values: Any, _: Any) -> AbstractPathComponent:
    rest = dict(values)
    kind = rest.pop("type", None)
    if kind not in PATH_COMPONENTS:
        raise ValueError(f"a path component is a {kind}, which is not registered")
    return _CONVERTER.structure(rest, PATH_COMPONENTS[kind])


# Only where any component may be: each class by itself has no need to say what it is.
_CONVERTER.register_unstructure_hook_func(
    lambda kind: kind is AbstractPathComponent, _component_to_plain
)
_CONVERTER.register_structure_hook_func(
    lambda kind: kind is AbstractPathComponent, _component_from_plain
)
for _kind in get_args(Function):
    # Whichever it is: a file says so by its type.
    _CONVERTER.register_unstructure_hook(_kind, function_to_dict)
    _CONVERTER.register_structure_hook(_kind, lambda values, _: function_from_dict(values))


def to_plain(value: Any) -> Any:
    """A dataclass, with all that it holds, as values that JSON knows.

    Args:
        value: a dataclass of numbers, texts, tuples, mappings and dataclasses.

    Returns:
        Dictionaries, lists, numbers and texts.
    """
    return _CONVERTER.unstructure(value)


def from_plain(values: Mapping[str, Any], kind: type[T], what: str) -> T:
    """The inverse of `to_plain`.

    Args:
        values: what a file holds.
        kind: the dataclass.
        what: what the values should be, for the message of an error.

    Returns:
        A `kind`; fields that `values` lacks have their defaults.

    Raises:
        ValueError: a name is unknown, a value is missing, of another type, or out of range.
    """
    try:
        return _CONVERTER.structure(dict(values), kind)
    except cattrs.errors.ForbiddenExtraKeysError as error:
        names = ", ".join(sorted(error.extra_fields))
        raise ValueError(
            f"not {what}: {error.cl.__name__} has no {names}; a newer version may have written it"
        ) from error
    except (TypeError, KeyError, cattrs.errors.CattrsError) as error:
        raise ValueError(f"not {what}: {error}") from error
