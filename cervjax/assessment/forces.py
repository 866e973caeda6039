"""Muscle forces and joint loads behind an assessed movement, and those of healthy people alike."""

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from cervjax.labels import Labeler, RowOptions, RowStatus, Solution
from cervjax.model import NeckModel
from cervjax.motion import Motion, MotionSample
from cervjax.personalization import Personalizer, Subject
from cervjax.population import AnsurPopulation, Physiology, Sex
from cervjax.spec import NeckSpec

from .strength import torque_capacity

GROUPS = (
    "sterno",
    "scalenus",
    "longus",
    "hyoid",
    "trapezius",
    "levator_scap",
    "splenius",
    "semispinalis",
    "erectorspinae",
    "suboccipital",
)
"""Of HYOID's muscle groups those that share no muscle."""
ACTIONS = ("flexion", "extension", "lat_bending", "rotation_ipsi", "rotation_contra")
_ROWS = 1024
"""Solved at once: a fixed number, so that everybody uses the same compiled function."""
PEOPLE = 24
"""Healthy people alike."""
_LEFT = "_L"
"""Ends the names of HYOID's muscles of the left side."""


@dataclass(frozen=True)
class ForceSummary:
    """Forces of frames, as static optimization says.

    Attributes:
        time: s.
        muscles: names.
        force: N.
        activation: parts of 1.
        groups: name and side of each muscle group.
        group_force: N, sum over the group.
        band: N, 5th and 95th percentile of healthy people alike in the same movement.
        levels: names of the joints, lowest first.
        compression, shear: N, on the joint, see `cervjax.dynamics.JointLoads`; shear is both
            directions together.
        status: a `RowStatus` of each frame.
        reserve: N m, the largest that reserves carry in each frame.
        capacity: N m, 5th, 50th and 95th percentile of the largest isometric moments of healthy
            people alike, in each of `MAIN`.
        demand: the largest activation of each group's muscles in the movement, and the 95th
            percentile of it among healthy people alike.
    """

    time: Float[np.ndarray, " frames"]
    muscles: tuple[str, ...]
    force: Float[np.ndarray, "frames muscles"]
    activation: Float[np.ndarray, "frames muscles"]
    groups: tuple[tuple[str, str], ...]
    group_force: Float[np.ndarray, "frames groups"]
    band: Float[np.ndarray, "2 frames groups"]
    levels: tuple[str, ...]
    compression: Float[np.ndarray, "frames levels"]
    shear: Float[np.ndarray, "frames levels"]
    status: Int[np.ndarray, " frames"]
    reserve: Float[np.ndarray, " frames"]
    capacity: Float[np.ndarray, "3 6"]
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
        spec, model: the neck that ratios are to, with reserves.
        label: solves `_ROWS` rows.
    """

    spec: NeckSpec
    model: NeckModel
    label: Labeler

    @classmethod
    def of(cls, spec: NeckSpec, reserve: float = 1.0) -> "ForceSolver":
        """For necks like `spec`.

        Args:
            reserve: N m, optimal force of one reserve per free coordinate.
        """
        spec = spec.with_reserves(reserve)
        model = NeckModel.from_spec(spec, dtype=jnp.float32)
        solver = cls(spec, model, Labeler(Personalizer(spec, model), RowOptions()))
        nothing = np.zeros((1, len(model.topology.coordinates)), np.float32)
        solver(np.ones((1, 7), np.float32), (nothing, nothing, nothing), np.zeros((1, 3)))
        torque_capacity(solver.label.personalizer, np.ones((PEOPLE, 7), np.float32))
        return solver

    def __call__(
        self,
        subject: Float[np.ndarray, "rows ratios"],
        motion: tuple[np.ndarray, ...],
        gravity: Float[np.ndarray, "rows 3"],
    ) -> Solution:
        """Solve rows, in batches of which the last is filled up."""
        result = []
        for start in range(0, len(subject), _ROWS):
            at = np.minimum(np.arange(start, start + _ROWS), len(subject) - 1)
            solved = self.label(
                jnp.zeros(_ROWS, jnp.int32),
                Subject.from_vector(jnp.asarray(subject[at], jnp.float32)),
                MotionSample(*(jnp.asarray(x[at], jnp.float32) for x in motion)),
                jnp.asarray(gravity[at], jnp.float32),
            ).solution
            count = min(_ROWS, len(subject) - start)
            result.append(jax.tree.map(lambda x, count=count: np.asarray(x)[:count], solved))
        return jax.tree.map(lambda *parts: np.concatenate(parts), *result)


def movement_forces(
    solver: ForceSolver,
    subject: Subject,
    motion: Motion,
    gravity: Float[np.ndarray, "frames 3"],
    *,
    sex: Sex,
    age: float,
    frames: int = 1024,
    band_frames: int = 128,
    people: int = PEOPLE,
    seed: int = 0,
) -> ForceSummary:
    """Solve evenly spaced frames of a smoothed motion, for the person and for healthy people of
    the same sex and of nearly the same age, who do the same movement.

    Args:
        subject: the person's ratios.
        gravity: m/s^2, in the torso's frame.
        frames: solved at most; derivatives use all.
        band_frames: of them, solved for the others too.
        people: others.
    """
    spec, model = solver.spec, solver.model
    count = min(frames, len(motion.time))
    chosen = np.unique(np.round(np.linspace(0, len(motion.time) - 1, count)).astype(int))
    derivatives = motion.analyze_derivatives()
    sample = [np.asarray(x)[chosen] for x in derivatives]
    own = np.asarray(subject.as_vector(), np.float32)

    drop = gravity[chosen]
    mine = solver(np.broadcast_to(own, (len(chosen), len(own))), tuple(sample), drop)
    groups, members = _groups(spec, model.topology.muscles)
    picked = np.unique(np.round(np.linspace(0, len(chosen) - 1, band_frames)).astype(int))
    others = _alike(spec, model, own, sex, age, people, seed)
    rows = np.tile(picked, people)
    alike = solver(
        np.repeat(others, len(picked), axis=0), tuple(x[rows] for x in sample), drop[rows]
    )
    theirs = (alike.muscle_force @ members.T).reshape(people, len(picked), -1)
    ends = np.percentile(theirs, (5, 95), axis=0)
    time = motion.time[chosen]
    band = np.stack(
        [
            np.column_stack([np.interp(time, time[picked], column) for column in end.T])
            for end in ends
        ]
    )
    topology = model.topology
    levels = tuple(topology.joints[k] for k in topology.moving_joints)
    joints = mine.joint_force
    assert joints is not None
    capacity = np.nanpercentile(torque_capacity(solver.label.personalizer, others), (5, 50, 95), 0)
    theirs_activation = np.asarray(alike.activation).reshape(people, len(picked), -1).max(axis=1)
    activation = np.asarray(mine.activation)
    demand = np.array(
        [
            [activation[:, m > 0].max() for m in members],
            [np.percentile(theirs_activation[:, m > 0].max(axis=1), 95) for m in members],
        ]
    )
    force, loads = np.asarray(mine.muscle_force), np.asarray(joints)
    return ForceSummary(
        time,
        topology.muscles,
        force,
        activation,
        groups,
        force @ members.T,
        band,
        levels,
        loads[..., 1],
        np.hypot(loads[..., 0], loads[..., 2]),
        np.asarray(mine.status),
        np.abs(np.asarray(mine.reserve_force)).max(axis=1),
        capacity,
        demand,
    )


def _groups(
    spec: NeckSpec, muscles: tuple[str, ...]
) -> tuple[tuple[tuple[str, str], ...], Float[np.ndarray, "groups muscles"]]:
    """Groups by side, and which muscles are in each."""
    names, rows = [], []
    known = dict(spec.groups)
    for name in (*GROUPS, *ACTIONS):
        if name not in known:
            continue
        stems = {m.removesuffix(_LEFT) for m in known[name]}
        for side in ("left", "right"):
            inside = [
                m.removesuffix(_LEFT) in stems and m.endswith(_LEFT) == (side == "left")
                for m in muscles
            ]
            names.append((name, side))
            rows.append(np.array(inside, dtype=np.float32))
    return tuple(names), np.array(rows)


def _alike(
    spec: NeckSpec,
    model: NeckModel,
    own: Float[np.ndarray, " ratios"],
    sex: Sex,
    age: float,
    people: int,
    seed: int,
) -> Float[np.ndarray, "people ratios"]:
    """Healthy people of the person's sex, age and size: strength and head mass vary."""
    nearest = float(np.clip(age, 19.0, 89.0))
    population = AnsurPopulation.of(
        model,
        np.ones(3),
        women=1.0 if sex == Sex.FEMALE else 0.0,
        ages=(nearest - 1.0, nearest + 1.0),
        dtype=jnp.float32,
    )
    drawn = jax.jit(
        lambda index: jax.vmap(lambda k: population(k, jax.random.key(seed)).subject)(index)
    )(jnp.arange(people))
    vectors = np.array(drawn.as_vector())
    names = [f.name for f in dataclasses.fields(Subject)]
    for size in ("neck_length", "shoulder_width", "head_size"):
        vectors[:, names.index(size)] = own[names.index(size)]
    return vectors
