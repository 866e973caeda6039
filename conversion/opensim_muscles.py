"""OpenSim muscles -> `Muscle`."""

from typing import Any

import opensim

from cervjax.spec import (
    AbstractPathComponent,
    ConditionalPathPoint,
    DeGrooteFreglyCurves,
    MillardCurves,
    MovingPathPoint,
    Muscle,
    PathPoint,
    PathWrap,
    ThelenCurves,
)

from .opensim_function_paths import read_function_path
from .opensim_functions import read_function
from .opensim_schutte import SCHUTTE, schutte_curves, schutte_numbers
from .opensim_wraps import wrap_name

SUPPORTED_MUSCLES = (
    "Millard2012EquilibriumMuscle",
    "Thelen2003Muscle",
    "DeGrooteFregly2016Muscle",
    SCHUTTE,
)


def read_muscle(force: Any, skipped: set[str]) -> Muscle | None:
    """`force` as a `Muscle`, without path points in `skipped`.

    Returns:
        A muscle in SI units; None where it is no muscle or left with fewer than two points.
    """
    kind = force.getConcreteClassName()
    if kind not in SUPPORTED_MUSCLES:
        return None
    muscle = as_muscle(force)
    by_function = muscle.getPath().getConcreteClassName() == "FunctionBasedPath"
    path = (read_function_path(muscle),) if by_function else read_path(muscle, skipped)
    if len(path) < 2 and not by_function:
        return None

    if kind == SCHUTTE:
        given, damping = schutte_numbers(muscle), "damping"
    else:
        given, damping = _Given(muscle), "fiber_damping"
    return Muscle(
        name=muscle.getName(),
        path=path,
        max_isometric_force=muscle.getMaxIsometricForce(),
        optimal_fiber_length=muscle.getOptimalFiberLength(),
        tendon_slack_length=muscle.getTendonSlackLength(),
        pennation_angle_at_optimal=muscle.getPennationAngleAtOptimalFiberLength(),
        max_contraction_velocity=muscle.getMaxContractionVelocity(),
        fiber_damping=given(damping, 0.0),
        min_control=muscle.getMinControl(),
        max_control=muscle.getMaxControl(),
        activation_time_constant=given("activation_time_constant", 0.01),
        deactivation_time_constant=given("deactivation_time_constant", 0.04),
        # Without such a property activation follows any excitation.
        minimum_activation=given("minimum_activation", 0.0),
        default_activation=given("default_activation", 0.05),
        ignore_tendon_compliance=muscle.get_ignore_tendon_compliance(),
        curves=_CURVES[kind](muscle),
        wraps=() if by_function else read_wraps(muscle),
    )


def as_muscle(force: Any) -> Any:
    """A muscle as the class it is; as `Muscle` where OpenSim's bindings lack the class.

    Args:
        force: of OpenSim, a muscle.

    Returns:
        The same object.
    """
    return getattr(opensim, force.getConcreteClassName(), opensim.Muscle).safeDownCast(force)


class _Given:
    """Properties that not every muscle model has, by name."""

    def __init__(self, muscle: Any) -> None:
        self._muscle = muscle

    def __call__(self, name: str, default: float) -> float:
        get = getattr(self._muscle, f"get_{name}", None)
        return default if get is None else float(get())


def read_path(muscle: Any, skipped: set[str]) -> tuple[AbstractPathComponent, ...]:
    """The points of a path.

    Args:
        muscle: of OpenSim, or another force along a GeometryPath.
        skipped: paths of points that are left out.

    Returns:
        m, rad.
    """
    points = muscle.getGeometryPath().getPathPointSet()
    listed = (points.get(i) for i in range(points.getSize()))
    return tuple(_point(p) for p in listed if p.getAbsolutePathString() not in skipped)


def _point(point: Any) -> AbstractPathComponent:
    kind, name = point.getConcreteClassName(), point.getName()
    frame = point.getParentFrame()
    body = frame.findBaseFrame().getName()
    if kind == "MovingPathPoint":
        moving = opensim.MovingPathPoint.safeDownCast(point)
        x, y, z = (
            read_function(f)
            for f in (moving.get_x_location(), moving.get_y_location(), moving.get_z_location())
        )
        names = [_coordinate_of(moving, f"{axis}_coordinate") for axis in "xyz"]
        return MovingPathPoint(name, body, (x, y, z), (names[0], names[1], names[2]))
    fixed = opensim.PathPoint.safeDownCast(point)
    location = fixed.get_location()
    if frame.getConcreteClassName() not in ("Body", "Ground"):
        location = frame.findTransformInBaseFrame().shiftFrameStationToBase(location)
    where = (location.get(0), location.get(1), location.get(2))
    if kind != "ConditionalPathPoint":
        return PathPoint(name, body, where)
    conditional = opensim.ConditionalPathPoint.safeDownCast(point)
    ends = conditional.get_range(0), conditional.get_range(1)
    return ConditionalPathPoint(name, body, where, _coordinate_of(conditional, "coordinate"), ends)


def _coordinate_of(point: Any, socket: str) -> str:
    """Name of the coordinate that a socket is connected to; empty where it is to none."""
    found = point.getSocket(socket)
    if not found.isConnected():
        return ""
    return point.getConnectee(socket).getName()


def read_wraps(muscle: Any) -> tuple[PathWrap, ...]:
    """What a path may wrap over.

    Args:
        muscle: of OpenSim, or another force along a GeometryPath.

    Returns:
        Names, no units.
    """
    wraps = muscle.getGeometryPath().getWrapSet()
    return tuple(
        PathWrap(
            w.getName(),
            wrap_name(w.getWrapObject()),
            w.getMethodName(),
            (w.getStartPoint(), w.getEndPoint()),
        )
        for w in (wraps.get(i) for i in range(wraps.getSize()))
    )


def _millard_curves(muscle: Any) -> MillardCurves:
    active = muscle.get_ActiveForceLengthCurve()
    velocity = muscle.get_ForceVelocityCurve()
    passive = muscle.get_FiberForceLengthCurve()
    tendon = muscle.get_TendonForceLengthCurve()
    return MillardCurves(
        active.get_min_norm_active_fiber_length(),
        active.get_transition_norm_fiber_length(),
        active.get_max_norm_active_fiber_length(),
        active.get_shallow_ascending_slope(),
        active.get_minimum_value(),
        velocity.get_concentric_slope_at_vmax(),
        velocity.get_concentric_slope_near_vmax(),
        velocity.get_isometric_slope(),
        velocity.get_eccentric_slope_at_vmax(),
        velocity.get_eccentric_slope_near_vmax(),
        velocity.get_max_eccentric_velocity_force_multiplier(),
        velocity.get_concentric_curviness(),
        velocity.get_eccentric_curviness(),
        passive.get_strain_at_zero_force(),
        passive.get_strain_at_one_norm_force(),
        passive.getStiffnessAtLowForceInUse(),
        passive.getStiffnessAtOneNormForceInUse(),
        passive.getCurvinessInUse(),
        tendon.get_strain_at_one_norm_force(),
        tendon.getStiffnessAtOneNormForceInUse(),
        tendon.getNormForceAtToeEndInUse(),
        tendon.getCurvinessInUse(),
    )


def _thelen_curves(muscle: Any) -> ThelenCurves:
    return ThelenCurves(
        FmaxTendonStrain=muscle.get_FmaxTendonStrain(),
        FmaxMuscleStrain=muscle.get_FmaxMuscleStrain(),
        KshapeActive=muscle.get_KshapeActive(),
        KshapePassive=muscle.get_KshapePassive(),
        Af=muscle.get_Af(),
        Flen=muscle.get_Flen(),
        fv_linear_extrap_threshold=muscle.get_fv_linear_extrap_threshold(),
    )


def _degroote_fregly_curves(muscle: Any) -> DeGrooteFreglyCurves:
    return DeGrooteFreglyCurves(
        muscle.get_active_force_width_scale(),
        muscle.get_passive_fiber_strain_at_one_norm_force(),
        muscle.get_tendon_strain_at_one_norm_force(),
        muscle.get_activation_dynamics_smoothing(),
    )


_CURVES = {
    "Millard2012EquilibriumMuscle": _millard_curves,
    "Thelen2003Muscle": _thelen_curves,
    "DeGrooteFregly2016Muscle": _degroote_fregly_curves,
    SCHUTTE: schutte_curves,
}
