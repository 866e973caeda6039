"""Judging networks on people and movements they never saw: every question a function."""

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from cervjax.labels import BlockRunner, DatasetPlan, LabelBatch, Labeler, RowOptions, build_factory
from cervjax.learning import (
    PERSON_INPUTS,
    AbstractForceNetwork,
    DualNetwork,
    Evaluation,
    ForceEnsemble,
    NetworkInputs,
    Prediction,
    RowBuilder,
    TrainingRows,
    evaluate,
    known_of,
    person_inputs,
    predict_rows,
    reserve_forces,
    row_equations,
    select_rows,
)
from cervjax.model import Model, Topology
from cervjax.motion import Motion
from cervjax.motion.synthesis import PLANES, MotionSample, MovementKind, plane_of_coordinates
from cervjax.optimization import (
    TorqueEquation,
    controls_from,
    least_squares_multipliers,
    solve_dual,
)
from cervjax.people import OUT_OF_DISTRIBUTION, Personalizer, Subject
from cervjax.spec import ModelSpec
from conversion.opensim_engine import opensim_static_optimization

SPEEDS_DEG = (0.0, 30.0, 60.0, 120.0, 240.0, np.inf)
"""deg/s, ends of the classes of head speed."""


@dataclass(frozen=True)
class JudgedRows:
    """Rows to judge on, seen through every input set.

    Attributes:
        rows: with the inputs of `full`.
        inputs: of other sets, by name.
        balance: mechanics.
        kind: a `MovementKind` each.
        speed: deg/s, of the head.
    """

    rows: TrainingRows
    inputs: dict[str, NetworkInputs]
    balance: TorqueEquation
    kind: np.ndarray
    speed: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


class Judge:
    """Scores predictions on rows, for one neck."""

    def __init__(self, spec: ModelSpec) -> None:
        """Prepare; compilation happens when first needed."""
        self.spec = spec
        self.model = Model.from_spec(spec, dtype=jnp.float32)
        self.personalizer = Personalizer(self.model)
        self._builders: dict[str, RowBuilder] = {}
        self.labeler = Labeler(self.personalizer, RowOptions(joint_loads=False))
        muscles = self.model.muscles
        self._strength = np.asarray(muscles.max_isometric_force)
        self._bounds = (np.asarray(muscles.min_control), np.asarray(muscles.max_control))

    def rows(
        self, labels: LabelBatch, person: np.ndarray, sets: Sequence[str] = ("sensor", "markers")
    ) -> JudgedRows:
        """Rows of `labels`, seen through `full` and through `sets`."""
        rows = self._builder("full")(labels, person)
        inputs = {name: self._builder(name)(labels, person).inputs for name in sets}
        sensed = inputs.get("sensor") or self._builder("sensor")(labels, person).inputs
        speed = np.degrees(np.linalg.norm(np.asarray(sensed.motion)[:, 6:9], axis=1))
        return JudgedRows(
            rows, inputs, row_equations(self.personalizer, rows), np.asarray(labels.kind), speed
        )

    def predict(self, network: AbstractForceNetwork, judged: JudgedRows) -> Prediction:
        """What `network` says of all rows."""
        inputs = judged.inputs.get(network.config.inputs, judged.rows.inputs)
        return predict_rows(network, inputs, judged.balance)

    def score(
        self,
        prediction: Prediction | Float[np.ndarray, "rows muscles"],
        judged: JudgedRows,
        chosen: np.ndarray | None = None,
    ) -> Evaluation:
        """How good a prediction is (a table of forces, of a method without activations)."""
        bounds = self._bounds
        if isinstance(prediction, Prediction):
            said = prediction
        else:
            none = np.zeros_like(judged.rows.reserve_force)
            said, bounds = Prediction(prediction, prediction, none), None
        rows, balance = judged.rows, judged.balance
        if chosen is not None:
            said, balance = jax.tree.map(lambda x: x[chosen], (said, balance))
            rows = select_rows(rows, chosen)
        return evaluate(said, rows, balance, self.model.topology.muscles, self._strength, bounds)

    def population(self, plan: DatasetPlan, people: int, bare: ModelSpec) -> JudgedRows:
        """Certified rows of `people` people of another population."""
        plan = replace(plan, persons=people)
        factory = build_factory(plan, bare)
        drawn, labels = BlockRunner(factory, -(-people // factory.block))(0)
        return self._certified(jax.tree.map(np.asarray, labels), np.asarray(person_inputs(drawn)))

    def _certified(self, labels: LabelBatch, known: np.ndarray) -> JudgedRows:
        good = np.flatnonzero(labels.solution.status == 0)
        chosen = jax.tree.map(lambda x: x[good], labels)
        return self.rows(chosen, known[np.asarray(chosen.person)])

    def _builder(self, input_set: str) -> RowBuilder:
        if input_set not in self._builders:
            self._builders[input_set] = RowBuilder(self.personalizer, input_set)
        return self._builders[input_set]


def groups(judged: JudgedRows) -> dict[str, np.ndarray]:
    """Rows by kind of movement and by head speed."""
    found = {}
    for kind in MovementKind:
        chosen = np.flatnonzero(judged.kind == kind)
        if len(chosen) > 500:
            found[kind.name.lower()] = chosen
    for low, high in itertools.pairwise(SPEEDS_DEG):
        chosen = np.flatnonzero((judged.speed >= low) & (judged.speed < high))
        if len(chosen) > 500:
            found[f"{low:.0f} to {high:.0f} deg/s" if high < np.inf else f"> {low:.0f} deg/s"] = (
                chosen
            )
    return found


def newton_steps(
    network: DualNetwork, judged: JudgedRows, score: Any, steps: Iterable[int]
) -> list[tuple[int, Evaluation, Evaluation]]:
    """Quality after k Newton steps, from where the network points and from least squares."""
    found = []
    for k in steps:
        config = replace(network.config, newton_steps=k)
        ours = predict_rows(replace(network, config=config), judged.rows.inputs, judged.balance)
        plain = _from_least_squares(network, judged.balance, k)
        found.append((k, score(ours, judged), score(plain, judged)))
    return found


def _from_least_squares(network: DualNetwork, balance: TorqueEquation, steps: int) -> Prediction:
    actuation, count = network.actuation, len(network.actuation.lower)

    @jax.jit
    def solve(balance: TorqueEquation) -> Prediction:
        def one(row: TorqueEquation) -> Prediction:
            problem = actuation.problem(row)
            state = solve_dual(problem, 2.0, steps, least_squares_multipliers(problem))
            controls = controls_from(problem, state.reduced_costs(problem), 2.0)
            activation = controls[:count]
            return Prediction(
                activation, activation * row.capacity, controls[count:] * actuation.reserve
            )

        return jax.lax.map(one, balance, batch_size=128)

    return jax.tree.map(np.asarray, solve(jax.tree.map(jnp.asarray, balance)))


def information_bound(
    judge: Judge, judged: JudgedRows, least_share: float, *, rows: int, twins: int, seed: int = 0
) -> Float[np.ndarray, " muscles"]:
    """R^2 that nothing can exceed which sees the head's orientation but not how upper and lower
    neck share it.

    Every row gets twins: the same person with the same sum of the angles of each plane, shared out
    anew as the sampler does. One less the variance among twins over that among all rows. Turns
    about several axes do not add up exactly, so it is an estimate for large combined movements;
    twins that would leave the range are left out, which raises it.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(judged), min(rows, len(judged)), replace=False)
    frame = jax.tree.map(lambda x: np.asarray(x)[chosen], judged.rows.frame)
    names = judge.spec.free_coordinates
    ends = np.array([judge.spec.coordinate(name).range for name in names])
    plane = np.array(plane_of_coordinates(judge.spec))
    forces, good = [], []
    for _ in range(twins):
        motion = [x.copy() for x in frame.motion]
        for k in range(len(PLANES)):
            members = np.flatnonzero(plane == k)
            share = rng.random((len(chosen), len(members)))
            share = least_share + (1 - least_share) * share / share.max(axis=1, keepdims=True)
            turned = frame.motion.q[:, members].sum(axis=1, keepdims=True)
            part = share * np.where(turned > 0, ends[members, 1], -ends[members, 0])
            part /= part.sum(axis=1, keepdims=True)
            for new, old in zip(motion, frame.motion, strict=True):
                new[:, members] = part * old[:, members].sum(axis=1, keepdims=True)
        inside = ((motion[0] >= ends[:, 0]) & (motion[0] <= ends[:, 1])).all(axis=1)
        labels = judge.labeler(
            jnp.arange(len(chosen)),
            Subject.from_vector(jnp.asarray(frame.subject)),
            MotionSample(*(jnp.asarray(x, jnp.float32) for x in motion)),
            jnp.asarray(frame.gravity),
        )
        forces.append(np.asarray(labels.muscle_force, float))
        good.append(np.asarray(labels.solution.status == 0) & inside)
    force, weight = np.stack(forces), np.stack(good)[..., None].astype(float)
    enough = weight.sum(axis=0)[:, 0] >= 3
    force, weight = force[:, enough], weight[:, enough]
    count = weight.sum(axis=0)
    middle = (force * weight).sum(axis=0) / count
    within = (((force - middle) ** 2 * weight).sum(axis=0) / (count - 1)).mean(axis=0)
    overall = (force * weight).sum(axis=(0, 1)) / weight.sum(axis=(0, 1))
    total = ((force - overall) ** 2 * weight).sum(axis=(0, 1)) / weight.sum(axis=(0, 1))
    return 1 - within / total


def unknown_people(
    judge: Judge, network: AbstractForceNetwork, judged: JudgedRows
) -> dict[str, Evaluation]:
    """Quality where less and less is known of the person."""
    everything = list(PERSON_INPUTS)
    strengths = [name for name in everything if "strength" in name]
    body = ["neck_length", "shoulder_width", "head_mass", "head_size"]
    known = {
        "everything": everything,
        "not age": [n for n in everything if n != "age"],
        "not strength": [n for n in everything if n not in strengths],
        "sex, age, stature, weight": ["sex", "age", "stature", "weight"],
        "sex and body size, not strength": ["sex", *body],
        "nothing": [],
    }
    found = {}
    for name, names in known.items():
        person = known_of(np.asarray(judged.rows.inputs.person), names)
        inputs = NetworkInputs(judged.rows.inputs.motion, person.astype(np.float32))
        found[name] = judge.score(predict_rows(network, inputs), judged)
    return found


def coverage(
    ensemble: ForceEnsemble, judged: JudgedRows
) -> tuple[Float[np.ndarray, " muscles"], float, Float[np.ndarray, " muscles"]]:
    """Measured coverage per muscle, part of the rows flagged novel, mean width (N) per muscle."""
    said = ensemble.predict(judged.rows.inputs, judged.balance)
    force = np.asarray(judged.rows.force)
    inside = (force >= said.low) & (force <= said.high)
    width = np.asarray(said.high - said.low)
    return np.asarray(inside).mean(axis=0), float(said.novel.mean()), width.mean(axis=0)


def tails(judge: Judge, plan: DatasetPlan, bare: ModelSpec, people: int) -> dict[str, JudgedRows]:
    """Rows of people beyond the 1st or 99th percentile, by the name of the tail."""
    return {
        name: judge.population(replace(plan, population=name, seed=7), people, bare)
        for name in OUT_OF_DISTRIBUTION
    }


@dataclass(frozen=True)
class OpensimRows:
    """Rows whose labels are OpenSim's own.

    Attributes:
        judged: the rows; force and activation are OpenSim's.
        names: movement of each.
        seconds: of OpenSim's optimization.
    """

    judged: JudgedRows
    names: np.ndarray
    seconds: float


def opensim_rows(
    judge: Judge,
    motions: Sequence[Motion],
    subjects: np.ndarray,
    person: np.ndarray,
    frames: int,
    advance: Any,
) -> OpensimRows:
    """Recorded movements of several people, solved by OpenSim's StaticOptimization.

    Args:
        subjects, person: ratios and network inputs of each of the people.
        frames: of each movement.
    """
    parts, names, force, activation = [], [], [], []
    started = time.perf_counter()
    for subject, known in zip(subjects, person, strict=True):
        spec = _personal_spec(judge, subject)
        for motion in motions:
            last = len(motion.time) - 1
            step = max(1, int(0.9 * last) // frames)
            at = motion.time[int(0.05 * last)], motion.time[int(0.95 * last)]
            controls, forces = opensim_static_optimization(
                spec, motion, start=at[0], end=at[1], step=step, convergence=1e-7
            )
            index = np.clip(np.searchsorted(motion.time, controls.time - 1e-6), 0, last)
            sample = tuple(x[index] for x in motion.analyze_derivatives())
            count = len(index)
            parts.append((np.tile(subject, (count, 1)), sample, np.tile(known, (count, 1))))
            names += [motion.name] * count
            muscles = list(judge.model.topology.muscles)
            activation.append(np.column_stack([controls.column(m) for m in muscles]))
            force.append(np.column_stack([forces.column(m) for m in muscles]))
            advance()
    seconds = time.perf_counter() - started
    ratios, motion, known = jax.tree.map(lambda *x: np.concatenate(x), *parts)
    labels = judge.labeler(
        jnp.arange(len(ratios)),
        Subject.from_vector(jnp.asarray(ratios, jnp.float32)),
        MotionSample(*(jnp.asarray(x, jnp.float32) for x in motion)),
    )
    judged = judge.rows(jax.tree.map(np.asarray, labels), known)
    theirs = replace(
        judged.rows,
        force=np.concatenate(force).astype(np.float32),
        activation=np.concatenate(activation).astype(np.float32),
    )
    return OpensimRows(replace(judged, rows=theirs), np.array(names), seconds)


def solver_prediction(labels: LabelBatch, topology: Topology) -> Prediction:
    """The direct solver's answers, as a network would give them."""
    carried = reserve_forces(labels, topology)
    return Prediction(np.asarray(labels.activation), np.asarray(labels.muscle_force), carried)


def _personal_spec(judge: Judge, subject: np.ndarray) -> ModelSpec:
    """A person's neck with the model's bounds: OpenSim refuses some that float32 has rounded."""
    ratios = Subject.from_vector(jnp.asarray(subject, jnp.float32))
    scaled = judge.personalizer(ratios).to_spec(judge.spec)
    muscles = tuple(
        replace(muscle, min_control=model.min_control, max_control=model.max_control)
        for muscle, model in zip(scaled.muscles, judge.spec.muscles, strict=True)
    )
    return replace(scaled, muscles=muscles)
