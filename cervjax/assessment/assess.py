"""A recording to an `Assessment`: motion, measures against healthy people, forces, quality."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cervjax.model import Model, topology_of
from cervjax.motion import Motion
from cervjax.motion.recordings import (
    MarkerRecording,
    OrientationRecording,
    SensorProtocol,
    calibrate_sensors,
)
from cervjax.people import AssessedPerson, SizeNorms, Subject
from cervjax.spec import ModelSpec
from cervjax.tracking import calibrate, cluster_turns, place_neck

from .deficits import Findings, find_deficits
from .directions import DIRECTION_VECTORS, DIRECTIONS, head_turns, rotation_of, turns_of
from .envelope import Envelope
from .force_worker import AbstractForceWorker
from .forces import ForceOptions, ForceSummary, NetworkForces, expected_subject
from .instruction import Instruction
from .measures import LEAST_TURN, MEASURES, measure
from .peers import peer_capacity
from .poses import SHARE_WEIGHT, healthy_limits, marker_poses, sensor_poses
from .posture import BEYOND, NeutralPosture, beyond_ranges
from .quality import (
    TOO_FAR,
    Quality,
    check_coordinates,
    check_length,
    check_same_markers,
    even_frames,
    glitches,
    marker_warnings,
    movement_warnings,
    rms,
)
from .smoothing import residual_cutoff

_LEAST_CUTOFF = 2.0
"""Hz; natural head movements have half of their power below."""
_LEAST_SOLVED = 8
"""Frames, below which forces tell nothing."""
_SWAPPED = np.radians(30.0)
"""A torso that turns by more than this, and by more than the head, is a head."""
_SIDES_SD = np.radians(14.2 / 1.96)
"""rad; standard deviation from day to day of the difference of two sides that vary on their own.
Stenneberg 2023 (J Manipulative Physiol Ther 46:125), repeated measures of sixteen people: limits of
agreement of 14.2° for rotation to the right, and of 20.1°, the square root of 2 times as much, for
both sides together. Taken for bending too."""
MEASUREMENT_SD = np.array(
    [
        _SIDES_SD if m.kind == "range asymmetry" else np.radians(1.0) if m.unit == "deg" else 0.0
        for m in MEASURES
    ]
)
"""rad; standard deviations of what markers or sensors say of each measure, beside day-to-day
variation of simulated people. Assumed, but for sides: three times the error that simulated
recordings with 2 mm of noise show."""


@dataclass(frozen=True)
class Assessment:
    """A person's movement, and what it says.

    Attributes:
        source: name of the recording.
        kind: markers, sensors or coordinates.
        person: as described.
        spec, subject: the person's neck.
        motion: smoothed.
        turn: rad, of the head against the torso, smoothed; see `turns_of`. Of markers and sensors
            it is what they say without a model.
        gravity: m/s^2, in the torso's frame.
        valid: frames that count.
        findings: measures, against the envelope.
        forces: None where not asked for.
        quality: of the recording.
        network: what a trained network says, where one was given.
        capacity: N m, of healthy people alike, see `peer_capacity`; None without forces.
    """

    source: str
    kind: str
    person: AssessedPerson
    spec: ModelSpec
    subject: Subject
    motion: Motion
    turn: Float[np.ndarray, "frames 3"]
    gravity: Float[np.ndarray, "frames 3"]
    valid: Bool[np.ndarray, " frames"]
    findings: Findings
    forces: ForceSummary | None
    quality: Quality
    network: NetworkForces | None = None
    capacity: Float[np.ndarray, "3 6"] | None = None


@dataclass(frozen=True)
class AssessmentOptions:
    """How to assess.

    Attributes:
        forces: whether to solve for muscle forces.
        force_frames: solved at most.
        cutoff: Hz, of the low-pass; chosen by residual analysis if None.
        weights: of markers by name.
        seed: of everything that is drawn.
        instruction: how fast the person was asked to move.
        own_process: whether forces are solved in a process of their own. It shortens a first
            run on two cores; a script that is run needs `if __name__ == "__main__"` then.
    """

    forces: bool = True
    force_frames: int = 1024
    cutoff: float | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    instruction: Instruction = Instruction.UNKNOWN
    own_process: bool = False

    def __post_init__(self) -> None:
        if self.cutoff is not None and not self.cutoff >= _LEAST_CUTOFF:
            raise ValueError(
                f"cutoff = {self.cutoff:g} Hz takes movement away; {_LEAST_CUTOFF:g} or more, or "
                "None for residual analysis"
            )


Progress = Callable[[str], None]


def _quiet(note: str) -> None:
    pass


class _Recorded(NamedTuple):
    """What all kinds of recordings come down to.

    Attributes:
        kind: markers, sensors or coordinates.
        nominal: the model that ratios are to.
        spec, subject: the person's neck.
        motion: coordinates as recorded.
        turn: rad, of the head against the torso, as markers or sensors tell it without a model.
        gravity: m/s^2, in the torso's frame.
        known: frames in which the recording tells the coordinates.
        quality: of the recording.
    """

    kind: str
    nominal: ModelSpec
    spec: ModelSpec
    subject: Subject
    motion: Motion
    turn: Float[np.ndarray, "frames 3"]
    gravity: Float[np.ndarray, "frames 3"]
    known: Bool[np.ndarray, " frames"]
    quality: Quality


def assess_markers(
    recording: MarkerRecording,
    static: MarkerRecording,
    person: AssessedPerson,
    spec: ModelSpec,
    options: AssessmentOptions = AssessmentOptions(),
    *,
    envelope: Envelope | None = None,
    progress: Progress = _quiet,
) -> Assessment:
    """Assess a recording of markers.

    Args:
        static: of the person sitting or standing still; may be a part of `recording`.
        envelope: of healthy people like this one; the shipped ones if None.

    Returns:
        The assessment, of a neck scaled to the markers.

    Raises:
        ValueError: recordings that tell nothing: too short, without the markers, in wrong units,
            with markers exchanged, or mostly lost.
    """
    check_length(recording.name, recording.time)
    solver = _begun(spec, options)
    progress("size and markers of the person")
    known = person.known_ratios(Model.from_spec(spec))
    both, left_out = _in_both(recording, static, spec)
    sizes = SizeNorms.of(person.sex, stature=person.stature, weight=person.weight)
    calibration = calibrate(both, spec, ratios=known, sizes=sizes)
    ever = _ever_seen(recording)
    # What a person's size needs of the static trial may not be in the other.
    tracked = tuple(m for m in calibration.markers if m in ever)
    calibration = dataclasses.replace(calibration, markers=tracked)
    chosen = recording.chosen(calibration.markers)
    left_out += check_same_markers(chosen, static, spec.anatomy)
    seen = np.mean(chosen.seen, axis=0)
    chosen = chosen.filled()
    limits = healthy_limits(topology_of(spec))
    calibration = place_neck(calibration, chosen, limits, share_weight=SHARE_WEIGHT)
    clusters = cluster_turns(Model.from_spec(calibration.spec), chosen)
    turn = np.where(clusters.known[:, None], turns_of(clusters.relative), np.nan)
    if not clusters.known.any():
        raise ValueError(
            f"{recording.name}: in no frame are three markers of head and trunk seen that are not "
            "in line"
        )
    progress("inverse kinematics")
    pose = marker_poses(calibration.spec, chosen, turn, options.weights)
    jumped = glitches(pose.error)
    known_frames = pose.known & clusters.known & ~jumped
    error = np.where(known_frames[:, None], pose.error, np.nan)
    subject = expected_subject(calibration.subject, person.sex, person.age)
    quality = Quality(
        len(chosen.time),
        chosen.rate,
        left_out
        + marker_warnings(chosen, both, calibration, float(rms(error, None)), int(jumped.sum())),
        marker_error=dict(zip(chosen.markers, rms(error, axis=0).tolist(), strict=True)),
        marker_seen=dict(zip(chosen.markers, seen.tolist(), strict=True)),
    )
    recorded = _Recorded(
        "markers",
        spec,
        calibration.spec,
        Subject.of(None, **{**subject.ratios(), **known}),
        Motion(recording.name, spec.free_coordinates, chosen.time, pose.q),
        turn,
        pose.gravity,
        known_frames,
        quality,
    )
    return _assessed(recorded, person, options, solver, envelope, progress)


def assess_orientations(
    recording: OrientationRecording,
    person: AssessedPerson,
    spec: ModelSpec,
    options: AssessmentOptions = AssessmentOptions(),
    *,
    protocol: SensorProtocol = SensorProtocol(),
    envelope: Envelope | None = None,
    progress: Progress = _quiet,
) -> Assessment:
    """Assess a recording of two sensors.

    Args:
        protocol: how sensors were worn, and what the person was asked to do; it has to tell what
            quaternions mean where the file's format does not, and which way the torso's sensor
            faces.

    Returns:
        The assessment; sizes are the model's, or those given with the person.

    Raises:
        ValueError: the recording is too short, the head moves while it should rest, the torso
            turns more than the head, or something about the sensors cannot be decided.
    """
    check_length(recording.name, recording.time)
    solver = _begun(spec, options)
    first = float(recording.time[0])
    start, end = protocol.neutral or (first, first + 1.0)
    sensors = calibrate_sensors(recording, protocol)
    aligned = sensors.aligned
    torso, head = (float(turn.magnitude().max()) for turn in (aligned.torso, aligned.head))
    if torso > max(head, _SWAPPED):
        raise ValueError(
            f"{recording.name}: the torso turns by {np.degrees(torso):.0f} degrees, the head by "
            f"{np.degrees(head):.0f}: are the columns of the two sensors exchanged?"
        )
    progress("coordinates from orientations")
    q, known_frames = sensor_poses(spec, aligned)
    warnings = (
        f"Between {start:g} and {end:g} s the person is taken to sit upright and look ahead.",
        *sensors.decided,
        "Two sensors tell how the head is turned against the torso, not how lower and upper neck "
        "share it: the share is assumed, and muscle forces follow that assumption.",
        "The body's size is not measured by sensors: sizes are the model's, or those given.",
    )
    rate = 1 / float(np.median(np.diff(aligned.time)))
    recorded = _Recorded(
        "sensors",
        spec,
        spec,
        _described_subject(person, spec),
        Motion(recording.name, spec.free_coordinates, aligned.time, q),
        turns_of(aligned.relative),
        aligned.gravity,
        known_frames,
        Quality(len(aligned.time), rate, warnings),
    )
    return _assessed(recorded, person, options, solver, envelope, progress)


def assess_motion(
    motion: Motion,
    person: AssessedPerson,
    spec: ModelSpec,
    options: AssessmentOptions = AssessmentOptions(),
    *,
    envelope: Envelope | None = None,
    progress: Progress = _quiet,
) -> Assessment:
    """Assess coordinates, of a torso that is upright.

    Returns:
        The assessment; sizes are the model's, or those given with the person.

    Raises:
        ValueError: the motion is too short, or no neck's.
    """
    check_length(motion.name, motion.time)
    check_coordinates(motion, *healthy_limits(topology_of(spec)))
    solver = _begun(spec, options)
    rate = 1 / float(np.median(np.diff(motion.time)))
    upright = "Coordinates tell nothing of how the torso leans: it is taken as upright."
    recorded = _Recorded(
        "coordinates",
        spec,
        spec,
        _described_subject(person, spec),
        motion,
        head_turns(Model.from_spec(spec), np.nan_to_num(motion.q)),
        np.broadcast_to(np.asarray(spec.gravity, float), (len(motion.time), 3)),
        np.all(np.isfinite(motion.q), axis=1),
        Quality(len(motion.time), rate, (upright,)),
    )
    return _assessed(recorded, person, options, solver, envelope, progress)


def _in_both(
    recording: MarkerRecording, static: MarkerRecording, spec: ModelSpec
) -> tuple[MarkerRecording, tuple[str, ...]]:
    """The static trial's markers that the recording has too, those that size alone needs, and a
    sentence about the others."""
    anatomy = spec.anatomy
    still = {*anatomy.anchor_markers, *anatomy.shoulder_markers}
    tracked = (*anatomy.head_markers, *anatomy.trunk_markers)
    seen = _ever_seen(recording)
    kept = [m for m in static.markers if m in seen or m in still]
    lost = [m for m in static.markers if m in tracked and m not in seen]
    head = [m for m in anatomy.head_markers if m in kept]
    trunk = [m for m in anatomy.trunk_markers if m in kept and m in seen]
    if min(len(head), len(trunk)) < 3:
        raise ValueError(
            f"{recording.name} and {static.name} share {', '.join(head) or 'no marker'} of the "
            f"head and {', '.join(trunk) or 'no marker'} of the trunk; three of each are needed"
            + (f"; {recording.name} lacks {', '.join(lost)}" if lost else "")
        )
    if not lost:
        return static.chosen(kept), ()
    sentence = (
        f"{', '.join(lost)} of the static trial {static.name} {'is' if len(lost) == 1 else 'are'} "
        f"not in {recording.name}, and not used"
    )
    sentence += ", but for the person's size." if still & set(lost) else "."
    return static.chosen(kept), (sentence,)


def _ever_seen(recording: MarkerRecording) -> set[str]:
    ever: np.ndarray = np.any(recording.seen, axis=0)
    return {m for m, was in zip(recording.markers, ever, strict=True) if was}


def _begun(spec: ModelSpec, options: AssessmentOptions) -> AbstractForceWorker | None:
    """What solves for forces. It compiles meanwhile: that does not wait for the recording, and
    takes most of the time of a first run."""
    if not options.forces:
        return None
    return AbstractForceWorker.of(spec, own_process=options.own_process)


def _assessed(
    recorded: _Recorded,
    person: AssessedPerson,
    options: AssessmentOptions,
    solver: AbstractForceWorker | None,
    envelope: Envelope | None,
    progress: Progress,
) -> Assessment:
    """What is done with all kinds of recordings."""
    motion, gravity = recorded.motion, recorded.gravity
    columns = np.hstack([motion.q, gravity, recorded.turn])
    frames = even_frames(motion.name, motion.time, columns, recorded.known)
    time, rate = frames.time, 1 / float(frames.time[1] - frames.time[0])
    q, gravity, turn = np.hsplit(frames.values, [motion.q.shape[1], motion.q.shape[1] + 3])
    progress("smoothing")
    cutoff = residual_cutoff(turn, rate) if options.cutoff is None else options.cutoff
    smooth = Motion(motion.name, motion.coordinates, time, q).lowpass(cutoff)
    gravity = Motion("gravity", ("x", "y", "z"), time, gravity).lowpass(cutoff).q
    turn = Motion("turn", ("x", "y", "z"), time, turn).lowpass(cutoff).q
    model = Model.from_spec(recorded.spec)
    apart = (rotation_of(head_turns(model, smooth.q)).inv() * rotation_of(turn)).magnitude()
    apart = apart[frames.valid]
    progress("healthy people like this one")
    if envelope is None:
        envelope = Envelope.of(person.age, person.sex, options.instruction)
    values = measure(time, turn, frames.valid)
    neutral = NeutralPosture.of(time, turn, frames.valid)
    if not np.linalg.norm(turn[frames.valid], axis=1).max() > LEAST_TURN:
        raise ValueError(
            f"{motion.name}: the head never turns by more than 15 degrees in frames that count; "
            "there is no movement to assess"
        )
    if (np.isfinite(values) & envelope.judged).any():
        findings = find_deficits(values, envelope, uncertainty=_uncertainty(neutral))
    else:
        findings = Findings.nothing(envelope)
    beyond, excess = beyond_ranges(motion.coordinates, smooth.q, model.topology.free_ranges)
    inside = frames.valid & (excess <= TOO_FAR)
    forces = capacity = None
    warnings = list(recorded.quality.warnings)
    if solver is not None and np.count_nonzero(inside) < _LEAST_SOLVED:
        warnings.append(
            "No muscle forces: in nearly all frames the neck is far beyond the model's own range."
        )
    elif solver is not None:
        progress("muscle forces")
        solved = solver(
            person,
            recorded.subject,
            smooth,
            gravity,
            inside,
            ForceOptions(frames=options.force_frames, seed=options.seed),
        )
        # Here: in the process that solves it would be waited for.
        capacity = peer_capacity(recorded.nominal, person, recorded.subject, options.seed)
        forces = solved()
        if not person.weighed:
            warnings.append(
                f"Stature and weight are not given: the head is taken to weigh "
                f"{person.head_mass():.1f} kg, as that of the mean person of this sex."
            )
    quality = dataclasses.replace(
        recorded.quality,
        cutoff=float(cutoff),
        lost=frames.lost,
        bridged=max(0.0, float(frames.valid.mean()) - (1 - frames.lost)),
        beyond_model=float((excess > BEYOND).mean()),
        beyond=beyond,
        model_apart=(float(rms(apart, None)), float(apart.max())),
        neutral=neutral,
    )
    quality = dataclasses.replace(
        quality, warnings=(*warnings, *movement_warnings(findings, quality))
    )
    return Assessment(
        motion.name,
        recorded.kind,
        person,
        recorded.spec,
        recorded.subject,
        smooth,
        turn,
        gravity,
        frames.valid,
        findings,
        forces,
        quality,
        capacity=capacity,
    )


def _uncertainty(neutral: NeutralPosture | None) -> Float[np.ndarray, " measures"]:
    """Standard deviations of what was measured; rad. A head that rests elsewhere than in the
    posture that angles are counted from may have that much less on one side and more on the other:
    ranges are uncertain by it, and differences of sides by twice as much."""
    if neutral is None:
        return MEASUREMENT_SD
    off = np.zeros(len(MEASURES))
    for k, m in enumerate(MEASURES):
        if m.kind == "range":
            off[k] = np.abs(DIRECTION_VECTORS[DIRECTIONS.index(m.region)]) @ np.abs(neutral.rest)
        elif m.kind == "range asymmetry":
            off[k] = 2 * np.abs(neutral.rest[{"bending": 1, "rotation": 2}[m.region]])
    return np.hypot(MEASUREMENT_SD, off)


def _described_subject(person: AssessedPerson, spec: ModelSpec) -> Subject:
    subject = expected_subject(Subject.of(), person.sex, person.age)
    return Subject.of(None, **{**subject.ratios(), **person.known_ratios(Model.from_spec(spec))})
