"""Muscles, ligaments and springs with their paths -> elements of an `.osim` file."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from cervjax.spec import (
    AbstractPathComponent,
    AbstractPathForce,
    ConditionalPathPoint,
    DeGrooteFreglyCurves,
    FunctionBasedPath,
    Ligament,
    MillardCurves,
    MovingPathPoint,
    Muscle,
    PathPoint,
    PathSpring,
    SchutteCurves,
    ThelenCurves,
)

from .opensim_xml import (
    add_function,
    add_named,
    add_text,
    body_path,
    flag_text,
    number_text,
    numbers_text,
)

_MUSCLE_KINDS = {
    MillardCurves: "Millard2012EquilibriumMuscle",
    ThelenCurves: "Thelen2003Muscle",
    DeGrooteFreglyCurves: "DeGrooteFregly2016Muscle",
    SchutteCurves: "Schutte1993Muscle_Deprecated",
}


def write_muscle(parent: ET.Element, muscle: Muscle, coordinate_paths: Mapping[str, str]) -> None:
    """A muscle with its path and curves.

    Args:
        parent: element of the ForceSet.
        muscle: SI units.
        coordinate_paths: where OpenSim has each coordinate.

    Raises:
        ValueError: OpenSim has no such curves or path components.
    """
    element = add_named(parent, _MUSCLE_KINDS[type(muscle.curves)], muscle.name)
    add_text(element, "min_control", number_text(muscle.min_control))
    add_text(element, "max_control", number_text(muscle.max_control))
    if isinstance(muscle.path[0], FunctionBasedPath):
        _function_path(element, muscle.path[0], coordinate_paths)
    else:
        _geometry_path(element, muscle, coordinate_paths)
    for name in (
        "max_isometric_force",
        "optimal_fiber_length",
        "tendon_slack_length",
        "pennation_angle_at_optimal",
        "max_contraction_velocity",
        "default_activation",
    ):
        add_text(element, name, number_text(getattr(muscle, name)))
    if isinstance(muscle.curves, SchutteCurves):
        _schutte(element, muscle, muscle.curves)
        return
    for name in ("activation_time_constant", "deactivation_time_constant"):
        add_text(element, name, number_text(getattr(muscle, name)))
    add_text(element, "ignore_tendon_compliance", flag_text(muscle.ignore_tendon_compliance))
    if not isinstance(muscle.curves, DeGrooteFreglyCurves):
        add_text(element, "minimum_activation", number_text(muscle.minimum_activation))
    if not isinstance(muscle.curves, ThelenCurves):
        add_text(element, "fiber_damping", number_text(muscle.fiber_damping))
    if isinstance(muscle.curves, MillardCurves):
        _millard_curves(element, muscle.name, muscle.curves)
    elif isinstance(muscle.curves, ThelenCurves | DeGrooteFreglyCurves):
        _shape(element, muscle.curves)
    else:
        kind = type(muscle.curves).__name__
        raise ValueError(f"muscle {muscle.name!r} has curves of class {kind}: OpenSim has none")


def write_path_force(
    parent: ET.Element, force: AbstractPathForce, coordinate_paths: Mapping[str, str]
) -> None:
    """A ligament or a spring with its path.

    Args:
        parent: element of the ForceSet.
        force: N, m.
        coordinate_paths: where OpenSim has each coordinate.

    Raises:
        ValueError: OpenSim has no such force or path components.
    """
    element = add_named(parent, type(force).__name__, force.name)
    _geometry_path(element, force, coordinate_paths)
    add_text(element, "resting_length", number_text(force.resting_length))
    if isinstance(force, PathSpring):
        add_text(element, "stiffness", number_text(force.stiffness))
        add_text(element, "dissipation", number_text(force.dissipation))
    elif isinstance(force, Ligament):
        add_text(element, "pcsa_force", number_text(force.pcsa_force))
        add_function(element, force.force_length_curve, name="force_length_curve")
    else:
        kind = type(force).__name__
        raise ValueError(f"path force {force.name!r} is a {kind}: OpenSim has none")


def _function_path(
    parent: ET.Element, path: FunctionBasedPath, coordinate_paths: Mapping[str, str]
) -> None:
    element = add_named(parent, "FunctionBasedPath", "path")
    add_text(element, "coordinate_paths", " ".join(coordinate_paths[c] for c in path.coordinates))
    function = ET.SubElement(
        ET.SubElement(element, "length_function"), "MultivariatePolynomialFunction"
    )
    add_text(function, "coefficients", numbers_text(path.length_function.coefficients))
    add_text(function, "dimension", str(path.length_function.dimension))
    add_text(function, "order", str(path.length_function.order))


def _geometry_path(
    parent: ET.Element, muscle: Muscle | AbstractPathForce, coordinate_paths: Mapping[str, str]
) -> None:
    path = add_named(parent, "GeometryPath", "path")
    points = ET.SubElement(ET.SubElement(path, "PathPointSet"), "objects")
    for point in muscle.path:
        _path_point(points, point, muscle.name, coordinate_paths)
    if muscle.wraps:
        wraps = ET.SubElement(ET.SubElement(path, "PathWrapSet"), "objects")
        for wrap in muscle.wraps:
            entry = add_named(wraps, "PathWrap", wrap.name)
            add_text(entry, "wrap_object", wrap.wrap_object)
            add_text(entry, "method", wrap.method)
            add_text(entry, "range", " ".join(map(str, wrap.range)))


def _path_point(
    parent: ET.Element,
    point: AbstractPathComponent,
    muscle: str,
    coordinate_paths: Mapping[str, str],
) -> None:
    kind = type(point).__name__
    if not isinstance(point, PathPoint | MovingPathPoint | ConditionalPathPoint):
        raise ValueError(f"muscle {muscle!r} has {point.name!r}, a {kind}: OpenSim has none")
    entry = add_named(parent, kind, point.name)
    add_text(entry, "socket_parent_frame", body_path(point.body))
    if isinstance(point, MovingPathPoint):
        for axis, function, name in zip("xyz", point.location, point.coordinate, strict=True):
            if name:
                add_text(entry, f"socket_{axis}_coordinate", coordinate_paths[name])
            add_function(ET.SubElement(entry, f"{axis}_location"), function)
        return
    add_text(entry, "location", numbers_text(point.location))
    if isinstance(point, ConditionalPathPoint):
        add_text(entry, "socket_coordinate", coordinate_paths[point.coordinate])
        add_text(entry, "range", numbers_text(point.range))


def _millard_curves(parent: ET.Element, muscle: str, curves: MillardCurves) -> None:
    def curve(kind: str, **values: float) -> None:
        element = add_named(parent, kind, f"{muscle}_{kind}")
        for name, value in values.items():
            add_text(element, name, number_text(value))

    curve(
        "ActiveForceLengthCurve",
        min_norm_active_fiber_length=curves.min_norm_active_fiber_length,
        transition_norm_fiber_length=curves.transition_norm_fiber_length,
        max_norm_active_fiber_length=curves.max_norm_active_fiber_length,
        shallow_ascending_slope=curves.shallow_ascending_slope,
        minimum_value=curves.minimum_value,
    )
    curve(
        "ForceVelocityCurve",
        concentric_slope_at_vmax=curves.concentric_slope_at_vmax,
        concentric_slope_near_vmax=curves.concentric_slope_near_vmax,
        isometric_slope=curves.isometric_slope,
        eccentric_slope_at_vmax=curves.eccentric_slope_at_vmax,
        eccentric_slope_near_vmax=curves.eccentric_slope_near_vmax,
        max_eccentric_velocity_force_multiplier=curves.max_eccentric_velocity_force_multiplier,
        concentric_curviness=curves.concentric_curviness,
        eccentric_curviness=curves.eccentric_curviness,
    )
    curve(
        "FiberForceLengthCurve",
        strain_at_zero_force=curves.passive_strain_at_zero_force,
        strain_at_one_norm_force=curves.passive_strain_at_one_norm_force,
        stiffness_at_low_force=curves.passive_stiffness_at_low_force,
        stiffness_at_one_norm_force=curves.passive_stiffness_at_one_norm_force,
        curviness=curves.passive_curviness,
    )
    curve(
        "TendonForceLengthCurve",
        strain_at_one_norm_force=curves.tendon_strain_at_one_norm_force,
        stiffness_at_one_norm_force=curves.tendon_stiffness_at_one_norm_force,
        norm_force_at_toe_end=curves.tendon_norm_force_at_toe_end,
        curviness=curves.tendon_curviness,
    )


def _schutte(parent: ET.Element, muscle: Muscle, curves: SchutteCurves) -> None:
    add_text(parent, "ignore_tendon_compliance", flag_text(muscle.ignore_tendon_compliance))
    add_text(parent, "damping", number_text(muscle.fiber_damping))
    for name in ("time_scale", "activation1", "activation2"):
        add_text(parent, name, number_text(getattr(curves, name)))
    for name in ("tendon", "active", "passive"):
        curve = getattr(curves, f"{name}_force_length_curve")
        if curve is not None:
            add_function(parent, curve, name=f"{name}_force_length_curve")


def _shape(parent: ET.Element, curves: ThelenCurves | DeGrooteFreglyCurves) -> None:
    for name in curves.__dataclass_fields__:
        add_text(parent, name, number_text(getattr(curves, name)))
