"""Labels of any model: who is drawn, and how they move, from a file."""

import dataclasses
import tomllib
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
        ratios = {
            str(name): from_plain(table, Ratio, f"the ratio {name!r}")
            for name, table in values.get("ratios", {}).items()
        }
        if not ratios:
            raise ValueError("it has no table [ratios.NAME], so that all people would be alike")
        return ratios, {n: _range(n, v) for n, v in values.get("coordinates", {}).items()}


def _range(name: str, value: Any) -> tuple[float, float]:
    ends = value if isinstance(value, list) else [value, value]
    if len(ends) != 2 or not all(isinstance(end, int | float) for end in ends):
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
        ValueError: the plan holds a coordinate that the model lacks.
    """
    held = {name: low for name, (low, high) in plan.coordinates.items() if low == high}
    unknown = sorted(set(plan.coordinates) - {c.name for c in spec.coordinates})
    if unknown:
        raise ValueError(
            f"the plan's coordinates {', '.join(map(repr, unknown))} are none of {spec.name!r}; "
            f"its free coordinates are {', '.join(spec.free_coordinates)}"
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
        spec: without reserves.
        dtype: of the model's numbers; JAX's default if None.

    Returns:
        Of a subject of the plan's kind.

    Raises:
        ValueError: the model lacks what the plan names.
    """
    model = Model.from_spec(
        plan_spec(plan, spec),
        dtype=None if dtype is None else jnp.dtype(dtype),
        wrapping=plan.wrapping,
    )
    return BodyPersonalizer.of(model, plan.people) if plan.people else Personalizer(model)
