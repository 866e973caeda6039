import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.labels import DatasetPlan, build_factory
from cervjax.learning import (
    TrainingConfig,
    evaluate,
    load_network,
    losses,
    network_inputs,
    train,
    train_on_stream,
    training_rows,
)
from cervjax.optimization import SolverResult
from cervjax.spec import shipped_neck

SMALL = TrainingConfig(width=32, depth=2, steps=60, batch_size=64, checkpoint_every=20)


@pytest.fixture(scope="module")
def labels():
    plan = DatasetPlan(
        persons=40,
        movements=1,
        frames=8,
        block=20,
        reserve=1.0,
        reserve_limit=10.0,
        precision="float64",
        joint_loads=False,
    )
    factory = build_factory(plan, shipped_neck())
    return jax.jit(lambda index: factory.blocks(index)[1])(jnp.arange(2, dtype=jnp.uint32))


@pytest.fixture(scope="module")
def rows(personalizer, labels):
    return training_rows(personalizer, labels)


def test_rows_that_did_not_converge_are_not_trained_on(personalizer, labels):
    result = labels.certificate.result.at[3].set(int(SolverResult.MAX_STEPS_REACHED))
    certificate = dataclasses.replace(labels.certificate, result=result)
    solution = dataclasses.replace(labels.solution, certificate=certificate)
    marked = dataclasses.replace(labels, solution=solution)
    assert len(training_rows(personalizer, marked).inputs) == len(labels.q) - 1


def test_the_labels_have_no_torque_residual(rows):
    """What the physics loss asks for is what the optimizer's forces already do."""
    supplied = jnp.einsum("rfm,rm->rf", rows.moment_arm, rows.force)
    np.testing.assert_allclose(supplied, rows.muscle_torque, atol=1e-9)


def test_training_learns_and_both_losses_fall(rows, tmp_path):
    seen = []
    train(
        rows, dataclasses.replace(SMALL, steps=200), tmp_path, progress=lambda _, p: seen.append(p)
    )
    first, last = seen[0], seen[-1]
    assert last.data < 0.5 * first.data
    assert last.torque < 0.5 * first.torque


def test_the_physics_weight_lowers_the_torque_residual(rows, tmp_path):
    final = {}
    for weight in (0.0, 1.0):
        config = dataclasses.replace(SMALL, steps=200, physics_weight=weight)
        network = train(rows, config, tmp_path / str(weight))
        final[weight] = losses(network, rows, jnp.std(rows.muscle_torque, axis=0)).torque
    assert final[1.0] < final[0.0]


def test_a_stopped_run_resumes_to_the_same_network(rows, tmp_path):
    """Bit for bit: weights and metrics of a run stopped at step 40 and one that was not."""
    whole = train(rows, SMALL, tmp_path / "whole")

    def stop(step, _):
        if step == 45:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(rows, SMALL, tmp_path / "parts", progress=stop)
    resumed = train(rows, SMALL, tmp_path / "parts")
    for a, b in zip(
        jax.tree.leaves(jax.tree.map(np.asarray, whole.layers.layers[0].weight)),
        jax.tree.leaves(jax.tree.map(np.asarray, resumed.layers.layers[0].weight)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    metrics = [(tmp_path / run / "metrics.jsonl").read_text() for run in ("whole", "parts")]
    assert metrics[0] == metrics[1]
    assert [json.loads(line)["step"] for line in metrics[0].splitlines()] == [20, 40, 60]

    loaded = load_network(tmp_path / "whole", jax.tree.map(lambda x: x[:1], rows))
    inputs = rows.inputs[5]
    np.testing.assert_array_equal(loaded(inputs), whole(inputs))


def test_another_configuration_in_the_same_folder_is_refused(rows, tmp_path):
    train(rows, SMALL, tmp_path)
    with pytest.raises(ValueError, match="other width"):
        train(rows, dataclasses.replace(SMALL, width=16), tmp_path)
    with pytest.raises(FileNotFoundError, match="no training run"):
        load_network(tmp_path / "none", rows)
    with pytest.raises(ValueError, match="steps = 0"):
        TrainingConfig(steps=0)


def test_training_on_a_stream_learns_and_resumes_exactly(tmp_path):
    """Nobody is seen twice, nothing is on disk; a stopped run takes the same steps."""
    plan = DatasetPlan(persons=1, movements=1, frames=4, block=16, joint_loads=False)
    factory = build_factory(plan, shipped_neck())
    config = dataclasses.replace(SMALL, steps=200, batch_size=128, checkpoint_every=10)
    seen = []
    whole = train_on_stream(
        factory, config, tmp_path / "whole", progress=lambda _, parts: seen.append(parts.data)
    )
    # Medians: single steps of 128 rows have rare rows of large forces in them.
    assert np.median(seen[-40:]) < 0.8 * np.median(seen[:20])

    class Stopped(Exception):
        pass

    def stop(step, _):
        if step == 15:
            raise Stopped

    with pytest.raises(Stopped):
        train_on_stream(factory, config, tmp_path / "parts", progress=stop)
    resumed = train_on_stream(factory, config, tmp_path / "parts")
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(resumed), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_evaluation_against_plain_formulas(rows, labels, personalizer, tmp_path):
    network = train(rows, SMALL, tmp_path / "run")
    model = personalizer.model
    strongest = np.asarray(model.muscles.max_isometric_force)
    result = evaluate(
        network, rows, np.asarray(labels.generalized_force), model.topology.muscles, strongest
    )
    k = int(np.argmax(result.variation))
    correlation = np.corrcoef(result.label[:, k], result.prediction[:, k])[0, 1]
    assert result.r2[k] <= correlation**2 + 1e-12
    error = result.prediction[:, k] - result.label[:, k]
    assert result.rmse[k] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert result.rmse_percent[k] == pytest.approx(100 * result.rmse[k] / strongest[k])
    np.testing.assert_allclose(-result.label_residual, labels.reserve_force, atol=1e-9)
    result.write_table(tmp_path / "table.csv")
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 73


def test_inputs_are_kinematics_and_the_person(labels):
    inputs = network_inputs(labels)
    np.testing.assert_array_equal(inputs[:, :6], labels.q)
    np.testing.assert_array_equal(inputs[:, 18:21], labels.gravity)
    np.testing.assert_array_equal(inputs[:, 21:], labels.subject)
