"""Network inputs: measured head motion and descriptors of the person.

A descriptor that is not known of a person is NaN; networks turn that into a mask.
"""

from collections.abc import Mapping, Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics import body_motion
from cervjax.model import Model
from cervjax.motion.synthesis import MotionSample
from cervjax.people import LIMITS, MEASUREMENTS, Person, Sex

INPUT_SETS: dict[str, tuple[str, ...]] = {
    "full": ("q", "qd", "qdd", "gravity"),
    "sensor": ("orientation", "angular_velocity", "angular_acceleration", "gravity"),
    "sensor-rates": ("orientation", "angular_velocity", "gravity"),
    "markers": (
        "orientation",
        "angular_velocity",
        "angular_acceleration",
        "position",
        "velocity",
        "acceleration",
        "gravity",
    ),
}
"""Quantities of each input set.

`full` is all six free coordinates. `sensor` is what two inertial sensors give: orientation of the
head in the torso's frame (the first two columns of its matrix), angular velocity and acceleration
(rad/s, rad/s^2), and gravity in the torso's frame (m/s^2), which is the torso's inclination.
`sensor-rates` does without the acceleration, which nobody measures: for temporal networks.
`markers` adds the position of the head's origin (m) and its derivatives, which marker clusters give
besides.
"""

PERSON_INPUTS: dict[str, str] = {
    "sex": "0 woman, 1 man",
    "age": "year",
    "stature": "m",
    "weight": "kg",
    **{name: "ratio to the model" for name in LIMITS},
}
"""What may be known of a person, and its unit."""

AnyArray = Array | np.ndarray
"""In the device's memory or in the host's."""

_VECTORS = {"orientation": 6, "gravity": 3}


class NetworkInputs(eqx.Module):
    """Inputs of a network, of one row or many.

    Attributes:
        motion: the quantities of an input set, one after the other. For a temporal network with
            an axis of frames before the last, oldest first.
        person: in the order of `PERSON_INPUTS`; NaN where it is not known.
    """

    motion: Float[AnyArray, "*rows motion"]
    person: Float[AnyArray, "*people person"]


def motion_size(input_set: str, free: int) -> int:
    """Numbers per frame of an input set for a neck of `free` coordinates.

    Returns:
        A count, without those of the person.

    Raises:
        ValueError: there is no such set.
    """
    if input_set not in INPUT_SETS:
        raise ValueError(f"no input set {input_set!r}; there are {', '.join(INPUT_SETS)}")
    return len(input_names(input_set, free)) - len(PERSON_INPUTS)


def input_names(input_set: str, free: int) -> list[str]:
    """The quantity behind each number of an input set's frame, then those of the person."""
    sizes = {"q": free, "qd": free, "qdd": free, **_VECTORS}
    motion = [name for name in INPUT_SETS[input_set] for _ in range(sizes.get(name, 3))]
    return [*motion, *PERSON_INPUTS]


def motion_inputs(
    model: Model,
    input_set: str,
    motion: MotionSample,
    gravity: Float[Array, " 3"],
    *,
    head: str | None = None,
) -> Float[Array, " motion"]:
    """The quantities of `input_set` of one frame of the person `model`; vmap for many.

    Args:
        gravity: m/s^2, in the torso's frame.
        head: name of the body that carries the head's sensors; the skull of the model's anatomy if
            None.

    Returns:
        One after the other: angles in rad, lengths in m, times in s; orientation has no unit.

    Raises:
        ValueError: there is no such set, or no such body.
    """
    motion_size(input_set, model.topology.num_free)
    names = INPUT_SETS[input_set]
    parts: dict[str, Array] = {**motion._asdict(), "gravity": gravity}
    if "orientation" in names:
        body = model.topology.anatomy.skull if head is None else head
        seen = body_motion(model, model.body_index(body), *motion)
        parts |= seen._asdict()
        parts["orientation"] = orientation_columns(seen.rotation)
    return jnp.concatenate([parts[name] for name in names])


def strength_columns() -> list[int]:
    """Columns of `PERSON_INPUTS` that are strengths: they are known together or not at all.

    Returns:
        Indices, in order.
    """
    return [k for k, name in enumerate(PERSON_INPUTS) if name.endswith("strength")]


def ratio_columns() -> list[int]:
    """Columns of `PERSON_INPUTS` that are ratios to the model, in the order of `LIMITS`.

    Returns:
        Indices, in order.
    """
    return [list(PERSON_INPUTS).index(name) for name in LIMITS]


def orientation_columns(rotation: Float[Array, "*n 3 3"]) -> Float[Array, "*n 6"]:
    """The first two columns of a rotation matrix: continuous, and all there is to know of it."""
    return jnp.concatenate([rotation[..., :, 0], rotation[..., :, 1]], axis=-1)


def person_inputs(people: Person) -> Float[Array, "*people person"]:
    """All that is known of `people`, else NaN, in the order and units of `PERSON_INPUTS`."""
    sex = jnp.where(people.sex < 0, jnp.nan, people.sex)
    names = list(MEASUREMENTS)
    known = [people.measurement[..., names.index(n)] for n in ("age", "stature", "weight")]
    subject = people.subject.as_vector()
    own = jnp.stack([sex.astype(subject.dtype), *known], axis=-1)
    return jnp.concatenate([own, subject], axis=-1)


def described_person(values: Mapping[str, float | int | str]) -> Float[np.ndarray, " person"]:
    """The inputs of somebody of whom `values` are known, by the names of `PERSON_INPUTS`.

    Args:
        values: numbers; sex also as `female` or `male`.

    Returns:
        In the order and units of `PERSON_INPUTS`; NaN where not known.

    Raises:
        ValueError: a name is unknown, or a value is not a number in its range.
    """
    unknown = set(values) - set(PERSON_INPUTS)
    if unknown:
        raise ValueError(f"unknown {sorted(unknown)} of a person; there are {list(PERSON_INPUTS)}")
    row = np.full(len(PERSON_INPUTS), np.nan)
    ranges = {"sex": (0, 1), "age": (0, 120), "stature": (0.5, 2.5), "weight": (10, 300), **LIMITS}
    for k, name in enumerate(PERSON_INPUTS):
        if name not in values:
            continue
        value = values[name]
        try:
            row[k] = Sex[value.upper()] if name == "sex" and isinstance(value, str) else value
        except (KeyError, ValueError, TypeError) as error:
            raise ValueError(
                f"{name} = {value!r} is not a number ({PERSON_INPUTS[name]})"
            ) from error
        low, high = ranges[name]
        if not low <= row[k] <= high:
            raise ValueError(
                f"{name} = {value!r} is not in [{low}, {high}] ({PERSON_INPUTS[name]})"
            )
    return row


def known_of(person: Float[np.ndarray, "*n person"], names: Sequence[str]) -> np.ndarray:
    """`person` as if only `names` were known.

    Returns:
        A copy, NaN in the other columns.

    Raises:
        ValueError: a name is not in `PERSON_INPUTS`.
    """
    unknown = set(names) - set(PERSON_INPUTS)
    if unknown:
        raise ValueError(f"unknown {sorted(unknown)} of a person; there are {list(PERSON_INPUTS)}")
    keep = np.array([name in names for name in PERSON_INPUTS])
    return np.where(keep, person, np.nan)
