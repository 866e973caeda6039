"""A recording's file to the files of a report."""

import csv
import dataclasses
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cervjax.assessment import (
    MEASURES,
    Assessment,
    AssessmentOptions,
    Change,
    Instruction,
    assess_markers,
    assess_motion,
    assess_orientations,
    changes,
)
from cervjax.assessment.assess import MEASUREMENT_SD
from cervjax.assessment.forces import NetworkForces
from cervjax.execution import read_json, reading
from cervjax.learning import described_person
from cervjax.learning.predict import PredictedMotion, Predictor, predict_motion, write_prediction
from cervjax.model import topology_of
from cervjax.motion import CoordinateRangeWarning, Motion, Storage, read_storage, write_storages
from cervjax.motion.recordings import (
    MarkerRecording,
    OrientationRecording,
    ReadOptions,
    SensorProtocol,
    find_reader,
    known_suffixes,
)
from cervjax.motion.result_files import RESULT_FILES
from cervjax.people import AssessedPerson
from cervjax.spec import ModelSpec

from .page import REPORT_FORMAT, write_report

MOTION_FILE, FORCE_FILE = "motion.sto", "StaticOptimization_force.sto"
NETWORK_FOLDER = "network"
COORDINATE_FILES = (".mot", ".sto")
_READABLE = (2, REPORT_FORMAT)
"""Formats of earlier reports. Ranges of format 2 are of the model, which may be degrees from the
markers."""
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
        sensors: how they were worn, and what the person was asked to do.
        lowpass: Hz.
        forces: whether to solve for them.
        network: folder of a training run or an ensemble.
        rotating: whether the page gets a view that turns.
        instructed: how fast the person was asked to move.
        own_process: see `AssessmentOptions`.
    """

    recording: Path
    static: Path | None = None
    earlier: Path | None = None
    marker_map: Path | None = None
    up: str | None = None
    start: float | None = None
    end: float | None = None
    sensors: SensorProtocol = field(default_factory=SensorProtocol)
    lowpass: float | None = None
    forces: bool = True
    network: Path | None = None
    rotating: bool = False
    instructed: Instruction = Instruction.UNKNOWN
    own_process: bool = False


def assess_file(
    session: Session,
    person: Mapping[str, float | str],
    spec: ModelSpec,
    out: Path,
    progress: Callable[[str], None] = lambda note: None,
) -> tuple[list[Path], Assessment]:
    """Read, assess, and write `report.html`, `report.json`, `motion.sto` and, where solved,
    `StaticOptimization_force.sto` (and a network's forces in `network/`).

    Returns:
        Paths of the files, and what they are of.

    Raises:
        FileNotFoundError, ValueError: a file is missing or tells nothing; nothing is written then.
    """
    known = AssessedPerson.described(person)
    earlier = None if session.earlier is None else _read_earlier(session.earlier, known)
    if session.network is not None and not session.forces:
        raise ValueError("a network's forces are shown beside the solver's: forces must be solved")
    predictor = None if session.network is None else Predictor.load(session.network)
    options = AssessmentOptions(
        forces=session.forces,
        cutoff=session.lowpass,
        instruction=session.instructed,
        own_process=session.own_process,
    )
    assessment = _assessment(session, known, spec, options, progress)
    findings = assessment.findings
    found: list[Change] = []
    if earlier is not None:
        found = changes(
            earlier.values, findings.values, findings.envelope, uncertainty=MEASUREMENT_SD
        )
        if earlier.envelope != findings.envelope.identity:
            other = "The earlier session was held against other healthy people than this one."
            assessment = _warned(assessment, other)
    predicted = None
    if predictor is not None:
        progress("network")
        predicted = network_prediction(predictor, assessment, person)
        network = NetworkForces.of(predicted, topology_of(spec))
        assessment = dataclasses.replace(assessment, network=network)
        if network.novel > 0:
            share = f"In {100 * network.novel:.0f} % of the frames the movement or the person is "
            assessment = _warned(
                assessment, share + f"unlike anything {network.name} was trained on."
            )
    progress("report")
    written = list(write_report(assessment, out, changes=found, rotating=session.rotating))
    written += write_storages(out, _tables(assessment), replaced=(MOTION_FILE, FORCE_FILE))
    if predicted is not None:
        written += write_prediction(predicted, out / NETWORK_FOLDER)
    else:
        # Another network's results must not stay beside these; whatever else is there is not ours.
        for name in RESULT_FILES:
            (out / NETWORK_FOLDER / name).unlink(missing_ok=True)
    return written, assessment


def _warned(assessment: Assessment, warning: str) -> Assessment:
    quality = assessment.quality
    quality = dataclasses.replace(quality, warnings=(*quality.warnings, warning))
    return dataclasses.replace(assessment, quality=quality)


def network_prediction(
    predictor: Predictor, assessment: Assessment, person: Mapping[str, float | str]
) -> PredictedMotion:
    """By a network that is told what the solver was told of the person."""
    subject = assessment.subject
    down = assessment.gravity[assessment.valid].mean(axis=0)
    return predict_motion(
        predictor, assessment.motion, described_person({**subject.ratios(), **person}), gravity=down
    )


def _assessment(
    session: Session,
    person: AssessedPerson,
    spec: ModelSpec,
    options: AssessmentOptions,
    progress: Callable[[str], None],
) -> Assessment:
    path = session.recording
    if not path.is_file():
        raise FileNotFoundError(f"no recording at {path}")
    reader = find_reader(path)
    if reader is None:
        return _assess_coordinates(session, person, spec, options, progress)
    options_of_file = ReadOptions(session.up)
    recording = reader.read(path, options_of_file)
    if isinstance(recording, OrientationRecording):
        _no_markers(session)
        if session.start is not None or session.end is not None:
            raise ValueError("cut the sensors' file itself: its beginning tells how they sit")
        return assess_orientations(
            recording, person, spec, options, protocol=session.sensors, progress=progress
        )
    _no_sensors(session)
    whole = _named(recording, session.marker_map)
    assumed = None
    if session.static is None:
        static = whole.stillest(_STILL, within=_WITHIN)
        assumed = (
            f"No static trial was given: between {static.time[0]:.1f} and "
            f"{static.time[-1]:.1f} s of the recording the person is taken to look ahead."
        )
    else:
        static = _named(_markers(session.static, options_of_file), session.marker_map)
    start = whole.time[0] if session.start is None else session.start
    end = whole.time[-1] if session.end is None else session.end
    part = whole.between(float(start), float(end))
    assessment = assess_markers(part, static, person, spec, options, progress=progress)
    return assessment if assumed is None else _warned(assessment, assumed)


def _no_markers(session: Session) -> None:
    if session.static is not None or session.marker_map is not None:
        raise ValueError(
            f"a static trial and a map of markers are of no use for {session.recording}"
        )


def _no_sensors(session: Session) -> None:
    if session.sensors.given:
        raise ValueError(
            f"{', '.join(session.sensors.given)}: of sensors, and of no use for "
            f"{session.recording}; markers have a static trial"
        )


def _markers(path: Path, options: ReadOptions) -> MarkerRecording:
    reader = find_reader(path) if path.is_file() else None
    recording = None if reader is None else reader.read(path, options)
    if not isinstance(recording, MarkerRecording):
        raise FileNotFoundError(f"no recording of markers at {path}")
    return recording


def _assess_coordinates(
    session: Session,
    person: AssessedPerson,
    spec: ModelSpec,
    options: AssessmentOptions,
    progress: Callable[[str], None],
) -> Assessment:
    path = session.recording
    if path.suffix.lower() not in COORDINATE_FILES:
        known = ", ".join((*known_suffixes(), ".mot"))
        raise ValueError(f"{path} is none of {known}")
    _no_sensors(session)
    _no_markers(session)
    if session.up is not None:
        raise ValueError(f"up is of no use for the coordinates in {path}")
    with warnings.catch_warnings():
        # Said again, and on the page, by the assessment's own checks.
        warnings.simplefilter("ignore", CoordinateRangeWarning)
        motion = Motion.from_storage(read_storage(path), spec)
    start = motion.time[0] if session.start is None else session.start
    end = motion.time[-1] if session.end is None else session.end
    inside = (motion.time >= start) & (motion.time <= end)
    motion = Motion(motion.name, motion.coordinates, motion.time[inside], motion.q[inside])
    return assess_motion(motion, person, spec, options, progress=progress)


def _named(recording: MarkerRecording, marker_map: Path | None) -> MarkerRecording:
    if marker_map is None:
        return recording.named()
    with marker_map.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    if any(len(row) != 2 for row in rows):
        raise ValueError(f"{marker_map} needs two columns: the recording's label, the name here")
    return recording.mapped({label.strip(): name.strip() for label, name in rows})


@dataclass(frozen=True)
class _Earlier:
    """An earlier session: measures, and the identity of the envelope."""

    values: np.ndarray
    envelope: str


def _read_earlier(path: Path, person: AssessedPerson) -> _Earlier:
    """A report of the same person."""
    what, remedy = "a report.json of cervjax", "assess the earlier recording again"
    data = read_json(path, what, remedy)
    with reading(path, what, remedy):
        if data["format"] not in _READABLE:
            raise ValueError(f"{path} is a report of format {data['format']}, not {REPORT_FORMAT}")
        stored = {
            (str(m["kind"]), str(m["region"])): None if m["value"] is None else float(m["value"])
            for m in data["measures"]
        }
        sex, age = str(data["person"]["sex"]), float(data["person"]["age"])
        envelope = str(data["envelope"]["identity"])
    if sex != person.sex.name.lower() or age > person.age:
        raise ValueError(
            f"{path} is of somebody {sex}, {age:g} years; this person is "
            f"{person.sex.name.lower()}, {person.age:g}: not an earlier session of the same person"
        )
    found = [stored.get((m.kind, m.region)) for m in MEASURES]
    values = [np.nan if v is None else v / m.scale for v, m in zip(found, MEASURES, strict=True)]
    return _Earlier(np.array(values), envelope)


def _tables(assessment: Assessment) -> list[tuple[str, Storage, tuple[str, ...]]]:
    tables: list[tuple[str, Storage, tuple[str, ...]]] = [
        (MOTION_FILE, assessment.motion.to_storage(), ("Smoothed; rad.",))
    ]
    forces = assessment.forces
    if forces is not None:
        about = (
            "Static optimization is a hypothesis about how muscles share load, not a measurement.",
            "NaN where it found no optimum.",
        )
        table = Storage("ModelForces", forces.muscles, forces.time, forces.force.astype(float))
        tables.append((FORCE_FILE, table, about))
    return tables
