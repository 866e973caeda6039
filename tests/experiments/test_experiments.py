"""The experiments as commands, at their smallest."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cervjax.motion import write_storage
from cervjax.motion.synthesis import sample_motion

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
        "--persons", 256, "--frames", 4, "--training.steps", 40, "--training.network.width", 16,
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


def test_a_dataset_its_card_its_verification_and_opensim(tmp_path):
    """Two rows as `.osim`: activations within 0.01, joint loads 0.5 N and 0.02 N m of OpenSim's."""
    out = tmp_path / "dataset"
    small = ("--out", out, "--plan.persons", 24, "--plan.block", 8, "--cores", 2)
    code, text = _run("generate_dataset", *small)
    assert code == 0, text
    card = (out / "card" / "README.md").read_text()
    pictures = [word.split("]")[0] for word in card.split("![")[1:]]
    assert len(pictures) == 5
    assert all((out / "card" / f"{name}.png").stat().st_size > 0 for name in pictures)
    assert "192 rows" in card

    code, text = _run("generate_dataset", *small, "--plan.seed", 1)
    assert code != 0
    assert "plan.seed: 0 there, 1 now" in text

    code, text = _run("crosscheck_dataset", out, "--rows", 2, "--out", tmp_path / "check")
    assert code == 0, text
    figures = json.loads((tmp_path / "check" / "summary.json").read_text())
    assert figures["activation_difference"]["largest"] <= 0.01
    assert figures["objective_ratio_balanced"]["largest"] <= 1 + 1e-6
    assert figures["joint_force_difference"]["largest"] <= 0.5
    assert figures["joint_moment_difference"]["largest"] <= 0.02

    call = [sys.executable, "-m", "cervjax", "verify", str(out), "--sample", "5"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "192 rows read, 5 solved again in float64" in done.stdout


def test_neck_strength_against_the_reference(tmp_path):
    """Within 21 % of HYOID with compliant tendons (rigid ones are stronger), and within 2 SD of the
    strength measured in men; without hyoid muscles flexion and rotation collapse."""
    code, text = _run("neck_strength", "--people", 2, "--directions", 4, "--out", tmp_path)
    assert code == 0, text
    found = json.loads((tmp_path / "summary.json").read_text())
    compliant = {"flexion": 30.7, "extension": 48.4, "lateral": 40.4, "axial": 14.5}
    measured = {
        "flexion": (30, 5), "extension": (52, 11), "lateral": (36, 8), "axial": (15, 4),
    }  # fmt: skip
    for direction, moment in found["generic_Nm"].items():
        assert moment == pytest.approx(compliant[direction], rel=0.21)
        mean, sd = measured[direction]
        assert abs(moment - mean) < 2 * sd
    without = found["without_hyoid_muscles_Nm"]
    assert len(found["hyoid_muscles"]) == 20
    assert without["flexion"] < 0.3 * found["generic_Nm"]["flexion"]
    assert without["axial"] < 0.4 * found["generic_Nm"]["axial"]
    assert (tmp_path / "strength.png").stat().st_size > 0


@pytest.mark.parametrize("source", ["labels", "live"])
def test_a_network_is_trained_used_and_exported(neck, tmp_path, source):
    """The README's commands: train, go on, predict, export."""
    run = tmp_path / "run"
    small = (
        "--out", run, "--plan.persons", 160, "--plan.block", 16, "--training.steps", 6,
        "--training.batch-size", 64, "--training.validate-every", 3, "--training.network.width", 16,
        *(("--live",) if source == "live" else ()),
    )  # fmt: skip
    code, text = _run("train_force_network", *small)
    assert code == 0, text
    metrics = (run / "metrics.jsonl").read_text()
    assert [json.loads(line)["step"] for line in metrics.splitlines()] == [3, 6]
    left = ("run.json", "environment.json", "training.png", "neck/neck.toml")
    assert all((run / name).stat().st_size > 0 for name in left)
    code, text = _run("train_force_network", *small)
    assert code == 0, text
    assert (run / "metrics.jsonl").read_text() == metrics
    if source == "live":
        return
    motion = tmp_path / "movement.sto"
    write_storage(motion, sample_motion(neck, 3, duration=0.5).to_storage())
    for arguments in (
        ("predict", motion, "--network", run, "--out", tmp_path / "forces", "--person", "age=30"),
        ("export", run, tmp_path / "network.zip"),
    ):
        call = [sys.executable, "-m", "cervjax", *map(str, arguments)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "forces" / "StaticOptimization_force.sto").is_file()
    assert (tmp_path / "network.zip").stat().st_size > 0


def test_latencies_side_by_side(tmp_path):
    code, text = _run(
        "benchmark_prediction", "--rounds", 3, "--batch", 64, "--opensim-frames", 2,
        "--out", tmp_path,
    )  # fmt: skip
    assert code == 0, text
    found = json.loads((tmp_path / "latency.json").read_text())
    network = found["network, full input"]["one_frame_ms"]
    assert network < found["OpenSim StaticOptimization"]["one_frame_ms"]
    assert {"direct solver", "dual, 3 Newton steps", "mechanics alone"} < set(found)


def test_the_benchmark_runs(tmp_path):
    code, text = _run(
        "benchmark_labels", "--rows", 256, "--repeats", 1, "--opensim-frames", 2, "--scaling",
        "--largest", 1000, "--out", tmp_path,
    )  # fmt: skip
    assert code == 0, text
    figures = json.loads((tmp_path / "benchmark.json").read_text())
    assert figures["converged"] == 1.0
    assert figures["ratio"] > 0
    assert (tmp_path / "scaling.png").stat().st_size > 0
