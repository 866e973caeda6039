"""Loads from outside over time, as OpenSim's ExternalLoads files have them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from .storage import Storage


@dataclass(frozen=True)
class ExternalForce:
    """One force, torque or both on a body, by the columns of a table; OpenSim's ExternalForce.

    Attributes:
        applied_to_body: name; `ground` for ground.
        force_expressed_in_body: in whose frame force and torque are given.
        point_expressed_in_body: in whose frame the point is given.
        force_identifier, point_identifier, torque_identifier: beginnings of the names of three
            columns each (N, m, N m); empty for none. A force without a point acts at the body's
            origin.
    """

    name: str
    applied_to_body: str
    force_expressed_in_body: str = "ground"
    point_expressed_in_body: str = "ground"
    force_identifier: str = ""
    point_identifier: str = ""
    torque_identifier: str = ""


class SampledLoads(NamedTuple):
    """Loads at some times.

    Attributes:
        force: N.
        point: m.
        torque: N m.
    """

    force: Float[np.ndarray, "times loads 3"]
    point: Float[np.ndarray, "times loads 3"]
    torque: Float[np.ndarray, "times loads 3"]


@dataclass(frozen=True)
class ExternalLoadsTable:
    """External forces and the table that their numbers are in.

    Attributes:
        name: where it comes from.
        forces: all of them.
        table: over s; N, m and N m.

    Raises:
        ValueError: a force has neither force nor torque, a point without a force, or not exactly
            three columns for one of them.
    """

    name: str
    forces: tuple[ExternalForce, ...]
    table: Storage

    def __post_init__(self) -> None:
        for force in self.forces:
            if not force.force_identifier and not force.torque_identifier:
                raise ValueError(
                    f"{self.name}: external force {force.name!r} has no force_identifier and no "
                    "torque_identifier; it needs one"
                )
            if force.point_identifier and not force.force_identifier:
                raise ValueError(
                    f"{self.name}: external force {force.name!r} has a point and no force to act "
                    "there; remove point_identifier or give force_identifier"
                )
            for what in ("force", "point", "torque"):
                self._columns(force, what)

    def at(self, time: Float[np.ndarray, " times"]) -> SampledLoads:
        """Loads at given times, by natural cubic splines through the table, as OpenSim has them.

        Args:
            time: s.

        Returns:
            N, m, N m.

        Raises:
            ValueError: a time is outside the table.
        """
        own = self.table.time
        slack = 1e-6 * max(1.0, abs(own[-1]))
        if len(time) and (time.min() < own[0] - slack or time.max() > own[-1] + slack):
            raise ValueError(
                f"{self.name}: loads are given from {own[0]:g} to {own[-1]:g} s, the motion runs "
                f"from {time.min():g} to {time.max():g} s; cut the motion to where loads are known "
                "(command line: --start and --end)"
            )
        values = self._values(np.clip(time, own[0], own[-1]))
        parts = []
        for what in ("force", "point", "torque"):
            part = np.zeros((len(time), len(self.forces), 3))
            for k, force in enumerate(self.forces):
                columns = self._columns(force, what)
                if columns:
                    part[:, k] = values[:, columns]
            parts.append(part)
        return SampledLoads(*parts)

    def _values(self, time: np.ndarray) -> np.ndarray:
        own, data = self.table.time, self.table.data
        if len(own) >= 4:
            return np.asarray(CubicSpline(own, data, bc_type="natural")(time))
        if len(own) == 1:
            return np.repeat(data, len(time), axis=0)
        return np.column_stack([np.interp(time, own, column) for column in data.T])

    def _columns(self, force: ExternalForce, what: str) -> list[int]:
        identifier = getattr(force, f"{what}_identifier")
        if not identifier:
            return []
        found = [k for k, c in enumerate(self.table.columns) if c.startswith(identifier)]
        if len(found) != 3:
            raise ValueError(
                f"{self.name}: {what}_identifier {identifier!r} of {force.name!r} begins the names "
                f"of {len(found)} columns of {self.table.label}, not of three; columns are "
                f"{', '.join(self.table.columns)}"
            )
        return found
