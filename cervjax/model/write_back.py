"""A model's numbers put back into the spec that it was made from."""

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar, cast

import equinox as eqx
import jax
import numpy as np

from cervjax.muscle import MuscleParameters
from cervjax.spec import (
    Constant,
    CoordinateCoupler,
    ModelSpec,
    MultiplierFunction,
    PathPoint,
    TransformAxis,
)

from .coordinates import CoordinateMap, coordinate_map
from .rest import rest_transform

if TYPE_CHECKING:
    from .model import Model


def written_back(model: "Model", spec: ModelSpec, name: str) -> ModelSpec:
    """See `Model.to_spec`.

    Args:
        model: whose numbers are written.
        spec: that it was made from.
        name: of the result.

    Returns:
        A changed copy, in SI units.
    """
    arrays = jax.tree.map(lambda x: np.asarray(x, float) if eqx.is_array(x) else x, model)

    def row(values: np.ndarray) -> Any:
        return tuple(float(v) for v in values)

    def inertia(matrix: np.ndarray) -> Any:
        return row(matrix[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]])

    bodies = tuple(
        dataclasses.replace(
            body,
            mass=float(arrays.body_mass[i]),
            mass_center=row(arrays.body_mass_center[i]),
            inertia=inertia(arrays.body_inertia[i]),
        )
        for i, body in enumerate(spec.bodies, start=1)
    )
    topology = model.topology
    before = coordinate_map(spec, topology.coordinates, topology.moving_joints)
    slides = _slide_factors(arrays, spec, before)
    joints = tuple(
        dataclasses.replace(
            joint,
            axes=tuple(
                _slid(axis, factor) for axis, factor in zip(joint.axes, slides[i], strict=True)
            ),
            parent=dataclasses.replace(
                joint.parent, translation=row(arrays.joint_parent_translation[i])
            ),
            child=dataclasses.replace(
                joint.child, translation=row(arrays.joint_child_translation[i])
            ),
        )
        for i, joint in enumerate(spec.joints)
    )
    points = iter(arrays.path_point_location)
    whole = {
        stretch.muscle: element.written(k)
        for element in arrays.path_elements
        for k, stretch in enumerate(element.stretches)
        if element.whole
    }
    numbers = [
        f.name for f in dataclasses.fields(MuscleParameters) if f.name not in ("curves", "members")
    ]
    muscles = tuple(
        dataclasses.replace(
            muscle,
            path=whole[i]
            if i in whole
            else tuple(
                dataclasses.replace(p, location=row(next(points)))
                if isinstance(p, PathPoint)
                else p
                for p in muscle.path
            ),
            **cast(Any, {n: float(getattr(arrays.muscles, n)[i]) for n in numbers}),
        )
        for i, muscle in enumerate(spec.muscles)
    )
    stiff = (
        "rotational_stiffness",
        "rotational_damping",
        "translational_stiffness",
        "translational_damping",
    )
    bushings = tuple(
        dataclasses.replace(
            bushing,
            frame1=dataclasses.replace(
                bushing.frame1, translation=row(arrays.bushings.translation1[i])
            ),
            frame2=dataclasses.replace(
                bushing.frame2, translation=row(arrays.bushings.translation2[i])
            ),
            **cast(Any, {n: row(getattr(arrays.bushings, n)[i]) for n in stiff}),
        )
        for i, bushing in enumerate(spec.bushings)
    )
    wrap_objects = spec.wrap_objects
    for element in arrays.path_elements:
        wrap_objects = element.written_wraps(wrap_objects)
    wrap_objects = arrays.path_forces.written_wraps(wrap_objects)
    return dataclasses.replace(
        spec,
        name=name,
        wrap_objects=wrap_objects,
        bodies=bodies,
        joints=joints,
        couplers=_couplers(arrays, spec, before),
        muscles=muscles,
        bushings=bushings,
        markers=tuple(
            dataclasses.replace(m, location=row(arrays.marker_location[i]))
            for i, m in enumerate(spec.markers)
        ),
        path_forces=arrays.path_forces.written(spec.path_forces),
        coordinate_forces=arrays.coordinate_forces.written(spec.coordinate_forces),
        actuators=tuple(
            dataclasses.replace(
                cast(Any, a),
                optimal_force=float(arrays.reserves.optimal_force[i]),
                min_control=float(arrays.reserves.min_control[i]),
                max_control=float(arrays.reserves.max_control[i]),
            )
            for i, a in enumerate(spec.actuators)
        ),
        gravity=row(arrays.gravity),
    )


def _slide_factors(arrays: Any, spec: ModelSpec, before: CoordinateMap) -> list[tuple[float, ...]]:
    """By what each of the six axes of each joint moves farther than in the spec."""
    topology = arrays.topology
    factors = [[1.0] * len(joint.axes) for joint in spec.joints]
    for row, k in enumerate(topology.moving_joints):
        for i, scales in enumerate(topology.scaled_slides[k], start=3):
            if scales:
                target = 6 * row + i
                factors[k][i] = _stretch(arrays.coordinates.to_axes, before.to_axes, target)
    moving = set(topology.moving_joints)
    for k, joint in enumerate(spec.joints):
        if joint.axes and k not in moving and any(topology.scaled_slides[k]):
            had = rest_transform(spec, joint.axes)[1]
            for i, scales in enumerate(topology.scaled_slides[k]):
                if scales and had[i] != 0:
                    factors[k][3 + i] = float(arrays.joint_rest_translation[k][i] / had[i])
    return [tuple(f) for f in factors]


def _stretch(now: Any, before: Any, target: int) -> float:
    """By what an output of a map is larger than before."""
    for term, has, had in zip(now.terms, now.gain, before.gain, strict=True):
        if term.target == target:
            return float(has / had)
    has, had = (np.append(m.matrix[target], m.offset[target]) for m in (now, before))
    had = np.asarray(had, float)
    return float(has @ had / (had @ had)) if had.any() else 1.0


def _couplers(arrays: Any, spec: ModelSpec, before: CoordinateMap) -> tuple[CoordinateCoupler, ...]:
    """With what they give to translations scaled as the model's are."""
    factors = {}
    sliding = {index for index, _, _ in arrays.topology.coupled_slides}
    steps = zip(arrays.coordinates.to_all[1:], before.to_all[1:], before.coupled, strict=True)
    for now, had, targets in steps:
        for target in sliding & set(targets):
            name = arrays.topology.all_coordinates[target]
            factors[name] = _stretch(now, had, target)
    return tuple(_slid(c, factors.get(c.dependent, 1.0)) for c in spec.couplers)


_Part = TypeVar("_Part", TransformAxis, CoordinateCoupler)


def _slid(part: _Part, factor: float) -> _Part:
    """A function of coordinates that gives more."""
    if abs(factor - 1.0) < 1e-15:
        return part
    function = part.function
    if isinstance(function, MultiplierFunction):
        function = MultiplierFunction(function.function, factor * function.scale)
    elif function != Constant(0.0):
        function = MultiplierFunction(function, factor)
    products = tuple(
        ((name, MultiplierFunction(first, factor)), *rest) for (name, first), *rest in part.products
    )
    return dataclasses.replace(part, function=function, products=products)
