"""Checks of a `ModelSpec` that no later stage should have to repeat."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .components import GROUND
from .functions import (
    Function,
    MultiplierFunction,
    PiecewiseLinearFunction,
    PolynomialFunction,
    SimmSpline,
)
from .path_components import FunctionBasedPath, MovingPathPoint, PathPoint
from .path_forces import Ligament

if TYPE_CHECKING:
    from .model_spec import ModelSpec

_HEAVIEST = 1e4
"""kg, of a body; nothing of a person or of what it carries is heavier."""
_FARTHEST = 1e2
"""m, of a place in a body."""
_LARGEST = {
    "max_isometric_force": 1e6,
    "optimal_fiber_length": _FARTHEST,
    "max_contraction_velocity": 1e3,
}
"""N, m, optimal fiber lengths per second."""
_FORBIDDEN = set("\\*+/ \t\n")


def validate(spec: "ModelSpec") -> None:
    """Raise ValueError where `spec` is not a model that can be simulated."""
    _unique("model", [spec.name])
    _unique("body", (b.name for b in spec.bodies))
    _unique("joint", (j.name for j in spec.joints))
    _unique("coordinate", (c.name for c in spec.coordinates))
    _unique("muscle", (m.name for m in spec.muscles))
    _unique("marker", (m.name for m in spec.markers))
    _unique("wrap object", (w.name for w in spec.wrap_objects))
    _unique("actuator", [a.name for a in spec.actuators] + [m.name for m in spec.muscles])
    _unique("path force", [f.name for f in spec.path_forces])
    _unique("coordinate force", [f.name for f in spec.coordinate_forces])
    for component in (*spec.bodies, *spec.joints, *spec.couplers, *spec.muscles, *spec.bushings,
                      *spec.markers, *spec.actuators, *spec.wrap_objects,
                      *spec.coordinate_forces, *spec.path_forces):  # fmt: skip
        _finite(component.name, component)
    _finite("gravity", spec.gravity)
    _tree(spec)
    _functions(spec)
    _couplers(spec)
    _attachments(spec)
    _numbers(spec)


def _size(owner: str, what: str, place: tuple[float, float, float]) -> None:
    if max(map(abs, place)) > _FARTHEST:
        raise ValueError(
            f"{owner!r}: {what} is at {place} m, beyond {_FARTHEST:g}: other units, or a damaged "
            "number"
        )


def _unique(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if not name:
            raise ValueError(f"a {kind} has no name; every {kind} needs one")
        if set(name) & _FORBIDDEN:
            raise ValueError(f"{kind} name {name!r}: OpenSim allows no space and none of \\ * + /")
        if name in seen:
            raise ValueError(f"two {kind}s are named {name!r}; rename one")
        seen.add(name)


def _finite(owner: str, value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{owner!r} holds a value that is not finite: {value}")
    if isinstance(value, tuple):
        for item in value:
            _finite(owner, item)
    elif dataclasses.is_dataclass(value):
        for entry in dataclasses.fields(value):
            # OpenSim's actuators have infinite controls, and coordinates ranges, by default.
            if entry.name not in ("range", "min_control", "max_control"):
                _finite(owner, getattr(value, entry.name))


def _tree(spec: "ModelSpec") -> None:
    bodies = {b.name for b in spec.bodies}
    if GROUND in bodies:
        raise ValueError("a body is named 'ground'; that name is the ground frame's")
    hung: set[str] = set()
    for joint in spec.joints:
        for body in (joint.parent.body, joint.child.body):
            if body != GROUND and body not in bodies:
                raise ValueError(f"joint {joint.name!r} names the unknown body {body!r}")
        if joint.child.body in hung:
            raise ValueError(f"body {joint.child.body!r} is the child of two joints (a loop)")
        hung.add(joint.child.body)
        owned = {c.name for c in joint.coordinates}
        for axis in joint.axes:
            used = {name for product in axis.products for name, _ in product}
            used |= set() if axis.coordinate is None else {axis.coordinate}
            if used - owned:
                raise ValueError(
                    f"joint {joint.name!r}: an axis uses the coordinate "
                    f"{', '.join(map(repr, sorted(used - owned)))}, "
                    f"which is not among the joint's own {sorted(owned)}"
                )
            if not 0.999 < math.hypot(*axis.axis) < 1.001:
                raise ValueError(f"joint {joint.name!r}: axis {axis.axis} is not a unit vector")
        if len(joint.axes) not in (0, 6):
            raise ValueError(f"joint {joint.name!r} has {len(joint.axes)} axes; it needs 0 or 6")
    loose = bodies - hung
    if loose:
        raise ValueError(f"bodies {sorted(loose)} hang on no joint; weld them or remove them")


def _functions(spec: "ModelSpec") -> None:
    driven = [(j.name, a) for j in spec.joints for a in j.axes]
    driven += [(c.name, c) for c in spec.couplers]
    owned = [(name, part.function) for name, part in driven]
    owned += [(name, f) for name, part in driven for p in part.products for _, f in p]
    owners = (*spec.muscles, *spec.path_forces)
    moving = [p for m in owners for p in m.path if isinstance(p, MovingPathPoint)]
    owned += [(f.name, f.force_length_curve) for f in spec.path_forces if isinstance(f, Ligament)]
    owned += [(p.name, f) for p in moving for f in p.location]
    owned += [(m.name, f) for m in spec.muscles for f in m.curves.functions()]
    for owner, function in owned:
        _function(owner, function)


def _function(owner: str, function: Function) -> None:
    match function:
        case SimmSpline(x, y) | PiecewiseLinearFunction(x, y):
            if len(x) != len(y) or len(x) < 2:
                raise ValueError(
                    f"{owner!r}: {type(function).__name__} has {len(x)} x and {len(y)} y; "
                    "it needs two or more of each, equally many"
                )
            if any(b <= a for a, b in itertools.pairwise(x)):
                raise ValueError(f"{owner!r}: x of {type(function).__name__} does not increase")
        case PolynomialFunction(coefficients) if not coefficients:
            raise ValueError(f"{owner!r}: PolynomialFunction has no coefficients")
        case MultiplierFunction(inner, _):
            _function(owner, inner)
        case _:
            pass


def _couplers(spec: "ModelSpec") -> None:
    known = {c.name: c for c in spec.coordinates}
    tied: set[str] = set()
    for coupler in spec.couplers:
        for name in (coupler.dependent, *coupler.drivers()):
            if name not in known:
                raise ValueError(f"coupler {coupler.name!r} names the unknown coordinate {name!r}")
        if coupler.dependent in tied:
            raise ValueError(f"coordinate {coupler.dependent!r} is driven by two couplers")
        if known[coupler.dependent].locked:
            raise ValueError(
                f"coordinate {coupler.dependent!r} is locked and driven by {coupler.name!r}; "
                "unlock it or remove the coupler"
            )
        tied.add(coupler.dependent)
    drives = {c.dependent: c.drivers() for c in spec.couplers}
    for start in drives:
        names, steps = {start}, 0
        while names := {driver for name in names for driver in drives.get(name, ())}:
            steps += 1
            if steps > len(drives):
                raise ValueError(f"the couplers of {start!r} form a loop")


def _attachments(spec: "ModelSpec") -> None:
    owners = (*spec.muscles, *spec.path_forces)
    bodies = {b.name for b in spec.bodies} | {GROUND}
    coordinates = {c.name for c in spec.coordinates}
    for owner, body in [
        *((p.name, body) for m in owners for p in m.path for body in p.attached_to()),
        *((m.name, m.body) for m in spec.markers),
        *((b.name, f.body) for b in spec.bushings for f in (b.frame1, b.frame2)),
        *((w.name, w.body) for w in spec.wrap_objects),
        *((a.name, body) for a in spec.actuators for body in a.attached_to()),
    ]:
        if body not in bodies:
            raise ValueError(f"{owner!r} is fixed in the unknown body {body!r}")
    for actuator in spec.actuators:
        along = actuator.acts_along()
        if along is not None and along not in coordinates:
            raise ValueError(f"actuator {actuator.name!r} acts on the unknown coordinate {along!r}")
    for force in spec.coordinate_forces:
        if force.coordinate not in coordinates:
            raise ValueError(
                f"{force.name!r} acts along the unknown coordinate {force.coordinate!r}"
            )
    surfaces = {w.name for w in spec.wrap_objects}
    for muscle in owners:
        for part in muscle.path:
            unknown = set(part.follows()) - coordinates
            if unknown:
                raise ValueError(
                    f"path point {part.name!r} of {muscle.name!r} follows the unknown coordinate "
                    f"{', '.join(sorted(unknown))}"
                )
        for wrap in muscle.wraps:
            if wrap.wrap_object not in surfaces:
                raise ValueError(
                    f"path wrap {wrap.name!r} of {muscle.name!r} names the unknown wrap object "
                    f"{wrap.wrap_object!r}"
                )
    muscles = {m.name for m in spec.muscles}
    for group, members in spec.groups:
        unknown = set(members) - muscles
        if unknown:
            raise ValueError(f"group {group!r} has unknown muscles {sorted(unknown)}")


def is_possible_inertia(inertia: Sequence[float]) -> bool:
    """Whether a body can have these moments and products of inertia.

    Args:
        inertia: kg m^2: xx, yy, zz, xy, xz, yz.

    Returns:
        False where a moment is negative, or a product greater than its moments allow. That the sum
        of two moments is no less than the third is not asked for: the published neck breaks it.
    """
    xx, yy, zz, xy, xz, yz = inertia
    # Eigenvalues of a symmetric matrix are not negative where its leading minors are not.
    minors = (xx, yy, zz, xx * yy - xy**2, xx * zz - xz**2, yy * zz - yz**2)
    slack = 1e-9 * max(abs(xx), abs(yy), abs(zz)) ** 2
    return min(minors[:3]) >= 0 and min(minors[3:]) >= -slack


def _numbers(spec: "ModelSpec") -> None:
    if not any(body.mass > 0 for body in spec.bodies):
        raise ValueError("no body has a mass; a model that nothing pulls on tells no forces")
    for body in spec.bodies:
        if not 0 <= body.mass <= _HEAVIEST:
            raise ValueError(
                f"body {body.name!r} has mass {body.mass} kg; it must be 0 to {_HEAVIEST:g}"
            )
        let_pass = any(part.startswith(f"/bodyset/{body.name} (") for part in spec.omitted)
        if not let_pass and not is_possible_inertia(body.inertia):
            raise ValueError(
                f"body {body.name!r} has the inertia {body.inertia} kg m^2, which no body has: "
                "moments are not negative, and products no greater than their moments allow"
            )
    for joint in spec.joints:
        for frame in (joint.parent, joint.child):
            _size(joint.name, "an offset", frame.translation)
    for body in spec.bodies:
        _size(body.name, "its mass center", body.mass_center)
    for muscle in spec.muscles:
        whole = [p for p in muscle.path if isinstance(p, FunctionBasedPath)]
        for path in whole:
            impossible = path.problems()
            if len(muscle.path) > 1 or muscle.wraps:
                impossible.append("it is a whole path: no points or wraps can be beside it")
            if impossible:
                raise ValueError(f"path {path.name!r} of {muscle.name!r}: {'; '.join(impossible)}")
        if len(muscle.path) < 2 and not whole:
            raise ValueError(f"muscle {muscle.name!r} has {len(muscle.path)} path points, needs 2")
        for name in ("max_isometric_force", "optimal_fiber_length", "max_contraction_velocity"):
            most = _LARGEST[name]
            if not 0 < getattr(muscle, name) <= most:
                raise ValueError(
                    f"muscle {muscle.name!r}: {name} is {getattr(muscle, name)}, must be positive "
                    f"and at most {most:g}"
                )
        if not 0 <= muscle.tendon_slack_length <= _FARTHEST:
            raise ValueError(
                f"muscle {muscle.name!r}: tendon_slack_length is {muscle.tendon_slack_length} m, "
                f"must be 0 to {_FARTHEST:g}"
            )
        if not 0 <= muscle.pennation_angle_at_optimal < math.acos(0.1):
            raise ValueError(
                f"muscle {muscle.name!r}: pennation_angle_at_optimal is "
                f"{muscle.pennation_angle_at_optimal} rad, must be in [0, acos(0.1))"
            )
        if muscle.fiber_damping < 0:
            raise ValueError(f"muscle {muscle.name!r}: fiber_damping is negative")
        wrong = muscle.curves.problems()
        if wrong:
            kind = type(muscle.curves).__name__
            raise ValueError(f"muscle {muscle.name!r}: impossible {kind}: {', '.join(wrong)}")
        if not 0 <= muscle.min_control < muscle.max_control < math.inf:
            raise ValueError(
                f"muscle {muscle.name!r}: controls [{muscle.min_control}, {muscle.max_control}] "
                "must satisfy 0 <= min < max"
            )
    for owner in (*spec.muscles, *spec.path_forces):
        for part in owner.path:
            if isinstance(part, PathPoint):
                _size(owner.name, f"the point {part.name!r}", part.location)
    for surface in spec.wrap_objects:
        impossible = surface.problems()
        if impossible:
            raise ValueError(
                f"wrap object {surface.name!r}: {', '.join(impossible)} must be positive"
            )
        _size(surface.name, "its frame", surface.translation)
    for force in spec.path_forces:
        impossible = force.problems()
        if len(force.path) < 2 or any(isinstance(p, FunctionBasedPath) for p in force.path):
            impossible.append("its path needs two or more points")
        if impossible:
            raise ValueError(f"path force {force.name!r}: {'; '.join(impossible)}")
    for force in spec.coordinate_forces:
        impossible = force.problems()
        if impossible:
            raise ValueError(f"coordinate force {force.name!r}: {'; '.join(impossible)}")
    for actuator in spec.actuators:
        for what in ("direction", "axis"):
            if math.hypot(*getattr(actuator, what, (1.0,))) == 0:
                raise ValueError(f"actuator {actuator.name!r}: its {what} has no length")
        if not actuator.optimal_force > 0 or not actuator.min_control < actuator.max_control:
            raise ValueError(
                f"actuator {actuator.name!r}: needs optimal_force > 0 and min_control < "
                f"max_control, has {actuator.optimal_force}, {actuator.min_control}, "
                f"{actuator.max_control}"
            )
