"""A `ModelSpec` as a folder of readable tables (CSV) and one TOML header, and back.

| file | a row is |
|---|---|
| `neck.toml` | name, gravity, source, licence, what was left out |
| `bodies.csv`, `joints.csv` | a body, a joint with its two offset frames |
| `coordinates.csv`, `axes.csv` | a generalized coordinate, a transform axis that is not zero |
| `couplers.csv` | a coordinate driven by another |
| `muscles.csv`, `path_points.csv` | a muscle, a point of a muscle's path |
| `wrap_objects.csv`, `path_wraps.csv` | a surface, that a muscle's path may wrap over one |
| `bushings.csv`, `markers.csv`, `actuators.csv`, `groups.csv` | one of each |
| `coordinate_forces.csv` | a passive force along a coordinate |
| `path_forces.csv` | a passive force along a path: a ligament, a spring |
| `anatomy.json` | what bodies, coordinates, markers and groups stand for; see `Anatomy` |

Numbers are written with `repr`, so a round trip is exact. SI units, radians.
"""

import csv
import dataclasses
import json
import tomllib
from collections.abc import Iterable, Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, cast

from cervjax.execution.reading import reading

from .anatomy import Anatomy
from .components import (
    MUSCLE_CURVES,
    AbstractMuscleCurves,
    Body,
    Bushing,
    Coordinate,
    CoordinateCoupler,
    Joint,
    Marker,
    Muscle,
    OffsetFrame,
    TransformAxis,
)
from .coordinate_forces import COORDINATE_FORCES
from .functions import Constant, function_from_dict, function_to_dict
from .model_spec import ModelSpec
from .path_components import PATH_COMPONENTS, AbstractPathComponent, PathPoint, PathWrap
from .path_forces import PATH_FORCES
from .plain import from_plain, to_plain
from .special_rows import (
    actuator_rows,
    kind_row,
    products_column,
    read_actuator_row,
    read_kind_row,
    read_products,
)
from .wraps import WRAP_OBJECTS

_XYZ = ("x", "y", "z")
_LOCATION = tuple(f"location_{a}" for a in _XYZ)
_INERTIA = ("Ixx", "Iyy", "Izz", "Ixy", "Ixz", "Iyz")
_UNIT_AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_MUSCLE_NUMBERS = tuple(
    f.name for f in dataclasses.fields(Muscle) if f.name not in ("name", "path", "curves", "wraps")
)


def write_tables(spec: ModelSpec, folder: Path, header: dict[str, str] | None = None) -> None:
    """Write `spec` into `folder` (made if absent) as the tables of this module.

    Args:
        header: further strings for `neck.toml`, e.g. `source` and `license`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_header(spec, folder / "neck.toml", header or {})
    if spec.anatomy != Anatomy():
        text = json.dumps(to_plain(spec.anatomy), indent=1)
        (folder / "anatomy.json").write_text(text + "\n", encoding="utf-8")
    for name, rows in _rows(spec).items():
        if rows:
            with (folder / f"{name}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)


def read_tables(folder: Traversable) -> ModelSpec:
    """The `ModelSpec` that `write_tables` put into `folder`.

    Returns:
        A model in SI units.

    Raises:
        FileNotFoundError: there is no `neck.toml` or `bodies.csv`.
        ValueError: a table is malformed; the message names it.
    """
    with reading(folder, "a folder of a model's tables", "bring back the tables as written"):
        return _read_all(folder)


def _read_all(folder: Traversable) -> ModelSpec:
    header = tomllib.loads((folder / "neck.toml").read_text(encoding="utf-8"))
    axes = _grouped(_read(folder, "axes"), "joint")
    coordinates = _grouped(_read(folder, "coordinates"), "joint")
    points = _grouped(_read(folder, "path_points"), "muscle")
    wraps = _grouped(_read(folder, "path_wraps"), "muscle")
    return ModelSpec(
        name=header["name"],
        bodies=tuple(_body(row) for row in _read(folder, "bodies", required=True)),
        joints=tuple(
            _joint(row, coordinates.get(row["name"], []), axes.get(row["name"], []))
            for row in _read(folder, "joints", required=True)
        ),
        couplers=tuple(
            CoordinateCoupler(
                row["name"],
                row["dependent"],
                row["independent"],
                function_from_dict(json.loads(row["function"])),
                read_products(row),
            )
            for row in _read(folder, "couplers")
        ),
        muscles=tuple(
            _muscle(row, points.get(row["name"], []), wraps.get(row["name"], []))
            for row in _read(folder, "muscles")
        ),
        bushings=tuple(_bushing(row) for row in _read(folder, "bushings")),
        markers=tuple(
            Marker(row["name"], row["body"], _vector(row, "location"), row["fixed"] == "true")
            for row in _read(folder, "markers")
        ),
        actuators=tuple(map(read_actuator_row, _read(folder, "actuators"))),
        groups=tuple(
            (row["name"], tuple(row["muscles"].split())) for row in _read(folder, "groups")
        ),
        gravity=cast(Any, tuple(map(float, header["gravity"]))),
        credits=header.get("credits", ""),
        publications=header.get("publications", ""),
        omitted=tuple(header.get("omitted", ())),
        anatomy=_anatomy(folder),
        wrap_objects=tuple(
            read_kind_row(row, WRAP_OBJECTS, "wrap object") for row in _read(folder, "wrap_objects")
        ),
        coordinate_forces=tuple(
            read_kind_row(row, COORDINATE_FORCES, "coordinate force")
            for row in _read(folder, "coordinate_forces")
        ),
        path_forces=tuple(
            read_kind_row(row, PATH_FORCES, "path force") for row in _read(folder, "path_forces")
        ),
    )


def _anatomy(folder: Traversable) -> Anatomy:
    path = folder / "anatomy.json"
    if not path.is_file():
        return Anatomy()
    return read_anatomy(path)


def read_anatomy(path: Traversable) -> Anatomy:
    """The anatomy in a JSON file, whose names are the attributes of `Anatomy`.

    Args:
        path: of the file.

    Returns:
        The anatomy; what the file lacks is empty.

    Raises:
        ValueError: the file holds something else.
    """
    with reading(path, "an anatomy", "bring it back as it was written"):
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it holds no object")
        return from_plain(content, Anatomy, "an anatomy")


def _write_header(spec: ModelSpec, path: Path, extra: dict[str, str]) -> None:
    entries: dict[str, object] = {
        "name": spec.name,
        **extra,
        "credits": spec.credits,
        "publications": spec.publications,
        "gravity": list(spec.gravity),
        "omitted": list(spec.omitted),
    }
    # A JSON string, number or list of them is also a TOML one.
    path.write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in entries.items()))


def _path_row(muscle: str, part: AbstractPathComponent, special: bool) -> dict[str, object]:
    """A row of `path_points.csv`; `special` where some row of it is no fixed point."""
    fixed = isinstance(part, PathPoint)
    row: dict[str, object] = {
        "muscle": muscle,
        "name": part.name,
        "body": part.body if fixed else "",
        **(_spread("location", part.location) if fixed else dict.fromkeys(_LOCATION, "")),
    }
    if special:
        row["kind"] = type(part).__name__
        row["parameters"] = "" if fixed else json.dumps(to_plain(part))
    return row


def _path_component(row: dict[str, str]) -> AbstractPathComponent:
    kind = row.get("kind") or "PathPoint"
    if kind == "PathPoint":
        return PathPoint(row["name"], row["body"], _vector(row, "location"))
    if kind not in PATH_COMPONENTS:
        raise ValueError(f"path point {row['name']!r} is a {kind}, which is not registered")
    return from_plain(json.loads(row["parameters"]), PATH_COMPONENTS[kind], f"a {kind}")


def _curves(row: dict[str, str]) -> AbstractMuscleCurves:
    kind = row["kind"]
    if kind not in MUSCLE_CURVES:
        raise ValueError(f"muscle {row['name']!r} is of the model {kind}, which is not registered")
    return from_plain(json.loads(row["curves"]), MUSCLE_CURVES[kind], f"curves of {kind}")


def _rows(spec: ModelSpec) -> dict[str, list[dict[str, object]]]:
    special = any(not isinstance(p, PathPoint) for m in spec.muscles for p in m.path)
    return {
        "bodies": [
            {
                "name": b.name,
                "mass": b.mass,
                **_spread("mass_center", b.mass_center),
                **dict(zip(_INERTIA, b.inertia, strict=True)),
            }
            for b in spec.bodies
        ],
        "joints": [
            {
                "name": j.name,
                "kind": j.kind,
                **_frame_columns("parent", j.parent),
                **_frame_columns("child", j.child),
            }
            for j in spec.joints
        ],
        "coordinates": [
            {
                "joint": j.name,
                "name": c.name,
                "default_value": c.default_value,
                "range_min": c.range[0],
                "range_max": c.range[1],
                "motion_type": c.motion_type,
                "locked": _flag(c.locked),
                "clamped": _flag(c.clamped),
            }
            for j in spec.joints
            for c in j.coordinates
        ],
        "axes": list(_axis_rows(spec)),
        "couplers": [
            {
                "name": c.name,
                "dependent": c.dependent,
                "independent": c.independent,
                "function": json.dumps(function_to_dict(c.function)),
                **products_column(c.products, [k.products for k in spec.couplers]),
            }
            for c in spec.couplers
        ],
        "muscles": [_muscle_row(m) for m in spec.muscles],
        "path_points": [_path_row(m.name, p, special) for m in spec.muscles for p in m.path],
        "path_wraps": [
            {"muscle": m.name, "wrap": json.dumps(to_plain(w))}
            for m in spec.muscles
            for w in m.wraps
        ],
        "wrap_objects": [kind_row(w) for w in spec.wrap_objects],
        "coordinate_forces": [kind_row(f) for f in spec.coordinate_forces],
        "path_forces": [kind_row(f) for f in spec.path_forces],
        "bushings": [
            {
                "name": b.name,
                **_frame_columns("frame1", b.frame1),
                **_frame_columns("frame2", b.frame2),
                **_spread("rotational_stiffness", b.rotational_stiffness),
                **_spread("rotational_damping", b.rotational_damping),
                **_spread("translational_stiffness", b.translational_stiffness),
                **_spread("translational_damping", b.translational_damping),
            }
            for b in spec.bushings
        ],
        "markers": [
            {
                "name": m.name,
                "body": m.body,
                **_spread("location", m.location),
                "fixed": _flag(m.fixed),
            }
            for m in spec.markers
        ],
        "actuators": actuator_rows(spec.actuators),
        "groups": [{"name": name, "muscles": " ".join(members)} for name, members in spec.groups],
    }


def _axis_rows(spec: ModelSpec) -> Iterator[dict[str, object]]:
    all_products = [a.products for j in spec.joints for a in j.axes]
    for joint in spec.joints:
        for index, axis in enumerate(joint.axes):
            default = axis == TransformAxis(_UNIT_AXES[index % 3], None, Constant(0.0))
            if not default:
                yield {
                    "joint": joint.name,
                    "axis": index,
                    **_spread("direction", axis.axis),
                    "coordinate": axis.coordinate or "",
                    "function": json.dumps(function_to_dict(axis.function)),
                    **products_column(axis.products, all_products),
                }


def _muscle_row(muscle: Muscle) -> dict[str, object]:
    numbers = {name: getattr(muscle, name) for name in _MUSCLE_NUMBERS}
    numbers["ignore_tendon_compliance"] = _flag(muscle.ignore_tendon_compliance)
    shape = {
        k: v for k, v in to_plain(muscle.curves).items() if v != getattr(type(muscle.curves)(), k)
    }
    kind = next(k for k, curves in MUSCLE_CURVES.items() if type(muscle.curves) is curves)
    return {"name": muscle.name, "kind": kind, **numbers, "curves": json.dumps(shape)}


def _body(row: dict[str, str]) -> Body:
    inertia = tuple(float(row[k]) for k in _INERTIA)
    return Body(row["name"], float(row["mass"]), _vector(row, "mass_center"), cast(Any, inertia))


def _joint(
    row: dict[str, str], coordinates: list[dict[str, str]], axes: list[dict[str, str]]
) -> Joint:
    spatial = [TransformAxis(_UNIT_AXES[i % 3], None, Constant(0.0)) for i in range(6)]
    for entry in axes:
        spatial[int(entry["axis"])] = TransformAxis(
            _vector(entry, "direction"),
            entry["coordinate"] or None,
            function_from_dict(json.loads(entry["function"])),
            read_products(entry),
        )
    kind = cast(Any, row["kind"])
    return Joint(
        row["name"],
        kind,
        _frame(row, "parent"),
        _frame(row, "child"),
        tuple(
            Coordinate(
                c["name"],
                float(c["default_value"]),
                (float(c["range_min"]), float(c["range_max"])),
                cast(Any, c["motion_type"]),
                c["locked"] == "true",
                c["clamped"] == "true",
            )
            for c in coordinates
        ),
        () if kind == "WeldJoint" else tuple(spatial),
    )


def _muscle(
    row: dict[str, str], points: list[dict[str, str]], wraps: list[dict[str, str]]
) -> Muscle:
    numbers: dict[str, Any] = {
        k: float(row[k]) for k in _MUSCLE_NUMBERS if k != "ignore_tendon_compliance"
    }
    return Muscle(
        name=row["name"],
        path=tuple(map(_path_component, points)),
        ignore_tendon_compliance=row["ignore_tendon_compliance"] == "true",
        curves=_curves(row),
        wraps=tuple(from_plain(json.loads(w["wrap"]), PathWrap, "a PathWrap") for w in wraps),
        **numbers,
    )


def _bushing(row: dict[str, str]) -> Bushing:
    return Bushing(
        row["name"],
        _frame(row, "frame1"),
        _frame(row, "frame2"),
        _vector(row, "rotational_stiffness"),
        _vector(row, "rotational_damping"),
        _vector(row, "translational_stiffness"),
        _vector(row, "translational_damping"),
    )


def _read(folder: Traversable, table: str, *, required: bool = False) -> list[dict[str, str]]:
    path = folder / f"{table}.csv"
    if not path.is_file():
        if required:
            raise FileNotFoundError(f"{path} is missing; a neck needs at least bodies and joints")
        return []
    with reading(path, "a table of a model", "bring it back as it was written"):
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), strict=True))
        for number, row in enumerate(rows, 2):
            if None in row or None in row.values():
                raise ValueError(f"line {number} has not as many values as the header")
        return rows


def _grouped(rows: Iterable[dict[str, str]], key: str) -> dict[str, list[dict[str, str]]]:
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def _spread(name: str, vector: tuple[float, float, float]) -> dict[str, object]:
    return {f"{name}_{a}": value for a, value in zip(_XYZ, vector, strict=True)}


def _vector(row: dict[str, str], name: str) -> tuple[float, float, float]:
    x, y, z = (float(row[f"{name}_{a}"]) for a in _XYZ)
    return x, y, z


def _frame_columns(name: str, frame: OffsetFrame) -> dict[str, object]:
    return {
        f"{name}_body": frame.body,
        **_spread(f"{name}_translation", frame.translation),
        **_spread(f"{name}_orientation", frame.orientation),
    }


def _frame(row: dict[str, str], name: str) -> OffsetFrame:
    return OffsetFrame(
        row[f"{name}_body"],
        _vector(row, f"{name}_translation"),
        _vector(row, f"{name}_orientation"),
    )


def _flag(value: bool) -> str:
    return "true" if value else "false"
