"""One good file of each kind that the package reads, small."""

import csv
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cervjax import shipped_neck
from cervjax.assessment import Envelope
from cervjax.learning import PERSON_INPUTS, NetworkConfig, make_network
from cervjax.learning.novelty import Novelty
from cervjax.learning.weights import write_weights
from cervjax.model import Model
from cervjax.motion import Motion, write_storage
from cervjax.motion.recordings import MarkerRecording, write_trc
from cervjax.motion.recordings.orientation_csv import COLUMNS
from cervjax.people import Sex, ansur2, write_anthropometry
from cervjax.spec.tables import write_tables

STORED = Path(__file__).parents[1] / "learning" / "stored" / "version_0_1.zip"


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """A folder with a file of each kind."""
    folder = tmp_path_factory.mktemp("good")
    rng, time = np.random.default_rng(0), np.arange(40) / 100
    names = ("SJN", "SXS", "CV7", "LAH", "RAH", "LPH")
    place = rng.normal(size=(40, len(names), 3))
    place[3:6, 2] = np.nan
    write_trc(folder / "markers.trc", MarkerRecording("markers", names, time, place))
    neck = shipped_neck()
    q = 0.1 * rng.normal(size=(40, 6))
    motion = Motion("motion", neck.free_coordinates, time, q)
    write_storage(folder / "motion.mot", motion.to_storage())
    turned = rng.normal(size=(40, 2, 4))
    turned /= np.linalg.norm(turned, axis=2, keepdims=True)
    with (folder / "sensors.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(np.column_stack([time, turned.reshape(40, 8)]).tolist())
    rows = ["DataRate=100", "DataType=Quaternion", "version=3", "OpenSimVersion=4.6", "endheader"]
    rows.append("time\ttorso\tskull")
    for t, (torso, head) in zip(time, turned, strict=True):
        rows.append("\t".join([f"{t}", ",".join(map(str, torso)), ",".join(map(str, head))]))
    (folder / "sensors.sto").write_text("\n".join(rows) + "\n")
    write_tables(neck, folder / "neck")
    write_anthropometry(ansur2(), folder / "people.csv")
    Envelope.of(40.0, Sex.FEMALE).save(folder / "envelope.npz")
    model = Model.from_spec(neck.with_reserves(1.0), dtype="float32")
    network = make_network(NetworkConfig(width=8, depth=1), model, key=_key())
    write_weights(network, folder / "weights.npz", "run")
    size = 21 + len(PERSON_INPUTS)
    numbers = np.ones(size, np.float32)
    novelty = Novelty(-numbers, numbers, 0 * numbers, np.eye(size, dtype=np.float32), numbers[0])
    novelty.write(folder / "novelty.npz")
    with zipfile.ZipFile(STORED) as archive:
        archive.extractall(folder / "stored")
    return folder


def _key():
    import jax

    return jax.random.key(0)


@pytest.fixture(scope="session")
def like(good):
    """A network of the stored one's configuration."""
    model = Model.from_spec(shipped_neck().with_reserves(1.0), dtype="float32")
    return make_network(NetworkConfig(width=8, depth=1), model, key=_key())


@pytest.fixture
def copied(tmp_path):
    """Copies a file or folder to damage."""

    def copy(path):
        target = tmp_path / path.name
        if target.is_dir():
            shutil.rmtree(target)
        (shutil.copytree if path.is_dir() else shutil.copy)(path, target)
        return target

    return copy


def edited(path, change):
    """A JSON file after `change` of its content."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
