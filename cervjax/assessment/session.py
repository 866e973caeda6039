"""A recording's file to the files of a report."""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cervjax.learning import described_person
from cervjax.motion import Motion, Storage, read_storage, write_storages
from cervjax.predict import Predictor, predict_motion, write_prediction
from cervjax.spec import NeckSpec
from cervjax.tracking import MarkerRecording, read_markers, read_orientations_csv

from .assess import (
    Assessment,
    AssessmentOptions,
    assess_markers,
    assess_motion,
    assess_orientations,
)
from .deficits import Change, changes
from .measures import MEASURES
from .person import AssessedPerson
from .report import REPORT_FORMAT, write_report

MARKER_FILES = (".trc", ".c3d")
SENSOR_FILES = (".csv",)
COORDINATE_FILES = (".mot", ".sto")
_STILL, _WITHIN = 1.0, 10.0
"""s: length of the static part where no static trial is given, and where it is looked for."""


@dataclass(frozen=True)
class Session:
    """What to assess; see `cervjax assess`.

    Attributes:
        recording: `.trc`, `.c3d`, `.csv`, `.mot` or `.sto`.
        static: of markers; the stillest second of the first ten if None.
        earlier: a report's JSON.
        marker_map: CSV of a label and a name in each line.
        up: axis that points up; the format's own if None.
        start, end: s.
        neutral: s, of sensors at rest.
        lowpass: Hz.
        forces: whether to solve for them.
        network: folder of a training run or an ensemble.
        rotating: whether the page gets a view that turns.
    """

    recording: Path
    static: Path | None = None
    earlier: Path | None = None
    marker_map: Path | None = None
    up: str | None = None
    start: float | None = None
    end: float | None = None
    neutral: tuple[float, float] | None = None
    lowpass: float | None = None
    forces: bool = True
    network: Path | None = None
    rotating: bool = False


def assess_file(
    session: Session,
    person: Mapping[str, float | str],
    spec: NeckSpec,
    out: Path,
    progress: Callable[[str], None] = lambda note: None,
) -> tuple[list[Path], Assessment]:
    """Read, assess, and write `report.html`, `report.json`, `motion.sto` and, where solved,
    `StaticOptimization_force.sto` (and a network's forces in `network/`).

    Raises:
        FileNotFoundError, ValueError: a file is missing or tells nothing; nothing is written then.
    """
    known = AssessedPerson.described(person)
    earlier = None if session.earlier is None else _read_earlier(session.earlier)
    predictor = None if session.network is None else Predictor.load(session.network)
    options = AssessmentOptions(forces=session.forces, cutoff=session.lowpass)
    assessment = _assessment(session, known, spec, options, progress)
    found: list[Change] = []
    if earlier is not None:
        found = changes(earlier, assessment.findings.values, assessment.findings.envelope)
    progress("report")
    written = list(write_report(assessment, out, changes=found, rotating=session.rotating))
    written += write_storages(out, _tables(assessment), replaced=())
    if predictor is not None:
        inputs = {k: v for k, v in person.items() if not isinstance(v, str) or k == "sex"}
        predicted = predict_motion(predictor, assessment.motion, described_person(inputs))
        written += write_prediction(predicted, out / "network")
    return written, assessment


def _assessment(
    session: Session,
    person: AssessedPerson,
    spec: NeckSpec,
    options: AssessmentOptions,
    progress: Callable[[str], None],
) -> Assessment:
    path = session.recording
    kind = path.suffix.lower()
    if not path.is_file():
        raise FileNotFoundError(f"no recording at {path}")
    if kind in MARKER_FILES:
        whole = _named(read_markers(path, session.up), session.marker_map)
        if session.static is None:
            static = whole.stillest(_STILL, within=_WITHIN)
        else:
            static = _named(read_markers(session.static, session.up), session.marker_map)
        start = whole.time[0] if session.start is None else session.start
        end = whole.time[-1] if session.end is None else session.end
        part = whole.between(float(start), float(end))
        return assess_markers(part, static, person, spec, options, progress=progress)
    if session.static is not None or session.marker_map is not None:
        raise ValueError(f"a static trial and a map of markers are of no use for {path}")
    if kind in SENSOR_FILES:
        if session.up == "x":
            raise ValueError("up = 'x' is no vertical axis of sensors; y or z")
        sensors = read_orientations_csv(path, up=session.up or "z")
        if session.start is not None or session.end is not None:
            raise ValueError("cut the sensors' file itself: its beginning tells how they sit")
        return assess_orientations(
            sensors, person, spec, options, neutral=session.neutral, progress=progress
        )
    if kind in COORDINATE_FILES:
        motion = Motion.from_storage(read_storage(path), spec)
        start = motion.time[0] if session.start is None else session.start
        end = motion.time[-1] if session.end is None else session.end
        inside = (motion.time >= start) & (motion.time <= end)
        motion = Motion(motion.name, motion.coordinates, motion.time[inside], motion.q[inside])
        return assess_motion(motion, person, spec, options, progress=progress)
    known = ", ".join((*MARKER_FILES, *SENSOR_FILES, *COORDINATE_FILES))
    raise ValueError(f"{path} is none of {known}")


def _named(recording: MarkerRecording, marker_map: Path | None) -> MarkerRecording:
    if marker_map is None:
        return recording.named()
    with marker_map.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    if any(len(row) != 2 for row in rows):
        raise ValueError(f"{marker_map} needs two columns: the recording's label, the name here")
    return recording.mapped({label.strip(): name.strip() for label, name in rows})


def _read_earlier(path: Path) -> np.ndarray:
    """The measures of a report."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != REPORT_FORMAT:
            raise ValueError(f"{path} is a report of format {data['format']}, not {REPORT_FORMAT}")
        stored = {(m["kind"], m["region"]): m["value"] for m in data["measures"]}
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no report.json of cervjax: {error}") from error
    values = [stored.get((m.kind, m.region)) for m in MEASURES]
    return np.array(
        [np.nan if v is None else v / m.scale for v, m in zip(values, MEASURES, strict=True)]
    )


def _tables(assessment: Assessment) -> list[tuple[str, Storage, tuple[str, ...]]]:
    tables = [("motion.sto", assessment.motion.to_storage(), ("Smoothed; rad.",))]
    forces = assessment.forces
    if forces is not None:
        about = (
            "Static optimization is a hypothesis about how muscles share load, not a measurement.",
        )
        table = Storage("ModelForces", forces.muscles, forces.time, forces.force.astype(float))
        tables.append(("StaticOptimization_force.sto", table, about))
    return tables
