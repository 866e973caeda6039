"""The necks that the package carries."""

import dataclasses
from importlib.resources import files

from .components import Body, Vec6
from .model_spec import ModelSpec
from .tables import read_tables

DISC_RADIUS = 0.06
"""m. Half the breadth of a male neck: 0.3977 m circumference (ANSUR II) / (2 pi) = 0.063 m."""

DISC_HEIGHT = 0.017
"""m. Mean spacing of the joint centers of C7 to C1 in HYOID."""

SHIPPED = ("hyoid-repaired", "hyoid")


def shipped_neck(name: str = "hyoid-repaired") -> ModelSpec:
    """A neck that comes with the package.

    Args:
        name: `hyoid` is HYOID 1.2 as published (Mortensen, Vasavada, Merryweather 2018, PLOS ONE
            13(6):e0199912). `hyoid-repaired`, the default, differs only in the inertia of the
            seven vertebrae, which as published, (0.02, 0.08, 0.02) kg m^2 each, belongs to no
            rigid body (Iyy > Ixx + Izz).

    Returns:
        A model in SI units.

    Raises:
        ValueError: there is no such neck.
    """
    if name not in SHIPPED:
        raise ValueError(f"no shipped neck {name!r}; there are {', '.join(SHIPPED)}")
    spec = read_tables(files("cervjax.spec") / "hyoid")
    return spec if name == "hyoid" else with_disc_vertebrae(spec)


def with_disc_vertebrae(
    spec: ModelSpec,
    vertebrae: tuple[str, ...] | None = None,
    radius: float = DISC_RADIUS,
    height: float = DISC_HEIGHT,
) -> ModelSpec:
    """`spec` with the inertia of homogeneous upright (y) discs for `vertebrae`.

    Args:
        vertebrae: bodies; those of the model's anatomy if None.
        radius, height: m, of the neck slice that moves with a vertebra.

    Returns:
        A copy, its inertia in kg m^2, with `-repaired` behind its name.

    Raises:
        ValueError: the model has no such bodies.
    """
    vertebrae = spec.anatomy.vertebrae if vertebrae is None else vertebrae

    def repaired(body: Body) -> Body:
        if body.name not in vertebrae:
            return body
        axial = 0.5 * body.mass * radius**2
        across = body.mass * (3 * radius**2 + height**2) / 12
        inertia: Vec6 = (across, axial, across, 0.0, 0.0, 0.0)
        return dataclasses.replace(body, inertia=inertia)

    missing = set(vertebrae) - {b.name for b in spec.bodies}
    if missing:
        raise ValueError(f"vertebrae {sorted(missing)} are not bodies of {spec.name!r}")
    return dataclasses.replace(
        spec, name=f"{spec.name}-repaired", bodies=tuple(map(repaired, spec.bodies))
    )


def with_shipped_anatomy(spec: ModelSpec) -> ModelSpec:
    """`spec` with the anatomy of the shipped neck, where all that this names is there.

    Args:
        spec: a model, without an anatomy of its own.

    Returns:
        The same model; unchanged where it is another one.
    """
    anatomy = shipped_neck("hyoid").anatomy
    coordinates = {name for names in anatomy.planes.values() for name in names}
    fits = set(anatomy.bodies) <= {b.name for b in spec.bodies}
    fits &= coordinates == set(spec.free_coordinates)
    return dataclasses.replace(spec, anatomy=anatomy) if fits else spec
