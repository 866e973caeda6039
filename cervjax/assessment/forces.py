"""Muscle forces and joint loads behind an assessed movement, and those of healthy people alike."""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.interpolate import PchipInterpolator

from cervjax.execution.rows import in_chunks
from cervjax.labels import Labeler, RowOptions, RowStatus, Solution, level_names
from cervjax.learning.predict import PredictedMotion
from cervjax.model import Model, Topology
from cervjax.motion import Motion
from cervjax.motion.synthesis import MotionSample
from cervjax.people import (
    LIMITS,
    AssessedPerson,
    Personalizer,
    Physiology,
    Sex,
    Subject,
)
from cervjax.spec import ModelSpec

from .peers import PEOPLE, people_alike

_ROWS = 1024
"""Solved at once: a fixed number, so that everybody uses the same compiled function."""


@dataclass(frozen=True)
class ForceSummary:
    """Forces of frames that count, as static optimization says; NaN where it found no optimum.

    Attributes:
        time: s.
        muscles: names.
        force: N.
        activation: parts of 1.
        compared: frames (indices into `time`) that were solved for others too, who do not move in
            all of them; peaks and demand are compared in these.
        groups: name and side of each muscle group.
        group_force: N, sum over the group.
        band: N, 5th and 95th percentile of healthy people alike in the same movement; between the
            frames compared interpolated.
        levels: names of the joints, lowest first.
        compression, shear: N, on the joint, see `cervjax.dynamics.JointLoads`; shear is both
            directions together.
        joint_band: N, 5th and 95th percentile of healthy people alike; compression, then shear.
        status: a `RowStatus` of each frame.
        reserve: N m, the largest that reserves carry in each frame.
        demand: the largest activation of each group's muscles in the frames compared, and the
            95th percentile of it among healthy people alike.
    """

    time: Float[np.ndarray, " frames"]
    muscles: tuple[str, ...]
    force: Float[np.ndarray, "frames muscles"]
    activation: Float[np.ndarray, "frames muscles"]
    compared: Int[np.ndarray, " compared"]
    groups: tuple[tuple[str, str], ...]
    group_force: Float[np.ndarray, "frames groups"]
    band: Float[np.ndarray, "2 frames groups"]
    levels: tuple[str, ...]
    compression: Float[np.ndarray, "frames levels"]
    shear: Float[np.ndarray, "frames levels"]
    joint_band: Float[np.ndarray, "2 2 frames levels"]
    status: Int[np.ndarray, " frames"]
    reserve: Float[np.ndarray, " frames"]
    demand: Float[np.ndarray, "2 groups"]

    @property
    def certified(self) -> float:
        """Part of the frames that are at a proven optimum which the muscles can supply."""
        return float(np.mean(self.status == RowStatus.CERTIFIED))


def expected_subject(
    subject: Subject, sex: Sex, age: float, *, known: Physiology = Physiology()
) -> Subject:
    """`subject` with the strength of the median person of this sex and age."""
    index = int(sex)
    lost = known.decline[index] * max(age - known.decline_from[index], 0.0)
    return dataclasses.replace(
        subject,
        strength=jnp.asarray(np.exp(-lost)),
        flexor_strength=jnp.asarray(known.flexor_strength[index]),
        extensor_strength=jnp.asarray(known.extensor_strength[index]),
    )


@dataclass(frozen=True)
class ForceSolver:
    """Static optimization of rows of any people, compiled.

    Attributes:
        model: that ratios are to, with reserves.
        label: solves `_ROWS` rows.
    """

    model: Model
    label: Labeler

    @classmethod
    def of(cls, spec: ModelSpec, reserve: float = 1.0) -> "ForceSolver":
        """For necks like `spec`.

        Args:
            spec: of the model.
            reserve: N m, optimal force of one reserve per free coordinate.

        Returns:
            A solver that is compiled already.
        """
        spec = spec.with_reserves(reserve)
        model = Model.from_spec(spec, dtype=jnp.float32)
        solver = cls(model, Labeler(Personalizer(model), RowOptions()))
        nothing = np.zeros((1, len(model.topology.coordinates)), np.float32)
        solver(np.ones((1, len(LIMITS)), np.float32), (nothing, nothing, nothing), np.zeros((1, 3)))
        return solver

    def __call__(
        self,
        subject: Float[np.ndarray, "rows ratios"],
        motion: tuple[np.ndarray, ...],
        gravity: Float[np.ndarray, "rows 3"],
    ) -> Solution:
        """Solve rows, of which `_ROWS` at a time."""
        return in_chunks(self._solved, _ROWS, subject, gravity, *motion)

    def _solved(self, subject: np.ndarray, gravity: np.ndarray, *motion: np.ndarray) -> Solution:
        single = [jnp.asarray(x, jnp.float32) for x in (subject, gravity, *motion)]
        people = Subject.from_vector(single[0])
        nobody = jnp.zeros(len(subject), jnp.int32)
        return self.label(nobody, people, MotionSample(*single[2:]), single[1]).solution


@dataclass(frozen=True)
class ForceOptions:
    """How much is solved.

    Attributes:
        frames: solved at most; derivatives use all.
        band_frames: of them, solved for others too.
        people: others.
        seed: of them.
    """

    frames: int = 1024
    band_frames: int = 128
    people: int = PEOPLE
    seed: int = 0


def movement_forces(
    solver: ForceSolver,
    person: AssessedPerson,
    subject: Subject,
    motion: Motion,
    gravity: Float[np.ndarray, "frames 3"],
    valid: Bool[np.ndarray, " frames"],
    options: ForceOptions = ForceOptions(),
) -> ForceSummary:
    """Solve evenly spaced frames of a smoothed motion, for the person and for healthy people of
    the same sex and of nearly the same age, who do the same movement.

    Args:
        person: whose sex and age the others have.
        subject: the person's ratios.
        gravity: m/s^2, in the torso's frame.
        valid: frames that count; no others are solved.
        options: how much is solved.

    Returns:
        Forces (N) and joint loads (N) of the frames solved, in order of time.
    """
    model = solver.model
    counted = np.flatnonzero(valid)
    people = options.people
    chosen = counted[_spaced(len(counted), options.frames)]
    derivatives = motion.analyze_derivatives()
    sample = [np.asarray(x)[chosen] for x in derivatives]
    own = np.asarray(subject.as_vector(), np.float32)
    drop = gravity[chosen]
    mine = _Solved.of(
        solver(np.broadcast_to(own, (len(chosen), len(own))), tuple(sample), drop), (len(chosen),)
    )
    compared = _spaced(len(chosen), options.band_frames)
    others = people_alike(model, own, person, people, options.seed)
    rows = np.tile(compared, people)
    alike = _Solved.of(
        solver(
            np.repeat(others, len(compared), axis=0), tuple(x[rows] for x in sample), drop[rows]
        ),
        (people, len(compared)),
    )
    time = motion.time[chosen]

    def band(values: np.ndarray) -> np.ndarray:
        ends = np.nanpercentile(values, (5, 95), axis=0)
        return PchipInterpolator(time[compared], ends, axis=1)(time)

    groups, members = _groups(model.topology, model.topology.muscles)
    largest = [np.nanmax(solved.activation, axis=-2) for solved in (mine.at(compared), alike)]
    demand = np.array(
        [
            [largest[0][m > 0].max() for m in members],
            [np.nanpercentile(largest[1][:, m > 0].max(axis=1), 95) for m in members],
        ]
    )
    topology = model.topology
    return ForceSummary(
        time,
        topology.muscles,
        mine.force,
        mine.activation,
        compared,
        groups,
        mine.force @ members.T,
        band(alike.force @ members.T),
        tuple(level_names(topology)),
        mine.loads[0],
        mine.loads[1],
        np.stack([band(loads) for loads in alike.loads], axis=1),
        mine.status,
        mine.reserve,
        demand,
    )


class _Solved(NamedTuple):
    """What is used of a `Solution`; NaN where there is no optimum."""

    force: np.ndarray
    activation: np.ndarray
    loads: tuple[np.ndarray, np.ndarray]
    reserve: np.ndarray
    status: np.ndarray

    @classmethod
    def of(cls, solution: Solution, shape: tuple[int, ...]) -> "_Solved":
        status = np.asarray(solution.status)
        none = (status == RowStatus.NOT_CONVERGED)[:, None]

        def shaped(values: object) -> np.ndarray:
            known = np.where(none, np.nan, np.asarray(values, float))
            return known.reshape(*shape, known.shape[-1])

        assert solution.joint_force is not None
        joints = np.asarray(solution.joint_force, float)
        return cls(
            shaped(solution.muscle_force),
            shaped(solution.activation),
            (shaped(joints[..., 1]), shaped(np.hypot(joints[..., 0], joints[..., 2]))),
            np.abs(shaped(solution.reserve_force)).max(axis=-1),
            status.reshape(shape),
        )

    def at(self, rows: np.ndarray) -> "_Solved":
        return _Solved(
            self.force[rows],
            self.activation[rows],
            (self.loads[0][rows], self.loads[1][rows]),
            self.reserve[rows],
            self.status[rows],
        )


@dataclass(frozen=True)
class NetworkForces:
    """What a trained network says of the same movement.

    Attributes:
        name: of the network.
        time: s.
        group_force: N, in the order of `ForceSummary.groups`.
        novel: part of the frames unlike those of its training.
    """

    name: str
    time: Float[np.ndarray, " frames"]
    group_force: Float[np.ndarray, "frames groups"]
    novel: float

    @classmethod
    def of(cls, predicted: PredictedMotion, topology: Topology) -> "NetworkForces":
        """Sums over the groups of a model.

        Returns:
            N, in the frames of `predicted`.

        Raises:
            ValueError: the network's muscles are not the neck's.
        """
        muscles = predicted.predictor.model.topology.muscles
        if set(muscles) != set(topology.muscles):
            raise ValueError(
                f"{predicted.predictor.source} has other muscles than {topology.name!r}"
            )
        _, members = _groups(topology, muscles)
        return cls(
            predicted.predictor.source.name,
            predicted.time,
            np.asarray(predicted.force, float) @ members.T,
            float(np.mean(predicted.novel)),
        )


def _spaced(count: int, most: int) -> Int[np.ndarray, " chosen"]:
    """Indices of at most `most` of `count`, evenly spaced."""
    return np.unique(np.round(np.linspace(0, count - 1, min(most, count))).astype(int))


def _groups(
    topology: Topology, muscles: tuple[str, ...]
) -> tuple[tuple[tuple[str, str], ...], Float[np.ndarray, "groups muscles"]]:
    """Groups by side, and which muscles are in each."""
    names, rows = [], []
    known, anatomy = dict(topology.groups), topology.anatomy
    for name in (*anatomy.muscle_groups, *anatomy.actions):
        if name not in known:
            continue
        stems = {anatomy.stem(m) for m in known[name]}
        for side in ("left", "right"):
            inside = [
                anatomy.stem(m) in stems and anatomy.is_left(m) == (side == "left") for m in muscles
            ]
            names.append((name, side))
            rows.append(np.array(inside, dtype=np.float32))
    return tuple(names), np.array(rows)
