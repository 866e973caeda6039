"""The experiments as commands, at their smallest."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cervjax.motion import sample_motion, write_storage

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def _run(name, *arguments):
    call = subprocess.run(
        [sys.executable, EXPERIMENTS / f"{name}.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    return call.returncode, call.stdout + call.stderr


def test_quickstart_leaves_what_it_says(neck, tmp_path):
    motion = tmp_path / "movement.sto"
    write_storage(motion, sample_motion(neck, 3, duration=0.5).to_storage())
    out = tmp_path / "results"
    small = (
        "--persons", 64, "--frames", 4, "--training.steps", 40, "--training.width", 16,
        "--opensim-frames", 1, "--motion", motion, "--out", out,
    )  # fmt: skip
    code, text = _run("quickstart", *small)
    assert code == 0, text
    readme = (out / "README.md").read_text()
    named = {word for word in readme.split("`") if word.endswith((".png", ".csv", ".sto", ".zarr"))}
    assert "predicted_over_label.png" in named
    assert all((out / name).exists() for name in named)
    facts = json.loads((out / "summary.json").read_text())
    assert facts["opensim_largest_activation_difference"] < 0.01
    assert facts["objective_over_opensims"] <= 1.0

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    code, text = _run("quickstart", *small[:-1], tmp_path / "mine")
    assert code != 0
    assert "holds no earlier run" in text
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_quickstart_refuses_a_bad_motion_before_any_work(tmp_path):
    (tmp_path / "bad.sto").write_text("x\nversion=1\nendheader\ntime\tpitch2\n0\t0\n")
    code, text = _run("quickstart", "--motion", tmp_path / "bad.sto", "--out", tmp_path / "out")
    assert code != 0
    assert "no column for the coordinate(s) roll2" in text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "arguments", "table"),
    [
        ("crosscheck_mujoco", ("--persons", 2, "--poses", 6), "table.csv"),
        ("inertia_repair_effect", ("--movements", 2), "table.csv"),
    ],
)  # fmt: skip
def test_an_experiment_runs_and_leaves_its_table(tmp_path, name, arguments, table):
    code, text = _run(name, *arguments, "--out", tmp_path)
    assert code == 0, text
    assert (tmp_path / table).stat().st_size > 0
    assert (tmp_path / "environment.json").is_file()
