"""OpenSim's FunctionBasedPath: muscle paths that are polynomials of coordinates."""

from typing import Any

import opensim

from cervjax.spec import FunctionBasedPath, MultivariatePolynomialFunction

from .refusals import because


def function_path_problem(path: Any) -> str | None:
    """What keeps a FunctionBasedPath from being carried.

    Args:
        path: of OpenSim.

    Returns:
        A phrase; None where nothing does.
    """
    path = opensim.FunctionBasedPath.safeDownCast(path)
    function = path.getLengthFunction().getConcreteClassName()
    if function != "MultivariatePolynomialFunction":
        return because("length_function", function)
    for name in ("moment_arm_functions", "lengthening_speed_function"):
        if path.getPropertyByName(name).size():
            return because("own_functions", name)
    return None


def read_function_path(muscle: Any) -> FunctionBasedPath:
    """The FunctionBasedPath of a muscle as plain data.

    Args:
        muscle: of OpenSim; its path has no `function_path_problem`.

    Returns:
        m, of rad or m.
    """
    path = opensim.FunctionBasedPath.safeDownCast(muscle.getPath())
    function = opensim.MultivariatePolynomialFunction.safeDownCast(path.getLengthFunction())
    values = function.getCoefficients()
    polynomial = MultivariatePolynomialFunction(
        tuple(values.get(i) for i in range(values.size())),
        function.getDimension(),
        function.getOrder(),
    )
    count = path.getPropertyByName("coordinate_paths").size()
    names = (path.get_coordinate_paths(i).rpartition("/")[2] for i in range(count))
    return FunctionBasedPath(f"{muscle.getName()}_path", tuple(names), polynomial)
