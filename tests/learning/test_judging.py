"""Evaluation, intervals, novelty and noise, against NumPy and scikit-learn."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sklearn.metrics import r2_score

from cervjax.learning import (
    ForceEnsemble,
    NetworkInputs,
    Novelty,
    Prediction,
    SensorNoise,
    evaluate,
    make_network,
    select_rows,
)
from tests.learning.conftest import SMALL


@pytest.fixture(scope="module")
def judged(single, rows, balance):
    rng = np.random.default_rng(0)
    force = np.maximum(rows.force + rng.normal(size=rows.force.shape), 0).astype(np.float32)
    said = Prediction(rows.activation, force, np.zeros_like(rows.reserve_force))
    strength = np.asarray(single.model.muscles.max_isometric_force)
    return evaluate(said, rows, balance, single.model.topology.muscles, strength)


def test_scores_against_scikit_learn(judged, rows, balance, single, tmp_path):
    wanted = r2_score(judged.label, judged.prediction, multioutput="raw_values")
    np.testing.assert_allclose(judged.r2, wanted, rtol=1e-9)
    k = int(np.argmax(judged.variation))
    wanted = np.corrcoef(judged.label[:, k], judged.prediction[:, k])[0, 1]
    assert judged.correlation[k] == pytest.approx(wanted)
    error = judged.prediction[:, k] - judged.label[:, k]
    assert judged.rmse[k] == pytest.approx(np.sqrt(np.mean(error**2)))
    strength = float(single.model.muscles.max_isometric_force[k])
    assert judged.rmse_percent[k] == pytest.approx(100 * judged.rmse[k] / strength)
    # What labels leave to reserves, in float32.
    np.testing.assert_allclose(-judged.label_residual, rows.reserve_force, atol=2e-4)
    judged.write_table(tmp_path / "table.csv")
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 73


def test_a_muscle_that_moves_in_one_row_alone_is_listed_apart(judged, rows, balance, single):
    name = judged.worst[0]
    assert judged.judged[judged.muscles.index(name)]
    force = np.array(rows.force)
    force[:, 0] = 0.5
    force[0, 0] = 400.0
    still = dataclasses.replace(rows, force=force)
    said = Prediction(rows.activation, rows.force, rows.reserve_force)
    strength = np.asarray(single.model.muscles.max_isometric_force)
    result = evaluate(said, still, balance, single.model.topology.muscles, strength)
    assert not result.judged[0]


@pytest.fixture(scope="module")
def members(single, rows):
    """Two fresh networks: bad ones, whose intervals must hold all the same."""
    return [make_network(SMALL.network, single.model, key=jax.random.key(seed)) for seed in (0, 1)]


def test_intervals_cover_what_they_say_on_rows_not_calibrated_on(members, rows):
    order = np.random.default_rng(0).permutation(len(rows))
    half = len(rows) // 2
    known, new = (select_rows(rows, x) for x in (order[:half], order[half:]))
    for coverage in (0.5, 0.9):
        ensemble = ForceEnsemble.calibrated(members, known, None, known.inputs, coverage=coverage)
        said = ensemble.predict(new.inputs)
        inside = (new.force >= said.low) & (new.force <= said.high)
        # 256 rows of people with several rows each: three standard errors of their mean.
        assert abs(inside.mean() - coverage) < 0.06
        assert np.all(said.low >= 0)


def test_an_ensemble_survives_its_file(members, rows, tmp_path):
    ensemble = ForceEnsemble.calibrated(members, rows, None, rows.inputs)
    ensemble.save_calibration(tmp_path / "calibration.npz")
    again = ForceEnsemble.restored(members, tmp_path / "calibration.npz")
    for a, b in zip(
        jax.tree.leaves(ensemble.predict(rows.inputs)),
        jax.tree.leaves(again.predict(rows.inputs)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="two networks or more"):
        ForceEnsemble.calibrated(members[:1], rows, None, rows.inputs)
    with pytest.raises(ValueError, match="too few for a coverage"):
        ForceEnsemble.calibrated(members, select_rows(rows, np.arange(5)), None, rows.inputs)


def test_novelty_flags_one_odd_input_and_odd_combinations(rows):
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(20_000, 4)) @ np.array(
        [[1, 0.99, 0, 0], [0, 0.14, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    )
    person = np.full((20_000, 11), 1.0) + 0.1 * rng.normal(size=(20_000, 11))
    novelty = Novelty.of(NetworkInputs(mixed.astype(np.float32), person.astype(np.float32)))

    def flagged(motion, who=np.ones(11)):
        inputs = NetworkInputs(jnp.asarray(motion, jnp.float32), jnp.asarray(who, jnp.float32))
        return bool(novelty(inputs))

    assert not flagged([0.5, 0.5, 0, 0])
    assert flagged([0, 0, 9.0, 0])
    assert flagged([1.5, -1.5, 0, 0])
    odd = np.ones(11)
    odd[4] = 2.0
    assert flagged([0, 0, 0, 0], odd)
    odd[4] = np.nan
    assert not flagged([0, 0, 0, 0], odd)
    fresh = rng.normal(size=(5000, 4)) @ np.eye(4)
    usual = np.mean([flagged(x) for x in fresh[:50] * [1, 0, 1, 1] + fresh[:50, :1] * [0, 1, 0, 0]])
    assert usual < 0.1
    person[:, 1] = np.nan
    never = Novelty.of(NetworkInputs(mixed.astype(np.float32), person.astype(np.float32)))
    who = jnp.ones(11)
    for age, strange in ((jnp.nan, False), (1.0, True)):
        asked = NetworkInputs(jnp.zeros(4), who.at[1].set(age))
        assert bool(never(asked)) == strange


def test_noise_has_the_sizes_it_says():
    frames = 4000
    turned = Rotation.random(1, random_state=0)
    columns = turned.as_matrix()[0, :, :2].T.ravel()
    motion = np.tile(np.concatenate([columns, np.zeros(6), [0, -9.81, 0]]), (frames, 1))
    noise = SensorNoise(orientation_deg=2.0, rate_deg=3.0, acceleration=0.5)
    noisy = np.asarray(noise(jnp.asarray(motion), jax.random.key(0)))
    first, second = noisy[:, :3], noisy[:, 3:6]
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(np.sum(first * second, axis=1), 0, atol=1e-9)
    matrices = np.stack([first, second, np.cross(first, second)], axis=-1)
    error = (Rotation.from_matrix(matrices) * turned.inv()).as_rotvec(degrees=True)
    np.testing.assert_allclose(error.std(axis=0), 2.0, rtol=0.05)
    np.testing.assert_allclose(np.degrees(noisy[:, 6:9]).std(axis=0), 3.0, rtol=0.05)
    np.testing.assert_allclose(noisy[:, 9:12].std(axis=0), 0.5, rtol=0.05)
    np.testing.assert_array_equal(noisy[:, 12:], motion[:, 12:])

    offsets = SensorNoise(orientation_offset_deg=2.0, rate_offset_deg=3.0, inclination_deg=1.0)
    held = np.asarray(offsets(jnp.asarray(motion), jax.random.key(1)))
    assert np.ptp(held, axis=0).max() < 1e-12
    assert np.all(held[0, [0, 6, 7, 8, 12]] != motion[0, [0, 6, 7, 8, 12]])


def test_lost_frames_repeat_the_one_before():
    motion = np.zeros((2000, 12))
    motion[:, 6] = np.arange(2000)
    kept = np.asarray(SensorNoise(dropout=0.25)(jnp.asarray(motion), jax.random.key(0)))[:, 6]
    lost = kept != np.arange(2000)
    assert abs(lost.mean() - 0.25) < 0.04
    np.testing.assert_array_equal(kept[1:][lost[1:]], kept[:-1][lost[1:]])
    with pytest.raises(ValueError, match="dropout = 1"):
        SensorNoise(dropout=1.0)
