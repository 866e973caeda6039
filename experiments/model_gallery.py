"""Check every OpenSim model of a folder against OpenSim; exit code 1 outside tolerance.

    python experiments/model_gallery.py ~/models --poses 20

Each `.osim` file is read, and evaluated by OpenSim itself and here at random poses inside the
ranges: path lengths, moment arms, inverse dynamics, muscle capacity. Leaves a table
(`gallery.csv`, `README.md`) and one picture a model. What cannot be read is listed with its reason.
"""

import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import tyro
from rich.progress import Progress

from cervjax.dynamics import mechanics
from cervjax.execution.provenance import write_provenance
from cervjax.execution.source_hash import source_hash
from cervjax.model import Model
from cervjax.muscle import rigid_tendon_state
from cervjax.spec import ModelSpec, SchutteCurves, WrapEllipsoid
from conversion import UnsupportedComponentError, read_osim
from conversion.opensim_engine import OpensimNeck

LENGTH, CHORDS, FORCE, CAPACITY, BALANCE = 1e-8, 1e-4, 1e-6, 1e-6, 5e-3
"""m, and m where a path may wrap over an ellipsoid, on which OpenSim adds up chords; N m per N m of
the largest; N per N of the strongest muscle, and of one of the deprecated kind, for which OpenSim
finds the balance of fiber and tendon in at most a hundred steps that may not arrive."""
_WITHOUT = "ok, but for what is left out"
_TURNING = ("BallJoint", "FreeJoint", "EllipsoidJoint")
"""Joints whose speeds and forces OpenSim has along angular velocity, not along the rates of
coordinates; models with them are compared at rest."""


@dataclass(frozen=True)
class Config:
    """What to check.

    Attributes:
        folder: searched with all that is in it.
        poses: random poses of each model.
        allow_unsupported: leave out what cannot be converted instead of refusing the model.
        only: parts of paths; models without any of them are passed over. All if empty.
        resume: take over the rows of a run into `out` that was stopped.
        out: results folder.
    """

    folder: tyro.conf.Positional[Path]
    poses: int = 20
    allow_unsupported: bool = False
    only: tuple[str, ...] = ()
    resume: bool = False
    seed: int = 0
    out: Path = field(default=Path("results/model_gallery"))


@dataclass(frozen=True)
class Row:
    """What came of one model; largest differences from OpenSim.

    Attributes:
        model: path in the folder.
        outcome: `ok`, `outside tolerance`, or why it was not read.
        length: m, as OpenSim measures it.
        moment_arm: m, as OpenSim takes it.
        consistent_length: m, of lengths that belong to a path; see `docs/what_converts.md`.
        derivative_90: m, of 90 % of the moment arms that are the derivative of the length.
        inverse_dynamics: N m over the largest of the pose; empty where OpenSim's are others.
        capacity: N over the strongest muscle.
        speed_ratio: our frames/s over OpenSim's, of all of these.
        left_out: kinds of components that are not evaluated, and how many; those that do nothing
            in an analysis too.
    """

    model: str
    outcome: str
    muscles: int | str = ""
    coordinates: int | str = ""
    wrapping: int | str = ""
    length: float | str = ""
    moment_arm: float | str = ""
    consistent_length: float | str = ""
    derivative_90: float | str = ""
    inverse_dynamics: float | str = ""
    capacity: float | str = ""
    frames_per_second: float | str = ""
    speed_ratio: float | str = ""
    left_out: str = ""


class _Frames(NamedTuple):
    """Per pose and muscle or coordinate: m, m, N m, N."""

    length: np.ndarray
    moment_arm: np.ndarray
    force: np.ndarray
    capacity: np.ndarray


def main(config: Config) -> int:
    """Run the checks.

    Returns:
        The exit code.
    """
    jax.config.update("jax_enable_x64", True)
    files = [
        f
        for f in sorted(config.folder.rglob("*.osim"))
        if not config.only or any(part in str(f) for part in config.only)
    ]
    if not files:
        print(f"no .osim file in {config.folder}")
        return 1
    config.out.mkdir(parents=True, exist_ok=True)
    before = _before(config) if config.resume else {}
    (config.out / "settings.json").write_text(json.dumps(_settings(config)))
    rows = []
    with Progress(transient=True) as progress:
        for file in progress.track(files, description="models"):
            name = str(file.relative_to(config.folder))
            rows.append(before[name] if name in before else _row(config, file))
            # Compiled functions of a model are used for it alone, and fill the memory.
            jax.clear_caches()
            progress.console.print(f"{rows[-1].model}: {rows[-1].outcome}", highlight=False)
            # After each model: what is long can be stopped, and leaves what it has.
            _write(config, rows)
    write_provenance(config.out, config)
    failed = [row.model for row in rows if row.outcome == "outside tolerance"]
    agree = sum(row.outcome in ("ok", _WITHOUT) for row in rows)
    print(f"{len(rows)} models, {agree} as OpenSim has them, "
          f"{len(failed)} outside tolerance; see {config.out / 'README.md'}")  # fmt: skip
    return 1 if failed else 0


def _settings(config: Config) -> dict[str, Any]:
    """What decides the rows."""
    own = {name: getattr(config, name) for name in ("poses", "allow_unsupported", "seed")}
    return own | {"code": source_hash(("commands", "learning", "report"))}


def _before(config: Config) -> dict[str, Row]:
    table, settings = config.out / "gallery.csv", config.out / "settings.json"
    if not table.is_file() or not settings.is_file():
        return {}
    if json.loads(settings.read_text()) != _settings(config):
        raise SystemExit(f"{config.out} is of other options or of other code; start it anew")

    def value(name: str, text: str) -> float | int | str:
        if name in ("model", "outcome", "left_out") or not text:
            return text
        return int(text) if text.isdigit() else float(text)

    with table.open(newline="") as file:
        rows = [{n: value(n, v) for n, v in row.items()} for row in csv.DictReader(file)]
    return {str(row["model"]): Row(**row) for row in rows}  # type: ignore[arg-type]


def _row(config: Config, file: Path) -> Row:
    name = str(file.relative_to(config.folder))
    try:
        spec, whole = _read(file, config)
        model = Model.from_spec(spec)
        # Where parts are left out OpenSim has to go without them too.
        theirs, seconds, at = _opensim(spec, model, file if whole else None, config)
    except UnsupportedComponentError as error:
        return Row(name, f"refused: {_kinds(error.components)}")
    except (ValueError, RuntimeError) as error:
        return Row(name, " ".join(str(error).replace(str(file), name).split()))
    as_opensim = Model.from_spec(spec, wrapping="opensim")
    ours, _ = _ours(as_opensim, at)
    consistent, own_seconds = _ours(model, at)
    scale = np.maximum(np.abs(theirs.force).max(axis=1, keepdims=True), 1.0)
    turning = any(j.kind in _TURNING for j in spec.joints)
    curved = {w.name for w in spec.wrap_objects if isinstance(w, WrapEllipsoid)}
    tolerance = LENGTH
    if any(w.wrap_object in curved for m in spec.muscles for w in m.wraps):
        tolerance = CHORDS
    force = float(np.max(np.abs(ours.force - theirs.force) / scale))
    strongest = max((m.max_isometric_force for m in spec.muscles), default=1.0)
    length = float(np.max(np.abs(ours.length - theirs.length), initial=0.0))
    arm = float(np.nanmax(np.abs(ours.moment_arm - theirs.moment_arm), initial=0.0))
    capacity = float(np.max(np.abs(ours.capacity - theirs.capacity), initial=0.0) / strongest)
    old = any(isinstance(m.curves, SchutteCurves) for m in spec.muscles)
    within = (
        length <= tolerance
        and (turning or arm <= max(1e-6, tolerance))
        and (turning or force <= FORCE)
        and capacity <= max(BALANCE if old else CAPACITY, 10 * tolerance)
    )
    row = Row(
        name,
        ("ok" if whole else _WITHOUT) if within else "outside tolerance",
        len(spec.muscles),
        len(spec.free_coordinates),
        sum(bool(m.wraps) for m in spec.muscles),
        length,
        arm,
        float(np.max(np.abs(consistent.length - theirs.length), initial=0.0)),
        float(np.nanquantile(np.abs(consistent.moment_arm - theirs.moment_arm), 0.9))
        if spec.muscles
        else 0.0,
        "" if turning else force,
        capacity,
        len(at[0]) / own_seconds,
        seconds / own_seconds,
        _kinds(spec.omitted),
    )
    _picture(config, row, spec, theirs, ours, consistent)
    return row


def _kinds(components: Sequence[str]) -> str:
    """What components are, and how many of each."""
    counts = Counter(c.partition("(")[2].removesuffix(")") for c in components)
    return ", ".join(f"{k} x {n}" if n > 1 else k for k, n in counts.items())


def _read(file: Path, config: Config) -> tuple[ModelSpec, bool]:
    """The model, and whether nothing that acts is left out."""
    try:
        return read_osim(file), True
    except UnsupportedComponentError:
        if not config.allow_unsupported:
            raise
        return read_osim(file, allow_unsupported=True), False


def _at_rest(spec: ModelSpec) -> bool:
    """Whether OpenSim's speeds, or its accelerations at a speed, are others: where they are along
    angular velocity; and where a coordinate turns a body about several axes, for which Simbody's
    accelerations are not the derivatives of its velocities (docs/validation.md)."""
    turned = [[a.coordinate for a in j.axes[:3] if a.coordinate] for j in spec.joints]
    return any(j.kind in _TURNING for j in spec.joints) or any(
        len(set(names)) < len(names) for names in turned
    )


def _opensim(
    spec: ModelSpec, model: Model, file: Path | None, config: Config
) -> tuple[_Frames, float, tuple[np.ndarray, ...]]:
    """What OpenSim makes of the file at random poses, in how many seconds, and the poses."""
    rng = np.random.default_rng(config.seed)
    ends = np.clip(np.array([spec.coordinate(c).range for c in spec.free_coordinates]), -3, 3)
    q = rng.uniform(ends[:, 0], ends[:, 1], (config.poses, len(ends)))
    qd, qdd = rng.uniform(-1, 1, q.shape), rng.uniform(-5, 5, q.shape)
    if _at_rest(spec):
        qd *= 0
    engine = OpensimNeck(spec, model, file)
    start = time.perf_counter()
    frames = [engine(*motion) for motion in zip(q, qd, qdd, strict=True)]
    forces = [engine.muscle_forces(*motion) for motion in zip(q, qd, strict=True)]
    seconds = time.perf_counter() - start
    return (
        _Frames(
            np.array([f.length for f in frames]),
            np.array([f.moment_arm for f in frames]),
            np.array([f.generalized_force for f in frames]),
            np.array([f.static_optimization for f in forces]),
        ),
        seconds,
        (q, qd, qdd),
    )


def _ours(model: Model, motion: tuple[np.ndarray, ...]) -> tuple[_Frames, float]:
    """The same here, all poses at once, and the seconds of a second call."""
    batch = tuple(jnp.asarray(x) for x in motion)
    found = jax.block_until_ready(_evaluated(model, *batch))
    start = time.perf_counter()
    jax.block_until_ready(_evaluated(model, *batch))
    return _Frames(*map(np.asarray, found)), time.perf_counter() - start


@eqx.filter_jit
def _evaluated(model, q, qd, qdd):
    def frame(q, qd, qdd):
        found = mechanics(model, q, qd, qdd)
        state = rigid_tendon_state(model.muscles, found.length, found.lengthening_speed)
        return found.length, found.moment_arm, found.generalized_force, state.opensim_active_force

    return jax.vmap(frame)(q, qd, qdd)


def _write(config: Config, rows: list[Row]) -> None:
    with (config.out / "gallery.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(asdict(rows[0])))
        writer.writeheader()
        writer.writerows(map(asdict, rows))
    (config.out / "README.md").write_text("\n".join(_page(config, rows)) + "\n")


def _page(config: Config, rows: list[Row]) -> Iterator[str]:
    yield f"# {len(rows)} models of `{config.folder}` against OpenSim, {config.poses} poses each\n"
    columns = [name.replace("_", " ") for name in asdict(rows[0])]
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        values = (f"{v:.2g}" if isinstance(v, float) else str(v) for v in asdict(row).values())
        yield f"| {' | '.join(values)} |"
    yield (
        "\nlength, moment arm: largest difference from OpenSim in m, both as OpenSim has them. "
        "consistent length, derivative 90: the same of lengths that belong to a path, and of 90 % "
        "of the moment arms that are their derivative. inverse dynamics: over the largest of the "
        "pose; empty where a joint's forces are along angular velocity in OpenSim. capacity: over "
        "the strongest muscle. speed ratio: our frames/s (one batch) over OpenSim's."
    )


def _picture(
    config: Config, row: Row, spec: ModelSpec, theirs: _Frames, ours: _Frames, consistent: _Frames
) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    if not spec.muscles:
        axes[0].set_visible(False)
        axes[1].set_visible(False)
    axes[0].semilogy(np.maximum(np.abs(ours.length - theirs.length).max(axis=0), 1e-17), ".",
                     label="as OpenSim")  # fmt: skip
    apart = np.abs(consistent.length - theirs.length).max(axis=0)
    axes[0].semilogy(np.maximum(apart, 1e-17), "+", label="consistent")
    axes[0].set(xlabel="muscle", ylabel="largest difference of path length (m)")
    axes[0].legend()
    axes[1].plot(1e3 * theirs.moment_arm.ravel(), 1e3 * consistent.moment_arm.ravel(), ".", ms=3)
    axes[1].axline((0, 0), slope=1, color="grey", lw=0.5)
    axes[1].set(xlabel="moment arm, OpenSim (mm)", ylabel="moment arm, derivative of length (mm)")
    axes[2].plot(theirs.force.ravel(), ours.force.ravel(), ".", ms=3)
    axes[2].axline((0, 0), slope=1, color="grey", lw=0.5)
    axes[2].set(xlabel="inverse dynamics, OpenSim (N m, N)", ylabel="here (N m, N)")
    figure.suptitle(f"{row.model}: {len(spec.muscles)} muscles, {row.outcome}")
    figure.savefig(config.out / f"{row.model.replace('/', '__').removesuffix('.osim')}.png")
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config)))
