import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.labels import (
    DatasetPlan,
    Labeler,
    RowOptions,
    RowStatus,
    build_factory,
    level_names,
    moment_arms,
    stream_labels,
)
from cervjax.motion.synthesis import MotionSample, sample_motion
from cervjax.optimization import SolverResult, StaticOptimizationSettings, static_optimization
from cervjax.people import Subject


def test_a_row_is_static_optimization_of_its_person_frame_and_gravity(drawn, factory):
    """Batched over bodies and not: the same answer, to the optimizer's tolerance."""
    _, rows = drawn
    solve = jax.jit(static_optimization)
    for i in (0, 13, 77):
        person = factory.personalizer(Subject.from_vector(rows.subject[i]))
        person = eqx.tree_at(lambda m: m.gravity, person, rows.gravity[i])
        one = solve(person, rows.q[i], rows.qd[i], rows.qdd[i])
        np.testing.assert_allclose(rows.activation[i], one.activation, atol=1e-9)
        np.testing.assert_allclose(rows.muscle_force[i], one.muscle_force, atol=1e-6)
    assert np.all(np.asarray(rows.certificate.result) == SolverResult.CONVERGED)


def test_forces_and_reserves_add_up_to_the_torques(drawn, factory):
    _, rows = drawn
    arms = moment_arms(factory.personalizer, rows.subject, rows.motion)
    supplied = jnp.einsum("rfm,rm->rf", arms, rows.muscle_force) + rows.reserve_force
    np.testing.assert_allclose(supplied, rows.generalized_force, atol=1e-8)


def test_rows_belong_to_their_people(drawn):
    people, rows = drawn
    np.testing.assert_array_equal(rows.person, np.repeat(np.arange(32), 4))
    # Two programs: the last bit may differ.
    told = np.repeat(people.subject.as_vector(), 4, axis=0)
    np.testing.assert_allclose(rows.subject, told, rtol=4e-16)
    # The two frames of a movement have its gravity, the two movements their own.
    gravity = np.asarray(rows.gravity).reshape(32, 2, 2, 3)
    np.testing.assert_array_equal(gravity[:, :, 0], gravity[:, :, 1])
    assert np.any(gravity[:, 0, 0] != gravity[:, 1, 0])


def test_a_block_is_the_same_wherever_it_is_computed(drawn, factory):
    # Two blocks, because XLA dissolves a loop over one and changes the last bits.
    blocks = eqx.filter_jit(lambda factory, index: factory.blocks(index))
    swapped = blocks(factory, jnp.array([1, 0], jnp.uint32))
    for a, b in zip(jax.tree.leaves(swapped), jax.tree.leaves(drawn), strict=True):
        np.testing.assert_array_equal(a[: len(a) // 2], b[len(b) // 2 :])


def test_frames_can_follow_one_another(bare):
    """At 100 Hz, the speeds are the differences of the positions (their error is h^2 q''' / 6)."""
    plan = DatasetPlan(
        persons=4, movements=1, frames=5, rate=100.0, block=4, precision="float64", fastest_deg=60.0
    )
    _, rows = eqx.filter_jit(build_factory(plan, bare).blocks)(jnp.zeros(1, jnp.uint32))
    q, qd = (np.asarray(x).reshape(4, 5, 6) for x in (rows.q, rows.qd))
    np.testing.assert_allclose((q[:, 2] - q[:, 0]) / 0.02, qd[:, 1], atol=0.02)


def test_movements_can_use_the_models_range_whoever_moves(bare, drawn):
    people, rows = drawn
    plan = DatasetPlan(
        persons=32, movements=2, frames=2, block=16, personal_range=False, joint_loads=False
    )
    assert DatasetPlan.from_json(plan.to_json()) == plan
    build = build_factory(plan, bare)
    _, wide = eqx.filter_jit(build.blocks)(jnp.arange(2, dtype=jnp.uint32))
    low, high = np.asarray(build.sampler.low), np.asarray(build.sampler.high)
    reach = np.repeat(np.asarray(people.range_of_motion), 4, axis=0)[:, [0, 1, 2, 0, 1, 2]]
    used = [np.maximum(q / high, q / low) for q in (np.asarray(rows.q), np.asarray(wide.q))]
    assert np.all(used[0] <= 0.9 * reach + 1e-9)
    assert np.any(used[1] > 0.9 * reach + 1e-3)
    assert np.all(used[1] <= 0.9 + 1e-6)


def test_rows_beyond_the_muscles_are_marked_with_the_muscle(factory):
    """A twentieth of the strength, a heavy head, in flexion: reserves carry the rest."""
    personalizer = factory.personalizer
    labeler = Labeler(personalizer, RowOptions(joint_loads=False), chunk=2)
    subject = Subject.of(strength=np.array([0.05, 1.0]), head_mass=np.array([3.0, 1.0]))
    zero = jnp.zeros((2, 6))
    rows = labeler(jnp.arange(2), subject, MotionSample(zero.at[:, 0].set(-0.4), zero, zero))
    status = list(np.asarray(rows.solution.status))
    assert status == [RowStatus.RESERVE_EXCEEDED, RowStatus.CERTIFIED]
    assert np.abs(rows.reserve_force[0]).max() > 0.1
    worst = int(rows.solution.limiting_muscle[0])
    assert float(rows.activation[0, worst]) == 1.0
    assert int(rows.solution.limiting_muscle[1]) == -1


def test_both_conventions_of_the_same_rows(bare, drawn):
    plan = DatasetPlan(persons=16, movements=2, frames=2, block=16, precision="float64")
    both = build_factory(dataclasses.replace(plan, compare=True), bare)
    _, rows = jax.jit(lambda index: both.blocks(index))(jnp.zeros(1, jnp.uint32))
    np.testing.assert_allclose(rows.activation, drawn[1].activation[:64], atol=1e-9)
    one = 5
    person = both.personalizer(Subject.from_vector(rows.subject[one]))
    person = eqx.tree_at(lambda m: m.gravity, person, rows.gravity[one])
    physical = jax.jit(static_optimization, static_argnums=4)(
        person, rows.q[one], rows.qd[one], rows.qdd[one], StaticOptimizationSettings("physical")
    )
    np.testing.assert_allclose(rows.other.activation[one], physical.activation, atol=1e-9)


def test_levels_have_their_anatomical_names(factory):
    names = level_names(factory.personalizer.model.topology)
    assert names == [
        "C7-T1", "C6-C7", "C5-C6", "C4-C5", "C3-C4", "C2-C3", "C1-C2", "C0-C1",
    ]  # fmt: skip


def test_the_stream_is_the_factorys_rows_and_can_be_taken_up_again(factory):
    stream = stream_labels(factory, 10)
    steps = [next(stream) for _ in range(2)]
    people = np.concatenate([np.asarray(s.rows.person) for s in steps])
    np.testing.assert_array_equal(people, 2**31 + np.repeat(np.arange(64), 4))
    blocks = jnp.array([2**27 + 2, 2**27 + 3], jnp.uint32)
    _, rows = eqx.filter_jit(lambda factory, index: factory.blocks(index))(factory, blocks)
    np.testing.assert_array_equal(steps[1].rows.activation, rows.activation)
    assert np.all(np.asarray(steps[0].rows.solution.status) <= RowStatus.RESERVE_EXCEEDED)
    later = next(stream_labels(factory, 10, first_step=1))
    np.testing.assert_array_equal(later.rows.q, steps[1].rows.q)
    with pytest.raises(ValueError, match="persons = 0"):
        stream_labels(factory, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"persons": 0}, "persons = 0"),
        ({"population": "giants"}, "no population 'giants'"),
        ({"reserve": 0.0}, "reserve = 0.0"),
        ({"recorded_share": 2.0}, "recorded_share"),
        ({"seed": -1}, "seed = -1"),
        ({"rate": -1.0}, "rate"),
    ],
)
def test_impossible_plans_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DatasetPlan(**options)


def test_recorded_motions_take_their_share(bare, neck):
    plan = DatasetPlan(persons=64, movements=1, frames=1, block=64, recorded_share=0.5)
    factory = build_factory(plan, bare, [sample_motion(neck, 1)])
    _, rows = jax.jit(lambda index: factory.blocks(index))(jnp.zeros(1, jnp.uint32))
    recorded = np.mean(np.asarray(rows.kind) == 5)
    assert 0.3 < recorded < 0.7
    with pytest.raises(ValueError, match="0 recorded motions: a share needs motions"):
        build_factory(plan, bare)


@pytest.mark.parametrize("population", ["box", "weak", "heavy-head"])
def test_every_population_is_labelled_in_the_precision_asked_for(bare, population):
    """float32 also where 64-bit numbers are on, as they are here."""
    plan = DatasetPlan(persons=8, movements=1, frames=1, block=8, population=population)
    factory = build_factory(plan, bare)
    people, rows = jax.eval_shape(factory.blocks, jnp.zeros(2, jnp.uint32))
    for leaf in jax.tree.leaves((people, rows)):
        assert leaf.dtype != np.float64
