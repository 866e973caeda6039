"""A model as plain data: `ModelSpec`, its parts, its tables, and the shipped necks. No JAX."""

from .actuators import (
    ACTUATORS as ACTUATORS,
    AbstractActuator as AbstractActuator,
    CoordinateActuator as CoordinateActuator,
    PointActuator as PointActuator,
    TorqueActuator as TorqueActuator,
    register_actuator as register_actuator,
)
from .anatomy import PLANES as PLANES, Anatomy as Anatomy
from .components import (
    GROUND as GROUND,
    MUSCLE_CURVES as MUSCLE_CURVES,
    AbstractMuscleCurves as AbstractMuscleCurves,
    Body as Body,
    Bushing as Bushing,
    Coordinate as Coordinate,
    CoordinateCoupler as CoordinateCoupler,
    DeGrooteFreglyCurves as DeGrooteFreglyCurves,
    Joint as Joint,
    JointKind as JointKind,
    Marker as Marker,
    MillardCurves as MillardCurves,
    MotionType as MotionType,
    Muscle as Muscle,
    OffsetFrame as OffsetFrame,
    SchutteCurves as SchutteCurves,
    ThelenCurves as ThelenCurves,
    TransformAxis as TransformAxis,
    register_muscle_curves as register_muscle_curves,
)
from .coordinate_forces import (
    COORDINATE_FORCES as COORDINATE_FORCES,
    AbstractCoordinateForce as AbstractCoordinateForce,
    CoordinateLimitForce as CoordinateLimitForce,
    ExpressionBasedCoordinateForce as ExpressionBasedCoordinateForce,
    SpringGeneralizedForce as SpringGeneralizedForce,
    register_coordinate_force as register_coordinate_force,
)
from .expressions import (
    EXPRESSION_FUNCTIONS as EXPRESSION_FUNCTIONS,
    Expression as Expression,
    parse_expression as parse_expression,
)
from .fingerprint import same_fingerprint as same_fingerprint, spec_fingerprint as spec_fingerprint
from .functions import (
    Constant as Constant,
    Function as Function,
    LinearFunction as LinearFunction,
    MultiplierFunction as MultiplierFunction,
    PiecewiseLinearFunction as PiecewiseLinearFunction,
    PolynomialFunction as PolynomialFunction,
    Product as Product,
    SimmSpline as SimmSpline,
    Sine as Sine,
    affine_form as affine_form,
)
from .model_spec import (
    ModelSpec as ModelSpec,
)
from .path_components import (
    PATH_COMPONENTS as PATH_COMPONENTS,
    AbstractPathComponent as AbstractPathComponent,
    ConditionalPathPoint as ConditionalPathPoint,
    FunctionBasedPath as FunctionBasedPath,
    MovingPathPoint as MovingPathPoint,
    MultivariatePolynomialFunction as MultivariatePolynomialFunction,
    PathPoint as PathPoint,
    PathWrap as PathWrap,
    WrapMethod as WrapMethod,
    monomials as monomials,
    register_path_component as register_path_component,
)
from .path_forces import (
    PATH_FORCES as PATH_FORCES,
    AbstractPathForce as AbstractPathForce,
    Ligament as Ligament,
    PathSpring as PathSpring,
    register_path_force as register_path_force,
)
from .shipped import (
    SHIPPED as SHIPPED,
    shipped_neck as shipped_neck,
    with_disc_vertebrae as with_disc_vertebrae,
    with_shipped_anatomy as with_shipped_anatomy,
)
from .tables import (
    read_tables as read_tables,
    write_tables as write_tables,
)
from .wraps import (
    WRAP_OBJECTS as WRAP_OBJECTS,
    AbstractWrapObject as AbstractWrapObject,
    WrapCylinder as WrapCylinder,
    WrapEllipsoid as WrapEllipsoid,
    WrapSphere as WrapSphere,
    WrapTorus as WrapTorus,
    register_wrap_object as register_wrap_object,
)
