"""Ligaments and springs along paths against OpenSim."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import opensim
import pytest
from jax.test_util import check_grads

from cervjax import Model
from cervjax.dynamics import evaluate_frame, inverse_dynamics
from cervjax.people import scale_model
from cervjax.spec import (
    Body,
    ConditionalPathPoint,
    Constant,
    Coordinate,
    Joint,
    Ligament,
    LinearFunction,
    ModelSpec,
    MovingPathPoint,
    Muscle,
    OffsetFrame,
    PathPoint,
    PathSpring,
    PathWrap,
    WrapCylinder,
    read_tables,
    write_tables,
)
from conversion import read_osim, write_osim
from conversion.opensim_engine import OpensimNeck
from conversion.opensim_functions import axes_of_simple_joint


def hinged() -> ModelSpec:
    """A trunk and a leg on hinges, with a muscle, a ligament over a cylinder from a point that
    moves, and a spring through a point that comes and goes."""
    inertia = (0.1, 0.2, 0.15, 0.01, 0.0, 0.02)
    bodies = (Body("trunk", 5.0, (0.0, 0.2, 0.0), inertia), Body("leg", 2.0, (0, -0.2, 0), inertia))
    lean, hip = (Coordinate(n, 0.0, (-2.0, 2.0), "rotational") for n in ("lean", "hip"))
    joints = (
        Joint("base", "PinJoint", OffsetFrame("ground"), OffsetFrame("trunk"), (lean,),
              axes_of_simple_joint("PinJoint", ["lean"])),
        Joint("hip_joint", "PinJoint", OffsetFrame("trunk", (0.1, -0.1, 0.0), (0.1, 0.2, 0.3)),
              OffsetFrame("leg"), (hip,), axes_of_simple_joint("PinJoint", ["hip"])),
    )  # fmt: skip
    path = PathPoint("a", "trunk", (0.1, 0.1, 0)), PathPoint("b", "leg", (0.05, -0.1, 0.02))
    slides = LinearFunction((0.03, 0.12)), Constant(0.1), Constant(0.01)
    moving = MovingPathPoint("m", "trunk", slides, ("hip", "hip", "hip"))
    sometimes = ConditionalPathPoint("c", "trunk", (0.2, -0.05, 0.0), "hip", (-0.3, 2.0))
    return ModelSpec(
        "hinged", bodies, joints,
        muscles=(Muscle("flexor", path, 100.0, 0.1, 0.1, 0.0),),
        path_forces=(
            Ligament("band", (moving, path[1]), (PathWrap("over", "roll"),), 0.15, 300.0),
            PathSpring("spring", (PathPoint("g", "ground", (0.3, 0.2, 0.0)), sometimes, path[1]),
                       (), 0.3, 800.0, 0.4),
            Ligament("slack", path, (), 5.0, 300.0),
        ),
        wrap_objects=(WrapCylinder("roll", "leg", (0.0, 0.0, 0.0), radius=0.05, length=1.0),),
    )  # fmt: skip


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hinged")
    write_osim(hinged(), folder / "hinged.osim")
    spec = read_osim(folder / "hinged.osim")
    model = Model.from_spec(spec)
    rng = np.random.default_rng(4)
    motions = tuple(rng.uniform(-1, 1, (8, 2)) * scale for scale in (0.9, 2.0, 5.0))
    return spec, model, OpensimNeck(spec, model), motions, folder / "hinged.osim"


@jax.jit
def needed(model, q, qd, qdd):
    return jax.vmap(lambda *m: inverse_dynamics(model, *m))(q, qd, qdd)


def test_files_keep_them(known, tmp_path):
    spec = known[0]
    assert spec.path_forces == hinged().path_forces
    write_tables(spec, tmp_path)
    assert read_tables(tmp_path) == spec
    assert Model.from_spec(spec).to_spec(spec).path_forces == spec.path_forces


def test_tensions_and_inverse_dynamics_are_opensims(known):
    """Tensions to 1e-8 N, generalized forces to 1e-9 N m: rounding of lengths times stiffness. Over
    the cylinder OpenSim's own moment arms are asked for, which are not the lengths' derivative."""
    spec, _, engine, motions, file = known
    model = Model.from_spec(spec, wrapping="opensim")
    theirs = opensim.Model(str(file))
    state = theirs.initSystem()
    ours = needed(model, *motions)
    pulled = 0
    for k in range(8):
        q, qd, qdd = (x[k] for x in motions)
        expected = engine(q, qd, qdd, moment_arms=False).generalized_force
        np.testing.assert_allclose(ours[k], expected, atol=1e-9)
        for name, value, speed in zip(("lean", "hip"), q, qd, strict=True):
            theirs.getCoordinateSet().get(name).setValue(state, float(value), False)
            theirs.getCoordinateSet().get(name).setSpeedValue(state, float(speed))
        theirs.realizeVelocity(state)
        tension = evaluate_frame(model, q, qd, qdd).path_pulls.tension
        for i, kind in ((0, opensim.Ligament), (1, opensim.PathSpring), (2, opensim.Ligament)):
            force = kind.safeDownCast(theirs.getForceSet().get(model.path_forces.names[i]))
            assert tension[i] == pytest.approx(force.getTension(state), abs=1e-8)
        pulled += int(tension[0] > 1) + int(tension[1] > 1)
        assert tension[2] == 0
    assert pulled >= 8


def test_joints_bear_them(known):
    """The hip bears a ligament from trunk to leg; a spring from the ground to the leg too. Without
    muscles' forces the loads change by exactly what the two pull with."""
    spec, model, _, motions, _ = known
    bare = Model.from_spec(dataclasses.replace(spec, path_forces=()))
    at = tuple(x[2] for x in motions)
    frame, without = (evaluate_frame(m, *at) for m in (model, bare))
    nothing = jnp.zeros(1)
    change = frame.joint_loads(nothing).force - without.joint_loads(nothing).force
    lines, pulls = model.path_forces.lines, frame.path_pulls
    leg = model.body_index("leg")
    on_leg = sum(
        (pulls.wrench[i, :3] if line.first == leg else 0.0)
        - (pulls.wrench[i, :3] if line.last == leg else 0.0)
        for i, line in enumerate(lines)
    )
    np.testing.assert_allclose(jnp.linalg.norm(change[1]), jnp.linalg.norm(on_leg), rtol=1e-12)


def test_gradients(known):
    """By pose, stiffness and resting length, against central differences."""
    _, model, _, motions, _ = known
    q, qd, qdd = (jnp.asarray(x[2]) for x in motions)

    def torque(q, stiffness, resting):
        number = (
            {**model.path_forces.number[0], "resting_length": resting},
            {**model.path_forces.number[1], "stiffness": stiffness},
        )
        changed = dataclasses.replace(model.path_forces, number=number)
        return inverse_dynamics(dataclasses.replace(model, path_forces=changed), q, qd, qdd)

    values = (
        q,
        model.path_forces.number[1]["stiffness"],
        model.path_forces.number[0]["resting_length"],
    )
    check_grads(torque, values, 1, modes=("fwd",), rtol=1e-4, eps=1e-6)


def test_resting_lengths_scale_as_opensims(known):
    """`Model.scale`, to 1e-9 m."""
    _, model, _, _, file = known
    theirs = opensim.Model(str(file))
    state = theirs.initSystem()
    scales = opensim.ScaleSet()
    for body, factors in (("trunk", (1.1, 0.9, 1.2)), ("leg", (1.2, 1.05, 0.95))):
        scale = opensim.Scale()
        scale.setSegmentName(body)
        scale.setScaleFactors(opensim.Vec3(*factors))
        scale.setApply(True)
        scales.cloneAndAppend(scale)
    theirs.scale(state, scales, True, -1.0)
    ours = scale_model(model, {"trunk": (1.1, 0.9, 1.2), "leg": (1.2, 1.05, 0.95)})
    written = ours.to_spec(known[0]).path_forces
    for force, kind in zip(written, (opensim.Ligament, opensim.PathSpring, opensim.Ligament),
                           strict=True):  # fmt: skip
        other = kind.safeDownCast(theirs.getForceSet().get(force.name))
        assert force.resting_length == pytest.approx(other.get_resting_length(), abs=1e-9)


def test_impossible_ones_are_refused():
    spec = hinged()

    def spec_with(**changes):
        first = dataclasses.replace(spec.path_forces[0], **changes)
        return dataclasses.replace(spec, path_forces=(first,))

    with pytest.raises(ValueError, match="'band': resting_length must be positive"):
        spec_with(resting_length=0.0)
    with pytest.raises(ValueError, match="'band': its path needs two or more points"):
        spec_with(path=spec.path_forces[0].path[:1])
    with pytest.raises(ValueError, match="unknown wrap object 'knob'"):
        spec_with(wraps=(PathWrap("w", "knob"),))
