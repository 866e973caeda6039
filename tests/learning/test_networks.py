import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.learning import (
    INPUT_SETS,
    PERSON_INPUTS,
    NetworkConfig,
    NetworkInputs,
    Normalization,
    RowBuilder,
    described_person,
    known_of,
    make_network,
    motion_size,
    predict_rows,
)
from tests.learning.conftest import SMALL


def fresh(single, **changes):
    config = dataclasses.replace(SMALL.network, **changes)
    return make_network(config, single.model, key=jax.random.key(1))


def scaled(network, size):
    """The same network with outputs `size` times as large."""
    leaves, tree = jax.tree.flatten(eqx.filter(network.trunk, eqx.is_inexact_array))
    trunk = jax.tree.unflatten(tree, [size * x for x in leaves])
    static = eqx.filter(network.trunk, eqx.is_inexact_array, inverse=True)
    return eqx.tree_at(lambda n: n.trunk, network, eqx.combine(trunk, static))


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("size", [1.0, 30.0])
def test_dual_and_bounded_networks_never_leave_the_bounds(single, rows, balance, steps, size):
    """Whatever the weights say: also for a network that shouts."""
    muscles = single.model.muscles
    for kind in ("dual", "direct"):
        network = scaled(fresh(single, kind=kind, newton_steps=steps), size)
        said = predict_rows(network, rows.inputs, balance)
        assert np.all(said.activation >= np.asarray(muscles.min_control))
        assert np.all(said.activation <= np.asarray(muscles.max_control))
        assert np.all(said.force >= 0)


def test_newton_steps_end_at_the_labels_from_wherever_a_network_points(single, rows, balance):
    network = fresh(single, kind="dual", newton_steps=40)
    said = predict_rows(network, rows.inputs, balance)
    # float32: the optimum's own rounding (KKT residual up to 5e-5), worst near saturation.
    error = np.abs(said.activation - rows.activation)
    assert np.quantile(error.max(axis=1), 0.99) < 2e-3
    few = dataclasses.replace(network, config=dataclasses.replace(network.config, newton_steps=1))
    worse = np.abs(predict_rows(few, rows.inputs, balance).activation - rows.activation)
    assert worse.mean() > 10 * error.mean()


def test_a_dual_network_without_mechanics_says_so(single, rows):
    network = fresh(single, kind="dual")
    inputs = jax.tree.map(lambda x: x[0], rows.inputs)
    with pytest.raises(ValueError, match="needs the row's mechanics"):
        network(inputs)
    with pytest.raises(ValueError, match="dual network needs the row's mechanics"):
        NetworkConfig(kind="dual", inputs="sensor")


def test_what_is_not_known_of_a_person_is_masked(single, rows):
    """NaN reaches neither forces nor gradients, and an unknown value does not matter."""
    network = fresh(single, kind="physics")
    motion = jnp.asarray(rows.inputs.motion[0])
    person = np.asarray(rows.inputs.person[0])
    hidden = jnp.asarray(known_of(person, ["sex", "age"]), jnp.float32)
    said = network(NetworkInputs(motion, hidden))
    assert np.all(np.isfinite(said.force))
    assert not np.allclose(said.force, network(NetworkInputs(motion, jnp.asarray(person))).force)

    def total(network):
        return jnp.sum(network(NetworkInputs(motion, hidden)).force)

    gradient = eqx.filter_grad(total)(network)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(gradient))


def test_gradients_flow_back_into_the_bounds(single, rows):
    """A muscle that the network sends beyond a bound can come back."""
    network = fresh(single, kind="direct")

    def activation(share):
        return jnp.sum(network.actuation.bounded(share))

    slope = jax.grad(activation)(jnp.full(72, -3.0, jnp.float32))
    assert np.all(np.asarray(slope) > 0)


@pytest.mark.parametrize("memory", ["recurrent", "convolution"])
def test_networks_with_memory_see_the_window_and_nothing_else(single, memory):
    network = fresh(single, kind="direct", inputs="sensor-rates", memory=memory, window=6)
    size = motion_size("sensor-rates", 6)
    person = jnp.zeros(len(PERSON_INPUTS), jnp.float32)
    motion = jax.random.normal(jax.random.key(0), (6, size), jnp.float32)
    slope = jax.jacobian(lambda m: jnp.sum(network(NetworkInputs(m, person)).force))(motion)
    felt = np.abs(np.asarray(slope)).sum(axis=1)
    assert np.all(felt > 0)


def test_convolutions_are_causal_and_reach_as_far_as_the_window(single):
    for window in (2, 3, 6, 16, 33):
        network = fresh(
            single, kind="direct", inputs="sensor-rates", memory="convolution", window=window
        )
        reach = 1 + sum(2 * c.dilation[0] for c in network.trunk.filters)
        assert reach >= window
        assert reach < 4 * window


def test_normalization_against_numpy_and_its_inverse():
    values = np.random.default_rng(0).normal(3.0, 2.0, (500, 4)).astype(np.float32)
    values[:, 3] = 5.0
    values[::3, 1] = np.nan
    scale = Normalization.of(values)
    np.testing.assert_allclose(scale.mean, np.nanmean(values, axis=0), rtol=1e-5)
    np.testing.assert_allclose(scale.spread[:3], np.nanstd(values[:, :3], axis=0), rtol=1e-5)
    assert scale.spread[3] == 1.0
    row = jnp.asarray(values[1])
    np.testing.assert_allclose(scale.undo(scale.apply(row)), row, rtol=1e-6)


def test_full_inputs_are_kinematics_and_gravity(dataset, single):
    labels = dataset.rows(slice(0, 20))
    rows = RowBuilder(single, "full")(labels, np.zeros((20, len(PERSON_INPUTS))))
    np.testing.assert_array_equal(rows.inputs.motion[:, :6], labels.q)
    np.testing.assert_array_equal(rows.inputs.motion[:, 18:], labels.gravity)
    assert rows.inputs.motion.shape[1] == motion_size("full", 6)


def test_sensor_inputs_do_not_tell_upper_from_lower_neck(dataset, single):
    """And hold what their names say, in the order of `INPUT_SETS`."""
    labels = dataset.rows(slice(0, 20))
    known = np.zeros((20, len(PERSON_INPUTS)))
    for name in ("sensor", "sensor-rates", "markers"):
        motion = RowBuilder(single, name)(labels, known).inputs.motion
        assert motion.shape[1] == motion_size(name, 6)
        first, second = motion[:, :3], motion[:, 3:6]
        np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(np.sum(first * second, axis=1), 0, atol=1e-6)
        np.testing.assert_allclose(motion[:, -3:], labels.gravity, rtol=1e-6)
    assert INPUT_SETS["sensor"][0] == "orientation"
    with pytest.raises(ValueError, match="no input set 'imu'"):
        motion_size("imu", 6)


def test_a_described_person():
    person = described_person({"sex": "female", "age": 34, "strength": 0.7})
    assert person[0] == 0.0
    assert person[1] == 34.0
    assert np.isfinite(person).sum() == 3
    with pytest.raises(ValueError, match="unknown \\['height'\\]"):
        described_person({"height": 1.7})
    with pytest.raises(ValueError, match="stature = 170"):
        described_person({"stature": 170})
    with pytest.raises(ValueError, match="sex = 'x'"):
        described_person({"sex": "x"})
    with pytest.raises(ValueError, match="neck_length = 12"):
        described_person({"neck_length": 12})
