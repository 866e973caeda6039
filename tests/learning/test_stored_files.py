"""Datasets and networks that version 0.1 wrote, before its classes were renamed and rearranged.

`stored/version_0_1.zip` was written by commit f3a8c85: a dataset of 48 people, networks of kind
direct and dual after four steps, an ensemble of two, and the numbers that 0.1 read and predicted.
"""

import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.labels import LabelDataset
from cervjax.learning import DatasetSource, load_network, predict_rows, row_equations
from cervjax.learning.predict import Predictor
from cervjax.model import Model
from cervjax.people import Personalizer
from cervjax.spec import shipped_neck

ARCHIVE = Path(__file__).parent / "stored" / "version_0_1.zip"
FORCE = {"rtol": 1e-4, "atol": 1e-3}
"""N: float32 on another processor; forces reach some 100 N."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("version_0_1")
    shutil.unpack_archive(ARCHIVE, folder)
    return folder


@pytest.fixture(scope="module")
def old_dataset(stored):
    return LabelDataset(stored / "dataset")


@pytest.fixture(scope="module")
def neck(old_dataset):
    spec = shipped_neck().with_reserves(old_dataset.plan.reserve)
    return Personalizer(Model.from_spec(spec, dtype=jnp.float32))


def test_the_dataset_opens_and_knows_its_neck(old_dataset):
    old_dataset.check_neck(shipped_neck())
    assert old_dataset.plan.persons == 48
    with pytest.raises(ValueError, match="neck"):
        old_dataset.check_neck(shipped_neck().with_reserves(0.3))


@pytest.mark.parametrize("kind", ["direct", "dual"])
def test_networks_say_what_they_said(kind, stored, old_dataset, neck):
    network = load_network(stored / "runs" / kind)
    rows = DatasetSource(old_dataset, neck, network.config).rows("test", 64)
    said = predict_rows(network, rows.inputs, row_equations(neck, rows))
    wanted = np.load(stored / f"said_{kind}.npz")
    np.testing.assert_allclose(said.force, wanted["force"], **FORCE)
    np.testing.assert_allclose(said.activation, wanted["activation"], rtol=1e-4, atol=1e-5)


def test_an_ensemble_says_what_it_said(stored, old_dataset, neck):
    predictor = Predictor.load(stored / "runs")
    config = load_network(stored / "runs" / "direct").config
    rows = DatasetSource(old_dataset, neck, config).rows("test", 64)
    said = predictor.network.predict(rows.inputs)
    wanted = np.load(stored / "said_ensemble.npz")
    for name in ("force", "low", "high"):
        np.testing.assert_allclose(getattr(said, name), wanted[name], **FORCE)
