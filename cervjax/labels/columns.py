"""Further columns of a row: numbers that follow from a frame and its solution, known by a name."""

import abc
from typing import ClassVar, TypeVar

import equinox as eqx
from jaxtyping import Array, Float

from cervjax.dynamics import FrameEvaluation
from cervjax.optimization import StaticOptimizationSolution

from .fields import PERSON_FIELDS, ROW_FIELDS


class AbstractColumn(eqx.Module):
    """A number, or several, of every row.

    Attributes:
        name: of the column, in plans and on disk.
        dimensions: names of its axes, such as `muscle`, `coordinate`, `axis`.
        unit: as xarray shows it; `1` for none.
    """

    name: ClassVar[str]
    dimensions: ClassVar[tuple[str, ...]]
    unit: ClassVar[str]

    @abc.abstractmethod
    def __call__(
        self, frame: FrameEvaluation, solution: StaticOptimizationSolution
    ) -> Float[Array, "*own"]:
        """The column of one row.

        Args:
            frame: the person's model at the row's motion, with what was computed of it.
            solution: of static optimization, in the convention asked for.

        Returns:
            As many axes as `dimensions` names, in `unit`: the unit of the column.
        """


COLUMNS: dict[str, AbstractColumn] = {}
"""Every further column by its name."""

_Column = TypeVar("_Column", bound=AbstractColumn)


def register_column(column: type[_Column]) -> type[_Column]:
    """Make a column known by its name, for `DatasetPlan.columns`.

    Args:
        column: a class of `AbstractColumn` without fields.

    Returns:
        The class itself: this is a decorator.

    Raises:
        ValueError: every dataset has an array of this name already.
    """
    if column.name in ROW_FIELDS or column.name in PERSON_FIELDS:
        raise ValueError(
            f"name = {column.name!r} of {column.__name__} is an array of every dataset; give the "
            "column another name"
        )
    COLUMNS[column.name] = column()
    return column
