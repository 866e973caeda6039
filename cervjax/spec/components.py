"""The parts of an OpenSim model as frozen dataclasses, in OpenSim's terms and SI units."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from .functions import Function, Product, SimmSpline
from .path_components import AbstractPathComponent, PathWrap, Vec3

Vec6 = tuple[float, float, float, float, float, float]

GROUND = "ground"

JointKind = Literal[
    "CustomJoint",
    "PinJoint",
    "WeldJoint",
    "BallJoint",
    "GimbalJoint",
    "UniversalJoint",
    "SliderJoint",
    "FreeJoint",
    "PlanarJoint",
    "EllipsoidJoint",
]

MotionType = Literal["rotational", "translational", "coupled"]


@dataclass(frozen=True, slots=True)
class Body:
    """A rigid body.

    Attributes:
        mass: kg.
        mass_center: m, in the body frame.
        inertia: kg m^2 about the mass center, `(Ixx, Iyy, Izz, Ixy, Ixz, Iyz)`.
    """

    name: str
    mass: float
    mass_center: Vec3
    inertia: Vec6


@dataclass(frozen=True, slots=True)
class OffsetFrame:
    """OpenSim's PhysicalOffsetFrame: a frame fixed in a body.

    Attributes:
        body: name of the body, or `ground`.
        translation: m, in the body frame.
        orientation: rad, body-fixed X-Y-Z angles.
    """

    body: str
    translation: Vec3 = (0.0, 0.0, 0.0)
    orientation: Vec3 = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Coordinate:
    """A generalized coordinate; rad or m.

    `motion_type` is what OpenSim's `Coordinate::getMotionType` says; a *coupled* coordinate is
    written unscaled (radians) even in files that say `inDegrees=yes`.
    """

    name: str
    default_value: float
    range: tuple[float, float]
    motion_type: MotionType
    locked: bool = False
    clamped: bool = True


@dataclass(frozen=True, slots=True)
class TransformAxis:
    """One of the six axes of a joint's spatial transform; `coordinate` is None for a constant.

    Attributes:
        products: added to `function`, of several coordinates; rad or m.
    """

    axis: Vec3
    coordinate: str | None
    function: Function
    products: tuple[Product, ...] = ()


@dataclass(frozen=True, slots=True)
class Joint:
    """A joint: `child` body hangs on `parent` through six axes, three rotations first.

    The child's joint frame turns by the three rotations in order (body-fixed) and moves by the
    three translations, expressed in the parent's joint frame, as in OpenSim's SpatialTransform.
    Other joint kinds are given by the same six axes, e.g. a PinJoint turns about its first axis,
    z. A BallJoint's, GimbalJoint's and FreeJoint's coordinates are body-fixed X-Y-Z angles.
    """

    name: str
    kind: JointKind
    parent: OffsetFrame
    child: OffsetFrame
    coordinates: tuple[Coordinate, ...] = ()
    axes: tuple[TransformAxis, ...] = ()


@dataclass(frozen=True, slots=True)
class CoordinateCoupler:
    """OpenSim's CoordinateCouplerConstraint.

    Attributes:
        independent: name, of the coordinate that `function` is of.
        products: added to `function`, of several coordinates; rad or m.
    """

    name: str
    dependent: str
    independent: str
    function: Function
    products: tuple[Product, ...] = ()

    def drivers(self) -> tuple[str, ...]:
        """Names of the coordinates that drive it.

        Returns:
            Each once.
        """
        others = (name for product in self.products for name, _ in product)
        return tuple(dict.fromkeys((self.independent, *others)))


class AbstractMuscleCurves:
    """Shape parameters of a muscle model's curves; frozen dataclasses of plain values."""

    __slots__ = ()

    def problems(self) -> list[str]:
        """Parameters that are impossible.

        Returns:
            Names; none where all is well.
        """
        return []

    def functions(self) -> tuple[Function, ...]:
        """Functions that are given, beside parameters.

        Returns:
            Of any unit; none for most models.
        """
        return ()


MUSCLE_CURVES: dict[str, type[AbstractMuscleCurves]] = {}
"""Classes of curves by the names of their muscle models in tables."""

_Curves = TypeVar("_Curves", bound=AbstractMuscleCurves)


def register_muscle_curves(name: str) -> Callable[[type[_Curves]], type[_Curves]]:
    """Make curves known to tables.

    Args:
        name: of the muscle model.

    Returns:
        A decorator that gives back the class.
    """

    def known(curves: type[_Curves]) -> type[_Curves]:
        MUSCLE_CURVES[name] = curves
        return curves

    return known


def _not_positive(curves: Any) -> list[str]:
    return [k for k, v in dataclasses.asdict(curves).items() if not v > 0]


@register_muscle_curves("Millard")
@dataclass(frozen=True, slots=True)
class MillardCurves(AbstractMuscleCurves):
    """Shape parameters of the four curves of OpenSim's Millard2012EquilibriumMuscle.

    Defaults are OpenSim's. The values held are those *in use*: OpenSim sets `minimum_value` and
    the force-velocity end slopes to zero for a damped or rigid-tendon muscle.
    """

    min_norm_active_fiber_length: float = 0.4441
    transition_norm_fiber_length: float = 0.73
    max_norm_active_fiber_length: float = 1.8123
    shallow_ascending_slope: float = 0.8616
    minimum_value: float = 0.0
    concentric_slope_at_vmax: float = 0.0
    concentric_slope_near_vmax: float = 0.25
    isometric_slope: float = 5.0
    eccentric_slope_at_vmax: float = 0.0
    eccentric_slope_near_vmax: float = 0.15
    max_eccentric_velocity_force_multiplier: float = 1.4
    concentric_curviness: float = 0.6
    eccentric_curviness: float = 0.9
    passive_strain_at_zero_force: float = 0.0
    passive_strain_at_one_norm_force: float = 0.7
    passive_stiffness_at_low_force: float = 0.2
    passive_stiffness_at_one_norm_force: float = 2.0 / 0.7
    passive_curviness: float = 0.75
    tendon_strain_at_one_norm_force: float = 0.049
    tendon_stiffness_at_one_norm_force: float = 1.375 / 0.049
    tendon_norm_force_at_toe_end: float = 2.0 / 3.0
    tendon_curviness: float = 0.5


@register_muscle_curves("Thelen")
@dataclass(frozen=True, slots=True)
class ThelenCurves(AbstractMuscleCurves):
    """Shape parameters of OpenSim's Thelen2003Muscle; defaults are OpenSim's."""

    FmaxTendonStrain: float = 0.04
    FmaxMuscleStrain: float = 0.6
    KshapeActive: float = 0.45
    KshapePassive: float = 5.0
    Af: float = 0.25
    Flen: float = 1.4
    fv_linear_extrap_threshold: float = 0.95

    def problems(self) -> list[str]:
        """Parameters that are not positive or not on the right side of one.

        Returns:
            Names.
        """
        wrong = _not_positive(self) + ["Flen"] * (self.Flen <= 1)
        return wrong + ["fv_linear_extrap_threshold"] * (self.fv_linear_extrap_threshold >= 1)


@register_muscle_curves("DeGrooteFregly")
@dataclass(frozen=True, slots=True)
class DeGrooteFreglyCurves(AbstractMuscleCurves):
    """Shape parameters of OpenSim's DeGrooteFregly2016Muscle; defaults are OpenSim's.

    `activation_dynamics_smoothing` is the steepness of the step between the two time constants.
    """

    active_force_width_scale: float = 1.0
    passive_fiber_strain_at_one_norm_force: float = 0.6
    tendon_strain_at_one_norm_force: float = 0.049
    activation_dynamics_smoothing: float = 0.1

    def problems(self) -> list[str]:
        """Parameters that are not positive.

        Returns:
            Names.
        """
        return _not_positive(self)


_SIMM_ACTIVE = SimmSpline(
    (-5.307692, -4.307692, -1.923077, -0.884615, -0.269231, 0.230769, 0.461538, 0.52725,
     0.62875, 0.71875, 0.86125, 1.045, 1.2175, 1.43875, 1.5, 1.615385, 2.0, 2.961538,
     3.692308, 5.461538, 9.901902),
    (0.012188, 0.021899, 0.036466, 0.052493, 0.075312, 0.114158, 0.157859, 0.226667,
     0.636667, 0.856667, 0.95, 0.993333, 0.77, 0.246667, 0.193821, 0.133252, 0.072683,
     0.044417, 0.036341, 0.021899, 0.007332),
)  # fmt: skip
_SIMM_TENDON = SimmSpline(
    (-10.0, -0.002, -0.001, 0.0, 0.00131, 0.00281, 0.00431, 0.00581, 0.00731, 0.00881,
     0.0103, 0.0118, 0.0123, 9.2, 9.201, 9.202, 20.0),
    (0.0, 0.0, 0.0, 0.0, 0.0108, 0.0257, 0.0435, 0.0652, 0.0915, 0.123, 0.161, 0.208, 0.227,
     345.0, 345.0, 345.0, 345.0),
)  # fmt: skip


@register_muscle_curves("Schutte")
@dataclass(frozen=True, slots=True)
class SchutteCurves(AbstractMuscleCurves):
    """Curves of OpenSim's Schutte1993Muscle_Deprecated, SIMM's muscle; defaults are OpenSim's.

    Attributes:
        activation1, activation2: rates of activation, over `time_scale`.
        time_scale: s; the inverse of `Muscle.max_contraction_velocity`.
        active_force_length_curve: over max isometric force, of fiber length over the optimal one.
        passive_force_length_curve: likewise; None for an exponential function.
        tendon_force_length_curve: over max isometric force, of the tendon's strain.
    """

    activation1: float = 7.667
    activation2: float = 1.459854
    time_scale: float = 0.1
    active_force_length_curve: SimmSpline = _SIMM_ACTIVE
    passive_force_length_curve: SimmSpline | None = None
    tendon_force_length_curve: SimmSpline = _SIMM_TENDON

    def problems(self) -> list[str]:
        """Numbers that are negative; functions are checked with all others of a model.

        Returns:
            Names.
        """
        wrong = [n for n in ("activation1", "activation2") if getattr(self, n) < 0]
        return wrong + ["time_scale"] * (self.time_scale <= 0)

    def functions(self) -> tuple[Function, ...]:
        """The curves; see `AbstractMuscleCurves`.

        Returns:
            No unit.
        """
        curves = (
            self.active_force_length_curve,
            self.passive_force_length_curve,
            self.tendon_force_length_curve,
        )
        return tuple(curve for curve in curves if curve is not None)


@dataclass(frozen=True, slots=True)
class Muscle:
    """A Hill-type muscle; N, m, rad, and optimal fiber lengths per second.

    `fiber_damping` is in units of max isometric force per normalized fiber velocity. Which of
    OpenSim's muscle models it is, is told by the type of `curves`. `wraps` are in the order in
    which OpenSim looks at them.
    """

    name: str
    path: tuple[AbstractPathComponent, ...]
    max_isometric_force: float
    optimal_fiber_length: float
    tendon_slack_length: float
    pennation_angle_at_optimal: float
    max_contraction_velocity: float = 10.0
    fiber_damping: float = 0.1
    min_control: float = 0.01
    max_control: float = 1.0
    activation_time_constant: float = 0.01
    deactivation_time_constant: float = 0.04
    minimum_activation: float = 0.01
    default_activation: float = 0.05
    ignore_tendon_compliance: bool = False
    curves: AbstractMuscleCurves = field(default_factory=MillardCurves)
    wraps: tuple[PathWrap, ...] = ()


@dataclass(frozen=True, slots=True)
class Bushing:
    """OpenSim's BushingForce between two frames.

    Stiffness and damping act on the body-fixed X-Y-Z angles of `frame2` in `frame1` (N m/rad,
    N m s/rad) and on its position in `frame1` (N/m, N s/m).
    """

    name: str
    frame1: OffsetFrame
    frame2: OffsetFrame
    rotational_stiffness: Vec3
    rotational_damping: Vec3
    translational_stiffness: Vec3 = (0.0, 0.0, 0.0)
    translational_damping: Vec3 = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker at `location` (m) in the frame of `body`."""

    name: str
    body: str
    location: Vec3
    fixed: bool = False
