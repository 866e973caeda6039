"""`ModelSpec` -> MJCF, and the map from a `Model`'s coordinates to MuJoCo's.

Each transform axis that can move is a hinge or a slide, in OpenSim's order, at the joint frame's
place *in the child body*. A MuJoCo joint's position is the displacement of its axis, not the
OpenSim coordinate: `pitch2` of HYOID turns its first hinge by 0.099 of its value. Couplers become
joint equalities, which MuJoCo enforces softly: for exact results set the positions with
`mujoco_state` and project forces with the same map.

Not in the MJCF: bushings (MuJoCo has none on X-Y-Z angles), muscle force models and reserves.
Muscle paths are spatial tendons; MuJoCo's tendon moments have the opposite sign of OpenSim's.
"""

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from cervjax.spec import (
    GROUND,
    Body,
    Function,
    Joint,
    ModelSpec,
    MultiplierFunction,
    OffsetFrame,
    PathPoint,
    PolynomialFunction,
    affine_form,
)

ImpossibleInertia = Literal["refuse", "after_compilation"]
_INERTIA_KEY = "inertia_of_"
_AXIS_NAMES = ("r1", "r2", "r3", "t1", "t2", "t3")
_SLIDES_FIRST = (3, 4, 5, 0, 1, 2)
"""OpenSim translates in the parent's frame, then rotates: slides come before hinges."""


def write_mjcf(
    spec: ModelSpec, path: str | Path, *, impossible_inertia: ImpossibleInertia = "refuse"
) -> None:
    """Write `spec` as MJCF; the file appears whole or not at all.

    Args:
        impossible_inertia: what to do with an inertia that no rigid body has (that of HYOID's
            vertebrae as published), which MuJoCo does not compile. `after_compilation` writes a
            sphere's inertia and keeps the true one in the file, for `load_mjcf` to put back.

    Raises:
        ValueError: an inertia is impossible and `refuse` is set; a coupler is not a polynomial
            of degree four or less, the most that MJCF can say; or a moving body has no mass.
    """
    tree = ET.ElementTree(_document(spec, impossible_inertia))
    ET.indent(tree, "  ")
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    tree.write(partial, encoding="UTF-8")
    os.replace(partial, path)


def load_mjcf(path: str | Path) -> mujoco.MjModel:
    """Compile an MJCF that `write_mjcf` wrote and put impossible inertia back in place."""
    model = mujoco.MjModel.from_xml_path(str(path))
    data = mujoco.MjData(model)
    changed = False
    for i in range(model.nnumeric):
        name = model.numeric(i).name
        if name.startswith(_INERTIA_KEY):
            body = model.body(name.removeprefix(_INERTIA_KEY)).id
            moments, axes = np.linalg.eigh(_matrix(model.numeric(i).data))
            axes[:, 2] *= np.linalg.det(axes)
            model.body_inertia[body] = moments
            model.body_iquat[body] = _quaternion(Rotation.from_matrix(axes))
            changed = True
    if changed:
        # `balanceinertia` would make it isotropic instead: 4 N m off in HYOID.
        mujoco.mj_setConst(model, data)
    return model


def mujoco_joints(spec: ModelSpec) -> list[tuple[str, str, int]]:
    """Name in MJCF, OpenSim joint and axis index (0 to 5) of every MuJoCo joint."""
    moving = _moving_coordinates(spec)
    return [
        (f"{joint.name}_{_AXIS_NAMES[i]}", joint.name, i)
        for joint in spec.joints
        for i in _SLIDES_FIRST
        if joint.axes and joint.axes[i].coordinate in moving
    ]


def _moving_coordinates(spec: ModelSpec) -> set[str]:
    return {c.name for c in spec.coordinates if not c.locked}


def _document(spec: ModelSpec, impossible_inertia: ImpossibleInertia) -> ET.Element:
    root = ET.Element("mujoco", model=spec.name)
    ET.SubElement(root, "compiler", angle="radian", autolimits="true", inertiafromgeom="false")
    ET.SubElement(root, "option", gravity=_numbers(spec.gravity), integrator="implicitfast")
    custom = ET.SubElement(root, "custom")
    elements = {GROUND: ET.SubElement(root, "worldbody")}
    for joint in spec.joints:
        elements[joint.child.body] = _body(elements, custom, spec, joint, impossible_inertia)
    for muscle in spec.muscles:
        for i, point in enumerate(muscle.path):
            if not isinstance(point, PathPoint) or muscle.wraps:
                raise ValueError(
                    f"muscle {muscle.name!r} has {point.name!r}, a {type(point).__name__}, or "
                    "wraps: MuJoCo has no such path; remove the muscle from the model first"
                )
            _site(elements[point.body], f"{muscle.name}:{i}", point.location, "0.001")
    for marker in spec.markers:
        _site(elements[marker.body], marker.name, marker.location, "0.005")
    tendons = ET.SubElement(root, "tendon")
    for muscle in spec.muscles:
        spatial = ET.SubElement(
            tendons, "spatial", name=muscle.name, width="0.002", rgba="0.7 0.2 0.2 1"
        )
        for i in range(len(muscle.path)):
            ET.SubElement(spatial, "site", site=f"{muscle.name}:{i}")
    _equalities(root, spec)
    return root


def _body(
    elements: dict[str, ET.Element],
    custom: ET.Element,
    spec: ModelSpec,
    joint: Joint,
    impossible_inertia: ImpossibleInertia,
) -> ET.Element:
    moving = _moving_coordinates(spec)
    into_child = _rotation(joint.child)
    rest_turn, rest_shift = _rest(spec, joint, moving)
    outer = _rotation(joint.parent)
    turn = outer * rest_turn * into_child.inv()
    where = np.array(joint.parent.translation) + outer.apply(rest_shift)
    where = where - turn.apply(joint.child.translation)
    element = ET.SubElement(
        elements[joint.parent.body],
        "body",
        name=joint.child.body,
        pos=_numbers(where),
        quat=_numbers(_quaternion(turn)),
    )
    if any(a.products for a in joint.axes):
        raise ValueError(
            f"joint {joint.name!r}: an axis is a function of several coordinates, which MJCF has "
            "no joint for"
        )
    drives = [(i, a) for i, a in enumerate(joint.axes) if a.coordinate in moving]
    _inertial(element, custom, spec.body(joint.child.body), bool(drives), impossible_inertia)
    for i in _SLIDES_FIRST:
        if not joint.axes or joint.axes[i].coordinate not in moving:
            continue
        axis = joint.axes[i]
        attributes = {
            "name": f"{joint.name}_{_AXIS_NAMES[i]}",
            "type": "hinge" if i < 3 else "slide",
            "pos": _numbers(joint.child.translation),
            "axis": _numbers(into_child.apply(axis.axis)),
        }
        coordinate = spec.coordinate(axis.coordinate or "")
        form = affine_form(axis.function)
        if form is not None and np.all(np.abs(coordinate.range) < 100):
            ends = sorted(form[0] * x + form[1] for x in coordinate.range)
            attributes["range"] = _numbers(ends)
        ET.SubElement(element, "joint", attributes)
    return element


def _rest(spec: ModelSpec, joint: Joint, moving: set[str]) -> tuple[Rotation, np.ndarray]:
    """Transform of the axes that MuJoCo has no joint for, at their fixed displacement.

    Raises:
        ValueError: a fixed axis with a displacement stands between moving ones.
    """
    fixed = []
    for axis in joint.axes:
        at = 0.0 if axis.coordinate is None else spec.coordinate(axis.coordinate).default_value
        form = affine_form(axis.function)
        if axis.coordinate in moving:
            fixed.append(0.0)
        elif form is None:
            raise ValueError(f"joint {joint.name!r}: a locked axis is not affine; weld it instead")
        else:
            fixed.append(form[0] * at + form[1])
    if any(fixed) and any(a.coordinate in moving for a in joint.axes):
        raise ValueError(f"joint {joint.name!r} mixes moving axes with displaced fixed ones")
    turn, shift = Rotation.identity(), np.zeros(3)
    for i, axis in enumerate(joint.axes):
        if i < 3:
            turn = turn * Rotation.from_rotvec(fixed[i] * np.array(axis.axis))
        else:
            shift = shift + fixed[i] * np.array(axis.axis)
    return turn, shift


def _inertial(
    element: ET.Element,
    custom: ET.Element,
    body: Body,
    moves: bool,
    impossible_inertia: ImpossibleInertia,
) -> None:
    if body.mass == 0:
        if moves:
            raise ValueError(f"body {body.name!r} moves and has no mass; MuJoCo needs some")
        return
    moments = np.linalg.eigvalsh(_matrix(body.inertia))
    possible = moments[0] > 0 and moments[0] + moments[1] >= moments[2] * (1 - 1e-9)
    inertia = body.inertia
    if not possible:
        if impossible_inertia == "refuse":
            raise ValueError(
                f"body {body.name!r} has principal moments {moments}, which no rigid body has: "
                "repair it (the shipped neck hyoid-repaired is), or pass "
                "impossible_inertia='after_compilation' and load with load_mjcf"
            )
        ET.SubElement(
            custom,
            "numeric",
            name=f"{_INERTIA_KEY}{body.name}",
            size="6",
            data=_numbers(body.inertia),
        )
        inertia = (float(np.mean(moments)),) * 3 + (0.0,) * 3
    ET.SubElement(
        element,
        "inertial",
        pos=_numbers(body.mass_center),
        mass=repr(body.mass),
        fullinertia=_numbers(inertia),
    )


def _equalities(root: ET.Element, spec: ModelSpec) -> None:
    """Tie every driven axis to the first affine axis of the coordinate that drives it all."""
    equality = ET.SubElement(root, "equality")
    couplers = {c.dependent: c for c in spec.couplers}
    joints = {j.name: j for j in spec.joints}
    drives = []
    for name, joint, i in mujoco_joints(spec):
        axis = joints[joint].axes[i]
        polynomial, coordinate = _polynomial(axis.function, name), axis.coordinate or ""
        while coordinate in couplers:
            if couplers[coordinate].products:
                raise ValueError(
                    f"coupler {couplers[coordinate].name!r} is a function of several coordinates, "
                    "which MJCF has no equality for"
                )
            inner = _polynomial(couplers[coordinate].function, couplers[coordinate].name)
            polynomial, coordinate = polynomial(inner), couplers[coordinate].independent
        drives.append((name, coordinate, polynomial))
    leaders: dict[str, tuple[str, np.ndarray]] = {}
    for name, coordinate, polynomial in drives:
        if polynomial.degree() == 1:
            leaders.setdefault(coordinate, (name, polynomial.coef))
    for name, coordinate, polynomial in drives:
        if coordinate not in leaders:
            raise ValueError(f"{name!r}: MJCF needs one axis that is affine in {coordinate!r}")
        leader, (intercept, slope) = leaders[coordinate]
        if name == leader:
            continue
        of_leader = polynomial(np.polynomial.Polynomial([-intercept / slope, 1 / slope]))
        if of_leader.degree() > 4:
            raise ValueError(f"{name!r} depends on {coordinate!r} by more than a quartic")
        coefficients = np.zeros(5)
        coefficients[: len(of_leader.coef)] = of_leader.coef
        ET.SubElement(
            equality, "joint", joint1=name, joint2=leader, polycoef=_numbers(coefficients)
        )


def _polynomial(function: Function, owner: str) -> np.polynomial.Polynomial:
    form = affine_form(function)
    if form is not None:
        return np.polynomial.Polynomial([form[1], form[0]])
    match function:
        case PolynomialFunction(coefficients):
            return np.polynomial.Polynomial(coefficients[::-1])
        case MultiplierFunction(inner, scale):
            return scale * _polynomial(inner, owner)
        case _:
            raise ValueError(
                f"{owner!r}: MJCF cannot say a {type(function).__name__}; replace it by a "
                "polynomial of degree four or less"
            )


def _site(body: ET.Element, name: str, location: Iterable[float], size: str) -> None:
    ET.SubElement(body, "site", name=name, pos=_numbers(location), size=size)


def _rotation(frame: OffsetFrame) -> Rotation:
    return Rotation.from_euler("XYZ", frame.orientation)


def _quaternion(rotation: Rotation) -> np.ndarray:
    return rotation.as_quat(scalar_first=True)


def _matrix(inertia: Iterable[float]) -> np.ndarray:
    xx, yy, zz, xy, xz, yz = inertia
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def _numbers(values: Iterable[float]) -> str:
    return " ".join(repr(float(v)) for v in values)
