"""One new file adds one new thing: each is defined here, and goes the whole way.

Nothing of the package is edited; what a test registers it takes back.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from cervjax import Model, Personalizer, Subject, sample_motion, solve_motion, train
from cervjax.dynamics import mechanics
from cervjax.identification import (
    PARAMETER_KINDS,
    Impulses,
    MuscleFactor,
    ParameterSpace,
    ParametricDynamics,
    fit_impulses,
    register_parameter,
)
from cervjax.kinematics import muscle_paths
from cervjax.labels import Labeler
from cervjax.learning import (
    LOSSES,
    NETWORKS,
    AbstractForceNetwork,
    AbstractLoss,
    LossContext,
    NetworkInputs,
    NetworkParts,
    Prediction,
    RunFolder,
    TrainingConfig,
    load_network,
    predict_rows,
    register_loss,
    register_network,
)
from cervjax.learning.losses import mean_square
from cervjax.model import (
    PATH_ELEMENTS,
    AbstractPathElement,
    Line,
    PathFrame,
    PathLines,
    Stretch,
    register_path_element,
)
from cervjax.motion.recordings import (
    AbstractRecordingReader,
    MarkerRecording,
    ReadOptions,
    find_reader,
    readers,
    register_reader,
)
from cervjax.motion.synthesis import MotionSample
from cervjax.muscle import MUSCLE_MODELS, ThelenForceCurves, register_muscle_model
from cervjax.optimization import TorqueEquation
from cervjax.simulation import Dynamics
from cervjax.spec import (
    MUSCLE_CURVES,
    PATH_COMPONENTS,
    AbstractPathComponent,
    ModelSpec,
    PathPoint,
    ThelenCurves,
    read_tables,
    register_muscle_curves,
    register_path_component,
    write_tables,
)


@pytest.fixture(autouse=True)
def taken_back():
    """Registries as they were."""
    tables = (LOSSES, NETWORKS, PARAMETER_KINDS, PATH_ELEMENTS, MUSCLE_MODELS)
    tables += (MUSCLE_CURVES, PATH_COMPONENTS)
    before, files = [dict(t) for t in tables], list(readers.RECORDING_READERS)
    yield
    for table, was in zip(tables, before, strict=True):
        table.clear()
        table.update(was)
    readers.RECORDING_READERS[:] = files


@dataclass(frozen=True)
class SlidingPoint(AbstractPathComponent):
    """A path point that slides in its body along a line, in proportion to a coordinate."""

    name: str
    body: str
    origin: tuple[float, float, float]
    slope: tuple[float, float, float]
    coordinate: int

    def attached_to(self) -> tuple[str, ...]:
        return (self.body,)


class SlidingPoints(AbstractPathElement):
    """From a fixed point to a sliding one and on to the next fixed one: two lines a stretch."""

    origin: Float[Array, "n 3"]
    slope: Float[Array, "n 3"]
    body: tuple[int, ...] = eqx.field(static=True)
    coordinate: tuple[int, ...] = eqx.field(static=True)
    stretches: tuple[Stretch, ...] = eqx.field(static=True)

    @classmethod
    def build(cls, stretches: Sequence[Stretch], spec: ModelSpec) -> "SlidingPoints":
        parts: list[Any] = [s.components[0] for s in stretches]
        return cls(
            jnp.asarray([p.origin for p in parts]),
            jnp.asarray([p.slope for p in parts]),
            tuple(1 + [b.name for b in spec.bodies].index(p.body) for p in parts),
            tuple(p.coordinate for p in parts),
            tuple(stretches),
        )

    def lines(self) -> tuple[Line, ...]:
        found = []
        for s, body in zip(self.stretches, self.body, strict=True):
            found += [Line(s.muscle, s.first_body, body), Line(s.muscle, body, s.last_body)]
        return tuple(found)

    def evaluate(self, frame: PathFrame) -> PathLines:
        at = np.array(self.coordinate)
        turn = frame.rotation[np.array(self.body)]
        local = self.origin + self.slope * frame.q[at][:, None]
        point = frame.position[np.array(self.body)] + jnp.einsum("nij,nj->ni", turn, local)
        first = frame.point[np.array([s.first for s in self.stretches])]
        last = frame.point[np.array([s.last for s in self.stretches])]
        before, after = point - first, last - point
        lengths = [jnp.linalg.norm(x, axis=1) for x in (before, after)]
        units = [x / n[:, None] for x, n in zip((before, after), lengths, strict=True)]
        slide = jnp.einsum("nij,nj->ni", turn, self.slope)
        rate = jnp.sum((units[0] - units[1]) * slide, axis=1)
        count = len(self.stretches)
        pull = jnp.stack(units, axis=1).reshape(2 * count, 3)
        start = jnp.stack([first, point], axis=1).reshape(2 * count, 3)
        return PathLines(
            lengths[0] + lengths[1],
            pull,
            jnp.cross(start, pull),
            jnp.zeros((count, len(frame.q))).at[np.arange(count), at].set(rate),
        )

    def scaled(self, scale: Float[Array, "bodies 3"]) -> "SlidingPoints":
        own = scale[np.array(self.body)]
        return eqx.tree_at(
            lambda e: (e.origin, e.slope), self, (self.origin * own, self.slope * own)
        )


def with_sliding_point(neck: ModelSpec) -> ModelSpec:
    """The neck whose muscle with a point in the middle has it slide."""
    number = next(k for k, m in enumerate(neck.muscles) if len(m.path) >= 3)
    muscle = neck.muscles[number]
    first, middle, last = muscle.path[:3]
    assert isinstance(first, PathPoint)
    assert isinstance(middle, PathPoint)
    assert isinstance(last, PathPoint)
    point = SlidingPoint("slides", middle.body, middle.location, (0.004, -0.002, 0.003), 3)
    path = (first, point, *muscle.path[2:])
    muscles = list(neck.muscles)
    muscles[number] = dataclasses.replace(muscle, path=path)
    return dataclasses.replace(neck, muscles=tuple(muscles))


def test_a_path_element(neck, tmp_path):
    """Moment arms are the derivative of length (central differences, 1e-7 m/rad), speeds and joint
    loads follow, the optimum is certified, people are scaled, tables keep it."""
    register_path_component(SlidingPoint)
    register_path_element(SlidingPoint)(SlidingPoints)
    spec = with_sliding_point(neck)
    write_tables(spec, tmp_path / "tables")
    assert read_tables(tmp_path / "tables") == spec
    model = Model.from_spec(spec)
    rng = np.random.default_rng(0)
    q, qd = rng.uniform(-0.2, 0.2, 6), rng.normal(size=6)
    paths = jax.jit(muscle_paths)(model, jnp.asarray(q))
    step = 1e-6
    length = jax.jit(lambda model, q: muscle_paths(model, q).length)
    for k in range(6):
        away = step * np.eye(6)[k]
        slope = (length(model, q + away) - length(model, q - away)) / (2 * step)
        np.testing.assert_allclose(-np.asarray(paths.moment_arm)[k], slope, atol=1e-7)
    fixed = jax.jit(muscle_paths)(Model.from_spec(neck), jnp.asarray(q))
    assert np.sum(np.asarray(paths.length) != np.asarray(fixed.length)) == 1
    frame = jax.jit(mechanics)(model, jnp.asarray(q), jnp.asarray(qd), jnp.zeros(6))
    np.testing.assert_allclose(
        frame.lengthening_speed, -qd @ np.asarray(frame.moment_arm), atol=1e-12
    )
    solved = solve_motion(model, sample_motion(spec, 3, duration=0.2))
    assert solved.converged
    rows = MotionSample(*(jnp.asarray(x)[None] for x in (q, qd, 0 * q)))
    label = Labeler(Personalizer(model))(
        jnp.zeros(1, int), Subject.from_vector(jnp.full((1, 7), 1.05)), rows
    )
    assert bool(label.certificate.converged[0])
    state = Dynamics(model, "rigid").at_rest(jnp.asarray(q), jnp.full(72, 0.05))
    rates = jax.jit(lambda d, s: d.motion_rates(jnp.zeros(()), s)[0])(
        Dynamics(model, "rigid"), state
    )
    assert np.isfinite(rates).all()


@dataclass(frozen=True)
class SlowCurves(ThelenCurves):
    """A muscle model of our own: Thelen's, with a wider active force-length curve."""

    KshapeActive: float = 0.6


class SlowForceCurves(ThelenForceCurves):
    """Its curves."""

    @classmethod
    def of(cls, shapes: Sequence[SlowCurves]) -> "SlowForceCurves":
        plain = super().of(shapes)
        return cls(**{f.name: getattr(plain, f.name) for f in dataclasses.fields(plain)})


def test_a_muscle_model(neck, tmp_path):
    """Beside Millard muscles in one model: solved, stored in tables."""
    register_muscle_curves("Slow")(SlowCurves)
    register_muscle_model(SlowCurves)(SlowForceCurves)
    muscles = tuple(
        dataclasses.replace(m, curves=SlowCurves()) if k % 2 else m
        for k, m in enumerate(neck.muscles)
    )
    spec = dataclasses.replace(neck, muscles=muscles)
    write_tables(spec, tmp_path / "tables")
    assert read_tables(tmp_path / "tables") == spec
    model = Model.from_spec(spec)
    assert [type(c).__name__ for c in model.muscles.curves] == [
        "MillardForceCurves",
        "SlowForceCurves",
    ]
    solved = solve_motion(model, sample_motion(spec, 3, duration=0.2))
    plain = solve_motion(Model.from_spec(neck), sample_motion(neck, 3, duration=0.2))
    assert solved.converged
    assert np.abs(solved.solution.activation - plain.solution.activation).max() > 1e-4


class SmoothnessLoss(AbstractLoss):
    """Squared forces: a term that pulls all forces down."""

    name: ClassVar[str] = "size"
    needs: ClassVar[Literal["labels", "mechanics", "either"]] = "labels"

    def __call__(self, context: LossContext) -> Float[Array, ""]:
        return mean_square(context.prediction.force / context.scales.force)


class MeanNetwork(AbstractForceNetwork):
    """Predicts activations alone, each muscle pulling with its strength at rest."""

    config: Any = eqx.field(static=True)
    trunk: Any
    motion: Any
    person: Any
    actuation: Any
    strength: Float[Array, " muscles"]

    @classmethod
    def outputs(cls, model: Model) -> int:
        return len(model.topology.muscles)

    @classmethod
    def fresh(cls, parts: NetworkParts, model: Model) -> "MeanNetwork":
        return cls(*parts, jnp.asarray(model.muscles.max_isometric_force, jnp.float32))

    def __call__(self, inputs: NetworkInputs, equation: TorqueEquation | None = None) -> Prediction:
        activation = self.actuation.bounded(0.1 + 0.1 * self.trunk(self.features(inputs)))
        reserves = jnp.zeros_like(self.actuation.reserve)
        return Prediction(activation, activation * self.strength, reserves)


def test_a_network_kind_and_a_loss_term(learning_source, tmp_path):
    """Trained with the new term, found again in its folder, used for prediction."""
    source, spec = learning_source
    register_loss(SmoothnessLoss)
    register_network("mean")(MeanNetwork)
    network = dataclasses.replace(source.network, kind="mean")
    config = TrainingConfig(
        network=network,
        losses={"force": 1.0, "activation": 1.0, "size": 0.1},
        steps=6,
        batch_size=32,
        validate_every=3,
    )
    trained = train(source.rows, spec, config, tmp_path)
    lines = RunFolder(tmp_path).metrics()
    assert {"train_size", "validation_size"} <= set(lines[0])
    assert lines[-1]["validation"] < lines[0]["validation"]
    inputs = source.rows.validation().inputs
    again = predict_rows(load_network(tmp_path), inputs)
    np.testing.assert_array_equal(again.force, predict_rows(trained, inputs).force)


def test_a_learned_parameter(neck):
    """Fiber damping, which the package does not identify, found again from exact motion."""
    register_parameter(MuscleFactor("fiber_damping", (0.2, 5.0)))
    model = Model.from_spec(neck)
    space = ParameterSpace.of(model, kinds=("fiber_damping",), muscles=("stern_mast",))
    dynamics = ParametricDynamics(space, Dynamics(model, "rigid"))
    rng = np.random.default_rng(0)
    step, samples, truth = 0.002, 40, jnp.asarray([1.6])
    q0, qd0 = rng.uniform(-0.1, 0.1, 6), rng.normal(size=6)
    activation = np.full((1, samples, 72), 0.1)

    def move(state, _):
        half = step / 10

        def small(s, _):
            rate = dynamics.acceleration(s, jnp.full(72, 0.1), truth)
            middle = s + 0.5 * half * jnp.concatenate([s[6:], rate])
            rate = dynamics.acceleration(middle, jnp.full(72, 0.1), truth)
            return s + half * jnp.concatenate([middle[6:], rate]), None

        return jax.lax.scan(small, state, None, length=10)[0], state

    _, states = jax.jit(lambda start: jax.lax.scan(move, start, None, length=samples))(
        jnp.concatenate([q0, qd0])
    )
    states = np.asarray(states)[None]
    impulses = Impulses.of(states[..., :6], states[..., 6:], activation, step)
    found = fit_impulses(dynamics, impulses, np.array([1.0]))
    assert found.values[0] == pytest.approx(1.6, rel=0.02)


class JsonMarkers(AbstractRecordingReader):
    """Markers in JSON: a format of our own."""

    suffixes = (".json",)

    def read(self, path, options: ReadOptions) -> MarkerRecording:
        data = json.loads(path.read_text())
        return MarkerRecording(
            path.name, tuple(data["markers"]), np.array(data["time"]), np.array(data["position"])
        ).upright(options.up or "y")


def test_a_recording_reader(tmp_path):
    """Every command finds readers the same way."""
    path = tmp_path / "trial.json"
    data = {"markers": ["A"], "time": [0.0, 0.1], "position": [[[0, 1, 2]], [[0, 1, 3]]]}
    path.write_text(json.dumps(data))
    assert find_reader(path) is None
    register_reader(JsonMarkers)
    reader = find_reader(path)
    assert reader is not None
    recording = reader.read(path, ReadOptions(up="z"))
    assert isinstance(recording, MarkerRecording)
    np.testing.assert_allclose(recording.position[1, 0], [0, 3, -1])
