"""Labels of any model: who is drawn, and how they move, from a file."""

import dataclasses
import math
import tomllib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax.typing import DTypeLike

from cervjax.execution.reading import reading
from cervjax.model import Model
from cervjax.people import AbstractPersonalizer, BodyPersonalizer, Personalizer, Ratio
from cervjax.spec import Joint, ModelSpec
from cervjax.spec.plain import from_plain

if TYPE_CHECKING:
    from .plan import DatasetPlan


def read_people(path: str | Path) -> tuple[dict[str, Ratio], dict[str, tuple[float, float]]]:
    """In what people differ from a model, and in which ranges they move.

    Args:
        path: a `.toml` file with a table `[ratios.NAME]` for each `Ratio`, and a table
            `[coordinates]` of ranges (rad or m) by the names of coordinates; a single number holds
            a coordinate there.

    Returns:
        Ratios and ranges by their names, for `DatasetPlan.people` and `DatasetPlan.coordinates`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a name is unknown, a value is missing, of another type or out of range.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file of people at {path}")
    with reading(path, "a description of people", "see docs/tutorials/labels.md"):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        unknown = set(values) - {"ratios", "coordinates"}
        if unknown:
            raise ValueError(f"unknown tables {sorted(unknown)}; there are ratios and coordinates")
        tables = values.get("ratios", {}), values.get("coordinates", {})
        if not all(isinstance(table, dict) for table in tables) or not all(
            isinstance(table, dict) for table in tables[0].values()
        ):
            raise ValueError("ratios are tables [ratios.NAME], and coordinates one table")
        for name, table in tables[0].items():
            listed, ends = table.get("of", []), table.get("range")
            if not isinstance(listed, list) or not all(isinstance(n, str) for n in listed):
                raise ValueError(f"the ratio {name!r}: of = {listed!r} is no list of names")
            if not isinstance(ends, list) or not all(isinstance(x, int | float) for x in ends):
                raise ValueError(f"the ratio {name!r}: range = {ends!r} is not two numbers")
        ratios = {
            str(name): from_plain(table, Ratio, f"the ratio {name!r}")
            for name, table in values.get("ratios", {}).items()
        }
        if not ratios:
            raise ValueError("it has no table [ratios.NAME], so that all people would be alike")
        return ratios, {n: _range(n, v) for n, v in values.get("coordinates", {}).items()}


def _range(name: str, value: Any) -> tuple[float, float]:
    ends = value if isinstance(value, list) else [value, value]
    if len(ends) != 2 or not all(
        isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end)
        for end in ends
    ):
        raise ValueError(f"coordinate {name!r} has {value!r}, not two ends of a range or a place")
    return float(ends[0]), float(ends[1])


def plan_spec(plan: "DatasetPlan", spec: ModelSpec) -> ModelSpec:
    """The model that the rows of a plan are solved on.

    Args:
        plan: of the dataset.
        spec: without reserves.

    Returns:
        With the plan's reserves, and with coordinates locked that the plan holds in one place.

    Raises:
        ValueError: the plan has a coordinate that the model lacks, that couplers drive and it
            would hold, or a place beyond a turn.
    """
    held = {name: low for name, (low, high) in plan.coordinates.items() if low == high}
    unknown = sorted(set(plan.coordinates) - {c.name for c in spec.coordinates})
    if unknown:
        raise ValueError(
            f"the plan's coordinates {', '.join(map(repr, unknown))} are none of {spec.name!r}; "
            f"its free coordinates are {', '.join(spec.free_coordinates)}"
        )
    for name, ends in plan.coordinates.items():
        coordinate = spec.coordinate(name)
        turns = coordinate.motion_type != "translational"
        if turns and max(map(abs, ends)) > 2 * math.pi:
            raise ValueError(f"coordinate {name!r} has {ends}: rad, not degrees, up to a turn")
        low, high = coordinate.range
        if min(ends) < low - 1e-6 or max(ends) > high + 1e-6:
            warnings.warn(
                f"coordinate {name!r} has {ends}, beyond the model's own range [{low:g}, {high:g}]",
                stacklevel=2,
            )
    if plan.people and spec.actuators:
        names = ", ".join(actuator.name for actuator in spec.actuators)
        warnings.warn(
            f"the actuators of {spec.name!r} are left out, and reserves put in their place: "
            f"{names}. Hold the coordinates that they drive, where muscles do not",
            stacklevel=2,
        )
    tied = sorted(set(held) & {coupler.dependent for coupler in spec.couplers})
    if tied:
        raise ValueError(
            f"the plan's coordinates {', '.join(map(repr, tied))} are driven by couplers; hold "
            "what drives them"
        )
    if held:
        spec = dataclasses.replace(spec, joints=tuple(_locked(j, held) for j in spec.joints))
    return spec.with_reserves(plan.reserve)


def _locked(joint: Joint, held: dict[str, float]) -> Joint:
    return dataclasses.replace(
        joint,
        coordinates=tuple(
            dataclasses.replace(c, locked=True, default_value=held[c.name]) if c.name in held else c
            for c in joint.coordinates
        ),
    )


def plan_personalizer(
    plan: "DatasetPlan", spec: ModelSpec, dtype: DTypeLike | None = None
) -> AbstractPersonalizer:
    """What makes the people of a plan.

    Args:
        plan: of the dataset.
        spec: what `plan_spec` gives.
        dtype: of the model's numbers; JAX's default if None.

    Returns:
        Of a subject of the plan's kind.

    Raises:
        ValueError: the model lacks what the plan names.
    """
    model = Model.from_spec(
        spec,
        dtype=None if dtype is None else jnp.dtype(dtype),
        wrapping=plan.wrapping,
    )
    return BodyPersonalizer.of(model, plan.people) if plan.people else Personalizer(model)
