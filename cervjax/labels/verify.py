"""Check a stored dataset: every file and checksum, and a random sample solved again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cervjax.model import NeckModel
from cervjax.motion import MotionSample
from cervjax.optimization import StaticOptimization
from cervjax.personalization import Personalizer, Subject
from cervjax.spec import NeckSpec

from .arrays import PERSON_INDEX
from .dataset import LabelDataset
from .labeling import Labeler
from .plan import neck_hash
from .row import LabelBatch, RowOptions, RowStatus
from .store import DatasetError

ACTIVATION_TOLERANCE = 1e-2
"""Of float32 labels, against a second solution in float64. Rounded inputs move muscles near their
least fiber length by up to 2e-3 (trap_cl, one row in a thousand); the median is 4e-7."""


@dataclass(frozen=True)
class Verification:
    """What was checked.

    Attributes:
        rows: whose checksums were read.
        sampled: rows solved again.
        precision: of the second solution.
        activation_difference: largest of the sample.
        force_difference: N, largest of the sample.
        generalized_force_difference: N m, largest of the sample.
        problems: what is wrong; empty where nothing is.
    """

    rows: int
    sampled: int
    precision: str
    activation_difference: float
    force_difference: float
    generalized_force_difference: float
    problems: tuple[str, ...]


def verify_dataset(
    path: str | Path, spec: NeckSpec, *, sample: int = 256, seed: int = 0
) -> Verification:
    """Read every chunk of the dataset at `path` and solve `sample` random rows again.

    The second solution is from the stored motion, gravity and subject, in float64 where JAX has
    64-bit numbers switched on.

    Args:
        spec: the neck of the dataset, without reserves.

    Raises:
        FileNotFoundError: there is no dataset.
        DatasetError: it is unfinished, of another schema, or of another neck.
    """
    dataset = LabelDataset(path)
    if neck_hash(spec) != dataset.manifest["neck"]["sha256"]:
        raise DatasetError(
            f"{path} is of the neck {dataset.manifest['neck']['name']!r}, not of {spec.name!r} as "
            "given (their numbers differ)"
        )
    problems = [f"{f} is missing or cut" for f in _damaged(dataset)]
    problems += _unreadable(dataset)
    if problems:
        return Verification(len(dataset), 0, "", np.nan, np.nan, np.nan, tuple(problems))

    rng = np.random.default_rng(seed)
    index = np.sort(rng.choice(len(dataset), min(sample, len(dataset)), replace=False))
    stored = dataset.rows(index)
    again = solve_again(dataset, spec, stored)
    good = np.asarray(stored.solution.status) != RowStatus.NOT_CONVERGED

    def largest(name: str) -> float:
        ours, theirs = (np.asarray(getattr(x, name))[good] for x in (stored, again))
        return float(np.max(np.abs(ours - theirs), initial=0.0))

    activation = largest("activation")
    if activation > ACTIVATION_TOLERANCE:
        problems.append(f"activations differ by up to {activation:.2e} from a second solution")
    return Verification(
        len(dataset),
        len(index),
        str(again.activation.dtype),
        activation,
        largest("muscle_force"),
        largest("generalized_force"),
        tuple(problems),
    )


def solve_again(dataset: LabelDataset, spec: NeckSpec, rows: LabelBatch) -> LabelBatch:
    """`rows` of `dataset` solved again from their stored inputs."""
    plan = dataset.plan
    dtype = jnp.float64 if jax.config.read("jax_enable_x64") else jnp.float32
    spec = spec.with_reserves(plan.reserve)
    options = RowOptions(
        settings=StaticOptimization(convention=plan.convention),
        reserve_limit=plan.reserve_limit,
        joint_loads=plan.joint_loads,
        muscle_lengths=plan.muscle_lengths,
    )
    labeler = Labeler(Personalizer(spec, NeckModel.from_spec(spec, dtype=dtype)), options)

    def cast(x: Any) -> jax.Array:
        return jnp.asarray(np.asarray(x), dtype)

    return labeler(
        rows.person,
        Subject.from_vector(cast(rows.subject)),
        MotionSample(*(cast(x) for x in rows.motion)),
        cast(rows.gravity),
    )


def _damaged(dataset: LabelDataset) -> list[str]:
    return dataset.folder.damaged_files(range(dataset.plan.shards))


def _unreadable(dataset: LabelDataset) -> list[str]:
    """Reads everything shard by shard, so that every chunk's checksum is checked."""
    problems = []
    plan = dataset.plan
    names = dataset.row_names
    for shard in range(plan.shards):
        first, end = plan.persons_of(shard)
        rows = slice(first * plan.rows_per_person, end * plan.rows_per_person)
        for name in names:
            try:
                values = dataset.array(name, rows)
            except DatasetError as error:
                problems.append(str(error))
                continue
            expected = np.repeat(np.arange(first, end), plan.rows_per_person)
            if name == PERSON_INDEX and not np.array_equal(values, expected):
                problems.append(f"rows of shard {shard} are not those of persons {first} to {end}")
    return problems
