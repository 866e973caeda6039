"""Check a stored dataset: every file and checksum, and a random sample solved again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cervjax.motion.synthesis import MotionSample
from cervjax.spec import ModelSpec

from .any_model import plan_personalizer, plan_spec
from .arrays import row_arrays
from .dataset import LabelDataset
from .fields import PERSON_FIELDS, PERSON_INDEX, SPLIT
from .labeling import Labeler
from .row import LabelBatch, RowStatus
from .store import DamagedDatasetError, DatasetError

TOLERANCES: dict[str, float] = {
    "activation": 1e-2,
    "muscle_force": 5.0,
    "generalized_force": 1e-3,
    "reserve_force": 1e-3,
    "joint_force": 10.0,
    "joint_moment": 0.2,
}
"""Of float32 labels (N, N m), against a second solution in float64. Rounded inputs move muscles
near their least fiber length by up to 2e-3 in activation and 1 N (trap_cl, one row in a
thousand), and the loads of joints with them; the median of the differences is 4e-7."""


@dataclass(frozen=True)
class Verification:
    """What was checked.

    Attributes:
        rows: whose checksums were read.
        sampled: rows solved again.
        precision: of the second solution.
        difference: largest of the sample, by array (N, N m); of the other convention too.
        problems: what is wrong; empty where nothing is.
    """

    rows: int
    sampled: int
    precision: str
    difference: dict[str, float]
    problems: tuple[str, ...]


def verify_dataset(
    path: str | Path, spec: ModelSpec, *, sample: int = 256, seed: int = 0
) -> Verification:
    """Read every chunk of the dataset at `path` and solve `sample` random rows again.

    The second solution is from the stored motion, gravity and subject, in float64 where JAX has
    64-bit numbers switched on.

    Args:
        spec: the neck of the dataset, without reserves.

    Returns:
        What was checked; missing, cut or wrong files are among its problems.

    Raises:
        FileNotFoundError: there is no dataset.
        DatasetError: it is unfinished, of another schema, or of another neck.
    """
    try:
        dataset = LabelDataset(path)
    except DamagedDatasetError as error:
        return Verification(0, 0, "", {}, (str(error),))
    dataset.check_neck(spec)
    problems = _unreadable(dataset)
    if problems:
        return Verification(len(dataset), 0, "", {}, tuple(problems))

    rng = np.random.default_rng(seed)
    index = np.sort(rng.choice(len(dataset), min(sample, len(dataset)), replace=False))
    stored = dataset.rows(index)
    again = solve_again(dataset, spec, stored)
    ours, theirs = (row_arrays(rows, dataset.plan.other_suffix) for rows in (stored, again))
    difference = {}
    for ending in dataset.plan.suffixes:
        status = np.asarray(ours[f"status{ending}"])
        good = status != RowStatus.NOT_CONVERGED
        for name, tolerance in TOLERANCES.items():
            array = name if name == "generalized_force" else f"{name}{ending}"
            if array not in ours:
                continue
            gap = np.abs(np.asarray(ours[array], float) - np.asarray(theirs[array], float))[good]
            difference[array] = float(np.max(gap, initial=0.0))
            if not difference[array] <= tolerance:
                problems.append(
                    f"{array} differs by up to {difference[array]:.2e} from a second solution, "
                    f"more than {tolerance:g}"
                )
        problems += _wrong_status(dataset, ending, status, ours, theirs)
    return Verification(
        len(dataset), len(index), str(again.activation.dtype), difference, tuple(problems)
    )


def _wrong_status(
    dataset: LabelDataset,
    ending: str,
    status: np.ndarray,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
) -> list[str]:
    """Rows whose status differs, but for those whose reserve is at the limit."""
    needed = np.abs(np.asarray(ours[f"reserve_force{ending}"])).max(axis=1)
    clear = np.abs(needed - dataset.plan.reserve_limit) > TOLERANCES["reserve_force"]
    wrong = clear & (status != np.asarray(theirs[f"status{ending}"]))
    if not wrong.any():
        return []
    return [f"status{ending} of {wrong.sum()} rows is not that of a second solution"]


def solve_again(dataset: LabelDataset, spec: ModelSpec, rows: LabelBatch) -> LabelBatch:
    """`rows` of `dataset` solved again from their stored inputs."""
    plan = dataset.plan
    dtype = jnp.float64 if jax.config.read("jax_enable_x64") else jnp.float32
    personalizer = plan_personalizer(plan, plan_spec(plan, spec), dtype)
    labeler = Labeler(personalizer, plan.options)

    def cast(x: Any) -> jax.Array:
        return jnp.asarray(np.asarray(x), dtype)

    return labeler(
        rows.person,
        personalizer.subject(cast(rows.subject)),
        MotionSample(*(cast(x) for x in rows.motion)),
        cast(rows.gravity),
    )


def _unreadable(dataset: LabelDataset) -> list[str]:
    """Reads everything shard by shard, so that every chunk's checksum is checked."""
    problems = []
    plan = dataset.plan
    for shard in range(plan.shards):
        first, end = plan.persons_of(shard)
        persons, per_person = np.arange(first, end), plan.rows_per_person
        rows = slice(first * per_person, end * per_person)
        expected = {PERSON_INDEX: np.repeat(persons, per_person), SPLIT: plan.split_of(persons)}
        for name in (*dataset.row_names, *PERSON_FIELDS):
            try:
                part = slice(first, end) if name in PERSON_FIELDS else rows
                values = dataset.array(name, part)
            except DatasetError as error:
                problems.append(
                    f"{error}; remove shards/{shard:05d}.json and generate the dataset again, "
                    "which makes that shard anew"
                )
                continue
            if name in expected and not np.array_equal(values, expected[name]):
                problems.append(f"{name} of shard {shard} is not that of persons {first} to {end}")
    return problems
