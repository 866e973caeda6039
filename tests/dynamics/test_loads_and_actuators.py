"""Loads from outside, actuators on bodies, and passive forces along coordinates, in OpenSim."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import opensim
import pytest

from cervjax.dynamics import ExternalLoads, inverse_dynamics, mechanics
from cervjax.model import Model
from cervjax.motion import ExternalForce, ExternalLoadsTable, Storage, write_storage
from cervjax.spec import (
    Body,
    Coordinate,
    CoordinateLimitForce,
    ExpressionBasedCoordinateForce,
    Joint,
    ModelSpec,
    Muscle,
    OffsetFrame,
    PathPoint,
    PointActuator,
    SpringGeneralizedForce,
    TorqueActuator,
    parse_expression,
    read_tables,
    write_tables,
)
from conversion import read_actuators, read_external_loads, read_osim, write_osim
from conversion.opensim_engine import OpensimNeck
from conversion.opensim_functions import axes_of_simple_joint

EXPRESSION = "-3*q^3+0.2*exp(-q)*qdot-(q-1)^2/4+step(q)*abs(qdot)"


def floating():
    """A trunk that moves in a plane, and a leg that hangs on it."""
    inertia = (0.1, 0.2, 0.15, 0.01, 0.0, 0.02)
    bodies = (Body("trunk", 5.0, (0.0, 0.2, 0.0), inertia), Body("leg", 2.0, (0, -0.2, 0), inertia))
    base = tuple(
        Coordinate(n, 0.0, (-2.0, 2.0), kind)
        for n, kind in (("tilt", "rotational"), ("tx", "translational"), ("ty", "translational"))
    )
    hip = Coordinate("hip", 0.0, (-2.0, 2.0), "rotational")
    joints = (
        Joint("base", "PlanarJoint", OffsetFrame("ground"), OffsetFrame("trunk"), base,
              axes_of_simple_joint("PlanarJoint", ["tilt", "tx", "ty"])),
        Joint("hip_joint", "PinJoint", OffsetFrame("trunk", (0.1, -0.1, 0.0), (0.1, 0.2, 0.3)),
              OffsetFrame("leg"), (hip,), axes_of_simple_joint("PinJoint", ["hip"])),
    )  # fmt: skip
    path = PathPoint("a", "trunk", (0.1, 0.1, 0)), PathPoint("b", "leg", (0.05, -0.1, 0.02))
    muscle = Muscle("flexor", path, 100.0, 0.1, 0.1, 0.0)
    actuators = (
        PointActuator("FX", "trunk", (0.1, 0.2, 0.3), False, (1.0, 0.5, 0.0), True, 2.0),
        PointActuator("push", "leg", (0.1, -0.2, 0.1), True, (0.0, 1.0, 1.0), False, 3.0, -9.0),
        TorqueActuator("MZ", "trunk", "ground", (0.2, 0.0, 1.0), True, 4.0),
        TorqueActuator("between", "leg", "trunk", (0.1, 0.3, 1.0), False, 5.0),
    )
    forces = (
        CoordinateLimitForce("limit", "hip", 30.0, 0.3, 20.0, -0.2, 0.4, 0.2),
        SpringGeneralizedForce("spring", "tilt", 12.0, 0.1, 0.7),
        ExpressionBasedCoordinateForce("law", "hip", EXPRESSION),
    )
    return ModelSpec("floating", bodies, joints, muscles=(muscle,), actuators=actuators,
                     coordinate_forces=forces)  # fmt: skip


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """The model through its file, OpenSim's engine on it, and motions."""
    folder = tmp_path_factory.mktemp("floating")
    write_osim(floating(), folder / "floating.osim")
    spec = read_osim(folder / "floating.osim")
    # What acts on the floating base is read with the model; the rest nothing drives.
    assert spec.actuators == tuple(floating().actuators[k] for k in (0, 2))
    spec = dataclasses.replace(spec, actuators=floating().actuators)
    model = Model.from_spec(spec)
    rng = np.random.default_rng(1)
    motions = tuple(rng.uniform(-1, 1, (6, 4)) * scale for scale in (0.9, 2.0, 5.0))
    return spec, model, OpensimNeck(spec, model), motions


def test_files_keep_them(known, tmp_path):
    """Limit forces are in degrees in OpenSim's file: equal to rounding; the rest exactly."""
    spec, wanted = known[0], floating()
    assert spec.coordinate_forces[1:] == wanted.coordinate_forces[1:]
    for field in dataclasses.fields(CoordinateLimitForce):
        mine, other = (getattr(s.coordinate_forces[0], field.name) for s in (spec, wanted))
        assert mine == (other if isinstance(other, str) else pytest.approx(other, rel=1e-12))
    write_tables(spec, tmp_path)
    assert read_tables(tmp_path) == spec
    again = Model.from_spec(spec).to_spec(spec)
    assert again.actuators == spec.actuators
    assert again.coordinate_forces == spec.coordinate_forces


def test_passive_forces_are_opensims(known):
    """Inverse dynamics with all three kinds, to 1e-9 N m."""
    _, model, engine, motions = known
    ours = jax.jit(jax.vmap(lambda *m: inverse_dynamics(model, *m)))(*motions)
    for k in range(6):
        theirs = engine(*(x[k] for x in motions), moment_arms=False).generalized_force
        np.testing.assert_allclose(ours[k], theirs, atol=1e-9)


def test_actuators_on_bodies_are_opensims(known):
    """What a unit of force of each supplies: what it changes in OpenSim's inverse dynamics."""
    _, model, engine, motions = known
    arms = jax.jit(jax.vmap(lambda *m: mechanics(model, *m).reserve_arm))(*motions)
    actuators = engine._opensim.getActuators()
    state = engine._state
    for k in range(6):
        motion = [x[k] for x in motions]
        without = engine(*motion, moment_arms=False).generalized_force
        for j, name in enumerate(model.topology.reserves):
            actuator = opensim.ScalarActuator.safeDownCast(actuators.get(name))
            actuator.overrideActuation(state, True)
            actuator.setOverrideActuation(state, 1.0)
            changed = engine(*motion, moment_arms=False).generalized_force
            actuator.overrideActuation(state, False)
            np.testing.assert_allclose(arms[k, :, j], without - changed, atol=1e-10)


LOADS = """<?xml version="1.0" encoding="UTF-8"?><OpenSimDocument Version="40000">
<ExternalLoads name="loads"><objects>
<ExternalForce name="foot"><applied_to_body>leg</applied_to_body>
<force_expressed_in_body>ground</force_expressed_in_body>
<point_expressed_in_body>ground</point_expressed_in_body>
<force_identifier>f_</force_identifier><point_identifier>p_</point_identifier>
<torque_identifier>m_</torque_identifier></ExternalForce>
<ExternalForce name="held"><applied_to_body>trunk</applied_to_body>
<force_expressed_in_body>leg</force_expressed_in_body>
<point_expressed_in_body>leg</point_expressed_in_body>
<force_identifier>f_</force_identifier><point_identifier>p_</point_identifier></ExternalForce>
<ExternalForce name="turned"><applied_to_body>leg</applied_to_body>
<force_expressed_in_body>trunk</force_expressed_in_body>
<torque_identifier>m_</torque_identifier></ExternalForce>
</objects><datafile>loads.mot</datafile></ExternalLoads></OpenSimDocument>"""


@pytest.fixture
def loads(tmp_path):
    rng = np.random.default_rng(5)
    columns = tuple(f"{what}_{a}" for what in "fpm" for a in "xyz")
    table = Storage("loads", columns, np.linspace(0, 1, 11), rng.normal(size=(11, 9)))
    write_storage(tmp_path / "loads.mot", table)
    (tmp_path / "loads.xml").write_text(LOADS)
    return tmp_path / "loads.xml"


def test_external_loads_are_opensims(loads, known):
    """Between the table's times too: OpenSim's splines. To 1e-9 N m."""
    spec, model, _, motions = known
    table = read_external_loads(loads)
    time = np.array([0.0, 0.13, 0.25, 0.5, 0.77, 1.0])
    acting = ExternalLoads.of(table, model, time)
    ours = jax.jit(jax.vmap(lambda q, qd, qdd, a: inverse_dynamics(model, q, qd, qdd, a)))(
        *motions, acting
    )
    engine = OpensimNeck(spec, model)
    outside = opensim.ExternalLoads(str(loads), True)
    engine._opensim.addModelComponent(outside)
    engine._state = engine._opensim.initSystem()
    engine._solver = opensim.InverseDynamicsSolver(engine._opensim)
    for k in range(6):
        engine._state.setTime(float(time[k]))
        theirs = engine(*(x[k] for x in motions), moment_arms=False).generalized_force
        np.testing.assert_allclose(ours[k], theirs, atol=1e-9)


def test_gradients_by_a_load_and_a_spring(loads, known):
    """Exact, against central differences."""
    _, model, _, motions = known
    table = read_external_loads(loads)
    acting = jax.tree.map(lambda x: x[0], ExternalLoads.of(table, model, np.array([0.3])))
    q, qd, qdd = (jnp.asarray(x[0]) for x in motions)

    def torque(x):
        changed = dataclasses.replace(acting, force=acting.force + x)
        return inverse_dynamics(model, q + x, qd, qdd, changed)

    slope = jax.jit(jax.jacfwd(torque))(0.0)
    central = (torque(1e-6) - torque(-1e-6)) / 2e-6
    np.testing.assert_allclose(slope, central, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("f_</force", "q_</force"), "force_identifier 'q_' of 'foot' begins the names of 0"),
        (("<applied_to_body>leg", "<applied_to_body>arm"), "names 'arm'; the bodies"),
        (("loads.mot", "other.mot"), "names the data file 'other.mot'"),
    ],
)
def test_loads_that_do_not_fit(loads, known, change, message):
    loads.write_text(loads.read_text().replace(*change, 1))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        ExternalLoads.of(read_external_loads(loads), known[1], np.array([0.5]))


def test_times_without_loads(loads):
    with pytest.raises(ValueError, match=r"from 0 to 1 s, the motion runs from 0.5 to 1.2 s"):
        read_external_loads(loads).at(np.array([0.5, 1.2]))


def test_a_force_needs_something():
    table = Storage("t", ("a", "b"), np.arange(2.0), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="no force_identifier and no torque_identifier"):
        ExternalLoadsTable("loads.xml", (ExternalForce("x", "ground"),), table)


def test_a_set_of_actuators(tmp_path):
    """As OpenSim's tools append it; what is no actuator is named."""
    spec = floating()
    write_osim(spec, tmp_path / "model.osim")
    model = opensim.Model(str(tmp_path / "model.osim"))
    chosen = opensim.ForceSet()
    for name in ("FX", "MZ"):
        chosen.cloneAndAppend(model.getForceSet().get(name))
    chosen.printToXML(str(tmp_path / "set.xml"))
    assert read_actuators(tmp_path / "set.xml") == (spec.actuators[0], spec.actuators[2])
    chosen.cloneAndAppend(model.getForceSet().get("spring"))
    chosen.printToXML(str(tmp_path / "set.xml"))
    with pytest.raises(ValueError, match=r"spring \(SpringGeneralizedForce\)"):
        read_actuators(tmp_path / "set.xml")


REFUSED = ["q +", "import_os(q)", "z * 2", "q.real", "min(q)", "q if q else 1"]


@pytest.mark.parametrize("text", REFUSED)
def test_expressions_that_are_refused(text):
    with pytest.raises(ValueError, match="the expression"):
        parse_expression(text, ("q", "qdot"))
