"""Run folders and datasets that somebody edited: refused by name, never read as other numbers."""

import json

import numpy as np
import pytest

from cervjax import shipped_neck
from cervjax.labels import DatasetPlan, LabelDataset, generate_dataset
from cervjax.labels.store import DatasetError
from cervjax.learning import NetworkConfig, TrainingConfig, load_network, make_network
from cervjax.learning.inputs import PERSON_INPUTS
from cervjax.learning.novelty import Novelty
from cervjax.learning.predict import Predictor
from cervjax.learning.run_folder import RunFolder
from cervjax.learning.weights import write_weights
from cervjax.model import Model
from tests.hostile.conftest import _key, edited

NECK = shipped_neck().with_reserves(1.0)
PLAN = DatasetPlan(persons=8, movements=1, frames=2, block=8, joint_loads=False, shard_rows=8)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder as a training leaves it."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "run")
    config = TrainingConfig(network=NetworkConfig(width=8, depth=1), steps=1, batch_size=8)
    folder.begin(config, NECK, "rows", None)
    model = Model.from_spec(NECK, dtype="float32")
    network = make_network(folder.config().network, model, key=_key())
    write_weights(network, folder.weights_file, folder.identity)
    size = 4 * 6 - 3 + len(PERSON_INPUTS)
    ones = np.ones(size, np.float32)
    Novelty(-ones, ones, 0 * ones, np.eye(size, dtype=np.float32), ones[0]).write(
        folder.novelty_file
    )
    Predictor.load(folder.path)
    return folder.path


def _swapped(name, one, other):
    def change(folder):
        path = folder / "neck" / name
        lines = path.read_text().splitlines()
        lines[one], lines[other] = lines[other], lines[one]
        path.write_text("\n".join(lines) + "\n")

    return change


def _renamed(name, old, new):
    def change(folder):
        path = folder / "neck" / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def _number(name, row, column, factor):
    def change(folder):
        path = folder / "neck" / name
        lines = path.read_text().splitlines()
        values = lines[row].split(",")
        values[column] = repr(float(values[column]) * factor + 1e-3)
        lines[row] = ",".join(values)
        path.write_text("\n".join(lines) + "\n")

    return change


def _json(name, change):
    def changed(folder):
        edited(folder / name, change)

    return changed


def _set(key, value):
    def change(content):
        content[key] = value

    return change


def _config(key, value):
    def change(content):
        content["config"]["network"][key] = value

    return change


def _array(name, key, change):
    def changed(folder):
        path = folder / name
        with np.load(path) as stored:
            arrays = dict(stored.items())
        chosen = next(k for k in arrays if key in k)
        arrays[chosen] = change(arrays[chosen])
        np.savez(path, **arrays)

    return changed


def _removed(name):
    return lambda folder: (folder / name).unlink()


def _bumped(x):
    x = np.array(x)
    x.flat[0] += 0.25
    return x


RUN_EDITS = {
    **{f"muscle rows {a}, {b}": _swapped("muscles.csv", a, b) for a, b in
       ((1, 2), (3, 40), (10, 72), (5, 6))},
    "point rows": _swapped("path_points.csv", 1, 2),
        "joint rows": _swapped("joints.csv", 2, 3),
    "coupler rows": _swapped("couplers.csv", 1, 2),
    "muscle exchanged by name": _renamed("muscles.csv", "stern", "sterm"),
    **{f"muscle number {c}": _number("muscles.csv", 3, c, 1.1) for c in (2, 3, 4, 5)},
    **{f"body number {c}": _number("bodies.csv", 5, c, 1.1) for c in (1, 2, 3, 5)},
    **{f"point number {c}": _number("path_points.csv", 7, c, 1.1) for c in (3, 4, 5)},
    **{f"joint number {c}": _number("joints.csv", 4, c, 1.1) for c in (3, 4)},
    "bushing number": _number("bushings.csv", 1, 2, 1.1),
    "actuator number": _number("actuators.csv", 1, 2, 1.1),
    "no muscles": _removed("neck/muscles.csv"),
    "no joints": _removed("neck/joints.csv"),
    "no anatomy": _removed("neck/anatomy.json"),
    "no header": _removed("neck/neck.toml"),
    "format": _json("run.json", _set("format", 7)),
    "rows": _json("run.json", _set("rows", "other")),
    "rate": _json("run.json", _set("rate", 25.0)),
    "rate as text": _json("run.json", _set("rate", "25")),
    "model": _json("run.json", _set("model", "2:" + "0" * 64)),
    "model as number": _json("run.json", _set("model", 5)),
    "config gone": _json("run.json", lambda c: c.pop("config")),
    "config a list": _json("run.json", _set("config", [])),
    "width": _json("run.json", _config("width", 16)),
    "kind": _json("run.json", _config("kind", "direct")),
    "unknown kind": _json("run.json", _config("kind", "magic")),
    "inputs": _json("run.json", _config("inputs", "sensor")),
    "newton steps": _json("run.json", _config("newton_steps", 3)),
    "more": _json("run.json", _set("more", 1)),
    "no description": _removed("run.json"),
    "weight": _array("weights.npz", "weight", _bumped),
    "bias": _array("weights.npz", "bias", _bumped),
    "weights of another run": _array("weights.npz", "run", lambda x: np.array("other")),
    "weight of another shape": _array("weights.npz", "weight", lambda x: x[:-1]),
    "weights of another format": _array("weights.npz", "format", lambda x: np.array(9)),
    "no weights": _removed("weights.npz"),
    "novelty mean": _array("novelty.npz", "mean", _bumped),
    "novelty low": _array("novelty.npz", "low", lambda x: x[:-1]),
    "no novelty": _removed("novelty.npz"),
}  # fmt: skip


@pytest.mark.parametrize("name", RUN_EDITS)
def test_edited_runs_are_refused(run, copied, name):
    folder = copied(run)
    RUN_EDITS[name](folder)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        Predictor.load(folder)
    assert str(folder) in str(caught.value)


def test_a_copied_run_is_the_same(run, copied):
    assert load_network(copied(run)) is not None


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels") / "dataset"
    generate_dataset(folder, PLAN, shipped_neck())
    return folder


def _plan(key, value):
    def change(content):
        content["plan"][key] = value

    return change


MANIFEST_EDITS = {
    "rows": _set("rows", 1),
    "rows as text": _set("rows", "16"),
    "finished": _set("finished", "yes"),
    "persons": _plan("persons", 4),
    "frames": _plan("frames", 4),
    "seed": _plan("seed", 99),
    "convention": _plan("convention", "physical"),
    "reserve": _plan("reserve", 5.0),
    "unknown option": _plan("magic", 1),
    "plan gone": lambda c: c.pop("plan"),
    "plan a text": _set("plan", "none"),
    "neck": _set("neck", {"name": "x", "sha256": "y"}),
    "neck gone": lambda c: c.pop("neck"),
    "versions": _set("versions", []),
    "counts": lambda c: c["counts"]["status"].update(certified=1),
    "schema": _set("schema", 9),
    "format": _set("format", "other"),
    "arrays": _set("arrays", "0"),
}


UNCONTRADICTED = ("seed", "convention", "reserve", "neck")
"""Which nothing else in a dataset contradicts: only the seal tells."""


@pytest.mark.parametrize(
    ("name", "seal"),
    [(n, s) for n in MANIFEST_EDITS for s in (True, False) if s or n not in UNCONTRADICTED],
)
def test_edited_manifests_are_refused(dataset, copied, name, seal):
    """With the seal, every edit is noticed; without, as datasets of before have none, those that
    contradict the rest."""
    folder = copied(dataset)
    edited(folder / "manifest.json", MANIFEST_EDITS[name])
    if not seal:
        edited(folder / "manifest.json", lambda c: c.pop("sha256"))
    with pytest.raises(DatasetError) as caught:
        LabelDataset(folder)
    assert str(folder) in str(caught.value)


def test_edited_names_of_muscles_are_refused(dataset, copied):
    folder = copied(dataset)
    path = folder / "labels.zarr" / "zarr.json"
    content = json.loads(path.read_text())
    names = content["attributes"]["muscle"]
    names[0], names[1] = names[1], names[0]
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"zarr\.json"):
        LabelDataset(folder)
    with pytest.raises(DatasetError, match=r"zarr\.json"):
        generate_dataset(folder, PLAN, shipped_neck())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"shard": 0, "bytes": 3}', "\x00"])
def test_damaged_records_are_made_again(dataset, copied, content):
    folder = copied(dataset)
    record = folder / "shards" / "00000.json"
    whole = (dataset / "shards" / "00000.json").read_text()
    record.write_text(content)
    with pytest.raises(DatasetError, match=r"00000\.json"):
        LabelDataset(folder)
    generate_dataset(folder, PLAN, shipped_neck())
    assert json.loads(record.read_text())["bytes"] == json.loads(whole)["bytes"]
    LabelDataset(folder)
