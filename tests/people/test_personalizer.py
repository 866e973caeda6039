import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import opensim
import pytest

from cervjax.model import Model
from cervjax.people import Measures, Personalizer, PopulationBox, ScalingRecipe, Subject
from conversion import read_osim, write_osim
from conversion.opensim_support import quiet_opensim

RATIOS = {"neck_length": 0.9, "shoulder_width": 0.92, "head_mass": 0.85}


def test_the_reference_subject_exactly(nominal, subject_a):
    """Every number of a neck that OpenSim's Model.scale made, to rounding; inertia by its rule."""
    ours = Personalizer(nominal, inertia="opensim")(Subject.of(**RATIOS)).to_spec(nominal)
    for a, b in zip(
        jax.tree.leaves(Model.from_spec(ours)),
        jax.tree.leaves(Model.from_spec(subject_a)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("ratios", [(1.3, 0.8, 1.1), (0.75, 1.2, 0.9)])
def test_model_scale_of_opensim(published, tmp_path, ratios):
    """OpenSim scales the shipped neck here and now: geometry and muscle lengths to 1e-12."""
    quiet_opensim()
    neck_length, shoulder_width, head_size = ratios
    write_osim(published, tmp_path / "neck.osim")
    model = opensim.Model(str(tmp_path / "neck.osim"))
    state = model.initSystem()
    scales = opensim.ScaleSet()
    recipe = ScalingRecipe.of(published.anatomy)
    for bodies, factors in (
        (recipe.neck, (1.0, neck_length, 1.0)),
        (recipe.shoulders, (1.0, 1.0, shoulder_width)),
        (recipe.head, (head_size, head_size, head_size)),
    ):
        for body in bodies:
            scale = opensim.Scale()
            scale.setSegmentName(body)
            scale.setScaleFactors(opensim.Vec3(*factors))
            scale.setApply(True)
            scales.cloneAndAppend(scale)
    assert model.scale(state, scales, True, -1.0)
    model.printToXML(str(tmp_path / "scaled.osim"))
    theirs = read_osim(tmp_path / "scaled.osim")

    subject = Subject.of(
        neck_length=neck_length, shoulder_width=shoulder_width, head_size=head_size
    )
    ours = Personalizer(published)(subject).to_spec(published)
    for a, b in zip(ours.muscles, theirs.muscles, strict=True):
        for name in ("optimal_fiber_length", "tendon_slack_length", "max_isometric_force"):
            assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-12)
        for p, r in zip(a.path, b.path, strict=True):
            np.testing.assert_allclose(p.location, r.location, atol=1e-14)
    for a, b in zip(ours.joints, theirs.joints, strict=True):
        np.testing.assert_allclose(a.parent.translation, b.parent.translation, atol=1e-14)
        np.testing.assert_allclose(a.child.translation, b.child.translation, atol=1e-14)
    for a, b in zip(ours.bodies, theirs.bodies, strict=True):
        assert a.mass == b.mass
        np.testing.assert_allclose(a.mass_center, b.mass_center, atol=1e-14)
        if a.name == "skull":
            np.testing.assert_allclose(a.inertia, b.inertia, rtol=1e-12, atol=1e-15)
    for a, b in zip(ours.bushings, theirs.bushings, strict=True):
        assert a.rotational_stiffness == b.rotational_stiffness


def test_ones_change_nothing(personalizer, model):
    same = eqx.filter_jit(personalizer)(Subject.of())
    for a, b in zip(jax.tree.leaves(same), jax.tree.leaves(model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_affine_inertia_is_that_of_a_stretched_cloud(neck, personalizer):
    """Against a body of random points, stretched point by point."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(30, 3)) * [0.03, 0.01, 0.04]
    points -= points.mean(axis=0)

    def inertia(points):
        square = np.sum(points**2) * np.eye(3) - points.T @ points
        return (square / len(points))[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]

    body = dataclasses.replace(neck.body("cerv4"), mass=1.0, inertia=tuple(inertia(points)))
    bodies = tuple(body if b.name == "cerv4" else b for b in neck.bodies)
    spec = dataclasses.replace(neck, bodies=bodies)
    scaled = Personalizer(spec)(Subject.of(neck_length=1.3)).to_spec(spec).body("cerv4")
    np.testing.assert_allclose(scaled.inertia, inertia(points * [1, 1.3, 1]), rtol=1e-12)


def test_strength_of_flexors_and_extensors(personalizer, model):
    weak = personalizer(Subject.of(strength=0.5, flexor_strength=0.8)).muscles
    ratio = np.asarray(weak.max_isometric_force / model.muscles.max_isometric_force)
    assert ratio[model.muscle_index("stern_mast_L")] == pytest.approx(0.4)
    assert ratio[model.muscle_index("semi_cap_sklthx_L")] == pytest.approx(0.5)
    flexors, extensors = set(personalizer.flexors), set(personalizer.extensors)
    assert flexors | extensors == set(range(72))


def test_a_batch_is_one_function_and_equals_one_by_one(personalizer):
    people = PopulationBox().sample(4, 0)
    batch = eqx.filter_jit(eqx.filter_vmap(personalizer))(people)
    one = eqx.filter_jit(personalizer)(jax.tree.map(lambda x: x[2], people))
    for many, single in zip(jax.tree.leaves(batch), jax.tree.leaves(one), strict=True):
        np.testing.assert_allclose(many[2], single, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ({"neck_length": 0.12}, "ratio to the model, not a length"),
        ({"head_mass": np.nan}, "head_mass"),
        ({"strength": np.array([1.0, 50.0])}, "strength"),
        ({"neck_lenght": 1.0}, "unknown ratios"),
    ],
)
def test_ratios_out_of_range_are_refused(ratios, message):
    with pytest.raises(ValueError, match=message):
        Subject.of(**ratios)


def test_measures(model):
    """Sizes of HYOID: 12.4 cm of neck, 41 cm between the acromia, 4.3 kg of head."""
    own = Measures.of(model)
    assert own.neck_length == pytest.approx(0.1244, abs=1e-3)
    assert own.shoulder_width == pytest.approx(0.4095, abs=1e-3)
    assert own.head_mass == pytest.approx(4.3)
    person = own.subject(neck_length=0.13, head_mass=5.0, strength=0.8)
    assert float(person.neck_length) == pytest.approx(0.13 / own.neck_length)
    assert float(person.shoulder_width) == 1.0


def test_a_population_does_not_depend_on_how_it_is_cut():
    whole = PopulationBox().sample(16, 3).as_vector()
    part = PopulationBox().sample(5, 3, first=7).as_vector()
    np.testing.assert_array_equal(whole[7:12], part)
    box = PopulationBox()
    assert jnp.all(whole[:, 0] >= box.neck_length[0])
    assert jnp.all(whole[:, 0] <= box.neck_length[1])


def test_a_recipe_with_unknown_bodies_is_refused(neck):
    with pytest.raises(ValueError, match="no body 'atlas'"):
        Personalizer(neck, recipe=ScalingRecipe(neck=("atlas",)))
