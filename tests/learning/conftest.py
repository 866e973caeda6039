import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.labels import DatasetPlan, LabelDataset, Splits, generate_dataset
from cervjax.learning import DatasetSource, NetworkConfig, TrainingConfig, row_equations, train
from cervjax.model import Model
from cervjax.people import Personalizer
from cervjax.spec import shipped_neck

PLAN = DatasetPlan(
    persons=400,
    movements=1,
    frames=6,
    rate=50.0,
    joint_loads=False,
    fastest_deg=180.0,
    extent=0.8,
    shard_rows=640,
    splits=Splits(validation=0.2, test=0.2),
)
"""Several shards, and frames that follow one another, for networks with and without memory."""

SMALL = TrainingConfig(
    network=NetworkConfig(width=24, depth=2), steps=40, batch_size=64, validate_every=10
)


@pytest.fixture(scope="session")
def reserved():
    """The neck with the plan's reserves."""
    return shipped_neck().with_reserves(PLAN.reserve)


@pytest.fixture(scope="session")
def single(reserved):
    """Scales that neck, in single precision as networks are."""
    return Personalizer(Model.from_spec(reserved, dtype=jnp.float32))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks") / "labels"
    generate_dataset(folder, PLAN, shipped_neck())
    return LabelDataset(folder)


@pytest.fixture(scope="session")
def source(dataset, single):
    return DatasetSource(dataset, single, SMALL.network)


@pytest.fixture(scope="session")
def rows(source):
    """Rows of people to train on."""
    return source.rows("train", 512)


@pytest.fixture(scope="session")
def balance(single, rows):
    return row_equations(single, rows)


@pytest.fixture(scope="session")
def run(source, reserved, tmp_path_factory):
    """Folder of a short training, with people of whom something is hidden."""
    import dataclasses

    folder = tmp_path_factory.mktemp("networks") / "run"
    train(source, reserved, dataclasses.replace(SMALL, missing_inputs=0.5), folder)
    return folder


def worst(a, b):
    return float(np.max(np.abs(np.asarray(a) - np.asarray(b))))
