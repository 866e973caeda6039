"""A recording to an `Assessment`: motion, measures against healthy people, forces, quality."""

import dataclasses
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy.interpolate import PchipInterpolator

from cervjax.model import NeckModel
from cervjax.motion import PLANES, Motion, plane_of_coordinates
from cervjax.personalization import Measures, Subject
from cervjax.population import Physiology
from cervjax.spec import NeckSpec
from cervjax.tracking import (
    Calibration,
    InverseKinematics,
    MarkerRecording,
    OrientationKinematics,
    OrientationRecording,
    PoseStatus,
    calibrate,
)

from .deficits import Findings, find_deficits
from .directions import MAIN, head_turns
from .envelope import Envelope
from .forces import ForceSolver, ForceSummary, expected_subject, movement_forces
from .measures import MEASURES, measure
from .person import AssessedPerson
from .smoothing import residual_cutoff

_BATCH, _CHUNK = 128, 1024
"""Frames mapped together, and compiled for."""
_LEAST_SECONDS = 2.0
_BRIDGED = 0.2
"""s, longest gap in which the pose is interpolated and still counts."""
_MOST_LOST = 0.5
"""Part of the frames without a pose, beyond which there is nothing to assess."""
_MISPLACED, _SLIDING = 0.025, 0.010
"""m, root mean square of marker errors that is refused, and that is warned of."""
_SIDE = 0.55
"""Of a plane's range, that one side may have."""
_SLACK = 3.0
"""Standard deviations of healthy range of motion to which the limits of coordinates are widened."""
_SHARE_WEIGHT = 1e-3
"""m^2/rad^2; stronger than where markers alone are wanted: forces ask for coordinates that people
have, and 5 mm of sliding skin would set upper against lower neck to the ends of their ranges."""
_ORIENTATION_SD = np.radians(1.0)
"""Of what markers or sensors say of a turn's end, beside day-to-day variation; assumed, twice the
error that simulated recordings with 2 mm of noise show."""


@dataclass(frozen=True)
class Quality:
    """How good a recording is.

    Attributes:
        frames, rate: number, Hz.
        warnings: what to think of before believing the rest.
        lost: part of the frames whose pose was not told or did not converge.
        bridged: part of the frames that were interpolated and count.
        cutoff: Hz, of the low-pass, by residual analysis.
        marker_error: m, root mean square of each marker's distance from the model's.
        marker_seen: part of the frames in which each marker was seen.
        beyond_model: part of the frames in which a coordinate is beyond the model's own range,
            where its muscle paths were not made for.
    """

    frames: int
    rate: float
    warnings: tuple[str, ...]
    lost: float = 0.0
    bridged: float = 0.0
    cutoff: float = 0.0
    marker_error: Mapping[str, float] = field(default_factory=dict)
    marker_seen: Mapping[str, float] = field(default_factory=dict)
    beyond_model: float = 0.0


@dataclass(frozen=True)
class Assessment:
    """A person's movement, and what it says.

    Attributes:
        source: name of the recording.
        kind: markers, sensors or coordinates.
        person: as described.
        spec, subject: the person's neck.
        motion: smoothed.
        turn: rad, of the head against the torso; see `head_turns`.
        valid: frames that count.
        findings: measures, against the envelope.
        forces: None where not asked for.
        quality: of the recording.
    """

    source: str
    kind: str
    person: AssessedPerson
    spec: NeckSpec
    subject: Subject
    motion: Motion
    turn: Float[np.ndarray, "frames 3"]
    valid: Bool[np.ndarray, " frames"]
    findings: Findings
    forces: ForceSummary | None
    quality: Quality


@dataclass(frozen=True)
class AssessmentOptions:
    """How to assess.

    Attributes:
        forces: whether to solve for muscle forces.
        force_frames: solved at most.
        cutoff: Hz, of the low-pass; chosen by residual analysis if None.
        weights: of markers by name.
        seed: of everything that is drawn.
    """

    forces: bool = True
    force_frames: int = 1024
    cutoff: float | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0


Progress = Callable[[str], None]


def _quiet(note: str) -> None:
    pass


def assess_markers(
    recording: MarkerRecording,
    static: MarkerRecording,
    person: AssessedPerson,
    spec: NeckSpec,
    options: AssessmentOptions = AssessmentOptions(),
    *,
    envelope: Envelope | None = None,
    progress: Progress = _quiet,
) -> Assessment:
    """Assess a recording of markers.

    Args:
        static: of the person sitting or standing still; may be a part of `recording`.
        envelope: of healthy people of this age; the shipped ones if None.

    Raises:
        ValueError: recordings that tell nothing: too short, without the markers, in wrong units,
            with markers exchanged, or mostly lost.
    """
    _long_enough(recording.name, recording.time)
    solver = _begun(spec, options)
    progress("size and markers of the person")
    known = dict(person.ratios or {})
    mass = person.head_mass()
    if mass is not None and "head_mass" not in known:
        known["head_mass"] = mass / Measures.of(NeckModel.from_spec(spec)).head_mass
    calibration = calibrate(static, spec, ratios=known)
    lacking = [m for m in calibration.markers if m not in recording.markers]
    if lacking:
        raise ValueError(f"{recording.name} lacks {', '.join(lacking)}, which {static.name} has")
    chosen = recording.chosen(calibration.markers)
    _same_markers(chosen, static)
    chosen = chosen.filled()
    progress("inverse kinematics")
    q, gravity, error, told = _poses(calibration.spec, chosen, options.weights)
    own = _rms(error, axis=0)
    whole = float(_rms(error, axis=None))
    warnings = _marker_warnings(chosen, calibration, whole)
    subject = expected_subject(calibration.subject, person.sex, person.age)
    given = person.ratios or {}
    subject = Subject.of(None, **{**_ratios(subject), **given})
    seen = np.mean(recording.chosen(chosen.markers).seen, axis=0)
    quality = Quality(
        len(chosen.time),
        chosen.rate,
        warnings,
        lost=float(1 - np.mean(told)),
        marker_error=dict(zip(chosen.markers, own.tolist(), strict=True)),
        marker_seen=dict(zip(chosen.markers, seen.tolist(), strict=True)),
    )
    motion = Motion(recording.name, calibration.spec.free_coordinates, chosen.time, q)
    return _assessed(
        "markers",
        person,
        calibration.spec,
        subject,
        motion,
        gravity,
        told,
        quality,
        options,
        solver,
        envelope,
        progress,
    )


def assess_orientations(
    recording: OrientationRecording,
    person: AssessedPerson,
    spec: NeckSpec,
    options: AssessmentOptions = AssessmentOptions(),
    *,
    neutral: tuple[float, float] | None = None,
    envelope: Envelope | None = None,
    progress: Progress = _quiet,
) -> Assessment:
    """Assess a recording of two sensors.

    Args:
        neutral: s, from when to when the person sits upright and looks ahead; the first second if
            None.

    Raises:
        ValueError: the recording is too short, or the head moves while it should rest.
    """
    _long_enough(recording.name, recording.time)
    solver = _begun(spec, options)
    first = float(recording.time[0])
    aligned = recording.against_neutral(*(neutral or (first, first + 1.0)))
    progress("coordinates from orientations")
    model = NeckModel.from_spec(spec)
    task = with_limits(OrientationKinematics.of(spec, model), *healthy_limits(spec))
    pose = _framewise(task, model, aligned.relative.as_matrix())
    told = pose.status == PoseStatus.CONVERGED
    warnings = (
        "Two sensors tell how the head is turned against the torso, not how lower and upper neck "
        "share it: the share is assumed, and muscle forces follow that assumption.",
        "The body's size is not measured by sensors: sizes are the model's, or those given.",
    )
    rate = 1 / float(np.mean(np.diff(aligned.time)))
    quality = Quality(len(aligned.time), rate, warnings, lost=float(1 - told.mean()))
    motion = Motion(recording.name, spec.free_coordinates, aligned.time, pose.q)
    return _assessed(
        "sensors",
        person,
        spec,
        _described_subject(person, spec),
        motion,
        aligned.gravity,
        told,
        quality,
        options,
        solver,
        envelope,
        progress,
    )


def assess_motion(
    motion: Motion,
    person: AssessedPerson,
    spec: NeckSpec,
    options: AssessmentOptions = AssessmentOptions(),
    *,
    envelope: Envelope | None = None,
    progress: Progress = _quiet,
) -> Assessment:
    """Assess coordinates, of a torso that is upright.

    Raises:
        ValueError: the motion is too short.
    """
    _long_enough(motion.name, motion.time)
    solver = _begun(spec, options)
    rate = 1 / float(np.mean(np.diff(motion.time)))
    upright = "Coordinates tell nothing of how the torso leans: it is taken as upright."
    quality = Quality(len(motion.time), rate, (upright,))
    gravity = np.broadcast_to(np.asarray(spec.gravity, float), (len(motion.time), 3))
    return _assessed(
        "coordinates",
        person,
        spec,
        _described_subject(person, spec),
        motion,
        gravity,
        np.all(np.isfinite(motion.q), axis=1),
        quality,
        options,
        solver,
        envelope,
        progress,
    )


def _begun(spec: NeckSpec, options: AssessmentOptions) -> Future[ForceSolver] | None:
    """The solver of forces, compiled in a thread of its own: it does not wait for the recording,
    and compilation takes most of the time of a first run."""
    if not options.forces:
        return None
    pool = ThreadPoolExecutor(1)
    found = pool.submit(ForceSolver.of, spec)
    pool.shutdown(wait=False)
    return found


def healthy_limits(
    spec: NeckSpec, physiology: Physiology = Physiology()
) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"]]:
    """Limits of coordinates (rad) that let the head turn as far as healthy people's: the model's
    own, widened in proportion where a side of a plane is less than 0.55 of the mean range and three
    standard deviations. HYOID's are, most of all in rotation."""
    plane = np.array(plane_of_coordinates(spec))
    low, high = np.array([spec.coordinate(n).range for n in spec.free_coordinates]).T
    for p in range(len(PLANES)):
        wanted = _SIDE * (physiology.range_mean[p] + _SLACK * physiology.range_sd[p])
        of = plane == p
        low[of] *= max(1.0, wanted / -low[of].sum())
        high[of] *= max(1.0, wanted / high[of].sum())
    return low, high


def _assessed(
    kind: str,
    person: AssessedPerson,
    spec: NeckSpec,
    subject: Subject,
    motion: Motion,
    gravity: Float[np.ndarray, "frames 3"],
    told: Bool[np.ndarray, " frames"],
    quality: Quality,
    options: AssessmentOptions,
    solver: Future[ForceSolver] | None,
    envelope: Envelope | None,
    progress: Progress,
) -> Assessment:
    """What all kinds of recordings have in common."""
    if 1 - told.mean() > _MOST_LOST:
        raise ValueError(
            f"{motion.name}: {100 * (1 - told.mean()):.0f} % of the frames tell no pose; markers "
            "are lost, exchanged, or in other units"
        )
    q, gravity, valid = _bridged(motion.time, motion.q, gravity, told)
    time = motion.time
    rate = (len(time) - 1) / float(time[-1] - time[0])
    even = time[0] + np.arange(len(time)) / rate
    if np.abs(even - time).max() > 0.1 / rate:
        q, gravity = (
            np.column_stack([np.interp(even, time, column) for column in x.T]) for x in (q, gravity)
        )
        valid = np.interp(even, time, valid.astype(float)) > 0.999
    time = even
    progress("smoothing")
    cutoff = residual_cutoff(q, rate) if options.cutoff is None else options.cutoff
    smooth = Motion(motion.name, motion.coordinates, time, q).lowpass(cutoff)
    gravity = Motion("gravity", ("x", "y", "z"), time, gravity).lowpass(cutoff).q
    model = NeckModel.from_spec(spec)
    turn = head_turns(model, smooth.q)
    progress("healthy people of this age")
    envelope = Envelope.of(person.age) if envelope is None else envelope
    values = measure(time, turn, valid)
    if not np.isfinite(values).any():
        raise ValueError(
            f"{motion.name}: the head never turns by more than 15 degrees in frames that count; "
            "there is no movement to assess"
        )
    degrees = np.array([m.unit == "deg" for m in MEASURES])
    findings = find_deficits(values, envelope, uncertainty=np.where(degrees, _ORIENTATION_SD, 0.0))
    limits = np.array([spec.coordinate(n).range for n in spec.free_coordinates])
    outside = (smooth.q < limits[:, 0] - 1e-3) | (smooth.q > limits[:, 1] + 1e-3)
    beyond = np.any(outside, axis=1)
    forces = None
    if solver is not None:
        progress("muscle forces")
        forces = movement_forces(
            solver.result(),
            subject,
            smooth,
            gravity,
            sex=person.sex,
            age=person.age,
            frames=options.force_frames,
            seed=options.seed,
        )
    bridged = float(np.mean(valid) - np.mean(told))
    quality = dataclasses.replace(
        quality,
        cutoff=float(cutoff),
        bridged=max(bridged, 0.0),
        beyond_model=float(beyond.mean()),
        warnings=(*quality.warnings, *_more_warnings(findings, told, beyond)),
    )
    return Assessment(
        motion.name, kind, person, spec, subject, smooth, turn, valid, findings, forces, quality
    )


def _poses(
    spec: NeckSpec, recording: MarkerRecording, weights: Mapping[str, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates, gravity in the torso, marker errors, and which frames converged."""
    model = NeckModel.from_spec(spec)
    task = InverseKinematics.of(
        spec, model, recording.markers, weights=dict(weights), share_weight=_SHARE_WEIGHT
    )
    pose = _framewise(task, model, recording.position)
    wider = _wider(spec, pose.q, np.asarray(task.low), np.asarray(task.high))
    if wider is not None:
        pose = _framewise(with_limits(task, *wider), model, recording.position)
    gravity = np.einsum("fyx,y->fx", pose.rotation, np.asarray(model.gravity))
    return pose.q, gravity, pose.marker_error, pose.status == PoseStatus.CONVERGED


def _wider(
    spec: NeckSpec, q: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Limits of planes in which a pose is at the end of all coordinates; None where none is.

    The model's own limits are kept where they suffice: muscle paths were made for them.
    """
    plane = np.array(plane_of_coordinates(spec))
    at_low, at_high = q <= low + 1e-9, q >= high - 1e-9
    ended = [
        bool((at_low[:, plane == p].all(axis=1) | at_high[:, plane == p].all(axis=1)).any())
        for p in range(len(PLANES))
    ]
    if not any(ended):
        return None
    change = np.array(ended)[plane]
    farthest = healthy_limits(spec)
    return np.where(change, farthest[0], low), np.where(change, farthest[1], high)


_Task = TypeVar("_Task", InverseKinematics, OrientationKinematics)


def with_limits(task: _Task, low: Float[np.ndarray, " q"], high: Float[np.ndarray, " q"]) -> _Task:
    """`task` inside other limits of the coordinates, rad."""
    ends = tuple(jnp.asarray(x, task.low.dtype) for x in (low, high))
    return eqx.tree_at(lambda t: (t.low, t.high), task, ends)


def _framewise(task: _Task, model: NeckModel, frames: np.ndarray) -> Any:
    """The pose of every frame, a fixed number at a time, so that recordings of any length use the
    same compiled function."""
    parts = []
    for start in range(0, len(frames), _CHUNK):
        part = frames[start : start + _CHUNK]
        filled = np.concatenate([part, np.repeat(part[-1:], _CHUNK - len(part), axis=0)])
        found = _chunk(task, model, jnp.asarray(filled, model.dtype))
        parts.append(jax.tree.map(lambda x, n=len(part): np.asarray(x)[:n], found))
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


@eqx.filter_jit
def _chunk(task: _Task, model: NeckModel, frames: Array) -> Any:
    return jax.lax.map(lambda frame: task(model, frame), frames, batch_size=_BATCH)


def _bridged(
    time: np.ndarray, q: np.ndarray, gravity: np.ndarray, told: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All frames, and which count: those told, and gaps of up to 0.2 s."""
    if told.all():
        return q, gravity, told
    known = time[told]
    q, gravity = (
        PchipInterpolator(known, x[told])(np.clip(time, known[0], known[-1])) for x in (q, gravity)
    )
    after = np.searchsorted(known, time)
    before = np.clip(after - 1, 0, len(known) - 1)
    gap = known[np.clip(after, 0, len(known) - 1)] - known[before]
    inside = (time >= known[0]) & (time <= known[-1])
    return q, gravity, told | (inside & (gap <= _BRIDGED))


def _long_enough(name: str, time: np.ndarray) -> None:
    if len(time) < 32 or time[-1] - time[0] < _LEAST_SECONDS:
        length = float(time[-1] - time[0]) if len(time) > 1 else 0.0
        raise ValueError(
            f"{name} has {len(time)} frames and lasts {length:.3g} s; an assessment needs "
            f"{_LEAST_SECONDS:g} s and 32 frames at least"
        )


def _same_markers(recording: MarkerRecording, static: MarkerRecording) -> None:
    """Distances among the head's markers must be those of the static trial: other units, exchanged
    markers and another person show here."""
    head = [m for m in recording.markers if m in ("LAH", "RAH", "LPH", "RPH")]
    apart = []
    for source in (recording, static):
        at = source.chosen(head).position
        between = np.linalg.norm(at[:, :, None] - at[:, None], axis=3)
        if not np.isfinite(between).any(axis=0).all():
            raise ValueError(f"{source.name}: {', '.join(head)} are never seen together")
        apart.append(np.nanmedian(between, axis=0))
    rows, columns = np.triu_indices(len(head), 1)
    found, wanted = (a[rows, columns] for a in apart)
    worst = int(np.argmax(np.abs(found - wanted)))
    if np.abs(found - wanted).max() > 0.03:
        pair = f"{head[rows[worst]]} and {head[columns[worst]]}"
        raise ValueError(
            f"{recording.name}: {pair} are {found[worst]:.3g} m apart, in {static.name} "
            f"{wanted[worst]:.3g} m: other units, markers exchanged, or another person"
        )


def _marker_warnings(
    recording: MarkerRecording, calibration: Calibration, error: float
) -> tuple[str, ...]:
    if error > _MISPLACED:
        raise ValueError(
            f"{recording.name}: markers are {1e3 * error:.0f} mm (root mean square) from where the "
            f"calibrated model has them, more than {1e3 * _MISPLACED:.0f}: left and right "
            "exchanged, markers that fell off, or another person"
        )
    warnings = []
    if error > _SLIDING:
        warnings.append(
            f"Markers are {1e3 * error:.0f} mm (root mean square) from where the model has them: "
            "they slide, or sit elsewhere than in the static trial."
        )
    seen = recording.seen.mean(axis=0)
    for name, part in zip(recording.markers, seen, strict=True):
        if part < 0.9:
            warnings.append(f"{name} is seen in {100 * part:.0f} % of the frames only.")
    far = {m: x for m, x in calibration.laid_on.items() if x > 0.04}
    if far:
        listed = ", ".join(f"{m} {1e3 * x:.0f} mm" for m, x in far.items())
        warnings.append(
            f"Torso markers are far from where a person of this size has them: {listed}."
        )
    return tuple(warnings)


def _more_warnings(findings: Findings, told: np.ndarray, beyond: np.ndarray) -> list[str]:
    warnings = []
    if not told.all():
        warnings.append(f"{100 * (1 - told.mean()):.1f} % of the frames tell no pose.")
    if beyond.mean() > 0.01:
        warnings.append(
            f"In {100 * beyond.mean():.0f} % of the frames a coordinate is beyond the model's own "
            "range; muscle forces there are extrapolated."
        )
    if findings.missing:
        listed = ", ".join(findings.missing)
        warnings.append(f"Not assessed, because the head did not move that way: {listed}.")
    if len(findings.missing) == len(MAIN):
        warnings.append("No main direction was examined.")
    return warnings


def _rms(values: np.ndarray, axis: int | None) -> np.ndarray:
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=axis), 1)
    return np.sqrt(np.sum(np.where(known, values, 0.0) ** 2, axis=axis) / count)


def _ratios(subject: Subject) -> dict[str, float]:
    return {f.name: float(getattr(subject, f.name)) for f in dataclasses.fields(Subject)}


def _described_subject(person: AssessedPerson, spec: NeckSpec) -> Subject:
    subject = expected_subject(Subject.of(), person.sex, person.age)
    ratios = {**_ratios(subject), **(person.ratios or {})}
    mass = person.head_mass()
    if mass is not None and "head_mass" not in (person.ratios or {}):
        ratios["head_mass"] = mass / Measures.of(NeckModel.from_spec(spec)).head_mass
    return Subject.of(None, **ratios)
