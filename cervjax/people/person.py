"""`Person`: who a row of labels belongs to."""

from enum import IntEnum

import equinox as eqx
from jaxtyping import Array, Float, Int

from .body_personalizer import AbstractSubject


class Sex(IntEnum):
    """As recorded in ANSUR II."""

    FEMALE = 0
    MALE = 1


MEASUREMENTS: dict[str, str] = {
    "age": "year",
    "stature": "m",
    "weight": "kg",
    "neck_circumference": "m",
    "biacromial_breadth": "m",
    "neck_link": "m",
    "head_circumference": "m",
    "head_mass": "kg",
}
"""What is known of a person besides the ratios, and its unit."""


class Person(eqx.Module):
    """One person; with leading axes, many.

    Attributes:
        sex: a `Sex`, or -1 where a population has none.
        measurement: in the order of `MEASUREMENTS`; NaN where a population has none. Neck
            circumference is a description only: nothing in the neck's geometry follows it.
        subject: ratios to the model, what personalization takes.
        range_of_motion: part of the model's range in pitch, roll and yaw, or in each group of
            coordinates that a `MovementSampler` has; in (0, 1].
    """

    sex: Int[Array, "*n"]
    measurement: Float[Array, "*n measurements"]
    subject: AbstractSubject
    range_of_motion: Float[Array, "*n planes"]
