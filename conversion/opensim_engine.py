"""OpenSim's own code on a neck, in a `Model`'s free coordinates: the first oracle."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import opensim
from jaxtyping import Array, Float

from cervjax.model import CoordinateMap, Model
from cervjax.motion import Motion, Storage, read_storage, write_storage
from cervjax.spec import ModelSpec

from .engine_result import EngineResult
from .opensim_support import quiet_opensim
from .opensim_writer import write_osim


@dataclass(frozen=True)
class MuscleForces:
    """Rigid-tendon muscle forces at one frame, N, as OpenSim gives them.

    Attributes:
        active_along_tendon: active fiber force along the tendon at full activation.
        total_along_tendon: total fiber force along the tendon at full activation.
        static_optimization: `calcInextensibleTendonActiveFiberForce` at full activation, what its
            StaticOptimization multiplies by activation.
    """

    active_along_tendon: Float[np.ndarray, " muscles"]
    total_along_tendon: Float[np.ndarray, " muscles"]
    static_optimization: Float[np.ndarray, " muscles"]


@dataclass(frozen=True)
class JointReactions:
    """Loads of the moving joints at one frame, on the child, in the joint's parent frame.

    Attributes:
        force, moment: N, N m.
        acceleration: of the free coordinates, rad/s^2, that the forces given lead to.
    """

    force: Float[np.ndarray, "moving 3"]
    moment: Float[np.ndarray, "moving 3"]
    acceleration: Float[np.ndarray, " q"]


class OpensimNeck:
    """A neck loaded by OpenSim, its muscles with rigid tendons."""

    def __init__(self, spec: ModelSpec, model: Model, file: Path | None = None) -> None:
        """Load a model into OpenSim, driven by the coordinate map of `model`.

        Args:
            spec: the model; it is written as a file that OpenSim reads.
            model: made from `spec`.
            file: the file that `spec` was read from, to be loaded instead.
        """
        quiet_opensim()
        with TemporaryDirectory() as folder:
            path = Path(folder) / "neck.osim"
            if file is None:
                write_osim(spec, path)
            self._opensim = opensim.Model(str(path if file is None else file))
        self._names = model.topology.all_coordinates
        self._free = model.topology.coordinates
        self._locked = {c.name for c in spec.coordinates if c.locked}
        known = self._opensim.getBodySet()
        # A joint that is read as two has a body between them that OpenSim has not.
        self._bodies = [b.name for b in spec.bodies if known.contains(b.name)]
        self._coordinates = model.coordinates
        topology = model.topology
        joints = self._opensim.getJointSet()
        moving = [topology.joints[k] for k in topology.moving_joints]
        self._joints = [joints.get(name) for name in moving if joints.contains(name)]
        actuators = self._opensim.getActuators()
        count = actuators.getSize()
        found = [opensim.ScalarActuator.safeDownCast(actuators.get(k)) for k in range(count)]
        by_name = {a.getName(): a for a in found}
        self._actuators = [
            by_name[n] for n in (*topology.muscles, *topology.reserves) if n in by_name
        ]
        muscles = self._opensim.getMuscles()
        self._muscles = [muscles.get(m.name) for m in spec.muscles]
        for muscle in self._muscles:
            # OpenSim's Thelen muscle has no rigid tendon; only what it tells static
            # optimization can be compared.
            if muscle.getConcreteClassName() == "Millard2012EquilibriumMuscle":
                muscle.set_ignore_tendon_compliance(True)
                muscle.set_ignore_activation_dynamics(True)
        controllers = self._opensim.getControllerSet()
        for k in range(controllers.getSize()):
            # What actuators do is given here.
            controllers.get(k).setEnabled(False)
        self._state = self._opensim.initSystem()
        self._place = self._places()
        self._solver = opensim.InverseDynamicsSolver(self._opensim)

    def __call__(
        self,
        q: Float[np.ndarray, " q"],
        qd: Float[np.ndarray, " q"],
        qdd: Float[np.ndarray, " q"],
        *,
        moment_arms: bool = True,
    ) -> EngineResult:
        """Evaluate one frame. Moment arms take OpenSim nearly all of the time."""
        at = jnp.asarray(q), jnp.asarray(qd), jnp.asarray(qdd)
        coupling = np.asarray(_coupling(self._coordinates, at[0]))
        self._set(q, qd)
        self._apply_muscles(False)
        state = self._state
        self._opensim.realizeDynamics(state)
        changes = opensim.Vector(state.getNU(), 0.0)
        accelerations = np.asarray(_all_accelerations(self._coordinates, *at))
        for k, value in zip(self._place, accelerations, strict=True):
            changes.set(k, float(value))
        residual = self._solver.solve(state, changes)
        tau = np.array([residual.get(k) for k in self._place])
        poses = [self._pose(name) for name in self._bodies]
        arms = None
        if moment_arms:
            coordinates = [self._opensim.getCoordinateSet().get(n) for n in self._free]
            arms = np.array(
                [[m.computeMomentArm(state, c) for m in self._muscles] for c in coordinates]
            )
        return EngineResult(
            np.array([r for r, _ in poses]),
            np.array([p for _, p in poses]),
            np.array([m.getLength(state) for m in self._muscles]),
            arms,
            coupling.T @ tau,
        )

    def body_velocity(self, body: str) -> tuple[np.ndarray, np.ndarray]:
        """Angular velocity, and velocity of the origin, of a body in the frame evaluated last."""
        found = self._opensim.getBodySet().get(body)
        self._opensim.realizeVelocity(self._state)
        vectors = (
            found.getAngularVelocityInGround(self._state),
            found.getLinearVelocityInGround(self._state),
        )
        spin, speed = (np.array([v.get(i) for i in range(3)]) for v in vectors)
        return spin, speed

    def muscle_forces(
        self, q: Float[np.ndarray, " q"], qd: Float[np.ndarray, " q"]
    ) -> MuscleForces:
        """Muscle forces at full activation at a pose and its speeds."""
        self._set(q, qd)
        self._apply_muscles(True)
        state = self._state
        controls = opensim.Vector(self._opensim.getNumControls(), 1.0)
        self._opensim.realizeVelocity(state)
        self._opensim.setControls(state, controls)
        self._opensim.realizeDynamics(state)
        return MuscleForces(
            np.array([m.getActiveFiberForceAlongTendon(state) for m in self._muscles]),
            np.array([m.getFiberForceAlongTendon(state) for m in self._muscles]),
            np.array([m.calcInextensibleTendonActiveFiberForce(state, 1.0) for m in self._muscles]),
        )

    def joint_reactions(
        self,
        q: Float[np.ndarray, " q"],
        qd: Float[np.ndarray, " q"],
        muscle_force: Float[np.ndarray, " muscles"],
        reserve_force: Float[np.ndarray, " reserves"],
    ) -> JointReactions:
        """Loads of the moving joints under given actuator forces; accelerations follow from these.

        What OpenSim's JointReaction analysis reports on the child, in the joint's parent frame.

        Returns:
            N, N m, and rad/s^2.
        """
        self._set(q, qd)
        self._apply_muscles(True)
        state = self._state
        forces = np.concatenate([muscle_force, reserve_force])
        for actuator, force in zip(self._actuators, forces, strict=True):
            actuator.overrideActuation(state, True)
            actuator.setOverrideActuation(state, float(force))
        self._opensim.realizeAcceleration(state)
        coordinates = self._opensim.getCoordinateSet()
        changes = np.array([coordinates.get(n).getAccelerationValue(state) for n in self._free])
        loads = [self._reaction(joint) for joint in self._joints]
        for actuator in self._actuators:
            actuator.overrideActuation(state, False)
        return JointReactions(
            np.array([f for f, _ in loads]), np.array([m for _, m in loads]), changes
        )

    def _reaction(self, joint: Any) -> tuple[np.ndarray, np.ndarray]:
        reaction = joint.calcReactionOnChildExpressedInGround(self._state)
        matrix = joint.getParentFrame().getTransformInGround(self._state).R().asMat33()
        into = np.array([[matrix.get(j, i) for j in range(3)] for i in range(3)])
        moment, force = (np.array([reaction.get(part).get(i) for i in range(3)]) for part in (0, 1))
        return into @ force, into @ moment

    def _places(self) -> list[int]:
        """Where each coordinate is among OpenSim's speeds: by the tree, not by the JointSet."""
        state, places = self._state, []
        coordinates = [self._opensim.getCoordinateSet().get(name) for name in self._names]
        for coordinate in coordinates:
            coordinate.setSpeedValue(state, 0.0)
        for coordinate in coordinates:
            coordinate.setSpeedValue(state, 1.0)
            speeds = state.getU()
            places.append(int(np.argmax([speeds.get(k) for k in range(speeds.size())])))
            coordinate.setSpeedValue(state, 0.0)
        return places

    def _set(self, q: np.ndarray, qd: np.ndarray) -> None:
        values = np.asarray(_all_values(self._coordinates, jnp.asarray(q)))
        rates = np.asarray(_coupling(self._coordinates, jnp.asarray(q))) @ np.asarray(qd)
        coordinates = self._opensim.getCoordinateSet()
        for name, value, rate in zip(self._names, values, rates, strict=True):
            coordinate = coordinates.get(name)
            if name not in self._locked:
                coordinate.setValue(self._state, float(value), False)
            coordinate.setSpeedValue(self._state, float(rate))

    def _apply_muscles(self, apply: bool) -> None:
        for muscle in self._muscles:
            muscle.setAppliesForce(self._state, apply)

    def _pose(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        transform = self._opensim.getBodySet().get(name).getTransformInGround(self._state)
        matrix, origin = transform.R().asMat33(), transform.p()
        rows = [[matrix.get(i, j) for j in range(3)] for i in range(3)]
        return np.array(rows), np.array([origin.get(i) for i in range(3)])


@eqx.filter_jit
def _all_values(coordinates: CoordinateMap, q: Array) -> Array:
    return coordinates.all_coordinates(q)


@eqx.filter_jit
def _coupling(coordinates: CoordinateMap, q: Array) -> Array:
    return coordinates.coordinate_jacobian(q)


@eqx.filter_jit
def _all_accelerations(coordinates: CoordinateMap, q: Array, qd: Array, qdd: Array) -> Array:
    """Of driven coordinates too, the curvature of their couplers included."""

    def rates(q: Array, qd: Array) -> Array:
        return jax.jvp(coordinates.all_coordinates, (q,), (qd,))[1]

    return jax.jvp(rates, (q, qd), (qd, qdd))[1]


def all_coordinates(model: Model, motion: Motion) -> Storage:
    """`motion` with the driven and the locked coordinates too.

    OpenSim's AnalyzeTool does not assemble the model: a driven coordinate that has no column
    stays at its default, and the results are those of another pose.

    Returns:
        rad or m, over s.
    """
    values = jax.vmap(model.coordinates.all_coordinates)(jnp.asarray(motion.q))
    names = model.topology.all_coordinates
    return Storage(motion.name, names, motion.time, np.asarray(values, float))


def opensim_static_optimization(
    spec: ModelSpec,
    motion: Motion,
    *,
    start: float,
    end: float,
    step: int = 1,
    convergence: float = 1e-5,
    loads: Path | None = None,
    folder: Path | None = None,
) -> tuple[Storage, Storage]:
    """Run OpenSim's StaticOptimization tool on `motion` from `start` to `end` (s).

    Exponent 2, muscle physiology on, every `step`-th frame; `loads` is an ExternalLoads file.

    Returns:
        Controls and forces, as the tool writes them (no unit, N).

    Raises:
        RuntimeError: the tool failed.
    """
    quiet_opensim()
    if folder is None:
        with TemporaryDirectory() as temporary:
            return opensim_static_optimization(
                spec,
                motion,
                start=start,
                end=end,
                step=step,
                convergence=convergence,
                loads=loads,
                folder=Path(temporary),
            )
    write_osim(spec, folder / "neck.osim")
    write_storage(folder / "motion.sto", all_coordinates(Model.from_spec(spec), motion))
    model = opensim.Model(str(folder / "neck.osim"))
    model.initSystem()
    analysis: Any = opensim.StaticOptimization()
    analysis.setName("StaticOptimization")
    analysis.setStepInterval(step)
    analysis.setActivationExponent(2)
    analysis.setUseMusclePhysiology(True)
    analysis.setConvergenceCriterion(convergence)
    analysis.setMaxIterations(1000)
    analysis.setStartTime(start)
    analysis.setEndTime(end)
    model.addAnalysis(analysis)
    tool = opensim.AnalyzeTool(model)
    tool.setName("so")
    tool.setModel(model)
    tool.setInitialTime(start)
    tool.setFinalTime(end)
    tool.setLowpassCutoffFrequency(-1)
    tool.setCoordinatesFileName(str(folder / "motion.sto"))
    if loads is not None:
        tool.setExternalLoadsFileName(str(loads))
    tool.setLoadModelAndInput(True)
    tool.setSolveForEquilibrium(False)
    tool.setResultsDir(str(folder))
    if not tool.run():
        raise RuntimeError(f"OpenSim's StaticOptimization failed on {motion.name!r}")
    return (
        read_storage(folder / "so_StaticOptimization_activation.sto"),
        read_storage(folder / "so_StaticOptimization_force.sto"),
    )
