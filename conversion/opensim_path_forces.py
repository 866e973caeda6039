"""OpenSim's Ligament and PathSpring -> `AbstractPathForce`."""

from typing import Any

import opensim

from cervjax.spec import AbstractPathForce, Ligament, PathSpring

from .opensim_functions import function_problem, read_function
from .opensim_muscles import read_path, read_wraps
from .refusals import because

SUPPORTED_PATH_FORCES = ("Ligament", "PathSpring")


def path_force_problem(force: Any) -> str | None:
    """What keeps a force along a path, apart from its path, from being carried.

    Args:
        force: of OpenSim, of a supported kind.

    Returns:
        A phrase; None where nothing does.
    """
    if force.getConcreteClassName() == "Ligament":
        problem = function_problem(force.get_force_length_curve())
        return None if problem is None else because("function", problem)
    return None


def read_path_force(force: Any, skipped: set[str]) -> AbstractPathForce | None:
    """A ligament or a spring along a path as plain data.

    Args:
        force: of OpenSim.
        skipped: paths of points that are left out.

    Returns:
        N, m; None where it is of another kind, or fewer than two points are left.
    """
    kind = force.getConcreteClassName()
    if kind not in SUPPORTED_PATH_FORCES:
        return None
    typed = getattr(opensim, kind).safeDownCast(force)
    path, wraps = read_path(typed, skipped), read_wraps(typed)
    name, resting = typed.getName(), typed.get_resting_length()
    if len(path) < 2:
        return None
    if kind == "PathSpring":
        stiffness, dissipation = typed.get_stiffness(), typed.get_dissipation()
        return PathSpring(name, path, wraps, resting, stiffness, dissipation)
    curve = read_function(typed.get_force_length_curve())
    return Ligament(name, path, wraps, resting, typed.get_pcsa_force(), curve)
