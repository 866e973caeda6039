"""How fast a person was asked to move, and what speeds healthy people show then."""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Float

from .healthy import MovementNorms
from .measures import MEASURES, SPEEDS

_OF_SPEED = ("speed", "overall speed", "speed asymmetry")


class Instruction(StrEnum):
    """What a person was told about speed.

    FAST: as fast as possible. COMFORTABLE: at their own pace. UNKNOWN: nothing is known of it;
    speed and smoothness are shown and not judged.
    """

    FAST = "fast"
    COMFORTABLE = "comfortable"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Pace:
    """Speeds of healthy people under an instruction, beside those of `MovementNorms`.

    Attributes:
        factor: of every speed.
        spread: standard deviation of the logarithm, between people, added to that of the norms.
        source: where they come from.
    """

    factor: float
    spread: float
    source: str


PACES = {
    Instruction.FAST: Pace(
        2.15,
        0.0,
        "fast rotation, 49 healthy women, 348 ± 92 deg/s (Röijezon 2010, BMC Musculoskelet Disord "
        "11:222), whose spread the other directions and men are taken to have; people over sixty "
        "are slower (Sarig Bahat 2016, J Nov Physiother 6:306) by an amount that is not used",
    ),
    Instruction.COMFORTABLE: Pace(
        0.60,
        0.35,
        "self-paced movement of four recorded people of two laboratories, 60 to 180 deg/s at the "
        "fastest; no table by sex and age was found",
    ),
}
"""By instruction. Movements of `MovementNorms` turn 75 degrees at 160 deg/s in the median."""


def judged(instruction: Instruction) -> Bool[np.ndarray, " measures"]:
    """Measures that may be called a deficit under an instruction. Those of speed where one is
    known; smoothness where it is to move fast, because slow movements are less smooth in everybody
    (Vikne 2013, BMC Musculoskelet Disord 14:314).

    Args:
        instruction: that the person had.

    Returns:
        In the order of `MEASURES`.
    """
    left_out: tuple[str, ...] = ()
    if instruction == Instruction.UNKNOWN:
        left_out = (*_OF_SPEED, "smoothness")
    elif instruction == Instruction.COMFORTABLE:
        left_out = ("smoothness",)
    return np.array([m.kind not in left_out for m in MEASURES])


def paced_norms(instruction: Instruction, norms: MovementNorms = MovementNorms()) -> MovementNorms:
    """How healthy people move under an instruction.

    Args:
        instruction: that they are given.
        norms: at the pace they are published or assumed for.

    Returns:
        Norms of another speed; those given where nothing is known of the instruction.
    """
    if instruction not in PACES:
        return norms
    pace = PACES[instruction]
    return dataclasses.replace(
        norms,
        speed=pace.factor * norms.speed,
        speed_sd=float(np.hypot(norms.speed_sd, pace.spread)),
    )


def paced(
    measured: Float[np.ndarray, "people 2 measures"], instruction: Instruction
) -> Float[np.ndarray, "people 2 measures"]:
    """Healthy people's examinations as they are under an instruction.

    Args:
        measured: at the pace of `MovementNorms`.
        instruction: that they are given; unknown is taken as comfortable.

    Returns:
        The same with other speeds (rad/s).
    """
    pace = PACES.get(instruction, PACES[Instruction.COMFORTABLE])
    # Chances of their own for each person, the same on both days and in every direction.
    own = np.random.default_rng(7).normal(size=(len(measured), 1, 1))
    factor = pace.factor * np.exp(pace.spread * own)
    return np.where(SPEEDS, factor * measured, measured)
