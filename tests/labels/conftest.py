import equinox as eqx
import jax.numpy as jnp
import pytest

from cervjax.labels import DatasetPlan, build_factory
from cervjax.spec import shipped_neck


@pytest.fixture(scope="session")
def bare():
    """The default neck without reserves; a plan brings its own."""
    return shipped_neck()


@pytest.fixture(scope="session")
def factory(bare):
    """Sixteen people a block, two movements, two frames; float64."""
    plan = DatasetPlan(
        persons=32, movements=2, frames=2, block=16, precision="float64", muscle_lengths=True
    )
    return build_factory(plan, bare)


@pytest.fixture(scope="session")
def drawn(factory):
    """People and rows of the first two blocks."""
    blocks = eqx.filter_jit(lambda factory, index: factory.blocks(index))
    return blocks(factory, jnp.arange(2, dtype=jnp.uint32))
