"""Write a person's neck as an .osim file; all sizes are ratios to the model."""

from pathlib import Path
from typing import Annotated, Literal

import jax
import tyro

from cervjax.people import Personalizer, Subject
from conversion import load_model, write_osim

_SCALED = {
    "neck_length": "vertebrae",
    "shoulder_width": "shoulders",
    "head_mass": "head",
    "head_size": "head",
    "flexor_strength": "flexors",
    "extensor_strength": "extensors",
}
"""What of an `Anatomy` a ratio scales; `strength` is of all muscles."""


def run(
    model: Annotated[str, tyro.conf.Positional],
    out: Path,
    neck_length: float = 1.0,
    shoulder_width: float = 1.0,
    head_mass: float = 1.0,
    head_size: float = 1.0,
    strength: float = 1.0,
    flexor_strength: float = 1.0,
    extensor_strength: float = 1.0,
    inertia: Literal["affine", "opensim"] = "affine",
    allow_unsupported: bool = False,
) -> None:
    """Write a person's neck as an .osim file. All sizes are ratios to the model.

    Args:
        model: an .osim file, or a shipped neck: hyoid-repaired, hyoid.
        out: the .osim file to write.
        neck_length: of the vertebrae along y.
        shoulder_width: of clavicles and scapulae along z.
        head_mass: mass and inertia of the skull (and jaw).
        head_size: the skull (and jaw) evenly; inertia with its square.
        strength: max isometric force of every muscle.
        flexor_strength: further, of the flexors.
        extensor_strength: further, of the extensors.
        inertia: rule for the inertia of scaled vertebrae.
        allow_unsupported: leave out model components that cannot be converted.
    """

    jax.config.update("jax_enable_x64", True)
    spec = load_model(model, allow_unsupported=allow_unsupported)
    ratios = {
        "neck_length": neck_length,
        "shoulder_width": shoulder_width,
        "head_mass": head_mass,
        "head_size": head_size,
        "strength": strength,
        "flexor_strength": flexor_strength,
        "extensor_strength": extensor_strength,
    }
    for name, part in _SCALED.items():
        if ratios[name] != 1.0 and not getattr(spec.anatomy, part):
            raise ValueError(
                f"{name} = {ratios[name]:g} would change nothing: {spec.name!r} has no anatomy "
                f"that names its {part}; give it one in Python (`cervjax.spec.Anatomy`)"
            )
    subject = Subject.of(None, **ratios)
    person = Personalizer(spec, inertia=inertia)(subject)
    write_osim(person.to_spec(spec, out.stem), out)
    print(out)
