"""OpenSim's Schutte1993Muscle_Deprecated, SIMM's muscle, against OpenSim's own."""

import jax
import jax.numpy as jnp
import numpy as np
import opensim
import pytest

from cervjax import Model
from cervjax.dynamics import mechanics
from cervjax.muscle import rigid_tendon_state
from cervjax.muscle.compliant_tendon import compliant_tendon_state
from cervjax.spec import (
    Body,
    Coordinate,
    Joint,
    ModelSpec,
    Muscle,
    OffsetFrame,
    PathPoint,
    SchutteCurves,
    SimmSpline,
    read_tables,
    write_tables,
)
from conversion import read_osim, write_osim
from conversion.opensim_engine import OpensimNeck
from conversion.opensim_functions import axes_of_simple_joint

PASSIVE = SimmSpline((-5.0, 0.998, 1.0, 1.2, 1.4, 1.6, 5.0), (0.0, 0.0, 0.0, 0.12, 0.55, 2.0, 2.0))
SHAPES = (
    SchutteCurves(),
    SchutteCurves(passive_force_length_curve=PASSIVE),
    SchutteCurves(activation1=7.6, activation2=2.5, passive_force_length_curve=PASSIVE),
)


@pytest.fixture(scope="module")
def pulled(tmp_path_factory):
    """A block on a rail, and three muscles that pull it; the spec as it comes back from a file."""
    rail = Joint(
        "rail",
        "SliderJoint",
        OffsetFrame("ground"),
        OffsetFrame("block"),
        (Coordinate("x", 0.3, (0.15, 0.6), "translational"),),
        axes_of_simple_joint("SliderJoint", ["x"]),
    )
    numbers = ((0.1, 0.2, 0.0), (0.12, 0.18, 0.3), (0.06, 0.25, 0.1))
    muscles = tuple(
        Muscle(
            f"m{k}",
            (PathPoint("P0", "ground", (0.0, 0.0, 0.0)), PathPoint("P1", "block", (0.0, 0.0, 0.0))),
            500.0 + 300 * k,
            fiber,
            tendon,
            pennation,
            fiber_damping=(0.1, 0.05, 0.1)[k],
            minimum_activation=0.0,
            curves=shape,
        )
        for k, (shape, (fiber, tendon, pennation)) in enumerate(zip(SHAPES, numbers, strict=True))
    )
    body = Body("block", 5.0, (0.0, 0.0, 0.0), (0.1, 0.1, 0.1, 0.0, 0.0, 0.0))
    spec = ModelSpec("pulled", (body,), (rail,), muscles=muscles)
    file = tmp_path_factory.mktemp("schutte") / "pulled.osim"
    write_osim(spec, file)
    again = read_osim(file)
    assert again.muscles == spec.muscles
    return again, file


def test_kept_in_tables(pulled, tmp_path):
    spec, _ = pulled
    write_tables(spec, tmp_path / "tables")
    assert read_tables(tmp_path / "tables").muscles == spec.muscles


def test_forces_of_static_optimization_are_opensims(pulled):
    """0.2 N of 500 to 1,100: OpenSim finds the balance of fiber and tendon in at most a hundred
    steps of its own, and stops at 0.01 N."""
    spec, file = pulled
    model = Model.from_spec(spec)
    engine = OpensimNeck(spec, model, file)
    frame = jax.jit(lambda q, qd: mechanics(model, q, qd, 0 * q))
    for x in np.linspace(0.25, 0.42, 8):
        for speed in (-0.5, 0.0, 0.4):
            q, qd = np.array([x]), np.array([speed])
            found = frame(q, qd)
            state = rigid_tendon_state(model.muscles, found.length, found.lengthening_speed)
            theirs = engine.muscle_forces(q, qd).static_optimization
            np.testing.assert_allclose(state.opensim_active_force, theirs, atol=0.2)


def test_fibers_on_their_tendons_move_as_opensims(pulled):
    """Speed of fiber and of activation, and the tendon's force, shortening and lengthening; 1e-9
    relative, which rounding of the splines' coefficients allows."""
    spec, file = pulled
    model = Model.from_spec(spec)
    theirs = opensim.Model(str(file))
    state = theirs.initSystem()
    coordinate = theirs.getCoordinateSet().get("x")
    controls = opensim.Vector(3, 0.7)
    for x, stretch in ((0.33, 1.0), (0.36, 1.004), (0.3, 0.998)):
        coordinate.setValue(state, x, False)
        fiber = [(x - m.tendon_slack_length * stretch * 1.005) for m in spec.muscles]
        fiber = [
            np.hypot(f, m.optimal_fiber_length * np.sin(m.pennation_angle_at_optimal))
            for f, m in zip(fiber, spec.muscles, strict=True)
        ]
        activation = np.array([0.3, 0.9, 0.6])
        for k in range(3):
            path = f"/forceset/m{k}"
            theirs.setStateVariableValue(state, f"{path}/activation", float(activation[k]))
            theirs.setStateVariableValue(state, f"{path}/fiber_length", float(fiber[k]))
        theirs.realizeVelocity(state)
        theirs.setControls(state, controls)
        theirs.realizeAcceleration(state)
        ours = compliant_tendon_state(
            model.muscles, jnp.asarray(activation), jnp.asarray(fiber), jnp.full(3, x)
        )
        rate = model.muscles.activation_rate(jnp.full(3, 0.7), jnp.asarray(activation))
        for k in range(3):
            muscle, path = theirs.getMuscles().get(k), f"/forceset/m{k}"
            derivative = theirs.getStateVariableDerivativeValue
            assert np.isclose(ours.tendon_force[k], muscle.getActuation(state), rtol=1e-9)
            assert np.isclose(
                ours.fiber_velocity[k], derivative(state, f"{path}/fiber_length"), rtol=1e-9
            )
            assert np.isclose(rate[k], derivative(state, f"{path}/activation"), rtol=1e-9)


def test_velocity_inverts_force(pulled):
    """On both branches of the force-velocity relation and in both precisions."""
    spec, _ = pulled
    for dtype, tolerance in ((jnp.float64, 1e-10), (jnp.float32, 2e-4)):
        muscles = Model.from_spec(spec, dtype=dtype).muscles
        for v in (-0.95, -0.3, -1e-3, 1e-3, 0.2, 1.5):
            at = jnp.full(3, v, dtype)
            activation, isometric = jnp.full(3, 0.6, dtype), jnp.full(3, 0.8, dtype)
            force = activation * isometric * muscles.per_muscle("force_velocity", at)
            force = force + muscles.fiber_damping * at
            if float(force.min()) < 0:
                continue
            found = muscles.per_muscle(
                "norm_fiber_velocity", activation, isometric, force, muscles.fiber_damping
            )
            np.testing.assert_allclose(found, at, rtol=tolerance, atol=tolerance * 1e-2)
    slope = jax.grad(
        lambda length: jnp.sum(rigid_tendon_state(muscles, length, 0 * length).opensim_active_force)
    )
    assert bool(jnp.all(jnp.isfinite(slope(jnp.full(3, 0.33, dtype)))))
