import errno
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr

from cervjax.execution import sealed
from cervjax.labels import (
    DatasetError,
    DatasetPlan,
    LabelDataset,
    RowStatus,
    Splits,
    generate_dataset,
    store,
    verify_dataset,
)
from cervjax.spec import shipped_neck

PLAN = DatasetPlan(persons=90, movements=2, frames=2, block=16, shard_rows=128)
"""Three shards of 32 people, the last with 26."""


@pytest.fixture(scope="module")
def dataset(bare, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels") / "dataset"
    seen = []
    generate_dataset(folder, PLAN, bare, progress=seen.append)
    assert seen == [128, 128, 104]
    return LabelDataset(folder)


def digest(folder: Path) -> dict[str, str]:
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in sorted(folder.rglob("*"))
        if f.is_file()
    }


def test_the_manifest_counts_what_the_arrays_hold(dataset):
    manifest = dataset.manifest
    assert len(dataset) == 360
    status = dataset.array("status")
    counts = manifest["counts"]["status"]
    assert counts["certified"] == int(np.sum(status == RowStatus.CERTIFIED))
    assert sum(counts.values()) == 360
    assert manifest["plan"] == PLAN.to_json()
    assert DatasetPlan.from_json(manifest["plan"]) == PLAN
    assert manifest["versions"]["jax"]
    assert manifest["counts"]["largest_kkt_residual"] <= 1e-4


def test_xarray_opens_it_with_dimensions_and_units(dataset):
    opened = xarray.open_zarr(dataset.folder.path / "labels.zarr", consolidated=False)
    assert opened.muscle_force.dims == ("row", "muscle")
    assert opened.muscle_force.attrs["units"] == "N"
    assert opened.joint_force.dims == ("row", "level", "force_component")
    assert opened.stature.dims == ("person",)
    assert opened.stature.attrs["units"] == "m"
    assert len(opened.attrs["muscle"]) == 72
    np.testing.assert_array_equal(opened.activation[5], dataset.rows(slice(5, 6)).activation[0])


def test_rows_are_read_back_as_they_were_computed(dataset, bare):
    """Against a second solution in float64 of the stored inputs: 1e-2 in activation at worst."""
    report = verify_dataset(dataset.folder.path, bare, sample=100)
    assert report.problems == ()
    assert report.precision == "float64"
    assert report.sampled == 100
    assert report.difference["generalized_force"] < 1e-4
    assert set(report.difference) >= {"activation", "muscle_force", "joint_force", "joint_moment"}


def test_chosen_rows_are_those_of_the_whole(dataset):
    index = np.array([3, 100, 359])
    some, whole = dataset.rows(index), dataset.rows(slice(0, 360))
    np.testing.assert_array_equal(some.q, whole.q[index])
    np.testing.assert_array_equal(some.subject, whole.subject[index])
    with pytest.raises(DatasetError, match="no array 'forces'"):
        dataset.array("forces")


def test_splits_never_share_a_person_nor_a_held_out_movement(dataset):
    whole = slice(0, len(dataset))
    person, kind = dataset.array("person_index"), dataset.array("kind")
    parts = {s: dataset.in_split(s, whole) for s in ("train", "validation", "test")}
    people = {s: set(person[keep]) for s, keep in parts.items()}
    assert people["train"]
    assert not people["train"] & people["test"]
    assert not people["train"] & people["validation"]
    circling = kind == 2
    assert not np.any(circling & (parts["train"] | parts["validation"]))
    unseen = dataset.in_split("held_out_movements", whole)
    assert np.all(circling[unseen])
    total = sum(len(batch.q) for batch in dataset.batches("train", 100))
    assert total == parts["train"].sum() == len(dataset.rows_in("train").q)
    with pytest.raises(ValueError, match="no split 'tests'"):
        dataset.in_split("tests", whole)


def test_the_split_of_a_person_does_not_depend_on_the_size_of_the_dataset():
    small, large = (DatasetPlan(persons=n).split_of(np.arange(n)) for n in (100, 20_000))
    np.testing.assert_array_equal(small, large[:100])
    np.testing.assert_allclose(np.bincount(large) / 20_000, [0.8, 0.1, 0.1], atol=0.01)
    assert np.any(large != DatasetPlan(persons=20_000, seed=1).split_of(np.arange(20_000)))


def test_a_killed_run_ends_with_the_same_bytes(dataset, bare, tmp_path, monkeypatch):
    """Killed while a shard is being written: some of its arrays there, one half written."""
    folder = tmp_path / "dataset"
    replace = store.write_json

    class Killed(BaseException):
        pass

    def dies(file, content, **options):
        if content.get("shard") == 1:
            raise Killed
        replace(file, content, **options)

    monkeypatch.setattr(store, "write_json", dies)
    with pytest.raises(Killed):
        generate_dataset(folder, PLAN, bare)
    monkeypatch.undo()
    (folder / "labels.zarr" / "q" / "c" / "2").mkdir(parents=True, exist_ok=True)
    (folder / "labels.zarr" / "q" / "c" / "2" / "0.123.partial").write_bytes(b"half")
    with pytest.raises(DatasetError, match="unfinished"):
        LabelDataset(folder)
    seen = []
    generate_dataset(folder, PLAN, bare, progress=seen.append)
    assert seen[0] == 128, "what was finished is told at once"
    assert sum(seen) == 360
    assert digest(folder) == digest(dataset.folder.path)


def test_a_finished_dataset_stays_as_it_is(dataset, bare):
    before = digest(dataset.folder.path)
    generate_dataset(dataset.folder.path, PLAN, bare)
    assert digest(dataset.folder.path) == before


def test_a_dataset_killed_at_its_birth_is_begun_again(bare, dataset, tmp_path):
    folder = tmp_path / "dataset"
    shutil.copytree(dataset.folder.path / "labels.zarr", folder / ".labels.zarr.partial")
    (folder / "shards").mkdir()
    (folder / "manifest.json.partial").write_text("{")
    generate_dataset(folder, PLAN, bare)
    assert digest(folder) == digest(dataset.folder.path)


def test_another_plan_or_neck_is_refused_and_changes_nothing(dataset, bare):
    before = digest(dataset.folder.path)
    with pytest.raises(DatasetError, match=r"plan\.seed: 0 there, 1 now"):
        generate_dataset(
            dataset.folder.path,
            DatasetPlan(persons=90, movements=2, frames=2, block=16, shard_rows=128, seed=1),
            bare,
        )
    with pytest.raises(DatasetError, match=r"neck\.name: 'hyoid-repaired'"):
        generate_dataset(dataset.folder.path, PLAN, shipped_neck("hyoid"))
    with pytest.raises(DatasetError, match="not of 'hyoid'"):
        verify_dataset(dataset.folder.path, shipped_neck("hyoid"))
    assert digest(dataset.folder.path) == before


def test_a_manifest_of_another_schema_is_refused(dataset, bare, tmp_path):
    folder = tmp_path / "dataset"
    shutil.copytree(dataset.folder.path, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "schema": 99}))
    for call in (lambda: LabelDataset(folder), lambda: generate_dataset(folder, PLAN, bare)):
        with pytest.raises(DatasetError, match="schema 99"):
            call()
    (folder / "manifest.json").write_text("{")
    with pytest.raises(DatasetError, match="damaged"):
        LabelDataset(folder)


def test_a_folder_with_other_files_is_refused(bare, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(DatasetError, match=r"not empty and holds no dataset \(thesis.tex"):
        generate_dataset(tmp_path, PLAN, bare)
    assert (tmp_path / "thesis.tex").read_text() == "precious"
    with pytest.raises(FileNotFoundError, match="no dataset at"):
        LabelDataset(tmp_path)


def test_a_full_disk_leaves_finished_shards_and_can_be_taken_up(
    dataset, bare, tmp_path, monkeypatch
):
    folder = tmp_path / "dataset"
    write = zarr.storage.LocalStore.set

    async def full(self, key, value, **kwargs):
        if "/c/1" in key:
            raise OSError(errno.ENOSPC, "No space left on device")
        await write(self, key, value, **kwargs)

    monkeypatch.setattr(zarr.storage.LocalStore, "set", full)
    with pytest.raises(DatasetError, match="disk is full; free space and run again"):
        generate_dataset(folder, PLAN, bare)
    monkeypatch.undo()
    assert (folder / "shards" / "00000.json").is_file()
    assert not (folder / "shards" / "00001.json").exists()
    generate_dataset(folder, PLAN, bare)
    assert digest(folder) == digest(dataset.folder.path)


def test_a_place_that_cannot_be_written_is_a_clear_error(bare, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot write"):
        generate_dataset(tmp_path / "file" / "dataset", PLAN, bare)


def test_verification_finds_lost_cut_and_changed_files(dataset, bare, tmp_path):
    def damaged(change):
        folder = tmp_path / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(dataset.folder.path, folder)
        change(folder / "labels.zarr" / "activation" / "c" / "1" / "0")
        return verify_dataset(folder, bare, sample=2).problems

    def flip(file):
        content = bytearray(file.read_bytes())
        content[5] ^= 1
        file.write_bytes(bytes(content))

    split = damaged(lambda f: flip(f.parents[3] / "split" / "c" / "1"))
    assert "'split'" in split[0]
    assert "missing or cut" in damaged(Path.unlink)[0]
    assert "missing or cut" in damaged(lambda f: f.write_bytes(f.read_bytes()[:-10]))[0]
    assert "checksum" in damaged(flip)[0]


@pytest.mark.parametrize("name", ["activation", "muscle_force", "generalized_force", "joint_force"])
def test_verification_finds_wrong_numbers(dataset, bare, tmp_path, name):
    folder = tmp_path / "wrong"
    shutil.copytree(dataset.folder.path, folder)
    array = zarr.open_group(folder / "labels.zarr")[name]
    array[:] = 1.2 * np.asarray(array[:]) + 20
    for shard in range(3):
        record = folder / "shards" / f"{shard:05d}.json"
        facts = json.loads(record.read_text())
        files = (folder / "labels.zarr" / name / "c" / str(shard)).rglob("0")
        facts["bytes"][name] = sum(f.stat().st_size for f in files if f.is_file())
        record.write_text(json.dumps(sealed(facts)))
    problems = verify_dataset(folder, bare, sample=10).problems
    assert any(p.startswith(f"{name} differs") for p in problems)


def test_a_lost_file_is_no_label_and_is_made_again(dataset, bare, tmp_path):
    folder = tmp_path / "dataset"
    shutil.copytree(dataset.folder.path, folder)
    (folder / "labels.zarr" / "activation" / "c" / "1" / "0").unlink()
    with pytest.raises(DatasetError, match=r"missing or cut .*activation"):
        LabelDataset(folder)
    generate_dataset(folder, PLAN, bare)
    assert digest(folder) == digest(dataset.folder.path)


def test_a_second_run_on_the_same_folder_is_refused(dataset, bare):
    with (
        store.DatasetFolder(dataset.folder.path).locked(),
        pytest.raises(DatasetError, match="another run is working"),
    ):
        generate_dataset(dataset.folder.path, PLAN, bare)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": 0.6, "test": 0.5}, "nobody to train on"),
        ({"held_out_movements": ("jumping",)}, "jumping"),
    ],
)
def test_impossible_splits_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Splits(**options)
