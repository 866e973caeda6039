"""What the physics losses ask for, against the optimum that the direct solver certifies."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from cervjax.learning import (
    LOSSES,
    ActuatorBounds,
    LossContext,
    Prediction,
    Scales,
    make_network,
    residuals,
)
from cervjax.optimization import TorqueEquation


@pytest.fixture(scope="module")
def actuation(single):
    return ActuatorBounds.of(single.model)


@pytest.fixture(scope="module")
def easy(rows, balance):
    """Rows with six free muscles at least to fit multipliers to, none at its upper bound."""
    activation = np.asarray(rows.activation)
    chosen = np.flatnonzero((activation.max(axis=1) < 0.95) & ((activation > 0.02).sum(1) > 8))
    assert len(chosen) > 100
    return jax.tree.map(lambda x: jnp.asarray(x)[chosen], (rows, TorqueEquation(*balance)))


def of(prediction, balance, actuation):
    return jax.jit(jax.vmap(residuals, in_axes=(0, 0, None)))(prediction, balance, actuation)


def exact(rows):
    return Prediction(rows.activation, rows.force, rows.reserve_force)


def test_the_optimum_has_no_residual(easy, actuation):
    rows, balance = easy
    left = of(exact(rows), balance, actuation)
    # float32 moment arms times forces of some 100 N.
    assert float(jnp.max(jnp.abs(left.balance))) < 2e-3
    assert float(jnp.max(jnp.abs(left.bounds))) == 0.0
    assert float(jnp.quantile(jnp.max(jnp.abs(left.optimality), axis=1), 0.98)) < 2e-3


def test_the_optimality_residual_is_the_distance_to_the_optimum(easy, actuation):
    """For small errors that leave the muscles at their bounds there; no label is looked at."""
    rows, balance = easy
    rng = np.random.default_rng(0)
    inside = rows.activation > 0.015
    error = jnp.asarray(0.002 * rng.normal(size=inside.shape), jnp.float32) * inside
    activation = rows.activation + error
    said = Prediction(activation, activation * balance.capacity, rows.reserve_force)
    left = of(said, balance, actuation)
    size = jnp.linalg.norm(error, axis=1)
    ratio = jnp.linalg.norm(left.optimality - error, axis=1) / size
    # Errors may push muscles over a bound in some rows, and the ridge shortens the step.
    assert float(jnp.median(ratio)) < 0.1


def test_other_ways_to_share_the_load_balance_but_are_not_optimal(easy, actuation):
    rows, balance = easy
    rng = np.random.default_rng(1)
    matrix = np.asarray(balance.matrix, float)
    step = rng.normal(size=rows.activation.shape) * (np.asarray(rows.activation) > 0.02)
    # Out of it what makes torque: a null-space step of the muscles that work.
    free = matrix * (np.asarray(rows.activation) > 0.02)[:, None]
    gram = np.einsum("rim,rjm->rij", free, free) + 1e-6 * np.eye(6)
    made = np.einsum("rim,rm->ri", free, step)
    step -= np.einsum("rim,ri->rm", free, np.linalg.solve(gram, made[..., None])[..., 0])
    activation = rows.activation + jnp.asarray(0.01 * step, jnp.float32)
    said = Prediction(activation, activation * balance.capacity, rows.reserve_force)
    left = of(said, balance, actuation)
    assert float(jnp.median(jnp.max(jnp.abs(left.balance), axis=1))) < 0.02
    assert float(jnp.median(jnp.linalg.norm(left.optimality, axis=1))) > 0.02


def test_bounds_and_pushing_muscles_are_seen(easy, actuation):
    rows, balance = easy
    force = rows.force.at[:, 0].set(-5.0)
    activation = rows.activation.at[:, 1].set(1.2).at[:, 2].set(-0.1)
    left = of(Prediction(activation, force, rows.reserve_force), balance, actuation)
    assert bool(jnp.all(left.bounds[:, 0] < 0))
    np.testing.assert_allclose(left.bounds[:, 1], 0.2, atol=1e-6)
    np.testing.assert_allclose(left.bounds[:, 2], -0.11, atol=1e-6)
    assert bool(jnp.all(left.bounds[:, 3:] == 0))


def test_gradients_of_the_balance_term_against_finite_differences(easy, actuation):
    rows, balance = jax.tree.map(lambda x: x[:4].astype(jnp.float64), easy)
    actuation = jax.tree.map(lambda x: x.astype(jnp.float64), actuation)

    def loss(force):
        said = Prediction(rows.activation, jnp.asarray(force), rows.reserve_force)
        left = jax.vmap(residuals, in_axes=(0, 0, None))(said, balance, actuation)
        return jnp.sum(left.balance**2) + 1e-3 * jnp.sum(left.bounds**2)

    check_grads(loss, (rows.force + 3.0,), order=1, modes=("rev",), rtol=1e-6)


def test_the_optimality_term_pulls_towards_the_optimum(easy, actuation, single):
    """Its gradient is that of the distance: a step down it comes nearer to the label."""
    rows, balance = easy

    def term(activation):
        said = Prediction(activation, activation * balance.capacity, rows.reserve_force)
        left = jax.vmap(residuals, in_axes=(0, 0, None))(said, balance, actuation)
        return jnp.sum(left.optimality**2)

    start = jnp.clip(rows.activation * 1.3 + 0.02, 0.011, 0.99)
    stepped = start - 0.25 * jax.grad(term)(start)
    before = jnp.linalg.norm(start - rows.activation, axis=1)
    after = jnp.linalg.norm(stepped - rows.activation, axis=1)
    assert float(jnp.mean(after < before)) > 0.97


def test_label_free_terms_do_not_look_at_labels(easy, single, actuation):
    from tests.learning.conftest import SMALL

    rows, balance = easy
    config = dataclasses.replace(SMALL.network, kind="label-free")
    network = make_network(config, single.model, key=jax.random.key(0))
    garbage = dataclasses.replace(
        rows, activation=rows.activation * 0 + 7, force=-rows.force, reserve_force=rows.force[:, :6]
    )
    found = []
    for given in (rows, garbage):
        scales = Scales.of(given, balance, actuation, labels=False)
        said = jax.vmap(network.differentiable)(given.inputs)
        context = LossContext(said, given, balance, scales, actuation, labels=False)
        terms = ("balance", "bounds", "optimality", "capacity")
        found.append([LOSSES[name](context) for name in terms])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
