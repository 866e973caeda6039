"""Where a person's movement falls short of healthy people's, beyond what a day does."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .directions import MAIN
from .envelope import Envelope, even, plain
from .measures import MEASURES, Measure

_NORMAL = 1.96
"""Standard deviations of a 95 % interval."""


@dataclass(frozen=True)
class Deficit:
    """One measure that is worse than healthy.

    Attributes:
        measure: which.
        region: one of `MAIN`, or a direction between them.
        value, expected, limit: as measured; the median of healthy people; where they end.
        interval: 95 %, of what the person shows in the mean of many days.
        severity: standard deviations from the median.
    """

    measure: Measure
    region: str
    value: float
    expected: float
    limit: float
    interval: tuple[float, float]
    severity: float

    @property
    def sentence(self) -> str:
        """In plain words."""
        scale = self.measure.scale
        value, expected = scale * self.value, scale * self.expected
        low, high = (scale * x for x in self.interval)
        match self.measure.kind:
            case "range":
                return (
                    f"{_capital(self.region)} ends at {value:.0f}° (95 % interval of its mean over "
                    f"days {low:.0f} to {high:.0f}°); healthy people like this one reach "
                    f"{expected:.0f}°."
                )
            case "range asymmetry":
                return (
                    f"{_capital(self.region)} ends {abs(value):.0f}° before the other side "
                    f"(interval {min(abs(low), abs(high)):.0f} to {max(abs(low), abs(high)):.0f}°)."
                )
            case "speed":
                return (
                    f"{_capital(self.region)} is slow: {value:.0f} deg/s at its fastest (interval "
                    f"{low:.0f} to {high:.0f}), where healthy people move at {expected:.0f}."
                )
            case "overall speed":
                return (
                    f"Movement is slow in {self.region}: {value:.0f} deg/s in the mean of the "
                    f"fastest (interval {low:.0f} to {high:.0f}), where healthy people move at "
                    f"{expected:.0f}."
                )
            case "speed asymmetry":
                return (
                    f"{_capital(self.region)} is slower than the other side, at "
                    f"{100 * np.exp(-abs(value)):.0f} % of its speed. Weakness, pain and caution "
                    "look alike here."
                )
            case "smoothness":
                return (
                    f"{_capital(self.region)} is not smooth: spectral arc length {value:.2f} "
                    f"(interval {low:.2f} to {high:.2f}), healthy {expected:.2f}."
                )
            case _:
                return (
                    f"{_capital(self.region)} goes along with other turns: its end lies "
                    f"{value:.0f}° beside the axis (interval {low:.0f} to {high:.0f}°), healthy "
                    f"{expected:.0f}°."
                )


@dataclass(frozen=True)
class Findings:
    """A person's examination against an envelope.

    Attributes:
        envelope: of healthy people.
        values: measured; NaN where the person did not move that way.
        thresholds: standard deviations beyond which each measure is called a deficit.
        deficits: the worst first.
        score: see `score_of`.
    """

    envelope: Envelope
    values: Float[np.ndarray, " measures"]
    thresholds: Float[np.ndarray, " measures"]
    deficits: tuple[Deficit, ...]
    score: float

    @classmethod
    def nothing(cls, envelope: Envelope) -> "Findings":
        """Of an examination in which nothing was measured: the head circles, and never moves
        straight out.

        Args:
            envelope: of healthy people.

        Returns:
            No deficits, no score.
        """
        count = len(MEASURES)
        return cls(envelope, np.full(count, np.nan), np.full(count, np.inf), (), float("nan"))

    @property
    def regions(self) -> tuple[str, ...]:
        """Directions of `MAIN` that are limited, the worst first."""
        return tuple(dict.fromkeys(d.region for d in self.deficits if d.region in MAIN))

    @property
    def missing(self) -> tuple[str, ...]:
        """Directions of `MAIN` in which the person did not move."""
        ranges = [k for k, m in enumerate(MEASURES) if m.kind == "range" and m.region in MAIN]
        return tuple(MEASURES[k].region for k in ranges if np.isnan(self.values[k]))


def find_deficits(
    values: Float[np.ndarray, " measures"],
    envelope: Envelope,
    *,
    uncertainty: Float[np.ndarray, " measures"] | None = None,
) -> Findings:
    """What is worse than in healthy people: beyond the threshold that a part of `FALSE_ALARMS` of
    healthy examinations crosses in any measure of the kind, among those that the envelope's
    instruction allows to judge, and with a 95 % interval over
    days (and measurement) that does not reach the healthy median. Intervals of speeds are of their
    logarithms.

    Args:
        values: of `measure`.
        uncertainty: standard deviations of the measurement itself, beside day-to-day variation.

    Returns:
        Deficits, thresholds and score.

    Raises:
        ValueError: nothing was measured.
    """
    known = np.isfinite(values) & envelope.judged
    limits = envelope.thresholds(known)
    scores, expected = envelope.worse(values), envelope.expected
    found_even, expected_even = even(values), even(expected)
    spread = envelope.day_sd if uncertainty is None else np.hypot(envelope.day_sd, uncertainty)
    lower, upper = (plain(found_even + s * _NORMAL * spread) for s in (-1, 1))
    found = []
    for k in np.flatnonzero(known & (scores > limits)).tolist():
        measure = MEASURES[k]
        if abs(found_even[k] - expected_even[k]) <= _NORMAL * spread[k]:
            continue
        down = values[k] < expected[k]
        end = envelope.limit(k, limits[k], below=down)
        found.append(
            Deficit(
                measure,
                _region(measure, values[k]),
                float(values[k]),
                float(expected[k]),
                float(end),
                (float(lower[k]), float(upper[k])),
                float(scores[k]),
            )
        )
    found.sort(key=lambda deficit: -deficit.severity)
    return Findings(envelope, values, limits, tuple(found), score_of(values, envelope))


def score_of(values: Float[np.ndarray, " measures"], envelope: Envelope) -> float:
    """Mean over the main directions of range, and of speed where it is judged, as parts of the
    healthy median, none above 1, times 100.

    Returns:
        0 to 100, no unit; NaN where neither was measured in any direction.
    """
    of = _scored(values, envelope)
    if not of.any():
        return float("nan")
    return float(100 * np.mean(np.clip(values[of] / envelope.expected[of], 0.0, 1.0)))


def healthy_scores(
    values: Float[np.ndarray, " measures"], envelope: Envelope
) -> Float[np.ndarray, " 3"]:
    """Score of healthy people in whom the same was measured.

    Returns:
        5th, 50th and 95th percentile, no unit; NaN where nothing was measured.
    """
    of = _scored(values, envelope)
    if not of.any():
        return np.full(3, np.nan)
    rows = envelope.measured.reshape(-1, len(MEASURES))[:, of]
    rows = rows[np.isfinite(rows).any(axis=1)]
    scores = 100 * np.nanmean(np.clip(rows / envelope.expected[of], 0.0, 1.0), axis=1)
    return np.nanpercentile(scores, (5, 50, 95))


def _scored(values: Float[np.ndarray, " measures"], envelope: Envelope) -> np.ndarray:
    counts = [m.kind in ("range", "speed") and m.region in MAIN for m in MEASURES]
    return np.array(counts) & np.isfinite(values) & envelope.judged


@dataclass(frozen=True)
class Change:
    """Between two sessions of one person.

    Attributes:
        measure: which.
        change: later minus earlier.
        interval: 95 %, with the day-to-day variation and the measurement of both sessions.
        real: whether it is beyond what one in twenty people who have not changed show in any of
            the measures compared.
    """

    measure: Measure
    change: float
    interval: tuple[float, float]
    real: bool


def changes(
    earlier: Float[np.ndarray, " measures"],
    later: Float[np.ndarray, " measures"],
    envelope: Envelope,
    *,
    uncertainty: Float[np.ndarray, " measures"] | None = None,
) -> list[Change]:
    """How each measure that both sessions have changed: ranges, their asymmetries and, where the
    person was told how fast to move, speeds. How much smoothness and coupling vary from day to
    day is not known.

    Args:
        uncertainty: standard deviations of the measurement itself, beside day-to-day variation.

    Returns:
        One change per measure, in the order of `MEASURES`.
    """
    compared = np.array([m.kind not in ("smoothness", "coupling") for m in MEASURES])
    compared &= envelope.judged
    known = compared & np.isfinite(earlier) & np.isfinite(later)
    if not known.any():
        return []
    spread = envelope.day_sd if uncertainty is None else np.hypot(envelope.day_sd, uncertainty)
    sd = np.sqrt(2) * spread
    away = even(later) - even(earlier)
    lower, upper = (plain(even(earlier) + away + s * _NORMAL * sd) - earlier for s in (-1, 1))
    real = np.abs(away) > envelope.change_limit(known) * sd
    return [
        Change(
            MEASURES[k],
            float(later[k] - earlier[k]),
            (float(lower[k]), float(upper[k])),
            bool(real[k]),
        )
        for k in np.flatnonzero(known).tolist()
    ]


def _region(measure: Measure, value: float) -> str:
    """Where the limitation is: for asymmetries the side that is less."""
    if not measure.kind.endswith("asymmetry"):
        return measure.region
    return f"{'left' if value < 0 else 'right'} {measure.region}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
