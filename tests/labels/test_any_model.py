"""Labels of a model that is no neck: an arm of two pins, with people and ranges from a file."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.labels import (
    DatasetError,
    DatasetPlan,
    LabelDataset,
    build_factory,
    generate_dataset,
    verify_dataset,
)
from cervjax.labels.any_model import plan_spec, read_people
from cervjax.learning import NetworkConfig
from cervjax.learning.sources import DatasetSource, StreamSource
from cervjax.model import Model
from cervjax.motion import Motion
from cervjax.optimization import static_optimization
from cervjax.people import (
    BodyPersonalizer,
    BodySubject,
    Personalizer,
    Ratio,
    RatioPopulation,
    scale_model,
)
from cervjax.spec import (
    Body,
    Coordinate,
    CoordinateActuator,
    Joint,
    ModelSpec,
    Muscle,
    OffsetFrame,
    PathPoint,
)
from conversion.opensim_functions import axes_of_simple_joint

PEOPLE = """
[ratios.upper_arm_length]
of = ["upper"]
axes = "y"
range = [0.8, 1.2]

[ratios.forearm_mass]
quantity = "mass"
of = ["fore"]
range = [0.7, 1.5]

[ratios.strength]
quantity = "strength"
range = [0.5, 2.0]

[ratios.flexors]
quantity = "strength"
of = ["biceps"]
range = [0.9, 1.1]

[coordinates]
elbow = [0.2, 1.4]
twist = 0.3
"""


def _pin(name, kind, parent, child, names, where):
    return Joint(
        name,
        kind,
        OffsetFrame(parent, where),
        OffsetFrame(child),
        tuple(Coordinate(n, 0.0, (-1.0, 1.5), "rotational") for n in names),
        axes_of_simple_joint(kind, list(names)),
    )


def _muscle(name, *points):
    path = tuple(PathPoint(f"{name}-{k}", body, at) for k, (body, at) in enumerate(points))
    return Muscle(name, path, 800.0, 0.15, 0.12, 0.05)


@pytest.fixture(scope="module")
def arm():
    """Shoulder with two axes, elbow; three muscles."""
    inertia = (0.01, 0.002, 0.01, 0.0, 0.0, 0.0)
    bodies = (Body("upper", 2.0, (0.0, -0.15, 0.0), inertia),
              Body("fore", 1.5, (0.0, -0.12, 0.0), inertia))  # fmt: skip
    joints = (
        _pin("shoulder", "UniversalJoint", "ground", "upper", ("swing", "twist"), (0.0, 0.0, 0.0)),
        _pin("elbow_joint", "PinJoint", "upper", "fore", ("elbow",), (0.0, -0.3, 0.0)),
    )
    muscles = (
        _muscle("biceps", ("upper", (0.02, -0.02, 0.0)), ("fore", (0.02, -0.05, 0.0))),
        _muscle("triceps", ("upper", (-0.02, -0.05, 0.0)), ("fore", (-0.02, 0.02, 0.0))),
        _muscle("deltoid", ("ground", (0.05, 0.05, 0.03)), ("upper", (0.01, -0.12, 0.02))),
    )
    return ModelSpec("arm", bodies, joints, muscles=muscles)


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    file = tmp_path_factory.mktemp("people") / "people.toml"
    file.write_text(PEOPLE)
    ratios, ranges = read_people(file)
    return DatasetPlan(
        persons=32,
        movements=2,
        frames=2,
        block=16,
        precision="float64",
        population="ratios",
        people=ratios,
        coordinates=ranges,
        reserve=1.0,
        shard_rows=256,
    )


@pytest.fixture(scope="module")
def drawn(arm, plan):
    factory = build_factory(plan, arm)
    blocks = eqx.filter_jit(lambda factory, index: factory.blocks(index))
    return factory, *blocks(factory, jnp.arange(2, dtype=jnp.uint32))


def test_people_are_scaled_as_opensim_scales_them(arm, plan, drawn):
    """Sizes are those of `scale_model`, which is OpenSim's `Model.scale`; masses and strengths are
    multiplied after."""
    factory, people, _ = drawn
    assert isinstance(people.subject, BodySubject)
    assert factory.personalizer.ratio_names == tuple(plan.people)
    ratios = np.asarray(people.subject.ratios)
    ends = np.array([r.range for r in plan.people.values()])
    assert np.all((ratios >= ends[:, 0]) & (ratios <= ends[:, 1]))
    # A Sobol sequence: of 32 people each quarter of a range has eight.
    quarter = np.floor(4 * (ratios - ends[:, 0]) / np.diff(ends, axis=1).T).astype(int)
    assert all(np.bincount(column, minlength=4).max() <= 9 for column in quarter.T)
    own = factory.personalizer(BodySubject(people.subject.ratios[3]))
    length, mass, strength, flexors = ratios[3]
    model = Model.from_spec(plan_spec(plan, arm))
    sized = scale_model(model, {"upper": (1.0, length, 1.0)}, inertia="affine")
    np.testing.assert_allclose(own.path_point_location, sized.path_point_location, atol=1e-15)
    for name in ("optimal_fiber_length", "tendon_slack_length"):
        np.testing.assert_allclose(
            getattr(own.muscles, name), getattr(sized.muscles, name), rtol=1e-14
        )
    np.testing.assert_allclose(own.body_mass, sized.body_mass * np.array([1, 1, mass]), rtol=1e-14)
    np.testing.assert_allclose(
        own.body_inertia[2], np.asarray(sized.body_inertia[2]) * mass, rtol=1e-14
    )
    stronger = 800.0 * strength * np.array([flexors, 1.0, 1.0])
    np.testing.assert_allclose(own.muscles.max_isometric_force, stronger, rtol=1e-14)


def test_rows_are_static_optimization_of_their_people(drawn):
    factory, _, rows = drawn
    solve = jax.jit(static_optimization)
    for i in (0, 21, 127):
        person = factory.personalizer.of_vector(rows.subject[i])
        one = solve(person, rows.q[i], rows.qd[i], rows.qdd[i])
        np.testing.assert_allclose(rows.activation[i], one.activation, atol=1e-9)
        np.testing.assert_allclose(rows.generalized_force[i], one.generalized_force, atol=1e-9)
    assert bool(jnp.all(rows.certificate.converged))
    np.testing.assert_array_equal(rows.gravity, np.tile([0.0, -9.80665, 0.0], (128, 1)))


def test_coordinates_move_in_their_ranges(drawn):
    """The one that is held is no coordinate of the rows; speeds are the derivatives of positions
    (error of central differences) and stay below the plan's fastest."""
    factory, _, rows = drawn
    assert factory.sampler.names == ("swing", "elbow")
    assert factory.personalizer.model.topology.free_coordinates == ("swing", "elbow")
    q, ends = np.asarray(rows.q), np.array([[-1.0, 1.5], [0.2, 1.4]])
    assert np.all((q > ends[:, 0]) & (q < ends[:, 1]))
    assert np.ptp(q, axis=0).min() > 0.5 * np.diff(ends).min()
    assert np.abs(rows.qd).max() < np.deg2rad(360)
    move = factory.sampler.from_uniforms(
        jax.random.uniform(jax.random.key(1), (factory.sampler.num_uniforms,), jnp.float64)
    )
    step, at = 1e-5, 0.7
    sample = move.at(jnp.array([at - step, at, at + step]))
    np.testing.assert_allclose(
        (sample.q[2] - sample.q[0]) / (2 * step), sample.qd[1], rtol=1e-6, atol=1e-8
    )
    np.testing.assert_allclose(
        (sample.qd[2] - sample.qd[0]) / (2 * step), sample.qdd[1], rtol=1e-6, atol=1e-7
    )


def test_a_dataset_of_them_is_written_read_and_verified(arm, plan, drawn, tmp_path):
    _, people, rows = drawn
    generate_dataset(tmp_path / "arms", plan, arm)
    dataset = LabelDataset(tmp_path / "arms")
    assert dataset.plan == plan
    stored = dataset.people(slice(0, 32))
    assert isinstance(stored.subject, BodySubject)
    np.testing.assert_allclose(stored.subject.ratios, people.subject.ratios, rtol=1e-14)
    np.testing.assert_allclose(
        dataset.rows(slice(0, 128)).muscle_force, rows.muscle_force, atol=1e-6
    )
    names = dataset.attributes
    assert names["ratio"] == list(plan.people)
    assert names["plane"] == names["coordinate"] == ["swing", "elbow"]
    assert names["force_component"] == ["x", "y", "z"]
    assert verify_dataset(tmp_path / "arms", arm, sample=32).problems == ()
    with pytest.raises(ValueError, match="networks here know"):
        DatasetSource(dataset, Personalizer(Model.from_spec(arm)), NetworkConfig())


def test_a_dataset_is_not_gone_on_with_in_another_order(arm, plan, tmp_path):
    """The order of ratios decides who people are, and the columns of their numbers."""
    generate_dataset(tmp_path / "arms", plan, arm)
    turned = dict(reversed(plan.people.items()))
    with pytest.raises(DatasetError, match="holds another dataset"):
        generate_dataset(tmp_path / "arms", dataclasses.replace(plan, people=turned), arm)


def test_recorded_movements_of_any_model(arm, plan):
    """A recording that leaves a range is made smaller about the middle of it, no coordinate of it
    is frozen; one with the held coordinate in it is refused by its names."""
    time = np.arange(101) / 100
    q = np.stack([0.3 * np.sin(6 * time), 0.8 + 1.0 * np.sin(5 * time)], axis=1)
    with_share = dataclasses.replace(plan, recorded_share=1.0, recorded_variation=0.0)
    motion = Motion("reach", ("swing", "elbow"), time, q)
    factory = build_factory(with_share, arm, [motion])
    _, rows = eqx.filter_jit(factory.blocks)(jnp.arange(1, dtype=jnp.uint32))
    assert np.ptp(np.asarray(rows.q), axis=0).min() > 0.3
    assert np.all((np.asarray(rows.q)[:, 1] > 0.2) & (np.asarray(rows.q)[:, 1] < 1.4))
    whole = Motion("reach", ("swing", "twist", "elbow"), time, np.insert(q, 1, 0.0, axis=1))
    with pytest.raises(ValueError, match="'reach' is of swing, twist, elbow"):
        build_factory(with_share, arm, [whole])


def test_actuators_of_the_model_are_named(arm, plan):
    motor = CoordinateActuator("motor", "elbow", 50.0)
    with pytest.warns(UserWarning, match="motor"):
        plan_spec(plan, dataclasses.replace(arm, actuators=(motor,)))
    beyond = dataclasses.replace(plan, coordinates={"elbow": (0.2, 3.0)})
    with pytest.warns(UserWarning, match="beyond the model's own range"):
        plan_spec(beyond, arm)


def test_networks_of_necks_refuse_a_stream_of_them(drawn):
    with pytest.raises(ValueError, match="population 'ratios'"):
        StreamSource(drawn[0], NetworkConfig())


def test_a_model_without_head_needs_people(arm):
    with pytest.raises(ValueError, match="--people"):
        build_factory(DatasetPlan(persons=4), arm)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coordinates": {"knee": (0.0, 1.0)}}, "'knee' are none of 'arm'"),
        ({"coordinates": {"elbow": (0.0, 90.0)}}, "rad, not degrees"),
        ({"coordinates": {"elbow": (90.0, 90.0)}}, "rad, not degrees"),
        ({"people": {"leg": Ratio((0.9, 1.1), of=("tibia",))}}, "'tibia'; the bodies of"),
        (
            {"people": {"leg": Ratio((0.9, 1.1), "strength", of=("soleus",))}},
            "'soleus'; the muscles of",
        ),
        ({"mix": {"circumduction": 1.0}}, "circumductions"),
    ],
)
def test_plans_that_do_not_fit_the_model(arm, plan, change, message):
    with pytest.raises(ValueError, match=message):
        build_factory(dataclasses.replace(plan, **change), arm)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[coordinates]\nelbow = [0, 1]", "no table"),
        ("[ratios.a]\nrange = [0.9, 1.1]\nbody = 'x'", "has no body"),
        ("[ratios.a]\nquantity = 'length'\nrange = [0.9, 1.1]", "length not in"),
        ("[ratios.a]\nrange = [1.1, 0.9]", "two increasing ratios"),
        ("[ratios.a]\nrange = [0.9, 1.1]\naxes = 'xw'", "letters of xyz"),
        ("[ratios.a]\nrange = [0.9, 1.1]\n[coordinates]\nelbow = 'bent'", "two ends of a range"),
        ("[people]\n", "unknown tables"),
        ("ratios = 3", "one table"),
        ("[ratios.a]\nrange = 0.6", "not two numbers"),
        ("[ratios.a]\nrange = [0.9, 1.1]\nof = 'abc'", "no list of names"),
        ("[ratios.a]\nrange = [0.9, 1.1]\nof = ['a', 'a']", "something twice"),
        ("[ratios.a]\nquantity = 'mass'\nrange = [0.9, 1.1]\naxes = 'y'", "only sizes have axes"),
        ("[ratios.a]\nrange = [0.9, 1.1]\n[coordinates]\nelbow = true", "two ends of a range"),
        ("[ratios.a]\nrange = [0.9, 1.1]\n[coordinates]\nelbow = inf", "two ends of a range"),
        ("[ratios", "damaged"),
    ],
)
def test_files_of_people_that_say_nothing(tmp_path, text, message):
    file = tmp_path / "people.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_people(file)
    assert str(file) in str(error.value)


def test_more_ratios_than_the_sequence_has_dimensions(arm):
    """Those beyond are drawn independently; each person is the same alone and among others."""
    many = {f"r{k}": Ratio((0.9, 1.1), of=("upper",), axes="xyz"[k % 3]) for k in range(13)}
    personalizer = BodyPersonalizer.of(Model.from_spec(arm), many)
    population, key = RatioPopulation.of(many, 2), jax.random.key(3)
    crowd = jax.vmap(lambda k: population(k, key))(jnp.arange(64))
    alone = population(jnp.asarray(17), key)
    np.testing.assert_array_equal(crowd.subject.ratios[17], alone.subject.ratios)
    spread = np.asarray(crowd.subject.ratios)
    assert np.all((spread >= 0.9) & (spread <= 1.1))
    assert np.ptp(spread, axis=0).min() > 0.15
    scale = np.asarray(personalizer.body_scale(alone.subject))[1]
    np.testing.assert_allclose(scale[0], np.prod(np.asarray(alone.subject.ratios)[0::3]), rtol=1e-6)
