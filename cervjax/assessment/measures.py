"""What is measured of a recorded movement of the head."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.signal import find_peaks

from .directions import DIRECTION_VECTORS, DIRECTIONS, MAIN, MAIN_AXIS, MAIN_SIGN
from .smoothness import spectral_arc_length

LEAST_TURN = np.radians(15.0)
"""Turns below are sway."""
_CONE = np.cos(np.radians(12.0))
"""Turns count for a direction between the main ones when they are no farther from it."""
_BESIDE = np.radians(35.0)
"""Movements that end farther beside an axis are between the main directions."""
_EARNEST = 0.5
"""Of the ellipsoid through a person's main directions."""
_POINTS = 12
"""Of a way, between which its length is measured."""
_MIDDLE, _DETOUR = np.radians(25.0), 1.3
"""rad from neutral, the middle that a movement out leaves, and its path from there over the line.
Of movements out in the main directions of four people of two laboratories the longest is 1.25;
heads that circle stay 20 to 40 degrees from neutral, or take 1.4 to 5 times the line."""
_RESTED = 0.4
"""Of the peak speed, below which a movement began from rest: a head that sways, or that a low-pass
has smoothed, is at a tenth to a third, one on its way through the middle at nine tenths."""
_ENDS = 0.05
"""Of its peak speed, below which a movement has not begun or is over."""
TYPICAL = np.radians([60.0, 70.0, 42.0, 42.0, 75.0, 75.0])
"""Reach of a healthy adult in the main directions; only tells which of them a movement is in."""


_TYPICAL_TURNS = tuple(zip(MAIN_AXIS, MAIN_SIGN, TYPICAL.tolist(), strict=True))


@dataclass(frozen=True)
class Measure:
    """One of the numbers that a recording gives.

    Attributes:
        kind: range, range asymmetry, speed, overall speed, speed asymmetry, smoothness or coupling.
        region: the direction, or for asymmetries the two sides.
        unit: as reported.
        scale: from the number to that unit.
        less_is_worse: for asymmetries (left minus right, or its logarithm) neither; None.
    """

    kind: str
    region: str
    unit: str
    scale: float
    less_is_worse: bool | None

    @property
    def name(self) -> str:
        """Kind and region."""
        return f"{self.kind}: {self.region}"


_DEG = float(np.degrees(1.0))
EVERYWHERE = "every direction"
"""Region of what is measured over all main directions."""
MEASURES: tuple[Measure, ...] = (
    *(Measure("range", d, "deg", _DEG, True) for d in DIRECTIONS),
    *(Measure("range asymmetry", r, "deg", _DEG, None) for r in ("bending", "rotation")),
    *(Measure("speed", d, "deg/s", _DEG, True) for d in MAIN),
    Measure("overall speed", EVERYWHERE, "deg/s", _DEG, True),
    *(Measure("speed asymmetry", r, "log ratio", 1.0, None) for r in ("bending", "rotation")),
    *(Measure("smoothness", d, "SPARC", 1.0, True) for d in MAIN),
    *(Measure("coupling", d, "deg", _DEG, False) for d in MAIN),
)
"""All that is measured, in the order of `measure`'s numbers."""
SPEEDS = np.array([m.kind in ("speed", "overall speed") for m in MEASURES])
"""Which of them are speeds, spread as their logarithms are."""
_SIDES = ((2, 3), (4, 5))
"""Left and right of bending and rotation, in `MAIN`."""


@dataclass(frozen=True)
class Excursion:
    """One movement away from neutral.

    Attributes:
        start, peak: s, when it left and where it was farthest.
        direction: index into `MAIN` of what it is mostly.
        turn: rad, where it was farthest; see `head_turns`.
        speed: rad/s, the highest on the way out.
        smoothness: SPARC of the way out.
        out: whether it goes straight out from the middle. Heads that circle tell nothing of how far
            they could go.
        rested: whether it began from rest. On the way through the middle from the other side a
            head is faster than any that starts there.
    """

    start: float
    peak: float
    direction: int
    turn: Float[np.ndarray, " 3"]
    speed: float
    smoothness: float
    out: bool
    rested: bool

    @property
    def beside(self) -> float:
        """rad, angle of the farthest turn from the axis of `direction`."""
        axis = MAIN_AXIS[self.direction]
        return float(np.arctan2(np.linalg.norm(np.delete(self.turn, axis)), abs(self.turn[axis])))

    @property
    def mixed(self) -> float:
        """rad, the same angle with every turn as part of what a healthy adult reaches that way."""
        along = [max(s * self.turn[a], 0.0) / t for a, s, t in _TYPICAL_TURNS]
        part = np.array([max(along[0:2]), max(along[2:4]), max(along[4:6])])
        axis = MAIN_AXIS[self.direction]
        return float(np.arctan2(np.linalg.norm(np.delete(part, axis)), part[axis]))


def excursions(
    time: Float[np.ndarray, " n"],
    turn: Float[np.ndarray, "n 3"],
    valid: Bool[np.ndarray, " n"] | None = None,
) -> list[Excursion]:
    """The movements of a recording, each from where it left to where it was farthest.

    Args:
        time: s, evenly spaced.
        turn: rad, smoothed; see `head_turns`.
        valid: frames that were seen; movements with others are left out.

    Returns:
        In order of time.
    """
    valid = np.ones(len(time), bool) if valid is None else valid
    rate = (len(time) - 1) / (time[-1] - time[0])
    size = np.linalg.norm(turn, axis=1)
    speed = np.linalg.norm(np.gradient(turn, time, axis=0), axis=1)
    peaks, found = find_peaks(np.r_[0.0, size, 0.0], height=LEAST_TURN, prominence=0.5 * LEAST_TURN)
    result = []
    for peak, base in zip(peaks - 1, found["left_bases"], strict=True):
        first = max(int(base) - 1, 0)
        earlier = [p for p in peaks - 1 if p < peak]
        if earlier:
            first = max(first, earlier[-1] + int(np.argmin(size[earlier[-1] : peak + 1])))
        if peak - first < 4:
            continue
        way = speed[first : peak + 1]
        fastest = int(np.argmax(way))
        slow = way < _ENDS * way[fastest]
        begin = int(np.flatnonzero(slow[:fastest])[-1]) if slow[:fastest].any() else 0
        late = np.flatnonzero(slow[fastest:])
        end = fastest + int(late[0]) if len(late) else len(way) - 1
        profile = way[begin : end + 1]
        if len(profile) < 4 or not valid[first + begin : peak + 1].all():
            continue
        at, path = turn[peak], turn[first + begin : peak + 1]
        part = [MAIN_SIGN[k] * at[MAIN_AXIS[k]] / TYPICAL[k] for k in range(6)]
        result.append(
            Excursion(
                float(time[first + begin]),
                float(time[peak]),
                int(np.argmax(part)),
                at,
                float(way[fastest]),
                spectral_arc_length(profile, rate),
                _goes_out(path),
                bool(way[: fastest + 1].min() < _RESTED * way[fastest]),
            )
        )
    return result


def _goes_out(path: Float[np.ndarray, "n 3"]) -> bool:
    """Whether a way leaves the middle, and goes straight from there."""
    inside = np.flatnonzero(np.linalg.norm(path, axis=1) < _MIDDLE)
    if not len(inside):
        return False
    way = path[inside[-1] :]
    # At so many points sway adds nothing to the length, however slow the movement is.
    way = way[np.unique(np.linspace(0, len(way) - 1, _POINTS).round().astype(int))]
    length = np.sum(np.linalg.norm(np.diff(way, axis=0), axis=1))
    return bool(length < _DETOUR * np.linalg.norm(way[-1] - way[0]) + np.radians(1.0))


def ellipsoid_reach(reach: Float[np.ndarray, " 6"], direction: Float[np.ndarray, " 3"]) -> float:
    """Reach along a unit vector, of the ellipsoid whose eighths end at `reach` in the main
    directions.

    Returns:
        In the unit of `reach`, rad.
    """
    low, high = reach[[0, 2, 5]], reach[[1, 3, 4]]
    axis = np.where(direction > 0, high, low)
    part = np.where(direction == 0, 0.0, direction / axis)
    return float(1 / np.sqrt(np.sum(part**2)))


def _along(found: list[Excursion], direction: int) -> list[Excursion]:
    """The movements in one of `MAIN`: those near its axis, or where there are none those that are
    mostly in its direction, as bending is that goes along with much rotation."""
    those = [e for e in found if e.direction == direction]
    near = [e for e in those if e.beside < _BESIDE]
    return near or [e for e in those if e.mixed < _BESIDE]


def measure(
    time: Float[np.ndarray, " n"],
    turn: Float[np.ndarray, "n 3"],
    valid: Bool[np.ndarray, " n"] | None = None,
) -> Float[np.ndarray, " m"]:
    """All of `MEASURES`.

    Movements count that go straight out from the middle. Range in a main direction is the largest
    turn about its axis, as goniometers say, in movements that are mostly that; between them, the
    farthest turn of movements that end within 12 degrees of the direction, where it is half or more
    of what an ellipsoid through the person's own main directions says: less than that was no
    attempt. Speed is the highest of any movement in the direction that began from rest, overall the
    geometric mean of all six, smoothness the mean of the same movements, coupling the angle by
    which the movement that goes farthest ends beside its axis.

    Args:
        time: s, evenly spaced.
        turn: rad, smoothed; see `head_turns`.
        valid: as of `excursions`.

    Returns:
        In the order of `MEASURES`: ranges, their asymmetries and coupling in rad, speeds in rad/s,
        the others without unit. NaN where the person did not move that way.
    """
    valid = np.ones(len(time), bool) if valid is None else valid
    found = [e for e in excursions(time, turn, valid) if e.out]
    of = [_along(found, k) for k in range(6)]
    reach = np.full(len(DIRECTIONS), np.nan)
    for k in range(6):
        if of[k]:
            reach[k] = max(MAIN_SIGN[k] * e.turn[MAIN_AXIS[k]] for e in of[k])
    ends = np.array([e.turn for e in found]).reshape(-1, 3)
    size = np.linalg.norm(ends, axis=1)
    for k in range(6, len(DIRECTIONS)):
        near = ends @ DIRECTION_VECTORS[k] > _CONE * size
        farthest = size[near].max(initial=0.0)
        # NaN where a main direction beside it was not examined, and so never more than that.
        if farthest > _EARNEST * ellipsoid_reach(reach[:6], DIRECTION_VECTORS[k]):
            reach[k] = farthest
    begun = [[e for e in group if e.rested] for group in of]
    speed = np.array([max((e.speed for e in g), default=np.nan) for g in begun])
    smooth = np.array([np.mean([e.smoothness for e in g]) if g else np.nan for g in begun])
    beside = np.full(6, np.nan)
    for k, group in enumerate(of):
        if group:
            beside[k] = max(group, key=lambda e, k=k: MAIN_SIGN[k] * e.turn[MAIN_AXIS[k]]).beside
    uneven = [reach[left] - reach[right] for left, right in _SIDES]
    ratio = [np.log(speed[left] / speed[right]) for left, right in _SIDES]
    overall = [np.exp(np.mean(np.log(speed)))]
    return np.concatenate([reach, uneven, speed, overall, ratio, smooth, beside])
