"""A branching model with every joint and function kind, against OpenSim and MuJoCo."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import opensim
import pytest

from cervjax.dynamics import mechanics
from cervjax.kinematics import body_poses
from cervjax.model import Model
from cervjax.spec import (
    Body,
    Bushing,
    Constant,
    Coordinate,
    CoordinateCoupler,
    Joint,
    LinearFunction,
    ModelSpec,
    MultiplierFunction,
    Muscle,
    OffsetFrame,
    PathPoint,
    PiecewiseLinearFunction,
    PolynomialFunction,
    SimmSpline,
    TransformAxis,
)
from conversion import read_osim, write_osim
from conversion.mujoco_engine import MujocoNeck
from conversion.opensim_engine import OpensimNeck
from conversion.opensim_functions import axes_of_ellipsoid_joint, axes_of_simple_joint

RNG = np.random.default_rng(0)
X, Y, Z = np.eye(3)


def _vec(scale=0.1):
    return tuple(float(v) for v in scale * RNG.normal(size=3))


def _body(name):
    a = RNG.normal(size=(6, 3)) * 0.05
    square = np.sum(a**2) * np.eye(3) - a.T @ a
    inertia = square[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    return Body(name, float(RNG.uniform(0.5, 3)), _vec(0.05), tuple(map(float, inertia)))


def _frame(body):
    return OffsetFrame(body, _vec(), _vec(0.5))


def _simple(name, kind, parent, child, names):
    types = ["rotational"] * len(names)
    if kind == "SliderJoint":
        types = ["translational"]
    if kind == "FreeJoint":
        types = ["rotational"] * 3 + ["translational"] * 3
    if kind == "PlanarJoint":
        types = ["rotational"] + ["translational"] * 2
    coordinates = tuple(
        Coordinate(n, 0.0, (-1.0, 1.0), t) for n, t in zip(names, types, strict=True)
    )
    if kind == "EllipsoidJoint":
        axes = axes_of_ellipsoid_joint(names, (0.1, 0.2, 0.15))
    else:
        axes = axes_of_simple_joint(kind, list(names))
    return Joint(name, kind, _frame(parent), _frame(child), coordinates, axes)


def _custom(name, parent, child, names, functions):
    axes, coordinates = [], []
    unit = [tuple(map(float, v)) for v in (Z, X, Y, X, Y, Z)]
    for i, (coordinate, function) in enumerate(zip(names, functions, strict=True)):
        axes.append(TransformAxis(unit[i], coordinate, function))
    for n in dict.fromkeys(n for n in names if n):
        coordinates.append(Coordinate(n, 0.0, (-1.0, 1.0), "coupled"))
    return Joint(
        name, "CustomJoint", _frame(parent), _frame(child), tuple(coordinates), tuple(axes)
    )


SPLINE = SimmSpline((-1.2, -0.4, 0.3, 1.2), (-0.5, -0.3, 0.2, 0.9))


def _muscle(name, *bodies):
    path = tuple(PathPoint(f"{name}-P{i}", b, _vec(0.2)) for i, b in enumerate(bodies))
    return Muscle(name, path, 100.0, 0.2, 0.1, 0.1)


def build(*, spline):
    """Ground - slider - pin, branching to universal and custom joints; a weld; couplers."""
    nonlinear = SPLINE if spline else PolynomialFunction((0.2, -0.1, 0.7, 0.0))
    driven = PolynomialFunction((0.3, 0.5, 0.1))
    coupling = (
        PiecewiseLinearFunction((-2.0, -0.5, 0.5, 2.0), (-1.0, -0.2, 0.3, 0.9))
        if spline
        else PolynomialFunction((0.4, 0.6, 0.05))
    )
    bodies = tuple(_body(n) for n in ("a", "b", "c", "d", "e", "f", "g"))
    joints = (
        _simple("slide", "SliderJoint", "ground", "a", ["s1"]),
        _simple("pin", "PinJoint", "a", "b", ["p1"]),
        _simple("universal", "UniversalJoint", "b", "c", ["u1", "u2"]),
        _custom(
            "custom",
            "b",
            "d",
            ["k1", "k1", "k2", "k1", None, "k2"],
            [
                LinearFunction((0.7, 0.0)),
                nonlinear,
                LinearFunction((1.0, 0.0)),
                driven,
                Constant(0.0),
                MultiplierFunction(LinearFunction((0.2, 0.01)), 0.5),
            ],
        ),
        _simple("weld", "WeldJoint", "d", "e", []),
        _simple("pin2", "PinJoint", "e", "f", ["p2"]),
        _simple("pin3", "PinJoint", "f", "g", ["p3"]),
    )
    couplers = (
        CoordinateCoupler("c1", "p2", "k2", coupling),
        CoordinateCoupler("c2", "p3", "p2", LinearFunction((-0.5, 0.1))),
    )
    muscles = (
        _muscle("m1", "ground", "a", "c"),
        _muscle("m2", "e", "g"),
        _muscle("m3", "c", "b", "f", "g"),
    )
    return ModelSpec("tree", bodies, joints, couplers, muscles)


def _frames(model, motion):
    def frame(q, qd, qdd):
        return mechanics(model, q, qd, qdd), body_poses(model, q)

    return jax.jit(jax.vmap(frame))(*(jnp.asarray(x) for x in motion))


def _motion(count, size, seed=1):
    rng = np.random.default_rng(seed)
    return tuple(s * rng.uniform(-1, 1, (count, size)) for s in (0.8, 2.0, 20.0))


@pytest.mark.parametrize("spline", [False, True])
def test_a_branching_model_in_opensim(spline, tmp_path):
    spec = build(spline=spline)
    bushing = Bushing(
        "bushing",
        _frame("b"),
        _frame("e"),
        (3.0, 4.0, 5.0),
        (0.3, 0.4, 0.5),
        (50.0, 60.0, 70.0),
        (5.0, 6.0, 7.0),
    )
    spec = dataclasses.replace(spec, bushings=(bushing,))
    write_osim(spec, tmp_path / "tree.osim")
    again = read_osim(tmp_path / "tree.osim")
    assert again.muscles == spec.muscles
    model = Model.from_spec(again)
    engine = OpensimNeck(again, model)
    motion = _motion(8, len(model.topology.coordinates))
    frames, poses = _frames(model, motion)
    for i in range(8):
        reference = engine(*(x[i] for x in motion))
        np.testing.assert_allclose(poses.position[i, 1:], reference.position, atol=1e-12)
        np.testing.assert_allclose(poses.rotation[i, 1:], reference.rotation, atol=1e-12)
        np.testing.assert_allclose(frames.length[i], reference.length, atol=1e-12)
        np.testing.assert_allclose(frames.moment_arm[i], reference.moment_arm, atol=1e-9)
    # Forces at rest: `OpensimNeck` gives driven coordinates the acceleration C qdd, without the
    # curvature of nonlinear couplers. MuJoCo checks the motion, below.
    still = tuple(x * s for x, s in zip(motion, (1.0, 0.0, 1.0), strict=True))
    frames, _ = _frames(model, still)
    for i in range(8):
        reference = engine(*(x[i] for x in still), moment_arms=False)
        np.testing.assert_allclose(
            frames.generalized_force[i], reference.generalized_force, atol=1e-9
        )


def test_a_branching_model_in_mujoco():
    """Moving, with nonlinear couplers and translating axes: velocity terms included."""
    spec = build(spline=False)
    model = Model.from_spec(spec)
    engine = MujocoNeck(spec, model)
    motion = _motion(8, len(model.topology.coordinates))
    frames, poses = _frames(model, motion)
    for i in range(8):
        reference = engine(*(x[i] for x in motion))
        np.testing.assert_allclose(poses.position[i, 1:], reference.position, atol=1e-12)
        np.testing.assert_allclose(frames.length[i], reference.length, atol=1e-12)
        np.testing.assert_allclose(frames.moment_arm[i], reference.moment_arm, atol=1e-12)
        np.testing.assert_allclose(
            frames.generalized_force[i], reference.generalized_force, atol=1e-9
        )


SIMPLE = [
    ("BallJoint", 3),
    ("GimbalJoint", 3),
    ("FreeJoint", 6),
    ("PlanarJoint", 3),
    ("EllipsoidJoint", 3),
]


@pytest.mark.parametrize(("kind", "size"), SIMPLE)
def test_joints_of_several_coordinates_in_opensim(kind, size, tmp_path):
    """Rotations are body-fixed XYZ angles in both. Forces are compared at rest and after the map
    from angle rates to OpenSim's speeds (angular velocity), in which its forces are; a PlanarJoint
    has a single angle, and the speeds of a GimbalJoint are the angles' rates."""
    names = [f"x{i}" for i in range(size)]
    spec = ModelSpec(
        "loose",
        (_body("a"), _body("b")),
        (
            _simple("first", kind, "ground", "a", names),
            _simple("pin", "PinJoint", "a", "b", ["p"]),
        ),
        muscles=(_muscle("m", "ground", "b"),),
    )
    write_osim(spec, tmp_path / "loose.osim")
    again = read_osim(tmp_path / "loose.osim")
    for mine, other in zip(spec.joints, again.joints, strict=True):
        assert (mine.kind, mine.axes) == (other.kind, other.axes)
    model = Model.from_spec(again)
    engine = OpensimNeck(again, model)
    q = np.random.default_rng(3).uniform(-0.8, 0.8, (5, size + 1))
    frames, poses = _frames(model, (q, 0 * q, 0 * q))
    from cervjax.math.rotation import body_fixed_xyz_rates

    for i in range(5):
        reference = engine(q[i], 0 * q[i], 0 * q[i])
        np.testing.assert_allclose(poses.position[i, 1:], reference.position, atol=1e-12)
        np.testing.assert_allclose(frames.length[i], reference.length, atol=1e-12)
        rates = np.eye(size + 1)
        if kind not in ("PlanarJoint", "GimbalJoint"):
            rates[:3, :3] = body_fixed_xyz_rates(jnp.asarray(q[i, :3]))
        np.testing.assert_allclose(
            rates.T @ np.asarray(frames.generalized_force[i]),
            reference.generalized_force,
            atol=1e-9,
        )
        np.testing.assert_allclose(
            rates.T @ np.asarray(frames.moment_arm[i]), reference.moment_arm, atol=1e-9
        )


def test_a_scapulothoracic_joint(tmp_path):
    """Read as an ellipsoid and a pin joint: body poses are OpenSim's."""
    model = opensim.Model()
    model.setName("shoulder")
    thorax, scapula = (opensim.Body(n, 2.0, opensim.Vec3(0.01, 0.02, 0.03), opensim.Inertia(0.1))
                       for n in ("thorax", "scapula"))  # fmt: skip
    model.addBody(thorax)
    model.addBody(scapula)
    weld = opensim.WeldJoint("weld", model.getGround(), thorax)
    model.addJoint(weld)
    joint = opensim.ScapulothoracicJoint(
        "scapulothoracic",
        thorax,
        opensim.Vec3(-0.03, 0.02, 0.05),
        opensim.Vec3(0.1, -0.9, 0.2),
        scapula,
        opensim.Vec3(-0.05, -0.04, 0.01),
        opensim.Vec3(-0.5, 0.3, 0.4),
        opensim.Vec3(0.08, 0.15, 0.09),
        opensim.Vec2(0.02, -0.03),
        0.3,
    )
    model.addJoint(joint)
    model.finalizeConnections()
    model.printToXML(str(tmp_path / "shoulder.osim"))
    spec = read_osim(tmp_path / "shoulder.osim")
    ours = Model.from_spec(spec)
    state = model.initSystem()
    q = np.random.default_rng(4).uniform(-0.5, 0.5, (6, 4))
    for row in q:
        for k in range(4):
            joint.get_coordinates(k).setValue(state, float(row[k]))
        pose = model.getBodySet().get("scapula").getTransformInGround(state)
        matrix, at = pose.R().asMat33(), pose.p()
        found = body_poses(ours, jnp.asarray(row))
        index = ours.body_index("scapula")
        theirs = [[matrix.get(i, j) for j in range(3)] for i in range(3)]
        np.testing.assert_allclose(found.rotation[index], theirs, atol=1e-12)
        np.testing.assert_allclose(found.position[index], [at.get(i) for i in range(3)], atol=1e-12)
