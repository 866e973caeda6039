"""Couplers and joint axes that follow several coordinates, and actuators along followers."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.dynamics import mechanics
from cervjax.kinematics import body_poses
from cervjax.model import Model
from cervjax.optimization import static_optimization
from cervjax.spec import (
    Body,
    Constant,
    Coordinate,
    CoordinateActuator,
    CoordinateCoupler,
    Joint,
    LinearFunction,
    ModelSpec,
    Muscle,
    OffsetFrame,
    PathPoint,
    PolynomialFunction,
    Sine,
    TransformAxis,
)
from conversion import read_osim, write_mjcf, write_osim
from conversion.opensim_engine import OpensimNeck
from conversion.opensim_functions import axes_of_simple_joint

INERTIA = (0.02, 0.03, 0.04, 0.001, 0.002, -0.003)


def _pin(name, parent, child, coordinate):
    return Joint(
        name,
        "PinJoint",
        OffsetFrame(parent, (0.1, 0.3, -0.05), (0.2, -0.1, 0.3)),
        OffsetFrame(child, (0.0, 0.05, 0.02)),
        (Coordinate(coordinate, 0.0, (-1.0, 1.0), "rotational"),),
        axes_of_simple_joint("PinJoint", [coordinate]),
    )


def _arm(coupler, axis):
    """Two pins that drive a third; an axis of a custom joint follows both of its coordinates."""
    bodies = tuple(Body(n, 1.0, (0.02, 0.1, 0.01), INERTIA) for n in "abcd")
    pins = [_pin("first", "ground", "a", "x"), _pin("second", "a", "b", "y")]
    pins.append(_pin("third", "b", "c", "z"))
    zero = LinearFunction((1.0, 0.0))
    still = Constant(0.0)
    axes = (
        TransformAxis((0.0, 0.0, 1.0), "u", zero),
        TransformAxis((1.0, 0.0, 0.0), "v", zero),
        TransformAxis((0.0, 1.0, 0.0), None, still),
        TransformAxis((1.0, 0.0, 0.0), "u", axis[0], axis[1]),
        TransformAxis((0.0, 1.0, 0.0), None, still),
        TransformAxis((0.0, 0.0, 1.0), None, still),
    )
    names = tuple(Coordinate(n, 0.0, (-1.0, 1.0), "coupled") for n in "uv")
    custom = Joint("fourth", "CustomJoint", OffsetFrame("c"), OffsetFrame("d"), names, axes)
    path = tuple(
        PathPoint(f"P{k}", b, (0.02 * k, 0.1, -0.03)) for k, b in enumerate(("ground", "b", "d"))
    )
    return ModelSpec(
        "arm",
        bodies,
        (*pins, custom),
        (CoordinateCoupler("follows", "z", "x", *coupler),),
        (Muscle("m", path, 100.0, 0.2, 0.1, 0.1),),
    )


def _slopes(engine, q, step=1e-6):
    """Minus the derivative of OpenSim's length by each free coordinate, the others held; m.
    Rounding of lengths of some 0.5 m over the step leaves 1e-10."""
    ends = []
    for sign in (1, -1):
        moved = q + sign * step * np.eye(len(q))
        ends.append([engine(row, 0 * q, 0 * q, moment_arms=False).length[0] for row in moved])
    return -(np.array(ends[0]) - np.array(ends[1])) / (2 * step)


LINEAR = LinearFunction((0.4, 0.05)), ((("y", LinearFunction((-0.7, 0.0))),),)
CURVED = (
    PolynomialFunction((0.1, 0.4, 0.05)),
    (
        (("y", PolynomialFunction((-0.7, 0.0))),),
        (("x", PolynomialFunction((0.3, 0.0))), ("y", PolynomialFunction((1.0, 0.0)))),
    ),
)
AXIS_LINEAR = LinearFunction((0.02, 0.01)), ((("v", LinearFunction((0.03, 0.0))),),)
AXIS_CURVED = (
    PolynomialFunction((0.02, 0.0, 0.01)),
    ((("u", PolynomialFunction((0.05, 0.0))), ("v", PolynomialFunction((1.0, 0.0)))),),
)


@pytest.mark.parametrize(
    ("coupler", "axis"), [(LINEAR, AXIS_LINEAR), (CURVED, AXIS_CURVED)], ids=["linear", "curved"]
)
def test_functions_of_several_coordinates_in_opensim(coupler, axis, tmp_path):
    """A LinearFunction and a MultivariatePolynomialFunction: poses, lengths and forces at rest are
    OpenSim's own on the file that is written. Moment arms are the slopes of its lengths; its own
    moment arms are not, because they move the other drivers too (up to 10 mm here)."""
    spec = _arm(coupler, axis)
    write_osim(spec, tmp_path / "arm.osim")
    again = read_osim(tmp_path / "arm.osim")
    model, built = Model.from_spec(again), Model.from_spec(spec)
    assert model.topology.free_coordinates == ("x", "y", "u", "v")
    engine = OpensimNeck(again, model)
    rng = np.random.default_rng(0)
    for q in rng.uniform(-0.8, 0.8, (4, 4)):
        qdd = rng.uniform(-5, 5, 4)
        reference = engine(q, 0 * q, qdd)
        frame = mechanics(model, *map(jnp.asarray, (q, 0 * q, qdd)))
        poses = body_poses(model, jnp.asarray(q))
        np.testing.assert_allclose(poses.position[1:], reference.position, atol=1e-12)
        np.testing.assert_allclose(frame.length, reference.length, atol=1e-12)
        np.testing.assert_allclose(frame.moment_arm[:, 0], _slopes(engine, q), atol=1e-8)
        np.testing.assert_allclose(frame.generalized_force, reference.generalized_force, atol=1e-9)
        own = body_poses(built, jnp.asarray(q))
        np.testing.assert_allclose(own.position, poses.position, atol=1e-14)


def test_products_that_no_file_says(tmp_path):
    """Of anything but polynomials; MJCF has no function of several coordinates at all."""
    sine = LinearFunction((0.4, 0.0)), ((("y", Sine(1.0)),),)
    with pytest.raises(ValueError, match="coupler 'follows': a product with a Sine"):
        write_osim(_arm(sine, AXIS_LINEAR), tmp_path / "arm.osim")
    assert not (tmp_path / "arm.osim").exists()
    flat = LinearFunction((1.0, 0.0)), ()
    with pytest.raises(ValueError, match="several coordinates"):
        write_mjcf(_arm(LINEAR, flat), tmp_path / "arm.xml")


def test_an_actuator_along_a_coupled_coordinate(tmp_path):
    """It acts through the coupling: what a unit of it supplies is the slope, as a moment along the
    driven coordinate does work there. One along a locked coordinate does nothing."""
    spec = _arm(CURVED, AXIS_CURVED)
    joints = list(spec.joints)
    u, v = joints[3].coordinates
    locked = dataclasses.replace(v, locked=True, default_value=0.2)
    joints[3] = dataclasses.replace(joints[3], coordinates=(u, locked))
    motors = [CoordinateActuator(f"along_{c}", c, 10.0) for c in ("x", "y", "u", "z", "v")]
    spec = dataclasses.replace(spec, joints=tuple(joints), actuators=tuple(motors))
    write_osim(spec, tmp_path / "arm.osim")
    model = Model.from_spec(read_osim(tmp_path / "arm.osim"))
    q = jnp.array([0.3, -0.4, 0.2])
    frame = mechanics(model, q, 0 * q, 0 * q)

    def driven(q):
        x, y = q[0], q[1]
        return 0.1 * x**2 + 0.4 * x + 0.05 - 0.7 * y + 0.3 * x * y

    slope = np.array([0.2 * 0.3 + 0.4 + 0.3 * -0.4, -0.7 + 0.3 * 0.3, 0.0])
    expected = np.column_stack([np.eye(3), slope, np.zeros(3)])
    np.testing.assert_allclose(frame.reserve_arm, expected, atol=1e-14)
    step = 1e-6
    for k in range(3):
        ends = [driven(np.asarray(q) + s * step * np.eye(3)[k]) for s in (1, -1)]
        np.testing.assert_allclose((ends[0] - ends[1]) / (2 * step), slope[k], atol=1e-8)
    solution = static_optimization(model, q, 0 * q, 0 * q)
    supplied = frame.moment_arm @ solution.muscle_force + expected @ solution.reserve_force
    np.testing.assert_allclose(supplied, frame.generalized_force, atol=1e-9)
    assert abs(float(solution.reserve_force[4])) < 1e-12
