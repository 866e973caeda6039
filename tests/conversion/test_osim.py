import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import opensim
import pytest

from cervjax.spec import ThelenCurves, shipped_neck
from conversion import UnsupportedComponentError, read_osim, write_osim


@pytest.mark.parametrize("name", ["nominal", "subject_a"])
def test_round_trip_of_the_reference_necks_is_exact(name, request, tmp_path):
    spec = request.getfixturevalue(name)
    write_osim(spec, tmp_path / "again.osim")
    assert read_osim(tmp_path / "again.osim") == spec


def test_round_trip_of_the_shipped_neck_is_exact(neck, tmp_path):
    thelen = dataclasses.replace(neck.muscles[0], curves=ThelenCurves(Af=0.3), fiber_damping=0.0)
    spec = dataclasses.replace(neck, muscles=(thelen, *neck.muscles[1:]), omitted=())
    write_osim(spec, tmp_path / "neck.osim")
    assert read_osim(tmp_path / "neck.osim") == spec


def test_round_trip_gives_opensim_the_same_numbers(nominal, data, tmp_path):
    """OpenSim's own file against ours, both in OpenSim: equal to 1e-9 relative."""
    write_osim(nominal, tmp_path / "again.osim")
    results = []
    for path in (data / "opensim_reference" / "nominal.osim", tmp_path / "again.osim"):
        model = opensim.Model(str(path))
        state = model.initSystem()
        for k, name in enumerate(nominal.free_coordinates):
            model.getCoordinateSet().get(name).setValue(state, 0.1 * (k + 1), False)
        model.assemble(state)
        model.equilibrateMuscles(state)
        model.realizeAcceleration(state)
        muscles = model.getMuscles()
        forces = [muscles.get(i).getTendonForce(state) for i in range(72)]
        lengths = [muscles.get(i).getLength(state) for i in range(72)]
        accelerations = state.getUDot()
        results.append(np.array([*forces, *lengths, *(accelerations.get(i) for i in range(30))]))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9, atol=1e-12)


def test_unsupported_components_are_named_and_refused(tmp_path):
    path = _with(tmp_path, _contact)
    with pytest.raises(UnsupportedComponentError) as caught:
        read_osim(path)
    assert any("HuntCrossleyForce" in c for c in caught.value.components)
    assert "allow_unsupported" in str(caught.value)


@pytest.mark.parametrize("switched_on", [False, True])
def test_actuators_that_nothing_drives_are_left_out(data, tmp_path, switched_on):
    """HYOID as it is published, and with its two actuators on the skull switched on, as other
    versions of it have them: no flag is needed, and they are named."""
    model = opensim.Model(str(data / "hyoid" / "HYOID_1.2_ScaledStrenght_UpdatedInertia.osim"))
    for name in ("Skull_Impact", "Skull_Moment"):
        opensim.Force.safeDownCast(model.updForceSet().get(name)).set_appliesForce(switched_on)
    model.printToXML(str(tmp_path / "variant.osim"))
    spec = read_osim(tmp_path / "variant.osim")
    assert len(spec.muscles) == 72
    assert spec.omitted == shipped_neck("hyoid").omitted
    assert "/forceset/Skull_Moment (TorqueActuator)" in spec.omitted


def test_actuators_that_a_controller_drives_are_refused(data, tmp_path):
    model = opensim.Model(str(data / "hyoid" / "HYOID_1.2_ScaledStrenght_UpdatedInertia.osim"))
    opensim.Force.safeDownCast(model.updForceSet().get("Skull_Moment")).set_appliesForce(True)
    controller = opensim.PrescribedController()
    controller.setName("drive")
    controller.addActuator(model.getActuators().get("Skull_Moment"))
    controller.prescribeControlForActuator("Skull_Moment", opensim.Constant(1.0))
    controller._markAdopted()
    model.addController(controller)
    model.finalizeConnections()
    model.printToXML(str(tmp_path / "driven.osim"))
    with pytest.raises(UnsupportedComponentError, match="Skull_Moment"):
        read_osim(tmp_path / "driven.osim")


def _with(tmp_path, change):
    """A shipped neck that `change(model)` has added something to."""
    write_osim(shipped_neck(), tmp_path / "base.osim")
    model = opensim.Model(str(tmp_path / "base.osim"))
    change(model)
    model.finalizeConnections()
    path = tmp_path / "changed.osim"
    model.printToXML(str(path))
    return path


def _contact(model):
    force = opensim.HuntCrossleyForce()
    force.setName("contact")
    force._markAdopted()
    model.addForce(force)


def _disabled_muscle(model):
    model.getMuscles().get(3).set_appliesForce(False)


def _prescribed(model, function=None):
    coordinate = model.getCoordinateSet().get("pitch2")
    coordinate.setPrescribedFunction(function or opensim.Sine(0.1, 1.0, 0.0, 0.0))
    coordinate.setDefaultIsPrescribed(True)


def _prescribed_by_a_constant(model):
    _prescribed(model, opensim.Constant(0.1))


def _idle_parts(model):
    ball = opensim.ContactSphere(0.1, opensim.Vec3(0), model.getBodySet().get("skull"), "ball")
    probe = opensim.SystemEnergyProbe(True, True)
    probe.setName("energy")
    controller = opensim.PrescribedController()
    controller.setName("drive")
    for part in (ball, probe, controller):
        part._markAdopted()
    model.addContactGeometry(ball)
    model.addProbe(probe)
    model.addController(controller)


def _not_enforced(model):
    coupler = opensim.CoordinateCouplerConstraint.safeDownCast(model.getConstraintSet().get(0))
    coupler.set_isEnforced(False)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_contact, r"/forceset/contact \(HuntCrossleyForce\)"),
        (_prescribed, r"pitch2 .*prescribed"),
    ],
)
def test_what_cannot_be_carried_is_refused(tmp_path, change, named):
    path = _with(tmp_path, change)
    with pytest.raises(UnsupportedComponentError, match=named):
        read_osim(path)


def test_parts_that_are_switched_off_are_left_out_and_listed(tmp_path):
    """A muscle is gone; a coordinate whose coupler is not enforced is free, as in OpenSim."""
    spec = read_osim(_with(tmp_path, _disabled_muscle))
    assert len(spec.muscles) == 71
    assert any("Mylohyoid_Post" in item for item in spec.omitted)
    spec = read_osim(_with(tmp_path, _not_enforced))
    assert len(spec.free_coordinates) == 7
    assert any("not enforced" in item for item in spec.omitted)


def test_a_coordinate_prescribed_by_a_constant_is_locked_there(tmp_path):
    coordinate = read_osim(_with(tmp_path, _prescribed_by_a_constant)).coordinate("pitch2")
    assert coordinate.locked
    assert coordinate.default_value == 0.1


def _locked_and_prescribed(model):
    _prescribed(model)
    model.getCoordinateSet().get("pitch2").setDefaultValue(0.05)
    model.getCoordinateSet().get("pitch2").setDefaultLocked(True)


def test_locking_takes_precedence_over_prescribing(tmp_path):
    """As in OpenSim: whatever the function, the coordinate stays at its default value."""
    coordinate = read_osim(_with(tmp_path, _locked_and_prescribed)).coordinate("pitch2")
    assert coordinate.locked
    assert coordinate.default_value == 0.05


def test_probes_contact_surfaces_and_controllers_do_nothing(tmp_path):
    """A contact surface without a contact force; what a controller would do is found here."""
    spec = read_osim(_with(tmp_path, _idle_parts))
    assert spec.muscles == shipped_neck().muscles
    assert any("/controllerset/drive" in item for item in spec.omitted)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot read"),
        ("<xml>", "cannot read"),
        ("<OpenSimDocument Version='40000'/>", "bad.osim"),
    ],
)
def test_an_unreadable_file_is_a_clear_error(tmp_path, content, message):
    path = tmp_path / "bad.osim"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_osim(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.osim"):
        read_osim(tmp_path / "none.osim")


def test_a_person_written_back_is_the_same_person(neck, personalizer, tmp_path):
    from cervjax.model import Model
    from cervjax.people import Subject

    person = personalizer(Subject.of(neck_length=1.1, shoulder_width=0.95, head_mass=1.2))
    write_osim(person.to_spec(neck), tmp_path / "person.osim")
    again = Model.from_spec(read_osim(tmp_path / "person.osim"))
    for a, b in zip(jax.tree.leaves(person), jax.tree.leaves(again), strict=True):
        assert jnp.all(a == b)
