"""Rows and people as arrays by name, and back."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from cervjax.motion.synthesis import MovementKind
from cervjax.optimization import Certificate, SolverResult
from cervjax.people import MEASUREMENTS, BodySubject, Person, Sex, Subject

from .columns import COLUMNS
from .factory import LabelFactory
from .fields import (
    CERTIFICATE_FIELDS,
    FRAME_FIELDS,
    PERSON_INDEX,
    ROW_FIELDS,
    SOLUTION_FIELDS,
    SPLITS,
    Field,
)
from .row import LabelBatch, RowStatus, Solution, level_names

_NECK_FORCES = ("anteroposterior_shear", "compression", "lateral_shear")


def field_of(name: str) -> Field:
    """The field of a row's array; the other convention's carries a suffix."""
    for suffix in ("_opensim", "_physical"):
        name = name.removesuffix(suffix)
    if name in COLUMNS:
        return Field(COLUMNS[name].dimensions, COLUMNS[name].unit)
    return ROW_FIELDS[name]


def labels_of(factory: LabelFactory) -> dict[str, Any]:
    """Names along every dimension, and of every code."""
    topology = factory.personalizer.model.topology
    # Directions have anatomical names at the joints of a neck alone.
    neck = any(topology.anatomy.planes.values())
    return {
        "coordinate": list(topology.free_coordinates),
        "muscle": list(topology.muscles),
        "reserve": list(topology.reserves),
        "level": level_names(topology),
        "force_component": list(_NECK_FORCES) if neck else ["x", "y", "z"],
        "axis": ["x", "y", "z"],
        "plane": list(factory.sampler.plane_names),
        "plane_coordinates": {p: list(n) for p, n in topology.anatomy.planes.items()},
        "ratio": list(factory.personalizer.ratio_names),
        "kind_codes": [k.name.lower() for k in MovementKind],
        "status_codes": [s.name.lower() for s in RowStatus],
        "result_codes": [r.name.lower() for r in SolverResult],
        "sex_codes": [s.name.lower() for s in Sex],
        "split_codes": list(SPLITS),
    }


def row_arrays(rows: LabelBatch, other_suffix: str) -> dict[str, Any]:
    """The arrays of `rows` by name; those of the other convention end in `other_suffix`."""
    arrays: dict[str, Any] = {PERSON_INDEX: rows.person}
    arrays |= {name: getattr(rows, name) for name in FRAME_FIELDS}
    arrays |= rows.columns | _solution_arrays(rows.solution)
    if rows.other is not None:
        arrays |= {f"{k}{other_suffix}": v for k, v in _solution_arrays(rows.other).items()}
    return {name: values for name, values in arrays.items() if values is not None}


def person_arrays(people: Person) -> dict[str, Any]:
    """The arrays of `people` by name."""
    measured = {name: people.measurement[..., k] for k, name in enumerate(MEASUREMENTS)}
    return {
        "sex": people.sex,
        **measured,
        "subject": people.subject.as_vector(),
        "range_of_motion": people.range_of_motion,
    }


def people_from(arrays: Mapping[str, np.ndarray], of_ratios: bool) -> Person:
    """The inverse of `person_arrays`; `of_ratios` says whether they are a `RatioPopulation`'s."""
    measured = [jnp.asarray(arrays[name]) for name in MEASUREMENTS]
    ratios = jnp.asarray(arrays["subject"])
    return Person(
        jnp.asarray(arrays["sex"], jnp.int32),
        jnp.stack(measured, axis=-1),
        BodySubject(ratios) if of_ratios else Subject.from_vector(ratios),
        jnp.asarray(arrays["range_of_motion"]),
    )


def rows_from(
    arrays: Mapping[str, np.ndarray], subject: np.ndarray, other_suffix: str
) -> LabelBatch:
    """The inverse of `row_arrays`; `subject` is of each row's person."""
    values = {name: jnp.asarray(x) for name, x in arrays.items()}
    own = {name: values.get(name) for name in FRAME_FIELDS}
    with_other = f"activation{other_suffix}" in values
    return LabelBatch(
        person=values[PERSON_INDEX],
        subject=jnp.asarray(subject),
        solution=_solution_from(values, ""),
        other=_solution_from(values, other_suffix) if with_other else None,
        columns=_further(values, other_suffix),
        **own,  # type: ignore[arg-type]
    )


def _further(values: Mapping[str, Any], other_suffix: str) -> dict[str, Any]:
    """What is no field of a row here: columns that a plan asked for, registered now or not."""
    return {k: v for k, v in values.items() if k.removesuffix(other_suffix) not in ROW_FIELDS}


def _solution_arrays(solution: Solution) -> dict[str, Any]:
    own = {name: getattr(solution, name) for name in SOLUTION_FIELDS}
    return own | {name: getattr(solution.certificate, name) for name in CERTIFICATE_FIELDS}


def _solution_from(values: Mapping[str, Any], suffix: str) -> Solution:
    certificate = Certificate(**{name: values[name + suffix] for name in CERTIFICATE_FIELDS})
    own = {name: values.get(name + suffix) for name in SOLUTION_FIELDS}
    return Solution(certificate=certificate, **own)  # type: ignore[arg-type]
