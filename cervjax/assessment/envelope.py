"""The idealised movement envelope: what healthy people like this one do."""

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from cervjax.execution import read_arrays, reading, sealed_arrays
from cervjax.people import Sex

from .directions import DIRECTIONS, MAIN
from .healthy import MovementNorms, Mover
from .instruction import Instruction, judged, paced
from .measures import MEASURES, SPEEDS, measure

ENVELOPE_FORMAT = 3
SHIPPED_AGES = (28.0, 59.0, 90.0)
"""Years, of the women and men in `healthy_people.npz`, which `experiments/envelope_table.py`
writes."""
PERCENTILES = (2.5, 5.0, 25.0, 50.0, 75.0, 95.0, 97.5)
FALSE_ALARMS = {
    "range": 0.007,
    "range asymmetry": 0.006,
    "speed": 0.003,
    "overall speed": 0.020,
    "speed asymmetry": 0.004,
    "smoothness": 0.001,
    "coupling": 0.001,
}
"""Part of healthy people's examinations in which any measure of a kind is called a deficit; 4.2 %
of them in all."""
_DRAWS = 20_000


@dataclass(frozen=True)
class Envelope:
    """Healthy people of one sex and age, each examined on two days.

    Attributes:
        age: years.
        sex: as recorded.
        norms: what they were drawn from.
        seed: of the drawing.
        measured: of each person, on each day; in the order of `MEASURES`.
        instruction: how fast they were asked to move.
    """

    age: float
    sex: Sex
    norms: MovementNorms
    seed: int
    measured: Float[np.ndarray, "people 2 measures"]
    instruction: Instruction = Instruction.UNKNOWN

    @property
    def judged(self) -> Bool[np.ndarray, " measures"]:
        """Measures that may be called a deficit, in the order of `MEASURES`."""
        return judged(self.instruction)

    @classmethod
    def simulate(
        cls,
        age: float,
        sex: Sex,
        instruction: Instruction = Instruction.UNKNOWN,
        *,
        people: int = 400,
        norms: MovementNorms = MovementNorms(),
        seed: int = 0,
    ) -> "Envelope":
        """Draw and examine them.

        Range of motion follows age and sex, see `MovementNorms`. Nothing here stops at the model's
        own limits, which are narrower than healthy people.

        Returns:
            An envelope; the same `seed` gives the same people at any age.

        Raises:
            ValueError: age or number of people is out of range.
        """
        if people < 40:
            raise ValueError(f"people = {people}; percentiles need 40 or more")
        measured = examined(age, sex, people, norms, seed)
        return cls(float(age), sex, norms, seed, paced(measured, instruction), instruction)

    @classmethod
    def of(cls, age: float, sex: Sex, instruction: Instruction = Instruction.UNKNOWN) -> "Envelope":
        """The shipped one: 1000 people, between the two nearest of `SHIPPED_AGES`, which is what
        `simulate` gives, because range of motion is linear in age.

        Returns:
            Those of age 28 for anybody younger.

        Raises:
            ValueError: age is out of range.
        """
        if not 18 <= age <= SHIPPED_AGES[-1]:
            raise ValueError(f"age = {age:g} years; published ranges are of adults, 18 to 90")
        at = max(float(age), SHIPPED_AGES[0])
        upper = max(1, int(np.searchsorted(SHIPPED_AGES, at)))
        low, high = SHIPPED_AGES[upper - 1], SHIPPED_AGES[upper]
        table = _shipped()[int(sex)]
        part = (at - low) / (high - low)
        measured = (1 - part) * table[upper - 1] + part * table[upper]
        measured = paced(measured, instruction)
        return cls(float(age), sex, MovementNorms(), 0, measured, instruction)

    @functools.cached_property
    def percentiles(self) -> Float[np.ndarray, "percentiles measures"]:
        """`PERCENTILES` of one examination; units as of `measure`: rad, rad/s or none."""
        return np.nanpercentile(self._rows, PERCENTILES, axis=0)

    @functools.cached_property
    def expected(self) -> Float[np.ndarray, " measures"]:
        """Median; units as of `measure`: rad, rad/s or none."""
        return np.nanmedian(self._rows, axis=0)

    @functools.cached_property
    def spread(self) -> Float[np.ndarray, "2 measures"]:
        """Standard deviations below and above the median, between examinations: of the half of the
        distribution that lies there, by its 5th or 95th percentile.

        Returns:
            As of `even`: rad, or no unit.
        """
        rows = even(self._rows)
        low, middle, high = np.nanpercentile(rows, (5, 50, 95), axis=0)
        return np.maximum(np.stack([middle - low, high - middle]) / 1.645, 1e-9)

    @functools.cached_property
    def day_sd(self) -> Float[np.ndarray, " measures"]:
        """Standard deviation of one person from day to day, as of `even`: rad, or no unit."""
        return np.nanstd(self._day_changes, axis=0) / np.sqrt(2)

    @property
    def _day_changes(self) -> Float[np.ndarray, "people measures"]:
        return even(self.measured[:, 1]) - even(self.measured[:, 0])

    def change_limit(self, known: Bool[np.ndarray, " measures"]) -> float:
        """Limit of change that one in twenty people who have not changed are beyond, in any of the
        measures that are `known`.

        Returns:
            Standard deviations of a difference of two days; no unit.
        """
        away = np.abs(self._day_changes[:, known]) / (np.sqrt(2) * self.day_sd[known])
        return float(np.nanquantile(np.nanmax(away, axis=1), 0.95))

    def worse(self, values: Float[np.ndarray, "*n measures"]) -> Float[np.ndarray, "*n measures"]:
        """How far values are on the worse side of the median.

        Returns:
            Standard deviations, no unit; asymmetries count to both sides, and what is better is
            negative.
        """
        below, above = self.spread
        away = even(values) - even(self.expected)
        score = away / np.where(away < 0, below, above)
        return np.where(_LESS, -score, np.where(_MORE, score, np.abs(score)))

    def limit(self, index: int, score: float, *, below: bool) -> float:
        """Value of a measure `score` standard deviations from the median; rad, rad/s or no unit."""
        low, high = self.spread[:, index]
        away = -score * low if below else score * high
        return float(plain(even(self.expected) + away)[index])

    def thresholds(self, known: Bool[np.ndarray, " measures"]) -> Float[np.ndarray, " measures"]:
        """Scores of `worse` beyond which `FALSE_ALARMS` of healthy examinations have any of the
        measures of a kind that are `known`: many measures are many chances.

        Returns:
            Standard deviations, no unit; infinite for measures that are not known.

        Raises:
            ValueError: none is known.
        """
        if not known.any():
            raise ValueError("nothing was measured, so nothing can be compared")
        worse = self.worse(self._rows)
        drawn = self._drawn
        # A recording of some of the six directions is a part of an examination, of which the
        # stated part is called limited in anything.
        asked, known = known, known | (_MAIN & self.judged)
        result = np.full(len(MEASURES), np.inf)
        for kind, part in FALSE_ALARMS.items():
            of = np.array([m.kind == kind for m in MEASURES]) & known
            if (of & asked).any():
                # The simulated people are too few for the tail of well-behaved measures, and a
                # normal distribution ends too soon for the others.
                seen = np.isfinite(worse[:, of]).any(axis=1)
                worst = (np.nanmax(x[:, of], axis=1) for x in (worse[seen], drawn))
                ends = [np.nanquantile(x, 1 - part) for x in worst]
                result[of & asked] = max(ends)
        return result

    @functools.cached_property
    def _drawn(self) -> Float[np.ndarray, "draws measures"]:
        """Scores like those of `worse`, of a normal distribution with their correlations."""
        away = even(self._rows) - even(self.expected)
        scores = away / np.where(away < 0, *self.spread)
        scores = np.where(np.isfinite(scores), scores, 0.0)
        drawn = np.random.default_rng(0).multivariate_normal(
            np.zeros(len(MEASURES)), np.corrcoef(scores.T), _DRAWS, method="eigh"
        )
        return np.where(_LESS, -drawn, np.where(_MORE, drawn, np.abs(drawn)))

    @property
    def _rows(self) -> Float[np.ndarray, "examinations measures"]:
        return self.measured.reshape(-1, len(MEASURES))

    @property
    def identity(self) -> str:
        """Of the people, what they were drawn from, and the definition of the measures."""
        described = json.dumps(self._described(), sort_keys=True).encode()
        values = np.ascontiguousarray(self.measured, np.float32).tobytes()
        return hashlib.sha256(described + values).hexdigest()[:16]

    def _described(self) -> dict[str, Any]:
        own = {"age": self.age, "sex": self.sex.name, "people": len(self.measured)}
        own["instruction"] = str(self.instruction)
        return own | origin(self.norms, self.seed)

    def save(self, path: str | Path) -> None:
        """Write a `.npz`."""
        arrays = {"measured": self.measured, "about": np.array(json.dumps(self._described()))}
        np.savez_compressed(path, **sealed_arrays(arrays))

    @classmethod
    def load(cls, path: str | Path) -> "Envelope":
        """Read what `save` wrote.

        Returns:
            An equal envelope.

        Raises:
            ValueError: it is of another format, or of other measures.
        """
        what, remedy = "an envelope of healthy people", "simulate it again"
        stored = read_arrays(Path(path), what, remedy)
        with reading(path, what, remedy):
            about, measured = json.loads(str(stored["about"])), stored["measured"]
            if measured.ndim != 3 or measured.shape[1:] != (2, len(about["measures"])):
                raise ValueError(f"its measures have shape {measured.shape}")
        if about["format"] != ENVELOPE_FORMAT or about["measures"] != [m.name for m in MEASURES]:
            raise ValueError(f"{path} is an envelope of another version; simulate it again")
        norms = dict(about["norms"])
        known = MovementNorms().physiology
        physiology = dataclasses.replace(
            known, **{k: _tuples(v) for k, v in norms.pop("physiology").items()}
        )
        given = {k: _tuples(v) for k, v in norms.items()}
        return cls(
            about["age"],
            Sex[about["sex"]],
            MovementNorms(physiology=physiology, **given),
            about["seed"],
            measured,
            Instruction(about["instruction"]),
        )


def examined(
    age: float,
    sex: Sex,
    people: int,
    norms: MovementNorms = MovementNorms(),
    seed: int = 0,
) -> Float[np.ndarray, "people 2 measures"]:
    """Simulated people on two days each, at the pace of `norms`.

    Args:
        age: years.
        sex: of everybody.
        people: how many.
        norms: what they are drawn from.
        seed: of the drawing.

    Returns:
        In the order of `MEASURES`; rad, rad/s or no unit.

    Raises:
        ValueError: age is out of range.
    """
    if not 18 <= age <= 90:
        raise ValueError(f"age = {age:g} years; published ranges are of adults, 18 to 90")
    measured = np.full((people, 2, len(MEASURES)), np.nan)
    for person in range(people):
        # Chances of their own, whatever the age: the same people, older, so that ages between two
        # can be interpolated.
        mover = Mover.draw(norms, age, sex, np.random.default_rng((seed, person)))
        for day in range(2):
            rng = np.random.default_rng((seed, person, day + 1))
            today = mover.today(norms, rng)
            # Once in each direction: who moves more often does no worse.
            measured[person, day] = measure(*today.examination(rng, directions=DIRECTIONS))
    return measured


_LESS = np.array([m.less_is_worse is True for m in MEASURES])
_MORE = np.array([m.less_is_worse is False for m in MEASURES])


_MAIN = np.array([m.kind != "range" or m.region in MAIN for m in MEASURES])
"""Of the six main directions, their sides included."""


def even(values: Float[np.ndarray, "*n measures"]) -> Float[np.ndarray, "*n measures"]:
    """Speeds as logarithms, no unit, as they are spread; the others as they are: rad, or none."""
    return np.where(SPEEDS, np.log(np.where(SPEEDS, values, 1.0)), values)


def plain(evened: Float[np.ndarray, "*n measures"]) -> Float[np.ndarray, "*n measures"]:
    """What `even` was given: rad, rad/s or no unit."""
    return np.where(SPEEDS, np.exp(np.where(SPEEDS, evened, 0.0)), evened)


def origin(norms: MovementNorms, seed: int) -> dict[str, Any]:
    """What simulated people were drawn from, by which definition of the measures."""
    return {
        "format": ENVELOPE_FORMAT,
        "seed": seed,
        "norms": dataclasses.asdict(norms),
        "measures": [m.name for m in MEASURES],
    }


def write_table(path: Path, tables: Float[np.ndarray, "sexes ages people 2 measures"]) -> None:
    """Write the people that `Envelope.of` takes, and what they were drawn from."""
    about = json.dumps(origin(MovementNorms(), 0) | {"ages": SHIPPED_AGES}, sort_keys=True)
    np.savez_compressed(path, measured=tables.astype(np.float16), about=about)


@functools.cache
def _shipped() -> Float[np.ndarray, "sexes ages people 2 measures"]:
    table = resources.files("cervjax.assessment") / "healthy_people.npz"
    with table.open("rb") as file, np.load(file) as stored:
        about, measured = str(stored["about"]), stored["measured"].astype(float)
    if about != json.dumps(origin(MovementNorms(), 0) | {"ages": SHIPPED_AGES}, sort_keys=True):
        raise RuntimeError(
            "cervjax/assessment/healthy_people.npz was drawn from other norms or measured in "
            "another way than this code says; run experiments/envelope_table.py"
        )
    return measured


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
