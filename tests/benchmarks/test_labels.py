"""Off by default; `pytest tests/benchmarks --benchmark-enable -n 0` times them."""

import jax
import jax.numpy as jnp
import pytest

from cervjax.dynamics import mechanics
from cervjax.labels import BlockRunner, DatasetPlan, build_factory
from cervjax.people import Subject
from cervjax.spec import shipped_neck

ROWS = 512


@pytest.fixture(scope="module")
def factory():
    plan = DatasetPlan(persons=ROWS, movements=1, frames=1, block=128, joint_loads=False)
    return build_factory(plan, shipped_neck())


def test_label(benchmark, factory):
    runner = BlockRunner(factory, ROWS // 128)
    _, labels = benchmark(lambda: jax.block_until_ready(runner(0)))
    assert labels.certificate.kkt_residual.max() < 1e-4


def test_mechanics(benchmark, factory):
    _, rows = BlockRunner(factory, ROWS // 128)(0)
    frames = jax.jit(
        jax.vmap(lambda s, m: mechanics(factory.personalizer(Subject.from_vector(s)), *m))
    )
    result = benchmark(lambda: jax.block_until_ready(frames(rows.subject, rows.motion)))
    assert jnp.all(jnp.isfinite(result.generalized_force))
