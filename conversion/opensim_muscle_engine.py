"""OpenSim's own muscles with compliant tendons: the first oracle of `cervjax.muscle`."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import opensim
from jaxtyping import Float

from cervjax.spec import ModelSpec

from .opensim_support import quiet_opensim
from .opensim_writer import write_osim


class MuscleStates(NamedTuple):
    """What OpenSim's muscles do at a pose; one entry per muscle.

    Attributes:
        length: m, of the paths.
        fiber_length: m.
        fiber_velocity: m/s, along the fibers.
        tendon_force: N.
        activation_rate: 1/s.
    """

    length: Float[np.ndarray, " muscles"]
    fiber_length: Float[np.ndarray, " muscles"]
    fiber_velocity: Float[np.ndarray, " muscles"]
    tendon_force: Float[np.ndarray, " muscles"]
    activation_rate: Float[np.ndarray, " muscles"]


class OpensimMuscles:
    """The muscles of a neck, loaded by OpenSim."""

    def __init__(self, spec: ModelSpec) -> None:
        """Load `spec` into OpenSim."""
        quiet_opensim()
        with TemporaryDirectory() as folder:
            path = Path(folder) / "neck.osim"
            write_osim(spec, path)
            self._opensim = opensim.Model(str(path))
        self._state = self._opensim.initSystem()
        self._muscles = [self._opensim.getMuscles().get(m.name) for m in spec.muscles]
        self._free = spec.free_coordinates

    def equilibrium(
        self, q: Float[np.ndarray, " q"], activation: Float[np.ndarray, " muscles"]
    ) -> MuscleStates:
        """Fibers that stand still on their tendons, at a pose of the free coordinates.

        Returns:
            m, m/s, N, 1/s; NaN, but for the path's length, where OpenSim finds no equilibrium.
        """
        self._set(q, np.zeros(len(self._free)))
        failed = []
        for i, muscle in enumerate(self._muscles):
            muscle.setActivation(self._state, float(activation[i]))
            try:
                muscle.computeEquilibrium(self._state)
            except RuntimeError:
                failed.append(i)
        states = self._states(activation)
        for values in states[1:]:
            values[failed] = np.nan
        return states

    def __call__(
        self,
        q: Float[np.ndarray, " q"],
        excitation: Float[np.ndarray, " muscles"],
        activation: Float[np.ndarray, " muscles"],
        fiber_length: Float[np.ndarray, " muscles"],
    ) -> MuscleStates:
        """The muscles at a pose, with fibers of a given length (m)."""
        self._set(q, np.zeros(len(self._free)))
        for i, muscle in enumerate(self._muscles):
            muscle.setActivation(self._state, float(activation[i]))
            self._set_fiber(muscle, float(fiber_length[i]))
        return self._states(excitation)

    def _set(self, q: np.ndarray, qd: np.ndarray) -> None:
        coordinates = self._opensim.getCoordinateSet()
        for name, value, rate in zip(self._free, q, qd, strict=True):
            coordinates.get(name).setValue(self._state, float(value), False)
            coordinates.get(name).setSpeedValue(self._state, float(rate))
        self._opensim.assemble(self._state)

    def _set_fiber(self, muscle: Any, fiber_length: float) -> None:
        known = getattr(opensim, muscle.getConcreteClassName()).safeDownCast(muscle)
        if hasattr(known, "setFiberLength"):
            known.setFiberLength(self._state, fiber_length)
            return
        # DeGrooteFregly2016Muscle: its state is the tendon's force, which the lengths tell.
        height = known.get_optimal_fiber_length() * np.sin(known.get_pennation_angle_at_optimal())
        tendon = known.getLength(self._state) - np.sqrt(fiber_length**2 - height**2)
        force = known.calcTendonForceMultiplier(float(tendon / known.get_tendon_slack_length()))
        known.setStateVariableValue(self._state, "normalized_tendon_force", force)

    def _states(self, excitation: np.ndarray) -> MuscleStates:
        state = self._state
        self._opensim.realizeVelocity(state)
        controls = opensim.Vector(self._opensim.getNumControls(), 0.0)
        for i, muscle in enumerate(self._muscles):
            muscle.addInControls(opensim.Vector(1, float(excitation[i])), controls)
        self._opensim.setControls(state, controls)
        self._opensim.realizeAcceleration(state)
        return MuscleStates(
            np.array([m.getLength(state) for m in self._muscles]),
            np.array([m.getFiberLength(state) for m in self._muscles]),
            np.array([m.getFiberVelocity(state) for m in self._muscles]),
            np.array([m.getTendonForce(state) for m in self._muscles]),
            np.array([self._activation_rate(m) for m in self._muscles]),
        )

    def _activation_rate(self, muscle: Any) -> float:
        return muscle.getStateVariableDerivativeValue(self._state, "activation")
