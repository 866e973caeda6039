"""Whether restrictions of simulated people are found again, through markers and inverse kinematics.

    python experiments/validate_assessment.py                  # 200 people, minutes
    python experiments/validate_assessment.py --only healthy --people 1000

Each person is drawn as healthy people are, examined on one day, with and without a restriction.
Turns of the head become coordinates (natural share), coordinates markers, markers get noise and
gaps, and the recording is assessed as one that somebody brings. The results folder gets a README,
`recovery.csv` and `recovery.png`.
"""

import csv
import functools
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import tyro
from rich.console import Console
from rich.progress import track

from cervjax.assessment import (
    MAIN,
    MEASURES,
    Assessment,
    AssessmentOptions,
    Instruction,
    MovementNorms,
    Mover,
    assess_markers,
    healthy_limits,
    measure,
    paced_norms,
    with_limits,
)
from cervjax.assessment.assess import MEASUREMENT_SD
from cervjax.assessment.directions import rotation_of
from cervjax.execution.provenance import write_provenance
from cervjax.kinematics import marker_positions
from cervjax.model import Model
from cervjax.motion.recordings import MarkerRecording
from cervjax.people import AssessedPerson, Sex
from cervjax.spec import Marker, ModelSpec, shipped_neck
from cervjax.tracking import OrientationKinematics

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RATE = 50.0
STILL = 60
"""Frames of the static trial."""
ROWS = 4096
"""Frames of an examination, filled up, so that everything is compiled once."""
WORN: dict[str, tuple[str, tuple[float, float, float]]] = {
    "SJN": ("ribcage", (0.056, 0.341, 0.004)),
    "SXS": ("ribcage", (0.144, 0.181, 0.004)),
    "CV7": ("ribcage", (-0.12, 0.40, 0.004)),
    "TV8": ("ribcage", (-0.088, 0.114, 0.0)),
    "LAH": ("skull", (0.099, 0.15, -0.055)),
    "RAH": ("skull", (0.099, 0.15, 0.055)),
    "LPH": ("skull", (-0.098, 0.068, -0.058)),
    "RPH": ("skull", (-0.098, 0.068, 0.058)),
}
"""m, where markers sit; the acromia are the model's."""


@dataclass(frozen=True)
class Case:
    """A restriction and a recording.

    Attributes:
        name: for tables.
        region: that should be named; None where nothing should.
        kinds: of deficits that name it.
        changes: of `Mover.restricted`.
        noise: m, of every marker coordinate in every frame.
        lost: part of the frames in which one head marker is not seen.
    """

    name: str
    region: str | None
    kinds: tuple[str, ...]
    changes: Mapping[str, Any] = field(default_factory=dict)
    noise: float = 0.0005
    lost: float = 0.0


LEFT = "left rotation"
_RANGE = ("range", "range asymmetry")
_SPEED = ("speed", "overall speed", "speed asymmetry", "smoothness")


def _cut(degrees: float) -> dict[str, Any]:
    return {"reach": {LEFT: float(np.radians(degrees))}}


CASES = (
    Case("healthy", None, ()),
    Case("left rotation cut to 30°", LEFT, _RANGE, _cut(30)),
    Case("left rotation cut to 45°", LEFT, _RANGE, _cut(45)),
    Case("left rotation cut to 60°", LEFT, _RANGE, _cut(60)),
    Case("slowed to a half", "everywhere", _SPEED, {"slower": 0.5}),
    Case("slowed to a third", "everywhere", _SPEED, {"slower": 1 / 3}),
    Case("left rotation: 30 % of the torque", LEFT, _SPEED, {"weaker": {LEFT: 0.3}}),
    Case("left rotation cut to 45°, noise 1 mm", LEFT, _RANGE, _cut(45), noise=0.001),
    Case("left rotation cut to 45°, noise 2 mm", LEFT, _RANGE, _cut(45), noise=0.002),
    Case("left rotation cut to 45°, LAH lost 20 %", LEFT, _RANGE, _cut(45), lost=0.2),
    Case("healthy, noise 1 mm", None, (), noise=0.001),
    Case("healthy, noise 2 mm", None, (), noise=0.002),
    Case("healthy, LAH lost for 20 % of the frames", None, (), lost=0.2),
)


@dataclass(frozen=True)
class Config:
    """What to try.

    Attributes:
        people: simulated, of each case.
        only: a case's name; all if None.
        age: years.
        out: results folder.
        instructed: how fast everybody is asked to move.
    """

    people: int = 200
    only: str | None = None
    age: float = 40.0
    seed: int = 1
    out: Path = field(default=Path("results/assessment"))
    instructed: Instruction = Instruction.FAST


@dataclass(frozen=True)
class Recovery:
    """What came out of one case.

    Attributes:
        case: which.
        flagged: part of the people with any deficit.
        named: part in whom the region's deficit comes first among those of its kinds.
        range_error: deg, root mean square of ranges against the turns simulated.
        inside: part of the ranges that lie within the stated interval of what was simulated.
    """

    case: Case
    flagged: float
    named: float
    range_error: float
    inside: float


def run(config: Config) -> list[Recovery]:
    """Simulate, assess, and write tables and a figure."""
    write_provenance(config.out, config)
    chosen = [k for k, case in enumerate(CASES) if config.only in (None, case.name)]
    if not chosen:
        names = ", ".join(case.name for case in CASES)
        raise ValueError(f"only = {config.only!r} is no case; there are {names}")
    workers = max(1, min(os.cpu_count() or 1, len(chosen)))
    # Each process compiles for itself; they must not share JAX's threads, as a fork would.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_recover, index, config) for index in chosen]
        found = [
            job.result() for job in track(waiting, "cases", console=Console(), total=len(waiting))
        ]
    _write(config, found, _optimal(config))
    return found


def _recover(index: int, config: Config) -> Recovery:
    """One case, in a process of its own."""
    case, (spec, simulator) = CASES[index], _setup()
    notes = [_one(case, config, person, spec, simulator) for person in range(config.people)]
    flagged, named, errors, inside = (np.array(x) for x in zip(*notes, strict=True))
    return Recovery(
        case,
        float(flagged.mean()),
        float(named.mean()),
        float(np.sqrt(np.nanmean(errors**2))),
        float(np.nanmean(inside)),
    )


@functools.cache
def _setup() -> tuple[ModelSpec, "Simulator"]:
    jax.config.update("jax_enable_x64", True)
    spec = shipped_neck()
    worn = [Marker(name, body, at) for name, (body, at) in WORN.items()]
    kept = [m for m in spec.markers if m.name not in WORN]
    spec = replace(spec, markers=(*kept, *worn))
    return spec, Simulator.of(spec)


class Simulator(eqx.Module):
    """Turns of a head to markers in a laboratory."""

    model: Model
    task: OrientationKinematics

    @classmethod
    def of(cls, spec: ModelSpec) -> "Simulator":
        """For a neck whose coordinates turn as far as healthy people do."""
        model = Model.from_spec(spec)
        task = OrientationKinematics.of(model)
        return cls(model, with_limits(task, *healthy_limits(model.topology)))

    @eqx.filter_jit
    def __call__(self, rotation: jax.Array) -> jax.Array:
        """Markers, m, in the torso."""
        q = jax.lax.map(lambda r: self.task(self.model, r).q, rotation, batch_size=128)
        return jax.lax.map(lambda row: marker_positions(self.model, row), q, batch_size=128)


def _one(
    case: Case,
    config: Config,
    person: int,
    spec: ModelSpec,
    simulator: Simulator,
) -> tuple[bool, bool, np.ndarray, np.ndarray]:
    """Whether anything, and the right thing, was found; errors of ranges, and which are inside."""
    rng = np.random.default_rng((config.seed, person))
    norms, sex = paced_norms(config.instructed), Sex(person % len(Sex))
    mover = Mover.draw(norms, config.age, sex, rng).today(norms, rng).restricted(**case.changes)
    _, turn = mover.examination(rng, directions=(*MAIN, *MAIN), rate=RATE)
    turn = np.concatenate([np.zeros((STILL, 3)), turn])
    count = len(turn)
    if count > ROWS:
        turn, count = turn[:ROWS], ROWS
    filled = np.concatenate([turn, np.repeat(turn[-1:], ROWS - count, axis=0)])
    markers = np.asarray(simulator(jnp.asarray(rotation_of(filled).as_matrix())))[:count]
    markers = markers + case.noise * rng.normal(size=markers.shape)
    names = simulator.model.topology.markers
    # For a second at a time, not in the static trial.
    gone = np.repeat(rng.uniform(size=count // 50 + 1) < case.lost, 50)[:count]
    gone[:STILL] = False
    markers[gone, names.index("LAH")] = np.nan
    whole = MarkerRecording("simulated", names, np.arange(count) / RATE, markers)
    static = whole.between(0.0, (STILL - 1) / RATE)
    assessment = assess_markers(
        whole,
        static,
        AssessedPerson.described({"sex": sex.name, "age": config.age}),
        spec,
        AssessmentOptions(forces=False, instruction=config.instructed),
    )
    truth = measure(np.arange(count) / RATE, turn)
    ranges = np.array([m.kind == "range" and m.region in MAIN for m in MEASURES])
    error = np.degrees(assessment.findings.values - truth)[ranges]
    half = 1.96 * np.degrees(MEASUREMENT_SD[ranges])
    return (*_judged(case, assessment), error, np.where(np.isnan(error), np.nan, abs(error) < half))


def _judged(case: Case, assessment: Assessment) -> tuple[bool, bool]:
    deficits = assessment.findings.deficits
    if case.region is None:
        return bool(deficits), not deficits
    if case.region == "everywhere":
        return bool(deficits), any(d.measure.kind in case.kinds for d in deficits)
    first = next((d.region for d in deficits if d.measure.kind in case.kinds), None)
    return bool(deficits), first == case.region


def _optimal(config: Config) -> float:
    """How many of the people cut to 60 degrees differ from healthy ones by so much that a test of
    left rotation and of its asymmetry, which knows both distributions, can tell them apart with 3 %
    of false alarms: the ceiling of any method on these measures."""
    norms, rng = MovementNorms(), np.random.default_rng(config.seed)
    at = [
        next(k for k, m in enumerate(MEASURES) if m.name == name)
        for name in ("range: left rotation", "range asymmetry: rotation")
    ]

    def drawn(limit: float | None) -> np.ndarray:
        rows = []
        for _ in range(400):
            mover = Mover.draw(norms, config.age, Sex.MALE, rng).today(norms, rng)
            mover = mover if limit is None else mover.restricted(reach={LEFT: limit})
            rows.append(measure(*mover.examination(rng, directions=(*MAIN, *MAIN)))[at])
        found = np.array(rows)
        return found[np.isfinite(found).all(axis=1)]

    healthy, cut = drawn(None), drawn(float(np.radians(60)))
    # The linear discriminant is the best test of two normal distributions of equal spread.
    spread = np.cov(healthy.T) + np.cov(cut.T)
    direction = np.linalg.solve(spread, cut.mean(axis=0) - healthy.mean(axis=0))
    threshold = np.quantile(healthy @ direction, 0.97)
    return float(np.mean(cut @ direction > threshold))


def _write(config: Config, found: list[Recovery], limit: float) -> None:
    header = ("case", "any deficit", "right", "range error (deg, RMS)", "range inside interval")
    rows = [
        (
            r.case.name,
            f"{100 * r.flagged:.1f} %",
            f"{100 * r.named:.1f} %",
            f"{r.range_error:.2f}",
            f"{100 * r.inside:.1f} %",
        )
        for r in found
    ]
    with (config.out / "recovery.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    text = (
        f"# Restrictions of {config.people} simulated people, {config.age:g} years\n\n"
        "Right: the region is named first among deficits of its kind; for healthy people, that "
        "nothing is.\n\n"
        + "\n".join(lines)
        + f"\n\nOf men cut to 60 degrees a linear test that knows both distributions tells "
        f"{100 * limit:.0f} % from healthy ones, at 3 % of false alarms: healthy people's left "
        "rotation is as low as that.\n"
    )
    (config.out / "README.md").write_text(text)
    Console().print(text)
    figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
    axis.barh([r.case.name for r in found], [100 * r.named for r in found], color="#4393c3")
    axis.axvline(95, color="black", linewidth=0.7, linestyle=":")
    axis.invert_yaxis()
    axis.set(xlabel="people in whom the right thing was said (%)", xlim=(0, 100))
    figure.savefig(config.out / "recovery.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    run(tyro.cli(Config))
