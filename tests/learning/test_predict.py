"""From a trained run to OpenSim's files and to one portable file, as commands and from Python."""

import dataclasses
import json
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import opensim
import pytest

from cervjax import commands
from cervjax.assessment import AssessmentOptions, assess_motion
from cervjax.assessment.forces import NetworkForces
from cervjax.kinematics import body_motion
from cervjax.learning import (
    DatasetSource,
    ForceEnsemble,
    NetworkConfig,
    described_person,
    known_of,
    load_network,
    make_network,
    train,
)
from cervjax.learning.export import read_portable, write_portable
from cervjax.learning.predict import Predictor, predict_motion, save_ensemble
from cervjax.model import topology_of
from cervjax.motion import Motion, read_storage, write_storage
from cervjax.motion.synthesis import sample_motion
from cervjax.optimization import StaticOptimizationSettings
from cervjax.optimization.motion_solution import solve_motion
from cervjax.people import LIMITS, AssessedPerson, Subject
from cervjax.report.session import network_prediction
from conversion.opensense import read_orientations
from tests.learning.conftest import SMALL

WHOLE = {"sex": 0, "age": 34, "stature": 1.66, "weight": 61, **dict.fromkeys(LIMITS, 1.0)}


@pytest.fixture(scope="module")
def movement(reserved):
    return sample_motion(reserved, 3, duration=1.0)


@pytest.fixture(scope="module")
def file(movement, tmp_path_factory):
    path = tmp_path_factory.mktemp("motion") / "movement.sto"
    write_storage(path, movement.to_storage())
    return path


@pytest.fixture(scope="module")
def dual(source, reserved, tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks") / "dual"
    network = dataclasses.replace(SMALL.network, kind="dual", newton_steps=30)
    train(source, reserved, dataclasses.replace(SMALL, network=network), folder)
    return folder


@pytest.fixture(scope="module")
def sensor(dataset, single, reserved, tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks") / "sensor"
    network = dataclasses.replace(SMALL.network, inputs="sensor")
    config = dataclasses.replace(SMALL, network=network, missing_inputs=0.5)
    train(DatasetSource(dataset, single, network), reserved, config, folder)
    return folder


def command(*arguments):
    commands.main(arguments)


def test_a_polished_dual_network_is_static_optimization(dual, movement, reserved, single):
    """On a person's own neck, through files' route: forces and torque residual."""
    person = described_person({**WHOLE, "neck_length": 1.1, "strength": 0.8})
    predicted = predict_motion(Predictor.load(dual), movement, person)
    ratios = Subject.of(jnp.float32, neck_length=1.1, strength=0.8)
    solved = solve_motion(single(ratios), movement, StaticOptimizationSettings())
    wanted = np.asarray(solved.solution.muscle_force)
    # float32 optimum against float32 optimum: KKT residuals of 5e-5 times some 100 N.
    assert np.abs(predicted.force - wanted).max() < 0.2
    assert predicted.torque_residual is not None
    assert np.abs(predicted.torque_residual).max() < 0.01
    partly = described_person({"neck_length": 1.1})
    with pytest.raises(ValueError, match="dual network needs the person's mechanics; shoulder"):
        predict_motion(Predictor.load(dual), movement, partly)


def test_the_command_writes_what_opensim_reads(run, file, reserved, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    command(
        "predict", file, "--network", run, "--out", tmp_path, "--person", "sex=female", "age=34"
    )
    capsys.readouterr()
    table = opensim.TimeSeriesTable(str(tmp_path / "StaticOptimization_force.sto"))
    assert list(table.getColumnLabels()) == [m.name for m in reserved.muscles]
    ours = read_storage(tmp_path / "StaticOptimization_activation.sto")
    assert ours.data.shape == (101, 72)
    text = (tmp_path / "StaticOptimization_force.sto").read_text()
    assert "not a measurement" in text
    # The person's body is not known, so how well torques balance is not either.
    assert read_storage(tmp_path / "prediction.sto").columns == ("novel",)


def test_results_of_another_run_do_not_stay(dual, ensemble, file, tmp_path, capsys):
    """A solver's certificate beside a network's forces would vouch for them."""
    person = ("--person", *(f"{k}={v}" for k, v in WHOLE.items()))
    command("solve", "hyoid-repaired", file, "--out", tmp_path, "--step", "20")
    assert (tmp_path / "certificate.sto").exists()
    command("predict", file, "--network", ensemble, "--out", tmp_path, *person)
    assert not (tmp_path / "certificate.sto").exists()
    assert (tmp_path / "force_low.sto").exists()
    command("predict", file, "--network", dual, "--out", tmp_path, *person)
    assert {x.name for x in tmp_path.iterdir()} == {
        "StaticOptimization_activation.sto",
        "StaticOptimization_force.sto",
        "prediction.sto",
    }


def test_a_person_beyond_training_is_told_by_a_single_network(run, movement):
    predictor = Predictor.load(run)
    predicted = predict_motion(predictor, movement, described_person({**WHOLE, "neck_length": 1.9}))
    assert predicted.novel.all()
    assert "neck_length" in predicted.beyond


def test_a_dual_network_of_whole_people_refuses_half_known_ones(dual, movement):
    without_age = {k: v for k, v in WHOLE.items() if k != "age"}
    with pytest.raises(ValueError, match="age of the person are not known"):
        predict_motion(Predictor.load(dual), movement, described_person(without_age))


def test_intervals_know_whether_people_were_half_known(single, rows):
    nets = [make_network(SMALL.network, single.model, key=jax.random.key(seed)) for seed in (0, 1)]
    hidden = dataclasses.replace(
        rows.inputs, person=known_of(rows.inputs.person, ["sex"]).astype(np.float32)
    )
    whole = ForceEnsemble.calibrated(nets, rows, None, rows.inputs)
    partly = ForceEnsemble.calibrated(nets, dataclasses.replace(rows, inputs=hidden), None, hidden)
    assert (whole.missing_inputs, partly.missing_inputs) == (False, True)


def test_bad_input_is_one_line_and_leaves_nothing(run, dual, file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    out = tmp_path / "out"
    for arguments, message in (
        (("--network", tmp_path / "none"), "no training run"),
        (("--network", run, "--person", "height=1.7"), "unknown ['height']"),
        (("--network", run, "--person", "female"), "'female' is not name=value"),
        (("--network", dual, "--person", "age=3"), "dual network needs"),
    ):
        with pytest.raises(SystemExit) as stopped:
            command("predict", file, "--out", out, *arguments)
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err
    assert not out.exists()


def test_an_assessment_shows_what_a_network_says_of_the_person(run, reserved, tmp_path):
    """The network is told the sizes, the mass and the gravity that the solver was told."""
    movement = sample_motion(reserved, 5, duration=4.0, rate=50.0)
    person = {"sex": "male", "age": 30.0, "weight": 90.0, "stature": 1.9}
    options = AssessmentOptions(forces=False)
    described = AssessedPerson.described(person)
    assessment = assess_motion(movement, described, reserved, options)
    predictor = Predictor.load(run)
    found = network_prediction(predictor, assessment, person)
    heavy = float(assessment.subject.head_mass)
    assert heavy > 1.2
    told = described_person({**assessment.subject.ratios(), **person})
    expected = predict_motion(predictor, assessment.motion, told)
    np.testing.assert_allclose(found.force, expected.force, rtol=1e-4, atol=1e-3)
    forces = NetworkForces.of(found, topology_of(reserved))
    assert forces.name == run.name
    groups = dict(reserved.groups)
    left = [k for k, m in enumerate(m.name for m in reserved.muscles) if m.endswith("_L")]
    of = {m.removesuffix("_L") for m in groups["splenius"]}
    members = [k for k in left if reserved.muscles[k].name.removesuffix("_L") in of]
    column = reserved.anatomy.muscle_groups.index("splenius") * 2
    sums = np.asarray(expected.force, float)[:, members].sum(axis=1)
    np.testing.assert_allclose(forces.group_force[:, column], sums, rtol=1e-4, atol=1e-3)


def test_a_network_that_never_saw_gaps_refuses_them(source, reserved, movement, tmp_path):
    train(source, reserved, dataclasses.replace(SMALL, steps=2), tmp_path)
    predictor = Predictor.load(tmp_path)
    predict_motion(predictor, movement, described_person(WHOLE))
    with pytest.raises(ValueError, match="age of the person are not known"):
        predict_motion(
            predictor, movement, described_person({k: v for k, v in WHOLE.items() if k != "age"})
        )


@pytest.fixture(scope="module")
def ensemble(source, reserved, tmp_path_factory):
    """Folder of two runs with calibrated intervals."""
    folder = tmp_path_factory.mktemp("networks") / "ensemble"
    runs = [folder / str(seed) for seed in (0, 1)]
    for seed, path in enumerate(runs):
        train(source, reserved, dataclasses.replace(SMALL, seed=seed, steps=10), path)
    members = [load_network(path) for path in runs]
    rows = source.validation()
    trained = source.rows("train", 400).inputs
    save_ensemble(ForceEnsemble.calibrated(members, rows, None, trained), runs, folder)
    return folder


def test_an_ensemble_gives_intervals_and_flags(ensemble, movement, file, tmp_path, capsys):
    predictor = Predictor.load(ensemble)
    predicted = predict_motion(predictor, movement, described_person(WHOLE))
    assert predicted.low is not None
    assert predicted.high is not None
    assert np.all((predicted.low <= predicted.force) & (predicted.force <= predicted.high))
    person = [f"{k}={v}" for k, v in {**WHOLE, "neck_length": 1.9}.items()]
    command("predict", file, "--network", ensemble, "--out", tmp_path, "--person", *person)
    assert "frames are unlike anything" in capsys.readouterr().err
    assert read_storage(tmp_path / "prediction.sto").column("novel").all()
    assert (tmp_path / "force_low.sto").exists()


def test_gravity_of_a_leaning_torso_matters(run, movement):
    predictor, person = Predictor.load(run), described_person(WHOLE)
    upright = predict_motion(predictor, movement, person).force
    lean = predict_motion(predictor, movement, person, gravity=np.array([4.9, -8.5, 0.0])).force
    assert np.abs(upright - lean).max() > 0.1


def orientation_file(path, movement, single, *, up="y"):
    """What two sensors would record of `movement`: quaternions of torso and head."""
    from scipy.spatial.transform import Rotation

    body = single.model.body_index("skull")
    motion = [jnp.asarray(x, jnp.float32) for x in movement.analyze_derivatives()]
    seen = jax.vmap(lambda *x: body_motion(single.model, body, *x))(*motion)
    # A torso that turns and leans takes the head along.
    torso = Rotation.from_euler("yz", [[20.0, -15.0]] * len(movement.time), degrees=True)
    head = torso * Rotation.from_matrix(np.asarray(seen.rotation))
    if up == "z":
        turn = Rotation.from_euler("x", 90, degrees=True)
        torso, head = turn * torso, turn * head
    lines = ["DataRate=100", "DataType=Quaternion", "version=3", "OpenSimVersion=4.6", "endheader"]
    lines.append("time\ttorso\tskull")
    for k, at in enumerate(movement.time):
        cells = [
            ",".join(f"{x:.12g}" for x in r[k].as_quat(scalar_first=True)) for r in (torso, head)
        ]
        lines.append("\t".join([f"{at:.9g}", *cells]))
    path.write_text("\n".join(lines) + "\n")
    return torso


@pytest.mark.parametrize("up", ["y", "z"])
def test_orientations_of_two_sensors(sensor, movement, single, tmp_path, capsys, up):
    """The same forces as from the coordinates, and the torso's inclination from the torso."""
    path = tmp_path / "orientations.sto"
    torso = orientation_file(path, movement, single, up=up)
    turn = ("--sensor-to-opensim-deg", -90, 0, 0) if up == "z" else ()
    person = [f"{k}={v}" for k, v in WHOLE.items()]
    command(
        "predict", path, "--network", sensor, "--out", tmp_path / "out", *turn, "--person", *person
    )
    capsys.readouterr()
    found = read_storage(tmp_path / "out" / "StaticOptimization_force.sto")
    if up == "z":
        from scipy.spatial.transform import Rotation

        torso = Rotation.from_euler("x", -90, degrees=True) * torso
    gravity = torso[0].inv().apply([0.0, -9.80665, 0.0])
    predictor = Predictor.load(sensor)
    wanted = predict_motion(predictor, movement, described_person(WHOLE), gravity=gravity).force
    # Away from the ends, where the two splines differ.
    error = np.abs(found.data - wanted)[15:-15]
    assert error.max() < 0.02 * wanted.max()


def test_noise_of_sensors_is_filtered(sensor, movement, single, tmp_path, capsys):
    """Half a degree at 100 Hz is some 100 rad/s^2 of noise; a low-pass takes it away."""
    from scipy.spatial.transform import Rotation

    from cervjax.motion.recordings.sensors import SensorRecording

    path = tmp_path / "orientations.sto"
    orientation_file(path, movement, single)
    clean = read_orientations(path, torso="torso", head="skull")
    rng = np.random.default_rng(0)
    noise = Rotation.from_rotvec(np.radians(0.5) * rng.normal(size=(len(clean.time), 3)))
    turned = (noise * Rotation.from_matrix(clean.orientation)).as_quat(scalar_first=True)
    still = np.tile([1.0, 0, 0, 0], (len(clean.time), 1))
    gravity = tuple(clean.gravity[0])
    noisy = SensorRecording.of(clean.time, still, turned, gravity=gravity)
    smooth = noisy.lowpass(6.0)

    def error(recording):
        return np.abs(recording.angular_acceleration - clean.angular_acceleration)[15:-15].mean()

    assert error(smooth) < 0.05 * error(noisy)
    np.testing.assert_allclose(smooth.gravity, clean.gravity, atol=1e-6)
    with pytest.raises(ValueError, match=r"cutoff 0\.0 Hz"):
        noisy.lowpass(0.0)
    with pytest.raises(SystemExit):
        command(
            "predict", path, "--network", sensor, "--out", tmp_path / "o", "--inclination-deg", "5"
        )
    assert "leave it out" in capsys.readouterr().err


def test_networks_of_all_coordinates_refuse_sensors(run, movement, single, tmp_path, capsys):
    path = tmp_path / "orientations.sto"
    orientation_file(path, movement, single)
    with pytest.raises(SystemExit):
        command("predict", path, "--network", run, "--out", tmp_path / "out")
    assert "needs q, qd, qdd, gravity" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command("predict", path, "--network", run, "--out", tmp_path / "out", "--head", "nose")
    assert "no columns ['nose']" in capsys.readouterr().err


ALONE = textwrap.dedent(
    """
    import json, sys, zipfile
    import jax
    import numpy as np

    with zipfile.ZipFile(sys.argv[1]) as file:
        about = json.loads(file.read("about.json"))
        network = jax.export.deserialize(bytearray(file.read("network.jax")))
    given = np.load(sys.argv[2])
    force = network.call(given["motion"], given["person"])["force"]
    np.save(sys.argv[3], force)
    assert not [name for name in sys.modules if name.startswith(("cervjax", "equinox", "optax"))]
    print(about["muscles"][0], about["platforms"])
    """
)


@pytest.mark.parametrize("kind", ["run", "dual", "ensemble"])
def test_one_file_runs_without_this_package(request, kind, movement, tmp_path):
    """In another process with JAX alone: the same forces, for any number of rows."""
    folder = request.getfixturevalue(kind)
    predictor = Predictor.load(folder)
    path = write_portable(predictor, tmp_path / "network.zip")
    person = described_person(WHOLE)
    predicted = predict_motion(predictor, movement, person)
    count = len(movement.time)
    gravity = np.tile(np.asarray(predictor.model.gravity), (count, 1))
    motion = np.concatenate([*movement.analyze_derivatives(), gravity], axis=1).astype(np.float32)
    rows = np.tile(person, (count, 1)).astype(np.float32)
    np.savez(tmp_path / "given.npz", motion=motion, person=rows)
    arguments = [path, tmp_path / "given.npz", tmp_path / "force.npy"]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "cuda" in done.stdout
    force = np.load(tmp_path / "force.npy")
    tolerance = 0.1 if kind == "dual" else 1e-3 * predicted.force.max()
    assert np.abs(force - predicted.force).max() < tolerance
    again = read_portable(path)
    np.testing.assert_array_equal(again(motion[:7], rows[:7])["force"].shape, (7, 72))
    assert again.about["window"] == 1


def test_a_file_that_is_no_network(tmp_path, run):
    (tmp_path / "x.zip").write_text("nothing")
    with pytest.raises(ValueError, match=r"x\.zip is not a network"):
        read_portable(tmp_path / "x.zip")
    with pytest.raises(ValueError, match=r"does not end in \.zip"):
        write_portable(Predictor.load(run), tmp_path / "network.bin")


def test_a_network_with_memory_predicts_at_its_own_rate(
    dataset, single, reserved, movement, tmp_path
):
    network = NetworkConfig(
        kind="direct", inputs="sensor-rates", memory="recurrent", window=4, width=16, depth=1
    )
    config = dataclasses.replace(SMALL, network=network, steps=3)
    train(DatasetSource(dataset, single, network), reserved, config, tmp_path)
    predictor = Predictor.load(tmp_path)
    predicted = predict_motion(predictor, movement, described_person(WHOLE))
    np.testing.assert_allclose(predicted.time, movement.resample(50.0).time)
    # What comes later is not seen.
    cut = Motion("cut", movement.coordinates, movement.time[:61], movement.q[:61])
    early = predict_motion(predictor, cut, described_person(WHOLE))
    np.testing.assert_allclose(early.force[:20], predicted.force[:20], rtol=1e-3)
    about = json.loads(
        json.dumps(read_portable(write_portable(predictor, tmp_path / "n.zip")).about)
    )
    assert about["rate_Hz"] == 50.0
    assert about["window"] == 4
