"""Healthy people simulated: what their heads do in an examination."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.signal import butter, sosfiltfilt

from cervjax.people import Physiology, Sex

from .directions import DIRECTION_VECTORS, DIRECTIONS, MAIN, MAIN_AXIS, MAIN_SIGN
from .measures import ellipsoid_reach

RATE = 50.0
"""Hz, of simulated examinations."""
_SWAY_BAND = (0.3, 4.0)
"""Hz."""


@dataclass(frozen=True)
class MovementNorms:
    """How healthy people move; angles in degrees.

    Attributes:
        physiology: range of motion by age: Ferrario 2002, Niewiadomski 2019, Chen 1999.
        women_range: by which women's full arcs in flexion and extension, bending, rotation are
            wider than men's: Ferrario 2002. Size of the body is taken to make no difference.
        day_to_day: 95 % limits of one person's full arcs in flexion and extension, bending,
            rotation, from day to day: Christensen & Nilsson 1998.
        common: part of the variance of range that a person's three planes share. Assumed.
        flexion_share, flexion_share_sd: of flexion in flexion and extension. Assumed.
        side_sd: of the share of the left in bending and rotation; both are symmetric in the mean
            (Ferrario 2002, Sforza 2002). Its size is assumed.
        neutral_sd: by which the pose that counts as neutral differs from day to day, in flexion
            and extension, bending, rotation. Assumed: four recorded people rest up to 5, between
            movements up to 14 degrees in flexion or extension from their static trial.
        speed: deg/s, peak of a movement of 60 degrees at the pace of one recorded subject, who
            hurried; `instruction.PACES` has that of others.
        speed_sd, speed_day_sd, speed_side_sd: of the logarithm of speed, between people, of one
            person from day to day, between directions. Assumed; retests of peak speed differ by
            less than 41 to 53 deg/s (Sarig Bahat 2016, fast movements).
        sway: root mean square of what is not part of the movement, below 4 Hz. Assumed.
        coupled_rotation, coupled_bending: of each degree of bending to the same side; of each
            degree of rotation. Size and spread (`coupled_sd`, also of what goes along with flexion
            and extension) assumed, so that one recorded subject (0.5 to 0.7, 0.3) is inside.
    """

    physiology: Physiology = field(default_factory=Physiology)
    women_range: tuple[float, float, float] = (6.0, 14.0, 7.0)
    day_to_day: tuple[float, float, float] = (20.0, 12.0, 14.0)
    common: float = 0.3
    flexion_share: float = 0.46
    flexion_share_sd: float = 0.04
    side_sd: float = 0.015
    neutral_sd: tuple[float, float, float] = (4.0, 1.0, 1.0)
    speed: float = 140.0
    speed_sd: float = 0.25
    speed_day_sd: float = 0.10
    speed_side_sd: float = 0.06
    sway: float = 0.4
    coupled_rotation: float = 0.40
    coupled_bending: float = 0.20
    coupled_sd: float = 0.12


@dataclass(frozen=True)
class Mover:
    """How one person moves; angles in rad.

    Attributes:
        reach: in each of `MAIN`.
        speed: rad/s, peak of a movement of 60 degrees, in each of `MAIN`.
        sway: rad.
        coupled: part of bending that goes along as rotation to the same side, and the reverse.
        aside: part of flexion and extension that goes along as bending and rotation.
    """

    reach: Float[np.ndarray, " 6"]
    speed: Float[np.ndarray, " 6"]
    sway: float
    coupled: tuple[float, float]
    aside: Float[np.ndarray, " 3"]

    @classmethod
    def draw(cls, norms: MovementNorms, age: float, sex: Sex, rng: np.random.Generator) -> "Mover":
        """A healthy person of `age` years."""
        known = norms.physiology
        wider = (0.5 if sex == Sex.FEMALE else -0.5) * np.radians(norms.women_range)
        lost = known.range_loss * max(age - 28.0, 0.0)
        shared = np.sqrt(norms.common) * rng.normal()
        spread = shared + np.sqrt(1 - norms.common) * rng.normal(size=3)
        arc = np.array(known.range_mean) + wider - lost + np.array(known.range_sd) * spread
        arc = np.maximum(arc, 0.3 * np.array(known.range_mean))
        share = np.array([norms.flexion_share, 0.5, 0.5])
        share_sd = np.array([norms.flexion_share_sd, norms.side_sd, norms.side_sd])
        share = share + share_sd * rng.normal(size=3)
        speed = np.log(np.radians(norms.speed)) + norms.speed_sd * rng.normal()
        return cls(
            _sides(arc, share),
            np.exp(speed + norms.speed_side_sd * rng.normal(size=6)),
            np.radians(norms.sway) * np.exp(0.3 * rng.normal()),
            (
                norms.coupled_rotation + norms.coupled_sd * rng.normal(),
                norms.coupled_bending + norms.coupled_sd * rng.normal(),
            ),
            norms.coupled_sd * np.r_[0.0, rng.normal(size=2)],
        )

    def today(self, norms: MovementNorms, rng: np.random.Generator) -> "Mover":
        """The same person on one day."""
        low, high = self.reach[[0, 2, 4]], self.reach[[1, 3, 5]]
        arc = low + high
        wanted = arc + np.radians(norms.day_to_day) / 1.96 * rng.normal(size=3)
        reach = self.reach * np.repeat(np.maximum(wanted, 0.5 * arc) / arc, 2)
        shift = np.radians(norms.neutral_sd) * rng.normal(size=3)
        reach = reach + np.array([s * shift[a] for a, s in zip(MAIN_AXIS, MAIN_SIGN, strict=True)])
        return dataclasses.replace(
            self, reach=reach, speed=self.speed * np.exp(norms.speed_day_sd * rng.normal())
        )

    def restricted(
        self,
        *,
        reach: Mapping[str, float] | None = None,
        slower: float = 1.0,
        weaker: Mapping[str, float] | None = None,
    ) -> "Mover":
        """The same person with a restriction.

        Args:
            reach: rad, the most that is left of directions in `MAIN`.
            slower: factor on every speed.
            weaker: part of the torque that is left for movements in directions of `MAIN`: torque of
                inertia goes with the square of speed.

        Returns:
            Another mover, who reaches no farther.
        """
        least = self.reach.copy()
        for name, value in (reach or {}).items():
            least[MAIN.index(name)] = min(least[MAIN.index(name)], value)
        speed = self.speed * slower
        for name, value in (weaker or {}).items():
            speed[MAIN.index(name)] *= np.sqrt(value)
        return dataclasses.replace(self, reach=least, speed=speed)

    def toward(self, direction: Float[np.ndarray, " 3"]) -> float:
        """How far the head can turn in a direction: an eighth of an ellipsoid between the main
        directions. Assumed.

        Returns:
            rad.
        """
        return ellipsoid_reach(self.reach, direction)

    def examination(
        self,
        rng: np.random.Generator,
        *,
        directions: Sequence[str] = (*MAIN, *DIRECTIONS),
        rate: float = RATE,
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
        """Out to each of `directions` and back, resting between.

        Movements are of minimum jerk (Flash & Hogan 1985, J Neurosci 5:1688), to 94 to 100 % of
        what the person can do.

        Args:
            rate: Hz.

        Returns:
            Time, s, and turns like those of `head_turns`, rad.
        """
        to_rotation, to_bending = self.coupled
        pieces = [np.zeros((int(0.5 * rate), 3))]
        for name in directions:
            unit = DIRECTION_VECTORS[DIRECTIONS.index(name)]
            parts = [s * unit[a] > 0 for a, s in zip(MAIN_AXIS, MAIN_SIGN, strict=True)]
            far = self.toward(unit) * rng.uniform(0.94, 1.0)
            end = far * unit
            if np.count_nonzero(unit) == 1:
                # Bending to the right and rotation to the left are positive: the same side has
                # the other sign.
                end = end - np.array([0.0, to_bending * end[2], to_rotation * end[1]])
                end = end + self.aside * abs(end[0])
            peak = self.speed[parts].min() * np.sqrt(far / np.radians(60))
            peak = peak * np.exp(0.05 * rng.normal())
            count = max(int(1.875 * far / peak * rate), 4)
            s = np.linspace(0, 1, count + 1)[:, None]
            way = (10 * s**3 - 15 * s**4 + 6 * s**5) * end
            hold, rest = np.tile(end, (int(0.2 * rate), 1)), np.zeros((int(0.3 * rate), 3))
            pieces += [way, hold, way[::-1], rest]
        turn = np.concatenate(pieces)
        band = butter(2, _SWAY_BAND, "bandpass", fs=rate, output="sos")
        sway = sosfiltfilt(band, rng.normal(size=turn.shape), axis=0)
        turn = turn + self.sway * sway / np.sqrt(np.mean(sway**2))
        return np.arange(len(turn)) / rate, turn


def _sides(arc: Float[np.ndarray, " 3"], share: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 6"]:
    """Reach in `MAIN` from arcs and the share of flexion, the left, the left."""
    return np.stack([arc * share, arc * (1 - share)], axis=1).ravel()
