"""The command line as a user meets it."""

import contextlib
import io
import subprocess
import sys

import numpy as np
import opensim
import pytest

from cervjax.commands import main
from cervjax.motion import read_storage, write_storage
from cervjax.motion.synthesis import sample_motion
from conversion import read_osim


def _run(*arguments, cwd=None):
    """A command in this process: exit code, standard output, standard error."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    where = contextlib.chdir(cwd) if cwd else contextlib.nullcontext()
    with where, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(a) for a in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
            if isinstance(end.code, str):
                err.write(end.code)
    return code, out.getvalue(), err.getvalue()


def test_the_entry_point_is_there_and_quick_to_help(tmp_path):
    """In a process of its own; no command is imported for its help."""
    call = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cervjax", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert {"solve", "label", "train", "doctor"} <= set(call.stdout.split())
    loaded = {line.split("|")[-1].strip() for line in call.stderr.splitlines()}
    assert not loaded & {"jax", "zarr", "orbax.checkpoint", "optax", "opensim", "mujoco"}


@pytest.fixture(scope="module")
def motion_file(tmp_path_factory, neck):
    path = tmp_path_factory.mktemp("motion") / "movement.sto"
    write_storage(path, sample_motion(neck, 3, duration=1.0).to_storage())
    return path


@pytest.mark.parametrize("movement", ["flexion", "extension", "lateral", "rotation"])
def test_solve_on_the_reference(data, nominal, tmp_path, movement):
    """`cervjax solve nominal.osim MOTION`: OpenSim's columns, its activations, no larger objective,
    and forces within 2 % of max isometric force (activation 0.01 at force multipliers below 2)."""
    reference = data / "opensim_reference"
    code, _, errors = _run(
        "solve", reference / "nominal.osim", reference / f"{movement}.sto",
        "--out", tmp_path,
    )  # fmt: skip
    assert code == 0, errors
    folder = reference / "nominal" / movement
    for kind in ("activation", "force"):
        ours = read_storage(tmp_path / f"StaticOptimization_{kind}.sto")
        theirs = read_storage(folder / f"StaticOptimization_{kind}.sto")
        rows = np.searchsorted(ours.time, theirs.time - 1e-6)
        if kind == "activation":
            assert ours.columns == theirs.columns
            assert np.abs(ours.data[rows] - theirs.data)[:, :72].max() <= 0.01
            assert np.all(np.sum(ours.data[rows] ** 2, 1) <= np.sum(theirs.data**2, 1))
        else:
            # OpenSim's file has the bushings between the muscles and the reserves.
            assert ours.columns == theirs.columns[:72] + theirs.columns[-6:]
            strongest = [m.max_isometric_force for m in nominal.muscles]
            for k, limit in enumerate(strongest):
                assert np.abs(ours.data[rows, k] - theirs.data[:, k]).max() <= 0.02 * limit
    tau = read_storage(tmp_path / "inverse_dynamics.sto")
    assert tau.columns[0] == "pitch2_force"
    certificate = read_storage(tmp_path / "certificate.sto")
    assert certificate.column("kkt_residual").max() <= 1e-8
    assert np.all(certificate.column("result") == 0)
    for file in tmp_path.glob("*.sto"):
        assert opensim.Storage(str(file)).getSize() == len(tau.time)


def test_solve_a_shipped_neck_physically(motion_file, tmp_path):
    code, out, errors = _run(
        "solve", "hyoid-repaired", motion_file, "--out", tmp_path, "--step", 20,
        "--convention", "physical", "--reserve", 2.0,
    )  # fmt: skip
    assert code == 0, errors
    assert "convention physical" in out
    forces = read_storage(tmp_path / "StaticOptimization_force.sto")
    assert forces.data[:, :72].min() >= 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hyoid-repaired", "none.sto"), "no motion file"),
        (("hyod", "MOTION"), "neither a file nor a shipped neck"),
        (("none.osim", "MOTION"), "no OpenSim model"),
        (("hyoid", "MOTION", "--exponent", "1"), "exponent 1"),
        (("hyoid", "MOTION", "--step", "0"), "step 0"),
        (("hyoid", "MOTION", "--reserve", "-1"), "must be positive"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(motion_file, tmp_path, arguments, message):
    given = [motion_file if a == "MOTION" else a for a in arguments]
    code, _, errors = _run("solve", *given, "--out", tmp_path / "out", cwd=tmp_path)
    assert code == 2
    assert message in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.rglob("*.sto"))


def test_a_size_that_a_model_has_no_part_for_is_refused(tmp_path):
    """A model whose anatomy names no vertebrae: its neck can't be made longer without a word."""
    arm = opensim.Model()
    arm.setName("arm")
    upper = opensim.Body("upper", 1.0, opensim.Vec3(0), opensim.Inertia(0.01, 0.01, 0.01))
    arm.addBody(upper)
    arm.addJoint(opensim.PinJoint("shoulder", arm.getGround(), upper))
    arm.finalizeConnections()
    arm.printToXML(str(tmp_path / "arm.osim"))
    code, _, errors = _run(
        "personalize", tmp_path / "arm.osim", "--neck-length", 1.1, "--out", tmp_path / "new.osim"
    )
    assert code == 2
    assert "neck_length = 1.1 would change nothing: 'arm' has no anatomy that names its" in errors
    assert not (tmp_path / "new.osim").exists()


def test_personalize_and_convert(tmp_path):
    person = tmp_path / "person.osim"
    code, _, errors = _run("personalize", "hyoid", "--neck-length", 1.1, "--out", person)
    assert code == 0, errors
    assert read_osim(person).name == "person"
    code, _, errors = _run("convert", person, tmp_path / "tables")
    assert code == 0, errors
    assert (tmp_path / "tables" / "muscles.csv").is_file()
    code, _, errors = _run("personalize", "hyoid", "--neck-length", 0.12, "--out", person)
    assert code == 2
    assert "ratio to the model" in errors
