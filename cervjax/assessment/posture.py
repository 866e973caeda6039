"""How a head rests, and which coordinates go where the model was not made for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from .directions import MAIN
from .measures import excursions

_RESTING, _MIDDLE = np.radians(5.0), np.radians(25.0)
"""rad/s and rad, below which a head rests, and near the middle."""


BEYOND = np.radians(0.5)
"""rad; a coordinate that leaves its range by less is inside it."""


@dataclass(frozen=True)
class BeyondRange:
    """A coordinate that leaves the model's own range.

    Attributes:
        coordinate: name.
        part: of the frames.
        farthest: rad, by which it does.
    """

    coordinate: str
    part: float
    farthest: float


@dataclass(frozen=True)
class NeutralPosture:
    """How the head rests between movements, against the static trial.

    Attributes:
        rest: rad, median of the turns (see `turns_of`) where the head rests near the middle.
        before: the same before movements in each of `MAIN`; only those that were seen.
    """

    rest: Float[np.ndarray, " 3"]
    before: Mapping[str, Float[np.ndarray, " 3"]]

    @classmethod
    def of(
        cls,
        time: Float[np.ndarray, " n"],
        turn: Float[np.ndarray, "n 3"],
        valid: Bool[np.ndarray, " n"],
    ) -> "NeutralPosture | None":
        """From a movement: where the head is slow and not far out, and where movements begin.

        Args:
            time: s, evenly spaced.
            turn: rad, smoothed.
            valid: frames that count.

        Returns:
            None where the head never rests near the middle.
        """
        speed = np.linalg.norm(np.gradient(turn, time, axis=0), axis=1)
        at_rest = valid & (speed < _RESTING) & (np.linalg.norm(turn, axis=1) < _MIDDLE)
        if np.count_nonzero(at_rest) < 8:
            return None
        found: dict[str, list[np.ndarray]] = {}
        for e in excursions(time, turn, valid):
            at = turn[int(np.argmin(np.abs(time - e.start)))]
            if np.linalg.norm(at) < _MIDDLE:
                found.setdefault(MAIN[e.direction], []).append(at)
        before = {name: np.median(found[name], axis=0) for name in MAIN if name in found}
        return cls(np.median(turn[at_rest], axis=0), before)


def beyond_ranges(
    coordinates: Sequence[str],
    q: Float[np.ndarray, "frames q"],
    ranges: Float[np.ndarray, "q 2"],
) -> tuple[tuple[BeyondRange, ...], Float[np.ndarray, " frames"]]:
    """Which coordinates leave the model's own range, and by how much the farthest does in each
    frame.

    Args:
        coordinates: names.
        q: rad.
        ranges: rad, least and greatest.

    Returns:
        Coordinates that do by more than `BEYOND`; rad, zero inside.
    """
    excess = np.maximum(np.maximum(ranges[:, 0] - q, q - ranges[:, 1]), 0.0)
    found = [
        BeyondRange(name, float((column > BEYOND).mean()), float(column.max()))
        for name, column in zip(coordinates, excess.T, strict=True)
    ]
    return tuple(b for b in found if b.farthest > BEYOND), excess.max(axis=1)
