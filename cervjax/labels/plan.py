"""`DatasetPlan`: everything that decides what a dataset holds; and the factory it describes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from cervjax.model import Model
from cervjax.motion import Motion
from cervjax.motion.synthesis import (
    CoordinateSampler,
    FixedGravity,
    MovementKind,
    MovementOptions,
    MovementSampler,
    RecordedMovements,
    TorsoInclination,
)
from cervjax.optimization import StaticOptimizationSettings
from cervjax.optimization.static_optimization import Convention
from cervjax.people import (
    OUT_OF_DISTRIBUTION,
    AnsurPopulation,
    BoxPopulation,
    PopulationBox,
    Ratio,
    RatioPopulation,
)
from cervjax.spec import ModelSpec
from cervjax.spec.plain import from_plain, to_plain

from .any_model import plan_personalizer, plan_spec
from .factory import LabelFactory, Population
from .row import RowOptions

POPULATIONS = ("ansur", "box", "ratios", *OUT_OF_DISTRIBUTION)

_CPU_ROWS = 128
"""Rows computed at once: about a hundred stay in a CPU core's caches."""


@dataclass(frozen=True)
class Splits:
    """Which people and which kinds of movement are kept from training.

    Attributes:
        validation, test: shares of people, drawn by each person's index.
        held_out_movements: kinds whose rows are for testing only, whoever moves.
    """

    validation: float = 0.1
    test: float = 0.1
    held_out_movements: tuple[str, ...] = ("circumduction",)

    def __post_init__(self) -> None:
        if not (self.validation >= 0 and self.test >= 0 and self.validation + self.test < 1):
            raise ValueError(
                f"validation = {self.validation} and test = {self.test} leave nobody to train on"
            )
        known = [kind.name.lower() for kind in MovementKind]
        unknown = set(self.held_out_movements) - set(known)
        if unknown:
            raise ValueError(f"unknown kinds of movement {sorted(unknown)}; there are {known}")


@dataclass(frozen=True)
class DatasetPlan(MovementOptions):
    """What a dataset holds. The same plan gives the same bytes on one platform.

    The options of movements are those of `cervjax.motion.synthesis.MovementOptions`; what is added
    there is an option of plans, and is kept with datasets.

    Attributes:
        persons: people drawn.
        movements: of each person.
        frames: of each movement.
        rate: Hz of frames that follow one another; None for frames at random times.
        population: `ansur`, `box` (the source paper's design), or a name of
            `cervjax.people.OUT_OF_DISTRIBUTION`, of necks; or `ratios`, of any model.
        people: in what people of the population `ratios` differ from the model, by name; gravity
            is then the model's own, and every coordinate moves by itself.
        coordinates: rad or m, ranges in which these coordinates move, of the population `ratios`;
            one whose ends are alike is held there.
        women: share of women of an ANSUR population.
        ages: years, youngest and oldest of an ANSUR population.
        personal_range: whether movements use each person's range of motion, or the model's.
        upright: share of upright torsos.
        inclination_deg: largest inclination of the others.
        recorded_share: of movements that are frames of recorded motions.
        recorded_variation: of size and tempo of these.
        convention: of static optimization.
        compare: solve every row in the other convention too.
        wrapping: of paths over surfaces, see `Model.from_spec`; `opensim` for labels that OpenSim
            shall confirm to the digit.
        reserve: N m, optimal force of the reserves.
        reserve_limit: N m; rows that need more are marked.
        joint_loads, muscle_lengths: keep them.
        columns: names of further columns of a row; see `cervjax.labels.register_column`.
        precision: of all numbers.
        block: people computed at once; chosen for a CPU's caches if None. A GPU wants thousands.
        shard_rows: about how many rows a file holds.
        splits: by person and by kind of movement.
        seed: of all random numbers.
    """

    persons: int = 125_000
    movements: int = 2
    frames: int = 4
    rate: float | None = None
    population: str = "ansur"
    people: dict[str, Ratio] = field(default_factory=dict)
    coordinates: dict[str, tuple[float, float]] = field(default_factory=dict)
    women: float = 0.5
    ages: tuple[float, float] = (18.0, 65.0)
    personal_range: bool = True
    upright: float = 0.3
    inclination_deg: float = 45.0
    recorded_share: float = 0.0
    recorded_variation: float = 0.2
    convention: Convention = "opensim"
    compare: bool = False
    wrapping: Literal["consistent", "opensim"] = "consistent"
    reserve: float = 0.1
    reserve_limit: float = 0.1
    joint_loads: bool = True
    muscle_lengths: bool = False
    columns: tuple[str, ...] = ()
    precision: Literal["float32", "float64"] = "float32"
    block: int | None = None
    shard_rows: int = 65_536
    splits: Splits = Splits()
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("persons", "movements", "frames", "shard_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least 1")
        if self.persons >= 2**31:
            raise ValueError(f"persons = {self.persons} is beyond 2^31")
        if self.population not in POPULATIONS:
            raise ValueError(
                f"no population {self.population!r}; there are {', '.join(POPULATIONS)}"
            )
        if bool(self.people) != (self.population == "ratios"):
            raise ValueError(
                f"population = {self.population!r} with {len(self.people)} ratios of people: the "
                "population 'ratios' needs them, and no other one has them"
            )
        if self.coordinates and not self.people:
            raise ValueError("coordinates have ranges only in the population 'ratios'")
        if not 0 <= self.recorded_share <= 1:
            raise ValueError(f"recorded_share = {self.recorded_share} is not between 0 and 1")
        if not self.reserve > 0:
            raise ValueError(f"reserve = {self.reserve} N m is not positive")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed = {self.seed} is not between 0 and 2^32 - 1")
        if self.rate is not None and not self.rate > 0:
            raise ValueError(f"rate = {self.rate} Hz is not positive")
        if self.block is not None and self.block < 1:
            raise ValueError(f"block = {self.block} must be at least 1")

    @property
    def rows_per_person(self) -> int:
        """Frames of all movements of one person."""
        return self.movements * self.frames

    @property
    def rows(self) -> int:
        """Of the whole dataset."""
        return self.persons * self.rows_per_person

    @property
    def block_persons(self) -> int:
        """People computed at once."""
        return self.block or max(1, _CPU_ROWS // self.rows_per_person)

    @property
    def shard_blocks(self) -> int:
        """Blocks whose rows share a file."""
        wanted = round(self.shard_rows / (self.block_persons * self.rows_per_person))
        return max(1, min(wanted, -(-self.persons // self.block_persons)))

    @property
    def shard_persons(self) -> int:
        """People whose rows share a file."""
        return self.shard_blocks * self.block_persons

    @property
    def shards(self) -> int:
        """Files of each array."""
        return -(-self.persons // self.shard_persons)

    @property
    def options(self) -> RowOptions:
        """What is solved and kept of a row."""
        return RowOptions(
            settings=StaticOptimizationSettings(convention=self.convention),
            compare=self.compare,
            reserve_limit=self.reserve_limit,
            joint_loads=self.joint_loads,
            muscle_lengths=self.muscle_lengths,
            columns=self.columns,
        )

    @property
    def other_suffix(self) -> str:
        """What the names of the other convention's arrays end in."""
        return "_physical" if self.convention == "opensim" else "_opensim"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the names of each solution's arrays end in."""
        return ("", self.other_suffix) if self.compare else ("",)

    def persons_of(self, shard: int) -> tuple[int, int]:
        """First person of a shard, and the one after its last."""
        first = shard * self.shard_persons
        return first, min(first + self.shard_persons, self.persons)

    def split_of(self, person: np.ndarray) -> np.ndarray:
        """0 for people to train on, 1 for validation, 2 for test; from index and seed alone."""
        draw = _hashed_uniform(person, self.seed)
        splits = self.splits
        return np.where(
            draw < splits.test, 2, np.where(draw < splits.test + splits.validation, 1, 0)
        ).astype(np.int8)

    def to_json(self) -> dict[str, Any]:
        """Plain values as JSON has them, for a manifest."""
        return json.loads(json.dumps(to_plain(self)))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "DatasetPlan":
        """The inverse of `to_json`.

        Returns:
            An equal plan; of an older dataset with the defaults of what could not be chosen then.

        Raises:
            ValueError: a value is missing, unknown, or out of range.
        """
        return from_plain(values, cls, "the plan of a dataset")


def build_factory(
    plan: DatasetPlan, spec: ModelSpec, recorded: Sequence[Motion] = ()
) -> LabelFactory:
    """The factory that `plan` describes, for the model `spec`.

    Args:
        spec: without reserves; the plan's are added.
        recorded: motions for the plan's `recorded_share` of movements.

    Returns:
        A factory, its arrays of the plan's precision.

    Raises:
        ValueError: an option is out of range, or the model lacks what the plan needs.
    """
    if bool(recorded) != bool(plan.recorded_share):
        raise ValueError(
            f"recorded_share = {plan.recorded_share} with {len(recorded)} recorded motions: a "
            "share needs motions, and motions a share"
        )
    if not (plan.people or plan.planes or any(spec.anatomy.planes.values())):
        raise ValueError(
            f"{spec.name!r} is no neck that is known: nothing says which of its coordinates turn a "
            "head. For people and movements of any model give the population 'ratios' (command "
            "line: --people FILE.toml); for a neck name its planes (--plan.planes)"
        )
    spec = plan_spec(plan, spec)
    if plan.people and recorded:
        names = spec.free_coordinates
        for motion in recorded:
            if motion.coordinates != names:
                raise ValueError(
                    f"{motion.name!r} is of {', '.join(motion.coordinates)}; rows of the plan are "
                    f"of {', '.join(names)}"
                )
    dtype = jnp.dtype(plan.precision)
    personalizer = plan_personalizer(plan, spec, dtype)
    if plan.people:
        ranges = {name: ends for name, ends in plan.coordinates.items() if ends[0] != ends[1]}
        sampler = CoordinateSampler.of(spec, plan, ranges=ranges, dtype=dtype)
        population = RatioPopulation.of(plan.people, len(sampler.plane_names), dtype)
        torso = FixedGravity(jnp.asarray(spec.gravity, dtype))
    else:
        sampler = MovementSampler.of(spec, plan, dtype=dtype)
        population = _neck_population(plan, personalizer.model, sampler)
        torso = TorsoInclination.of(
            spec.gravity, upright=plan.upright, largest_deg=plan.inclination_deg, dtype=dtype
        )
    return LabelFactory(
        personalizer=personalizer,
        population=population,
        sampler=sampler,
        torso=torso,
        recorded=(
            RecordedMovements.of(recorded, sampler, variation=plan.recorded_variation, dtype=dtype)
            if recorded
            else None
        ),
        recorded_share=plan.recorded_share,
        personal_range=plan.personal_range,
        options=plan.options,
        seed=plan.seed,
        movements=plan.movements,
        frames=plan.frames,
        rate=plan.rate,
        block=plan.block_persons,
    )


def _neck_population(plan: DatasetPlan, model: Model, sampler: MovementSampler) -> Population:
    if plan.population == "box":
        return BoxPopulation.of(PopulationBox(), model.dtype)
    return AnsurPopulation.of(
        model,
        sampler.plane_range,
        women=plan.women,
        ages=plan.ages,
        tail=plan.population if plan.population in OUT_OF_DISTRIBUTION else None,
    )


def motions_hash(motions: Sequence[Motion]) -> str | None:
    """SHA-256 of recorded motions, None where there are none."""
    if not motions:
        return None
    digest = hashlib.sha256()
    for motion in motions:
        digest.update(motion.name.encode())
        digest.update(np.ascontiguousarray(motion.time).tobytes())
        digest.update(np.ascontiguousarray(motion.q).tobytes())
    return digest.hexdigest()


def _hashed_uniform(index: np.ndarray, seed: int) -> np.ndarray:
    """A number in [0, 1) per index: SplitMix64, which needs no state."""
    with np.errstate(over="ignore"):
        z = np.asarray(index, np.uint64) + np.uint64(1)
        z = z * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
