"""Names, dimensions, units and types of what a dataset stores."""

from typing import NamedTuple

from cervjax.people import MEASUREMENTS


class Field(NamedTuple):
    """How an array is stored: dimensions after the first, unit, type (None: as computed)."""

    dimensions: tuple[str, ...]
    unit: str
    dtype: str | None = None


SOLUTION_FIELDS: dict[str, Field] = {
    "activation": Field(("muscle",), "1"),
    "muscle_force": Field(("muscle",), "N"),
    "reserve_force": Field(("reserve",), "N m"),
    "joint_force": Field(("level", "force_component"), "N"),
    "joint_moment": Field(("level", "axis"), "N m"),
    "status": Field((), "1", "int8"),
    "limiting_muscle": Field((), "1", "int16"),
}
CERTIFICATE_FIELDS: dict[str, Field] = {
    "primal_residual": Field((), "N m"),
    "kkt_residual": Field((), "1"),
    "duality_gap": Field((), "1"),
    "iterations": Field((), "1", "int16"),
    "result": Field((), "1", "int8"),
}
FRAME_FIELDS: dict[str, Field] = {
    "kind": Field((), "1", "int8"),
    "time": Field((), "s"),
    "q": Field(("coordinate",), "rad"),
    "qd": Field(("coordinate",), "rad/s"),
    "qdd": Field(("coordinate",), "rad/s^2"),
    "gravity": Field(("axis",), "m/s^2"),
    "generalized_force": Field(("coordinate",), "N m"),
    "muscle_length": Field(("muscle",), "m"),
}
PERSON_INDEX = "person_index"
SPLIT = "split"
SPLITS = ("train", "validation", "test")

ROW_FIELDS: dict[str, Field] = {PERSON_INDEX: Field((), "1", "int32"), **FRAME_FIELDS} | (
    SOLUTION_FIELDS | CERTIFICATE_FIELDS
)
PERSON_FIELDS: dict[str, Field] = {
    "sex": Field((), "1", "int8"),
    **{name: Field((), unit) for name, unit in MEASUREMENTS.items()},
    "subject": Field(("ratio",), "1"),
    "range_of_motion": Field(("plane",), "1"),
    SPLIT: Field((), "1", "int8"),
}
