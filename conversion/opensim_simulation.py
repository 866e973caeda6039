"""OpenSim's Manager on a neck: the first oracle of `cervjax.simulation`."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import opensim
from jaxtyping import Float

from cervjax.spec import ModelSpec

from .opensim_support import quiet_opensim
from .opensim_writer import write_osim


def opensim_forward(
    spec: ModelSpec,
    q: Float[np.ndarray, " free"],
    activation: Float[np.ndarray, " muscles"],
    excitation: Float[np.ndarray, " muscles"],
    time: Float[np.ndarray, " n"],
    *,
    accuracy: float = 1e-7,
) -> Float[np.ndarray, "n free"]:
    """The free coordinates at `time` (s, from zero) under constant excitations.

    The neck starts at rest at pose `q`, its fibers in equilibrium.

    Args:
        accuracy: of OpenSim's Runge-Kutta-Merson integrator.

    Returns:
        rad.
    """
    quiet_opensim()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "neck.osim"
        write_osim(spec, path)
        model = opensim.Model(str(path))
    controller = opensim.PrescribedController()
    controller.setName("excitations")
    for muscle, value in zip(spec.muscles, excitation, strict=True):
        controller.addActuator(model.getMuscles().get(muscle.name))
        controller.prescribeControlForActuator(muscle.name, opensim.Constant(float(value)))
    model.addController(controller)
    state = model.initSystem()
    coordinates = [model.getCoordinateSet().get(n) for n in spec.free_coordinates]
    for coordinate, value in zip(coordinates, q, strict=True):
        coordinate.setValue(state, float(value), False)
    model.assemble(state)
    for muscle, value in zip(spec.muscles, activation, strict=True):
        model.getMuscles().get(muscle.name).setActivation(state, float(value))
    model.equilibrateMuscles(state)
    manager = opensim.Manager(model)
    manager.setIntegratorAccuracy(accuracy)
    manager.initialize(state)
    rows = [[c.getValue(state) for c in coordinates]]
    for moment in time[1:]:
        state = manager.integrate(float(moment))
        rows.append([c.getValue(state) for c in coordinates])
    return np.array(rows)
