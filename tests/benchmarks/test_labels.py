"""Off by default; `pytest tests/benchmarks --benchmark-enable -n 0` times them."""

import jax
import jax.numpy as jnp
import pytest

from cervjax.dynamics import mechanics
from cervjax.labels import Labeler, sample_rows
from cervjax.model import NeckModel
from cervjax.motion import MovementSampler
from cervjax.personalization import Personalizer, PopulationBox, Subject

ROWS = 500


@pytest.fixture(scope="module")
def small(neck):
    personalizer = Personalizer(neck, NeckModel.from_spec(neck, dtype=jnp.float32))
    rows = sample_rows(MovementSampler.of(neck), PopulationBox(), persons=ROWS, frames=1, seed=0)
    return personalizer, jax.tree.map(
        lambda x: x.astype(jnp.float32) if jnp.issubdtype(x.dtype, jnp.floating) else x, rows
    )


def test_label(benchmark, small):
    personalizer, rows = small
    labeler = Labeler(personalizer, chunk=ROWS)
    labels = benchmark(lambda: jax.block_until_ready(labeler(*rows)))
    assert labels.certificate.kkt_residual.max() < 1e-4


def test_mechanics(benchmark, small):
    personalizer, (_, subjects, motion) = small
    frames = jax.jit(jax.vmap(lambda s, m: mechanics(personalizer(Subject.from_vector(s)), *m)))
    vectors = subjects.as_vector()
    result = benchmark(lambda: jax.block_until_ready(frames(vectors, motion)))
    assert jnp.all(jnp.isfinite(result.generalized_force))
