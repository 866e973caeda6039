import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.labels import build_factory
from cervjax.learning import (
    DatasetSource,
    NetworkConfig,
    RunFolder,
    SensorNoise,
    StreamSource,
    TrainingConfig,
    evaluate,
    load_network,
    predict_rows,
    row_equations,
    train,
)
from cervjax.learning.step import StepPlan
from cervjax.spec import shipped_neck
from cervjax.spec.plain import from_plain, to_plain
from tests.learning.conftest import PLAN, SMALL


def changed(**changes):
    """`SMALL` with other fields; those of the network by their names too."""
    shape = {k: v for k, v in changes.items() if k in NetworkConfig.__dataclass_fields__}
    rest = {k: v for k, v in changes.items() if k not in shape}
    return dataclasses.replace(SMALL, network=dataclasses.replace(SMALL.network, **shape), **rest)


def score(network, source, single):
    rows = source.rows("test", 400)
    balance = row_equations(single, rows)
    said = predict_rows(network, rows.inputs, balance)
    muscles = single.model.muscles
    return evaluate(
        said,
        rows,
        balance,
        single.model.topology.muscles,
        np.asarray(muscles.max_isometric_force),
        (np.asarray(muscles.min_control), np.asarray(muscles.max_control)),
    )


@pytest.fixture(scope="module")
def taught(source, reserved, single, tmp_path_factory):
    """How good each kind is on people never seen, after small steps on the same rows."""
    found = {}
    for kind, steps in (("direct", 1000), ("physics", 1000), ("label-free", 1000), ("dual", 200)):
        folder = tmp_path_factory.mktemp("taught") / kind
        config = changed(
            kind=kind,
            width=64,
            steps=steps,
            batch_size=128,
            validate_every=steps // 4,
            physics_share=1.0,
        )
        network = train(source, reserved, config, folder)
        found[kind] = score(network, source, single), RunFolder(folder).metrics()
    return found


@pytest.mark.parametrize("kind", ["direct", "physics", "label-free", "dual"])
def test_every_kind_learns_what_it_is_taught(taught, kind):
    """Half of the variance at least, from 1,400 rows; without a label as well."""
    result, metrics = taught[kind]
    assert result.median_r2 > 0.5
    assert result.bounds_violated == 0.0
    assert len(metrics) == 4
    assert metrics[-1]["train_force"] < metrics[0]["train_force"]


def test_physics_lowers_the_torque_residual(taught):
    """The same network, steps and rows; with mechanics in the loss and without."""
    residual = {kind: result.relative_residual for kind, (result, _) in taught.items()}
    assert residual["physics"] < 0.85 * residual["direct"]
    assert residual["dual"] < 0.1


def test_a_linear_head_needs_the_bounds_term(source, reserved, single, tmp_path):
    violated = {}
    for weight in (0.0, 10.0):
        weights = {"force": 1.0, "activation": 1.0, "bounds": weight}
        config = changed(head="linear", losses=weights, steps=200, validate_every=200)
        network = train(source, reserved, config, tmp_path / str(weight))
        said = predict_rows(network, source.rows("test", 400).inputs)
        lower = np.asarray(single.model.muscles.min_control)
        violated[weight] = np.mean(np.maximum(lower - np.asarray(said.activation), 0))
    assert violated[10.0] < 0.7 * violated[0.0]


KILLED = textwrap.dedent(
    """
    import sys
    import jax.numpy as jnp
    from cervjax.labels import LabelDataset
    from cervjax.learning import DatasetSource, NetworkConfig, SensorNoise, TrainingConfig, train
    from cervjax.model import Model
    from cervjax.people import Personalizer
    from cervjax.spec import shipped_neck

    data, out, kill_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
    spec = shipped_neck().with_reserves(0.1)
    single = Personalizer(Model.from_spec(spec, dtype=jnp.float32))
    network = NetworkConfig(width=24, depth=2)
    config = TrainingConfig(
        network=network, steps=40, batch_size=64, validate_every=10, missing_inputs=0.5
    )
    source = DatasetSource(LabelDataset(data), single, network)

    def tell(now):
        print(now.step, flush=True)
        if now.step == kill_at:
            import os, signal
            os.kill(os.getpid(), signal.SIGKILL)

    train(source, spec, config, out, progress=tell)
    """
)


def test_a_killed_run_resumes_to_identical_metrics_and_network(dataset, tmp_path):
    """SIGKILL between two checkpoints: the same curve and the same numbers, bit for bit."""

    def start(out, kill_at):
        call = [sys.executable, "-c", KILLED, str(dataset.folder.path), str(out), str(kill_at)]
        environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
        return subprocess.run(call, capture_output=True, text=True, check=False, env=environment)

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert start(whole, -1).returncode == 0
    assert start(parts, 27).returncode == -signal.SIGKILL
    lines = RunFolder(parts).metrics()
    assert lines[-1]["step"] == 20
    # A line of a step that no checkpoint has, as a kill between the two leaves it.
    RunFolder(parts).add_metrics({**lines[-1], "step": 30})
    again = start(parts, -1)
    assert again.returncode == 0, again.stderr
    assert again.stdout.split()[0] == "21"
    assert (whole / "metrics.jsonl").read_bytes() == (parts / "metrics.jsonl").read_bytes()
    for a, b in zip(
        jax.tree.leaves(load_network(whole)), jax.tree.leaves(load_network(parts)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_training_stops_early_and_gives_back_the_best(source, reserved, tmp_path):
    """A learning rate that wrecks the network: the best validation is what is returned."""
    config = changed(optimizer="adam", learning_rate=3.0, steps=400, patience=2)
    network = train(source, reserved, config, tmp_path)
    metrics = RunFolder(tmp_path).metrics()
    values = [line["validation"] for line in metrics]
    assert len(values) < 40
    assert values[-1] > min(values)
    assert len(values) == int(np.argmin(values)) + 1 + 2
    said = predict_rows(network, source.validation().inputs).force
    loaded = predict_rows(load_network(tmp_path), source.validation().inputs).force
    np.testing.assert_array_equal(said, loaded)


def test_another_run_in_the_same_folder_is_refused(source, reserved, run, tmp_path):
    with pytest.raises(ValueError, match="other losses, missing_inputs"):
        train(source, reserved, SMALL, run)
    with pytest.raises(FileNotFoundError, match="no training run"):
        load_network(tmp_path / "none")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps = 0"),
        ({"window": 4}, "a network without memory sees one frame"),
        ({"kind": "label-free", "losses": {"force": 1.0}}, "label-free network has no"),
        ({"inputs": "sensor", "noise": SensorNoise(dropout=0.1)}, "no frame before"),
        ({"noise": SensorNoise(rate_deg=1.0)}, "noise is of sensors"),
        ({"physics_start": 0.0}, "a small part"),
        ({"inputs": "imu"}, "no input set 'imu'"),
    ],
)
def test_impossible_configurations_say_why(changes, message):
    with pytest.raises(ValueError, match=message):
        changed(**changes)
    with pytest.raises(ValueError, match=r"weight force = -1\.0 is negative"):
        changed(losses={"force": -1.0})
    with pytest.raises(ValueError, match="nothing to learn"):
        changed(losses={})


def test_a_configuration_survives_its_file(run):
    asked = dataclasses.replace(SMALL, missing_inputs=0.5)
    assert RunFolder(run).config() == asked.resolved
    config = changed(
        inputs="sensor-rates", memory="recurrent", window=4, noise=SensorNoise(rate_deg=1.0)
    )
    stored = json.loads(json.dumps(to_plain(config.resolved)))
    assert from_plain(stored, TrainingConfig, "a run") == config.resolved


def test_schedules_of_labels_and_physics(source, reserved, tmp_path):
    """From labels to mechanics, which grows by the same factor; whole where there are no labels."""
    config = changed(physics_start=0.01, labels_end=0.0, physics_ramp=0.5)
    plan = StepPlan.of(config)
    at = [
        [float(plan.factors(jnp.array(step))[k]) for k in ("labels", "physics")]
        for step in (0, 10, 20, 40)
    ]
    np.testing.assert_allclose(at, [[1, 0.01], [0.75, 0.1], [0.5, 1], [0, 1]], rtol=1e-5)
    alone = changed(kind="label-free", physics_start=0.01)
    assert float(StepPlan.of(alone).factors(jnp.array(0))["physics"]) == 1.0


class Mislabelled(DatasetSource):
    """Rows whose labels are wrong."""

    def rows(self, split, limit):
        return self.spoiled(super().rows(split, limit))

    def normalizing(self):
        return self.spoiled(super().normalizing())

    def batches(self, first, size, seed):
        return map(self.spoiled, super().batches(first, size, seed))

    @staticmethod
    def spoiled(rows):
        return dataclasses.replace(
            rows,
            activation=np.full_like(rows.activation, 0.7),
            force=rows.force[:, ::-1] + 1,
            reserve_force=rows.reserve_force + 1,
        )


@pytest.mark.parametrize("head", ["bounded", "linear"])
def test_label_free_training_does_not_look_at_labels(head, dataset, single, reserved, tmp_path):
    """The same network comes out where every label is wrong."""
    config = changed(kind="label-free", head=head, steps=4, validate_every=2)
    found = []
    for kind in (DatasetSource, Mislabelled):
        source = kind(dataset, single, config.network)
        network = train(source, reserved, config, tmp_path / kind.__name__)
        found.append(jax.tree.leaves(eqx.filter(network, eqx.is_array)))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_of_one_step(source, reserved, tmp_path):
    train(source, reserved, changed(steps=1), tmp_path)
    assert [line["step"] for line in RunFolder(tmp_path).metrics()] == [1]


def test_a_half_written_line_of_metrics_is_left_out(run, tmp_path):
    lines = RunFolder(run).metrics()
    text = (run / "metrics.jsonl").read_text()
    (tmp_path / "metrics.jsonl").write_text(text[:-30])
    assert RunFolder(tmp_path).metrics() == lines[:-1]
    RunFolder(tmp_path).cut_metrics(lines[-1]["step"])
    RunFolder(tmp_path).add_metrics(lines[-1])
    assert RunFolder(tmp_path).metrics() == lines


def test_hidden_torques_weigh_less_by_default():
    whole = changed(kind="physics", missing_inputs=0.0).weights["balance"]
    assert changed(kind="physics", missing_inputs=0.5).weights["balance"] < whole
    assert changed(kind="physics", inputs="sensor", missing_inputs=0.0).weights["balance"] < whole


def test_shards_take_turns_in_memory_and_steps_do_not_depend_on_it(dataset, single):
    """All shards, group by group, in an order of their own every round."""
    small = DatasetSource(dataset, single, SMALL.network, memory_rows=700)
    assert small._groups > 2
    per_group = -(-small._group_rows // 64)
    shards = [small._members(turn, 0) for turn in range(2 * small._groups)]
    for turns in (shards[: small._groups], shards[small._groups :]):
        assert sorted(s for group in turns for s in group) == list(range(dataset.plan.shards))
    from_start = small.batches(0, 64, 0)
    wanted = [next(from_start) for _ in range(per_group + 2)][-1]
    alone = next(small.batches(per_group + 1, 64, 0))
    np.testing.assert_array_equal(wanted.force, alone.force)


def test_windows_stay_inside_a_movement_and_end_at_a_certified_row(dataset, single):
    network = NetworkConfig(
        kind="direct", inputs="sensor-rates", memory="recurrent", window=4, width=16, depth=1
    )
    rows = DatasetSource(dataset, single, network).rows("train", 100)
    assert rows.inputs.motion.shape[1:] == (4, 12)
    # Six frames a movement: windows of four end at frames three, four and five.
    alone = DatasetSource(dataset, single, dataclasses.replace(SMALL.network, inputs="sensor"))
    frames = alone.rows("train", 10**6)
    for k in (0, 1, 50):
        label = np.flatnonzero(np.all(frames.force == rows.force[k], axis=1))
        assert len(label) == 1
        np.testing.assert_allclose(
            rows.inputs.motion[k, -1, :9], frames.inputs.motion[label[0], :9], atol=1e-6
        )
    # Orientation at one frame plus rate times a 50th of a second is nearly that of the next.
    motion = rows.inputs.motion
    turned = motion[:, :-1, :3] + np.cross(motion[:, :-1, 6:9], motion[:, :-1, :3]) / 50
    assert np.abs(turned - motion[:, 1:, :3]).max() < 0.02


def test_a_network_with_memory_trains_on_noisy_sensors(dataset, reserved, single, tmp_path):
    config = changed(
        kind="direct",
        inputs="sensor-rates",
        memory="convolution",
        window=4,
        noise=SensorNoise(orientation_deg=1.0, rate_deg=3.0, dropout=0.2),
    )
    source = DatasetSource(dataset, single, config.network)
    train(source, reserved, config, tmp_path)
    metrics = RunFolder(tmp_path).metrics()
    assert metrics[-1]["validation"] < 0.98 * metrics[0]["validation"]
    assert RunFolder(tmp_path).rate() == 50.0


def test_frames_at_random_times_have_no_windows(single):
    factory = build_factory(dataclasses.replace(PLAN, rate=None), shipped_neck())
    network = NetworkConfig(
        kind="direct", inputs="sensor-rates", memory="recurrent", window=4, width=16, depth=1
    )
    with pytest.raises(ValueError, match="rate = None"):
        StreamSource(factory, network)
    physical = dataclasses.replace(PLAN, convention="physical")
    with pytest.raises(ValueError, match="'physical'"):
        StreamSource(build_factory(physical, shipped_neck()), SMALL.network)


def test_training_on_a_stream_learns_and_resumes_exactly(reserved, tmp_path):
    """Nobody is seen twice, nothing is on disk; a stopped run takes the same steps."""
    plan = dataclasses.replace(PLAN, persons=1, frames=4, block=16)
    factory = build_factory(plan, shipped_neck())
    config = changed(steps=20, batch_size=96)
    whole = train(StreamSource(factory, config.network), reserved, config, tmp_path / "whole")

    class Stopped(Exception):
        pass

    def stop(now):
        if now.step == 13:
            raise Stopped

    source = StreamSource(factory, config.network)
    validated, batches = source.validation(), source.batches(0, 96, 0)
    first, second = next(batches), next(batches)
    for one, other in ((validated, first), (validated, second), (first, second)):
        together = np.concatenate([np.unique(x.frame.subject, axis=0) for x in (one, other)])
        assert len(np.unique(together, axis=0)) == len(together)
    with pytest.raises(Stopped):
        train(source, reserved, config, tmp_path / "parts", progress=stop)
    resumed = train(source, reserved, config, tmp_path / "parts")
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(resumed), strict=True):
        np.testing.assert_array_equal(a, b)
    lines = RunFolder(tmp_path / "parts").metrics()
    assert lines[-1]["train_force"] < lines[0]["train_force"]


SHARED = textwrap.dedent(
    """
    import sys
    import jax
    jax.config.update("jax_num_cpu_devices", int(sys.argv[3]))
    """
) + KILLED.replace("int(sys.argv[3])", "-1").replace(
    "progress=tell", "devices=jax.local_devices(), progress=tell"
)


def test_two_devices_take_the_steps_of_one(dataset, tmp_path):
    """Shares of a batch add up in another order: equal to float32 rounding, grown over 40 steps."""
    lines = []
    for devices in (1, 2):
        out = tmp_path / str(devices)
        call = [sys.executable, "-c", SHARED, str(dataset.folder.path), str(out), str(devices)]
        environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(call, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        lines.append(RunFolder(out).metrics())
    for one, two in zip(*lines, strict=True):
        for name, value in one.items():
            assert two[name] == pytest.approx(value, rel=0.02, abs=1e-6), name
