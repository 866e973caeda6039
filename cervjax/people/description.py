"""Who is assessed."""

from collections.abc import Mapping
from dataclasses import dataclass

from cervjax.model import Model

from .person import Sex
from .physiology import Physiology
from .subject import LIMITS, Measures

_MEAN_WEIGHT = {Sex.FEMALE: 67.8, Sex.MALE: 85.5}
_MEAN_STATURE = {Sex.FEMALE: 1.629, Sex.MALE: 1.756}
"""kg, m, means of ANSUR II."""


@dataclass(frozen=True)
class AssessedPerson:
    """What is known of somebody.

    Attributes:
        sex: as recorded.
        age: years.
        stature, weight: m, kg; None where not known.
        ratios: to the model, where known better than from markers; see `Subject`.
    """

    sex: Sex
    age: float
    stature: float | None = None
    weight: float | None = None
    ratios: Mapping[str, float] | None = None

    @classmethod
    def described(cls, values: Mapping[str, float | str]) -> "AssessedPerson":
        """From `sex`, `age` and, where known, `stature` (m), `weight` (kg) and ratios by name.

        Returns:
            The person.

        Raises:
            ValueError: sex or age lacks, a name is unknown, or a value is out of range.
        """
        ranges = {"age": (18, 90), "stature": (1.2, 2.3), "weight": (30, 250), **LIMITS}
        unknown = set(values) - set(ranges) - {"sex"}
        lacking = {"sex", "age"} - set(values)
        if unknown or lacking:
            raise ValueError(
                f"a person needs sex=female or male and age=; unknown: {sorted(unknown)}, lacking: "
                f"{sorted(lacking)}; there are also {', '.join(ranges)}"
            )
        try:
            sex = Sex[str(values["sex"]).upper()]
        except KeyError as error:
            raise ValueError(f"sex = {values['sex']!r} is not female or male") from error
        numbers = {}
        for name, value in values.items():
            if name == "sex":
                continue
            low, high = ranges[name]
            if isinstance(value, str) or not low <= value <= high:
                raise ValueError(f"{name} = {value!r} is not a number between {low} and {high}")
            numbers[name] = float(value)
        ratios = {name: v for name, v in numbers.items() if name in LIMITS}
        return cls(
            sex, numbers["age"], numbers.get("stature"), numbers.get("weight"), ratios or None
        )

    @property
    def weighed(self) -> bool:
        """Whether the mass of the head is this person's, not that of the mean person."""
        own = self.stature is not None and self.weight is not None
        return own or "head_mass" in (self.ratios or {})

    def head_mass(self, known: Physiology = Physiology()) -> float:
        """Mass of the head, by the regression of Zatsiorsky & Seluyanov 1983; means of ANSUR II
        stand in for a stature or weight that is not known.

        Returns:
            kg.
        """
        weight = _MEAN_WEIGHT[self.sex] if self.weight is None else self.weight
        stature = _MEAN_STATURE[self.sex] if self.stature is None else self.stature
        slope = known.head_mass_per_weight, known.head_mass_per_stature
        intercept = known.men_head_mass_intercept
        if self.sex == Sex.FEMALE:
            mean = known.women_head_mass_share * _MEAN_WEIGHT[Sex.FEMALE]
            intercept = mean - slope[0] * _MEAN_WEIGHT[Sex.FEMALE]
            intercept -= slope[1] * _MEAN_STATURE[Sex.FEMALE]
        return intercept + slope[0] * weight + slope[1] * stature

    def known_ratios(self, model: Model) -> dict[str, float]:
        """Ratios to `model` that are given, and that of the head's mass.

        Args:
            model: that ratios are to.

        Returns:
            By name; no unit.
        """
        ratios = dict(self.ratios or {})
        own = Measures.of(model).head_mass
        ratios.setdefault("head_mass", self.head_mass() / own)
        return ratios
