import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import qmc

from cervjax.motion.synthesis import MovementSampler
from cervjax.people import (
    LIMITS,
    MEASUREMENTS,
    OUT_OF_DISTRIBUTION,
    AnsurPopulation,
    Anthropometry,
    BoxPopulation,
    PopulationBox,
    Sex,
    ansur2,
    read_anthropometry,
    sobol_points,
    write_anthropometry,
)

COUNT = 20_000


@pytest.fixture(scope="module")
def reach(neck):
    return MovementSampler.of(neck).plane_range


def draw(population, count=COUNT, first=0):
    key = jax.random.key(0)
    return jax.jit(jax.vmap(lambda k: population(k, key)))(jnp.arange(first, first + count))


@pytest.fixture(scope="module")
def people(model, reach):
    return draw(AnsurPopulation.of(model, reach))


def measured(people, name):
    return np.asarray(people.measurement)[:, list(MEASUREMENTS).index(name)]


def test_the_table_is_that_of_the_survey(data):
    path = Path(__file__).parents[2] / "experiments" / "anthropometry_table.py"
    spec = importlib.util.spec_from_file_location("anthropometry_table", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = data / "anthropometry"
    found = Anthropometry.of({sex: module.survey(folder, sex) for sex in ("female", "male")})
    shipped = ansur2()
    np.testing.assert_allclose(shipped.mean, found.mean, rtol=1e-5)
    np.testing.assert_allclose(shipped.sd, found.sd, rtol=1e-5)
    np.testing.assert_allclose(shipped.correlation, found.correlation, atol=1e-5)


def test_a_table_survives_the_disk(tmp_path):
    write_anthropometry(ansur2(), tmp_path / "table.csv")
    again = read_anthropometry(tmp_path / "table.csv")
    np.testing.assert_array_equal(again.correlation, ansur2().correlation)
    (tmp_path / "table.csv").write_text("sex,variable\nmale,age\n")
    with pytest.raises(ValueError, match="has rows"):
        read_anthropometry(tmp_path / "table.csv")


@pytest.mark.parametrize("sex", list(Sex))
def test_sizes_have_the_surveys_means_and_correlations(model, reach, sex):
    """At the survey's mean age: means to 4 standard errors, SDs and correlations (given age, which
    is fixed here) to 4 of theirs."""
    survey = ansur2()
    age = float(survey.mean[sex, 0])
    population = AnsurPopulation.of(
        model, reach, women=float(sex == Sex.FEMALE), ages=(age - 0.01, age + 0.01)
    )
    people = draw(population)
    assert np.all(np.asarray(people.sex) == sex)
    names = ["stature", "weight", "neck_circumference", "biacromial_breadth", "neck_link"]
    at = [1 + k for k in range(len(names))]
    values = np.array([measured(people, n) for n in names])
    with_age = survey.correlation[sex, at, 0]
    sd = survey.sd[sex, at] * np.sqrt(1 - with_age**2)
    np.testing.assert_allclose(
        values.mean(axis=1), survey.mean[sex, at], atol=4 * sd.max() / np.sqrt(COUNT), rtol=2e-3
    )
    np.testing.assert_allclose(values.std(axis=1), sd, rtol=0.03)
    partial = survey.correlation[sex][np.ix_(at, at)] - np.outer(with_age, with_age)
    partial /= np.sqrt(np.outer(1 - with_age**2, 1 - with_age**2))
    logs = values.copy()
    logs[1:3] = np.log(values[1:3])
    np.testing.assert_allclose(np.corrcoef(logs), partial, atol=4 / np.sqrt(COUNT))


def test_heads_of_men_weigh_what_the_regression_says(people):
    """Zatsiorsky & Seluyanov 1983: its line, and its residual of 0.322 kg."""
    men = np.asarray(people.sex) == Sex.MALE
    weight, stature, head = (measured(people, n)[men] for n in ("weight", "stature", "head_mass"))
    residual = head - (1.296 + 0.0171 * weight + 1.43 * stature)
    assert abs(residual.mean()) < 4 * 0.322 / np.sqrt(men.sum())
    assert residual.std() == pytest.approx(0.322, rel=0.03)
    ratio = np.asarray(people.subject.head_mass)[men]
    np.testing.assert_allclose(ratio * 4.3, head, rtol=1e-12)


def test_strength_follows_sex_and_age(people):
    """Vasavada 2008: women 32 % weaker in flexion, 20 % in extension.

    Compared among the young, before men's strength declines.
    """
    young = measured(people, "age") < 45
    women, men = (young & (np.asarray(people.sex) == s) for s in Sex)
    subject = people.subject
    for group, ratio in (("flexor_strength", 0.68), ("extensor_strength", 0.80)):
        strength = np.asarray(subject.strength * getattr(subject, group))
        assert np.median(strength[women]) / np.median(strength[men]) == pytest.approx(
            ratio, rel=0.02
        )
        spread = np.std(np.log(strength[men]))
        assert 0.17 < spread < 0.27, "coefficient of variation of Vasavada 2001"
    old = (measured(people, "age") > 60) & (np.asarray(people.sex) == Sex.MALE)
    assert np.median(np.asarray(subject.strength)[old]) < 0.9


def test_everybody_is_a_possible_subject(model, reach):
    """Nobody is beyond 3.5 SD: of sex and age: a neck of 0.54 of the mean man's."""
    many = draw(AnsurPopulation.of(model, reach), count=300_000)
    ratios = np.asarray(many.subject.as_vector())
    assert ratios[:, 0].min() > 0.53
    for k, (name, (low, high)) in enumerate(LIMITS.items()):
        assert low <= ratios[:, k].min(), name
        assert ratios[:, k].max() <= high, name
    assert np.all(np.asarray(many.range_of_motion) > 0)
    assert np.all(np.asarray(many.range_of_motion) <= 1)


def test_a_person_follows_from_the_index_alone(model, reach, people):
    few = draw(AnsurPopulation.of(model, reach), count=3, first=100)
    for a, b in zip(jax.tree.leaves(few), jax.tree.leaves(people), strict=True):
        np.testing.assert_allclose(a, b[100:103], rtol=1e-12)


@pytest.mark.parametrize("tail", ["short-neck", "broad-shoulders", "heavy-head", "weak"])
def test_out_of_distribution_sets_lie_beyond_a_percentile(model, reach, people, tail):
    """Of their sex; 2 % of slack for the percentile's own error."""
    beyond = draw(AnsurPopulation.of(model, reach, tail=tail), count=1000)
    name, upper = OUT_OF_DISTRIBUTION[tail]

    def values(p):
        return np.asarray(p.subject.strength) if name == "strength" else measured(p, name)

    for sex in Sex:
        edge = np.quantile(values(people)[np.asarray(people.sex) == sex], 0.99 if upper else 0.01)
        found = values(beyond)[np.asarray(beyond.sex) == sex]
        assert np.all(found > 0.98 * edge if upper else found < 1.02 * edge)


def test_the_sobol_sequence_is_scipys():
    reference = qmc.Sobol(9, scramble=False, bits=32).random(512)
    none = jnp.zeros(9, jnp.uint32)
    index = jnp.arange(512, dtype=jnp.uint32)
    points = jax.vmap(lambda k: sobol_points(k, 9, none))(index)
    np.testing.assert_allclose(points, reference, atol=2.0**-24)
    with pytest.raises(ValueError, match="dimensions = 12"):
        sobol_points(index[0], 12, none)


def test_a_box_is_filled_evenly():
    """Every eighth of every side has its share of 512 points, as a net has it."""
    box = PopulationBox()
    people = draw(BoxPopulation.of(box), count=512)
    ratios = np.asarray(people.subject.as_vector())
    for k, name in enumerate(LIMITS):
        low, high = getattr(box, name)
        counts, _ = np.histogram(ratios[:, k], np.linspace(low, high, 9))
        np.testing.assert_array_equal(counts, 64)
    assert np.all(np.isnan(people.measurement))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"women": 1.5}, "women = 1.5"),
        ({"ages": (40.0, 30.0)}, "ages"),
        ({"tail": "tall"}, "no tail 'tall'"),
    ],
)
def test_impossible_populations_are_refused(model, reach, options, message):
    with pytest.raises(ValueError, match=message):
        AnsurPopulation.of(model, reach, **options)
    with pytest.raises(ValueError, match="neck_length"):
        BoxPopulation.of(PopulationBox(neck_length=(1.2, 0.8)))
