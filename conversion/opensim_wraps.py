"""OpenSim's wrap objects -> `AbstractWrapObject`."""

from collections.abc import Callable
from typing import Any

import opensim

from cervjax.spec import (
    AbstractWrapObject,
    WrapCylinder,
    WrapEllipsoid,
    WrapSphere,
    WrapTorus,
)

from .opensim_functions import vec3


def wrap_name(wrap_object: Any) -> str:
    """The name of a wrap object, with its body's: OpenSim lets two bodies' have the same.

    Args:
        wrap_object: of OpenSim.

    Returns:
        `name` where no other object of the model has it, else `body_name`.
    """
    name, frame = wrap_object.getName(), wrap_object.getFrame()
    same = [
        w
        for w in wrap_object.getModel().getComponentsList()
        if opensim.WrapObject.safeDownCast(w) is not None and w.getName() == name
    ]
    return name if len(same) <= 1 else f"{frame.getName()}_{name}"


def _cylinder(thing: Any, common: dict[str, Any]) -> AbstractWrapObject:
    return WrapCylinder(**common, radius=thing.get_radius(), length=thing.get_length())


def _sphere(thing: Any, common: dict[str, Any]) -> AbstractWrapObject:
    return WrapSphere(**common, radius=thing.get_radius())


def _ellipsoid(thing: Any, common: dict[str, Any]) -> AbstractWrapObject:
    return WrapEllipsoid(**common, dimensions=vec3(thing.get_dimensions()))


def _torus(thing: Any, common: dict[str, Any]) -> AbstractWrapObject:
    inner, outer = thing.get_inner_radius(), thing.get_outer_radius()
    return WrapTorus(**common, inner_radius=inner, outer_radius=outer)


_READERS: dict[str, Callable[[Any, dict[str, Any]], AbstractWrapObject]] = {
    "WrapCylinder": _cylinder,
    "WrapSphere": _sphere,
    "WrapEllipsoid": _ellipsoid,
    "WrapTorus": _torus,
}

SUPPORTED_WRAPS = tuple(_READERS)


def read_wrap_objects(model: Any) -> tuple[AbstractWrapObject, ...]:
    """The wrap objects of a model that are carried.

    Args:
        model: of OpenSim.

    Returns:
        m, rad; in the order of the model's components.
    """
    found = []
    for component in model.getComponentsList():
        kind = component.getConcreteClassName()
        if kind not in _READERS:
            continue
        thing = getattr(opensim, kind).safeDownCast(component)
        found.append(_READERS[kind](thing, _common(thing)))
    return tuple(found)


def _common(thing: Any) -> dict[str, Any]:
    quadrant = str(thing.get_quadrant()).lower().lstrip("+")
    return {
        "name": wrap_name(thing),
        "body": thing.getFrame().findBaseFrame().getName(),
        "translation": tuple(thing.get_translation().get(k) for k in range(3)),
        "xyz_body_rotation": tuple(thing.get_xyz_body_rotation().get(k) for k in range(3)),
        "quadrant": "all" if quadrant in ("unassigned", "all") else quadrant,
        "active": thing.get_active(),
    }
