"""How good a recording is: what is refused, what is warned of, which frames count."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import PchipInterpolator

from cervjax.motion import Motion
from cervjax.motion.recordings import MarkerRecording
from cervjax.spec import Anatomy
from cervjax.tracking import Calibration

from .deficits import Findings
from .directions import MAIN, MAIN_AXIS, MAIN_SIGN
from .instruction import Instruction
from .measures import MEASURES
from .posture import BeyondRange, NeutralPosture

_LEAST_SECONDS, _LEAST_FRAMES, _LEAST_RATE = 2.0, 32, 20.0
"""Below this many Hz the peak of a natural movement's speed falls between frames."""
_BRIDGED = 0.2
"""s, longest gap in which the pose is interpolated and still counts."""
_MOST_LOST = 0.5
"""Part of the frames without a pose, beyond which there is nothing to assess."""
_WORTH_SAYING = 5e-4
"""Of the frames without a pose; fewer are 0.0 % on the page."""
_MISPLACED, _SLIDING = 0.025, 0.010
"""m, root mean square of marker errors that is refused, and that is warned of."""
_SAME_HEAD, _SAME_TRUNK, _SAID_TRUNK = 0.008, 0.020, 0.012
"""m, by which distances among markers of head and trunk may differ from those of the static trial,
and that is said. Of three volunteers in fifteen trials they do by 1 and 8 mm, from another one's
static trial by 10 or 17 at least in either the head's or the trunk's."""
_GLITCH, _GLITCH_TIMES = 0.02, 3.0
"""m, root mean square of one frame's marker errors from which it does not count, where it is also
so many times the median frame's."""
APART = np.radians(3.0)
"""Between the model's head and the person's, that is said."""
OFFSET = np.radians(8.0)
"""Of a head at rest from the static trial, that is said."""
TOO_FAR = np.radians(10.0)
"""Beyond the model's own range, where muscle forces are not solved: a tenth to a fifth of what the
model's neck turns, over which moment arms change by as much again."""
_UNHURRIED = 0.5
"""Of the median of people asked to move fast. Assumed: comfortable movement is at 0.1 to 0.5."""
_RADIANS = 1.5
"""Of the healthy limits, beyond which coordinates are no neck's."""


@dataclass(frozen=True)
class Quality:
    """How good a recording is.

    Attributes:
        frames, rate: number, Hz.
        warnings: what to think of before believing the rest.
        lost: part of the frames without a converged pose.
        bridged: part of the frames that were interpolated and count.
        cutoff: Hz, of the low-pass, by residual analysis.
        marker_error: m, root mean square of each marker's distance from the model's.
        marker_seen: part of the frames in which each marker was seen.
        beyond_model: part of the frames in which a coordinate is beyond the model's own range,
            where its muscle paths were not made for.
        beyond: the same for each coordinate that is.
        model_apart: rad, how far the model's head is turned from the person's, as the markers or
            sensors tell it: root mean square and largest.
        neutral: how the head rests; None where it never does.
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
    beyond: tuple[BeyondRange, ...] = ()
    model_apart: tuple[float, float] = (0.0, 0.0)
    neutral: NeutralPosture | None = None


def check_length(name: str, time: Float[np.ndarray, " frames"]) -> None:
    """Refuse what is too short or too sparse.

    Raises:
        ValueError: fewer than 32 frames, 2 s, or 20 Hz.
    """
    length = float(time[-1] - time[0]) if len(time) > 1 else 0.0
    if len(time) < _LEAST_FRAMES or length < _LEAST_SECONDS:
        raise ValueError(
            f"{name} has {len(time)} frames and lasts {length:.3g} s; an assessment needs "
            f"{_LEAST_SECONDS:g} s and {_LEAST_FRAMES} frames at least"
        )
    rate = 1 / float(np.median(np.diff(time)))
    if rate < _LEAST_RATE * (1 - 1e-3):
        raise ValueError(
            f"{name} is sampled at {rate:.3g} Hz; peak speeds need {_LEAST_RATE:g} Hz at least"
        )


def check_same_markers(
    recording: MarkerRecording, static: MarkerRecording, anatomy: Anatomy
) -> tuple[str, ...]:
    """Distances among the head's markers, and among the trunk's, must be those of the static trial:
    other units, exchanged markers and another person show here.

    Returns:
        A sentence where markers of the trunk have moved, and may still be the person's.

    Raises:
        ValueError: they are not.
    """
    said: list[str] = []
    for known, most in ((anatomy.head_markers, _SAME_HEAD), (anatomy.trunk_markers, _SAME_TRUNK)):
        names = [m for m in recording.markers if m in known and m in static.markers]
        apart = []
        for source in (recording, static):
            at = source.chosen(names).position
            between = np.linalg.norm(at[:, :, None] - at[:, None], axis=3)
            if not np.isfinite(between).any(axis=0).all():
                raise ValueError(f"{source.name}: {', '.join(names)} are never seen together")
            apart.append(np.nanmedian(between, axis=0))
        rows, columns = np.triu_indices(len(names), 1)
        found, wanted = (a[rows, columns] for a in apart)
        worst = int(np.argmax(np.abs(found - wanted)))
        off = float(np.abs(found - wanted)[worst])
        pair = (
            f"{names[rows[worst]]} and {names[columns[worst]]} are {1e3 * found[worst]:.0f} mm "
            f"apart, in {static.name} {1e3 * wanted[worst]:.0f} mm"
        )
        if off > most:
            raise ValueError(
                f"{recording.name}: {pair}: another person's static trial, a marker that was moved "
                "or exchanged, or other units"
            )
        if off > _SAID_TRUNK:
            said.append(f"{pair}: is it this person's static trial, and was no marker moved?")
    return tuple(said)


def check_coordinates(
    motion: Motion, low: Float[np.ndarray, " q"], high: Float[np.ndarray, " q"]
) -> None:
    """Refuse coordinates that no neck has.

    Args:
        low, high: rad, the healthy limits.

    Raises:
        ValueError: a coordinate is far beyond them, as degrees taken for radians are.
    """
    farthest = np.nanmax(np.abs(motion.q), axis=0)
    allowed = _RADIANS * np.maximum(-low, high)
    worst = int(np.argmax(farthest / allowed))
    if farthest[worst] > allowed[worst]:
        raise ValueError(
            f"{motion.name}: {motion.coordinates[worst]} reaches {farthest[worst]:.3g} rad, more "
            f"than {allowed[worst]:.3g}, which no neck does: degrees taken for radians?"
        )


def glitches(error: Float[np.ndarray, "frames markers"]) -> Bool[np.ndarray, " frames"]:
    """Frames whose markers do not fit the model as they do otherwise: exchanged, or jumped.

    Args:
        error: m, distances of the markers from the model's; NaN where not seen.

    Returns:
        True for these frames.
    """
    own = rms(error, axis=1)
    return (own > _GLITCH) & (own > _GLITCH_TIMES * np.median(own))


def marker_warnings(
    recording: MarkerRecording,
    static: MarkerRecording,
    calibration: Calibration,
    error: float,
    jumped: int,
) -> tuple[str, ...]:
    """What markers give reason to doubt, and what was done about it.

    Args:
        static: the trial of the calibration.
        error: m, root mean square over the frames that count.
        jumped: number of frames that do not count because markers do not fit.

    Returns:
        Sentences.

    Raises:
        ValueError: markers are not where the calibrated model has them.
    """
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
    if jumped:
        warnings.append(
            f"In {jumped} frames markers jump or are exchanged; these frames do not count."
        )
    seen = recording.seen.mean(axis=0)
    for name, part in zip(recording.markers, seen, strict=True):
        if part < 0.9:
            warnings.append(f"{name} is seen in {100 * part:.0f} % of the frames only.")
    if calibration.used != (float(static.time[0]), float(static.time[-1])):
        begin, end = calibration.used
        warnings.append(
            f"Of the static trial {static.name}, the stillest second is used, {begin:.1f} to "
            f"{end:.1f} s."
        )
    forwards, up = (1e3 * x for x in calibration.neck_shift)
    if np.hypot(forwards, up) > 10:
        warnings.append(
            "By the path of the head in this recording, the neck sits "
            f"{abs(forwards):.0f} mm farther {'back' if forwards > 0 else 'forwards'} and "
            f"{abs(up):.0f} mm {'lower' if up > 0 else 'higher'} between the markers than in the "
            "model; it is placed there. Another movement of the same person may place it 3 cm "
            "elsewhere."
        )
    far = {m: x for m, x in calibration.laid_on.items() if x > 0.04}
    if far:
        listed = ", ".join(f"{m} {1e3 * x:.0f} mm" for m, x in far.items())
        warnings.append(
            f"Torso markers are far from where a person of this size has them: {listed}."
        )
    return tuple(warnings)


def movement_warnings(findings: Findings, quality: Quality) -> list[str]:
    """What the movement gives reason to doubt.

    Args:
        quality: of the recording, what is beyond the model's range included.

    Returns:
        Sentences.
    """
    warnings = []
    if quality.lost >= _WORTH_SAYING:
        warnings.append(f"{100 * quality.lost:.1f} % of the frames tell no pose.")
    if quality.beyond:
        listed = ", ".join(
            f"{b.coordinate} by up to {np.degrees(b.farthest):.0f}° ({100 * b.part:.0f} % of the "
            "frames)"
            for b in quality.beyond
        )
        warnings.append(
            f"This person turns farther than the model's own range: {listed}. The head's pose is "
            "the person's all the same; muscle paths are extrapolated there, and forces are left "
            f"out where a coordinate is more than {np.degrees(TOO_FAR):.0f}° beyond."
        )
    if quality.model_apart[1] > APART:
        warnings.append(
            f"The model's head is turned up to {np.degrees(quality.model_apart[1]):.1f}° from the "
            f"person's ({np.degrees(quality.model_apart[0]):.1f}° root mean square): ranges, "
            "speeds and coupling are the person's, muscle forces are of the model's pose."
        )
    neutral = quality.neutral
    if neutral is not None and np.abs(neutral.rest).max() > OFFSET:
        turned = ", ".join(
            f"{np.degrees(x):.0f}° in {name}"
            for name, axis, sign in zip(MAIN, MAIN_AXIS, MAIN_SIGN, strict=True)
            if (x := sign * neutral.rest[axis]) > np.radians(3)
        )
        warnings.append(
            f"Between movements the head rests {turned} from the posture that all angles are "
            "counted from (the static trial, or the part taken as neutral). Ranges to one side and "
            "differences of sides are uncertain by as much, and judged accordingly: the head was "
            "turned then, or rests elsewhere since, or sensors have drifted."
        )
    if findings.missing:
        listed = ", ".join(findings.missing)
        warnings.append(
            "Not assessed, because no movement that was seen went straight out that way from the "
            f"middle: {listed}."
        )
    pace = [
        x / y
        for m, x, y in zip(MEASURES, findings.values, findings.envelope.expected, strict=True)
        if m.kind == "speed" and np.isfinite(x)
    ]
    if findings.envelope.instruction is Instruction.FAST and pace and max(pace) < _UNHURRIED:
        warnings.append(
            f"No direction is faster than {100 * max(pace):.0f} % of what healthy people do when "
            "asked to move fast. Was this person asked to? `--instructed comfortable` is for those "
            "who were not."
        )
    if len(findings.missing) == len(MAIN):
        warnings.append(
            "No main direction was examined: the head never moved straight out from the middle, as "
            "it does not where it circles."
        )
    return warnings


@dataclass(frozen=True)
class EvenFrames:
    """Frames at one rate.

    Attributes:
        time: s.
        values: interpolated where nothing is known.
        valid: which count: those known, and gaps of up to 0.2 s.
        lost: part of the frames at which nothing is known, missing rows included.
    """

    time: Float[np.ndarray, " frames"]
    values: Float[np.ndarray, "frames columns"]
    valid: Bool[np.ndarray, " frames"]
    lost: float


def even_frames(
    name: str,
    time: Float[np.ndarray, " n"],
    values: Float[np.ndarray, "n columns"],
    known: Bool[np.ndarray, " n"],
) -> EvenFrames:
    """Frames at the median rate; rows that a file lacks are gaps like any other.

    Args:
        values: one column or more.
        known: rows whose values are known.

    Returns:
        Frames from the first row's time to the last one's.

    Raises:
        ValueError: more than half of the frames tell nothing.
    """
    step = float(np.median(np.diff(time)))
    even = time[0] + step * np.arange(round((time[-1] - time[0]) / step) + 1)
    lost = max(0.0, 1 - float(known.sum()) / len(even))
    if lost > _MOST_LOST:
        raise ValueError(
            f"{name}: {100 * lost:.0f} % of the frames tell no pose; markers are lost, exchanged, "
            "or in other units, or rows are missing"
        )
    at = time[known]
    filled = PchipInterpolator(at, values[known])(np.clip(even, at[0], at[-1]))
    after = np.clip(np.searchsorted(at, even - 1e-9 * step), 0, len(at) - 1)
    before = np.clip(np.searchsorted(at, even + 1e-9 * step, "right") - 1, 0, len(at) - 1)
    inside = (even >= at[0] - 0.5 * step) & (even <= at[-1] + 0.5 * step)
    return EvenFrames(even, filled, inside & (at[after] - at[before] <= _BRIDGED), lost)


def rms(values: np.ndarray, axis: int | None) -> np.ndarray:
    """Root mean square of what is finite; zero where nothing is."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=axis), 1)
    return np.sqrt(np.sum(np.where(known, values, 0.0) ** 2, axis=axis) / count)
