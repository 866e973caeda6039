"""OpenSim's ExternalLoads files and actuator sets."""

from pathlib import Path
from typing import Any

import opensim

from cervjax.motion import ExternalForce, ExternalLoadsTable, read_storage
from cervjax.spec import AbstractActuator

from .opensim_actuators import SUPPORTED_ACTUATORS, read_actuator
from .opensim_values import open_as


def read_external_loads(path: str | Path) -> ExternalLoadsTable:
    """Read an ExternalLoads `.xml` with the `.mot` or `.sto` file that it names.

    Args:
        path: of the `.xml`; the data file's path is relative to its folder.

    Returns:
        Forces and their table; N, m, N m.

    Raises:
        FileNotFoundError: there is no such file, or not the data file that it names.
        ValueError: it is no ExternalLoads file, or its forces and its table do not fit.
    """
    path = Path(path)
    loads = open_as(path, lambda p: opensim.ExternalLoads(p, True), "an ExternalLoads file")
    data = path.parent / loads.getDataFileName()
    if not loads.getDataFileName() or not data.is_file():
        raise FileNotFoundError(
            f"{path} names the data file {loads.getDataFileName()!r}, which is not in {path.parent}"
        )
    forces = [opensim.ExternalForce.safeDownCast(f) for f in map(loads.get, range(loads.getSize()))]
    if not forces:
        raise ValueError(f"{path} has no ExternalForce")
    return ExternalLoadsTable(
        str(path), tuple(_external_force(f) for f in forces if f.get_appliesForce()),
        read_storage(data),
    )  # fmt: skip


def read_actuators(path: str | Path) -> tuple[AbstractActuator, ...]:
    """Read the actuators of a ForceSet `.xml`, as OpenSim's tools append them to a model.

    Args:
        path: of the file.

    Returns:
        Reserves and residuals, N, N m, m.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no ForceSet, or has something that is no actuator known here.
    """
    path = Path(path)
    forces = open_as(path, lambda p: opensim.ForceSet(p, True), "a ForceSet file")
    found, problems = [], []
    for force in map(forces.get, range(forces.getSize())):
        kind = force.getConcreteClassName()
        if not force.get_appliesForce():
            continue
        if kind not in SUPPORTED_ACTUATORS:
            problems.append(f"{force.getName()} ({kind})")
        else:
            found.append(read_actuator(force))
    if problems:
        raise ValueError(
            f"{path} has what is no actuator known here: {', '.join(problems)}; remove it, or put "
            "it into the model"
        )
    if not found:
        raise ValueError(f"{path} has no actuator that applies a force")
    return tuple(found)


def _external_force(force: Any) -> ExternalForce:
    def given(name: str) -> str:
        if not force.getPropertyByName(name).size():
            return ""
        text = getattr(force, f"get_{name}")().strip()
        # OpenSim's own word for nothing.
        return "" if text.lower() == "unassigned" else text

    return ExternalForce(
        force.getName(),
        _body(force.get_applied_to_body()),
        _body(given("force_expressed_in_body")),
        _body(given("point_expressed_in_body")),
        given("force_identifier"),
        given("point_identifier"),
        given("torque_identifier"),
    )


def _body(path: str) -> str:
    """A body's name; OpenSim allows its path too."""
    return path.rpartition("/")[2] or "ground"
