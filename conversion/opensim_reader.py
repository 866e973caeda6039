"""`.osim` file -> `ModelSpec`, by way of OpenSim's own reader.

Whatever a `ModelSpec` cannot carry is found first, named with its path in the model, and refused;
`allow_unsupported=True` leaves it out instead and lists it in `ModelSpec.omitted`. Parts that do
nothing in an analysis (switched off, or actuators on bodies that nothing drives) are left out and
listed there in any case.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import opensim

from cervjax.execution.reading import reading
from cervjax.spec import (
    AbstractPathForce,
    AbstractWrapObject,
    Body,
    Bushing,
    CoordinateCoupler,
    Marker,
    ModelSpec,
    MultiplierFunction,
    Muscle,
    with_shipped_anatomy,
)

from .opensim_actuators import (
    SUPPORTED_ACTUATORS,
    SUPPORTED_COORDINATE_FORCES,
    read_actuator,
    read_coordinate_force,
)
from .opensim_functions import vec3
from .opensim_joints import offset_frame, read_joint
from .opensim_muscles import read_muscle
from .opensim_path_forces import read_path_force
from .opensim_several import read_several
from .opensim_support import (
    UnsupportedComponentError,
    idle_components,
    needed_by_the_tree,
    quiet_opensim,
    unsupported_components,
)
from .opensim_wraps import read_wrap_objects


def read_here(path: str | Path, *, allow_unsupported: bool = False) -> ModelSpec:
    """Read an OpenSim model in this process; `read_osim` survives damaged files.

    Args:
        path: an `.osim` file.
        allow_unsupported: leave out what cannot be carried (contact, loop constraints, ...) and
            list it in `ModelSpec.omitted`, instead of raising.

    Returns:
        A model in SI units.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not an OpenSim model, or the model is malformed.
        UnsupportedComponentError: the model has components that a `ModelSpec` cannot carry.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no OpenSim model at {path}")
    quiet_opensim()
    try:
        model = opensim.Model(str(path))
        model.finalizeConnections()
        model.initSystem()
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"OpenSim cannot read {path}: {reason}") from error
    if model.getBodySet().getSize() == 0:
        raise ValueError(f"{path} holds no bodies; it is not an OpenSim model of a neck")
    idle = idle_components(model)
    unsupported = unsupported_components(model, idle)
    if unsupported and not allow_unsupported:
        raise UnsupportedComponentError(path, unsupported)
    if any(map(needed_by_the_tree, unsupported)):
        raise UnsupportedComponentError(path, list(filter(needed_by_the_tree, unsupported)))
    omitted = (*unsupported, *idle)
    skipped = {p.split(" ")[0] for p in omitted}
    with reading(path, "an OpenSim model that can be carried", "mend the model in OpenSim"):
        return with_shipped_anatomy(_spec(model, skipped, omitted))


def _spec(model: Any, skipped: set[str], omitted: tuple[str, ...]) -> ModelSpec:
    def kept(item: Any) -> bool:
        return item.getAbsolutePathString() not in skipped

    forces = [f for f in _items(model.getForceSet()) if kept(f)]
    muscles = [m for m in (read_muscle(f, skipped) for f in forces) if m is not None]
    path_forces = [p for p in (read_path_force(f, skipped) for f in forces) if p is not None]
    names = {m.name for m in muscles}
    joints = [read_joint(j) for j in _items(model.getJointSet())]
    return ModelSpec(
        name=model.getName(),
        bodies=(
            *(_body(b) for b in _items(model.getBodySet())),
            *(body for part in joints for body in part.bodies),
        ),
        joints=tuple(joint for part in joints for joint in part.joints),
        couplers=tuple(_coupler(c) for c in _items(model.getConstraintSet()) if kept(c)),
        muscles=tuple(muscles),
        bushings=tuple(
            _bushing(opensim.BushingForce.safeDownCast(f))
            for f in forces
            if f.getConcreteClassName() == "BushingForce"
        ),
        markers=tuple(_marker(m) for m in _items(model.getMarkerSet())),
        actuators=tuple(
            read_actuator(f) for f in forces if f.getConcreteClassName() in SUPPORTED_ACTUATORS
        ),
        coordinate_forces=tuple(
            read_coordinate_force(f, model)
            for f in forces
            if f.getConcreteClassName() in SUPPORTED_COORDINATE_FORCES
        ),
        path_forces=tuple(path_forces),
        groups=_groups(model, names),
        gravity=vec3(model.getGravity()),
        credits=model.getCredits(),
        publications=model.getPublications(),
        omitted=omitted,
        wrap_objects=_wrap_objects(model, (*muscles, *path_forces)),
    )


def _wrap_objects(
    model: Any, along: Sequence[Muscle | AbstractPathForce]
) -> tuple[AbstractWrapObject, ...]:
    """Those that a path may wrap over."""
    used = {w.wrap_object for m in along for w in m.wraps}
    return tuple(w for w in read_wrap_objects(model) if w.name in used)


def _items(collection: Any) -> list[Any]:
    return [collection.get(i) for i in range(collection.getSize())]


def _body(body: Any) -> Body:
    # As OpenSim takes it: it drops the inertia of a body without mass.
    inertia = (*vec3(body.getInertia().getMoments()), *vec3(body.getInertia().getProducts()))
    return Body(body.getName(), body.getMass(), vec3(body.getMassCenter()), inertia)


def _coupler(constraint: Any) -> CoordinateCoupler:
    coupler = opensim.CoordinateCouplerConstraint.safeDownCast(constraint)
    listed = coupler.getIndependentCoordinateNames()
    names = [listed.get(k) for k in range(listed.getSize())]
    function, products = read_several(coupler.getFunction(), names)
    scale = float(coupler.getPropertyByName("scale_factor").toString())
    if scale != 1.0:
        function = MultiplierFunction(function, scale)
        products = tuple(((n, MultiplierFunction(f, scale)), *rest) for (n, f), *rest in products)
    dependent = coupler.getDependentCoordinateName()
    return CoordinateCoupler(coupler.getName(), dependent, names[0], function, products)


def _bushing(bushing: Any) -> Bushing:
    return Bushing(
        bushing.getName(),
        offset_frame(bushing.getFrame1()),
        offset_frame(bushing.getFrame2()),
        vec3(bushing.get_rotational_stiffness()),
        vec3(bushing.get_rotational_damping()),
        vec3(bushing.get_translational_stiffness()),
        vec3(bushing.get_translational_damping()),
    )


def _marker(marker: Any) -> Marker:
    frame = marker.getParentFrame()
    location = marker.get_location()
    if frame.getConcreteClassName() not in ("Body", "Ground"):
        location = frame.findTransformInBaseFrame().shiftFrameStationToBase(location)
    return Marker(
        marker.getName(), frame.findBaseFrame().getName(), vec3(location), marker.get_fixed()
    )


def _groups(model: Any, muscles: set[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    forces = model.getForceSet()
    names = opensim.ArrayStr()
    forces.getGroupNames(names)
    groups = []
    for i in range(names.getSize()):
        members = forces.getGroup(names.get(i)).getMembers()
        listed = (members.get(k).getName() for k in range(members.getSize()))
        groups.append((names.get(i), tuple(m for m in listed if m in muscles)))
    return tuple(g for g in groups if g[1])
