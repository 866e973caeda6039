from types import SimpleNamespace

import jax.numpy as jnp
import pytest

from cervjax import Model, Personalizer
from cervjax.labels import DatasetPlan, LabelDataset, Splits, generate_dataset
from cervjax.learning import DatasetSource, NetworkConfig
from cervjax.spec import shipped_neck


@pytest.fixture(scope="session")
def learning_source(tmp_path_factory):
    """Rows of few people, and their model."""
    folder = tmp_path_factory.mktemp("extension") / "labels"
    plan = DatasetPlan(
        persons=32,
        movements=1,
        frames=6,
        joint_loads=False,
        splits=Splits(validation=0.3, test=0.1),
    )
    generate_dataset(folder, plan, shipped_neck())
    spec = shipped_neck().with_reserves(plan.reserve)
    single = Personalizer(Model.from_spec(spec, dtype=jnp.float32))
    network = NetworkConfig(kind="direct", width=16, depth=1)
    rows = DatasetSource(LabelDataset(folder), single, network)
    return SimpleNamespace(rows=rows, network=network), spec
