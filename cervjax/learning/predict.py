"""A motion and a person to muscle forces by a trained network: what `cervjax predict` does."""

from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cervjax.execution import read_json, reading, sealed, write_json
from cervjax.model import Model
from cervjax.motion import Motion, Storage, write_storages
from cervjax.motion.recordings.sensors import SensorRecording
from cervjax.motion.result_files import RESULT_FILES
from cervjax.motion.synthesis import MotionSample
from cervjax.optimization import TorqueEquation
from cervjax.people import LIMITS, Personalizer, Subject

from .evaluation import predict_rows
from .inputs import (
    INPUT_SETS,
    PERSON_INPUTS,
    NetworkInputs,
    input_names,
    motion_inputs,
    orientation_columns,
    ratio_columns,
    strength_columns,
)
from .intervals import ForceEnsemble
from .networks import AbstractForceNetwork
from .novelty import Novelty
from .rows import torque_equation
from .run_folder import RunFolder
from .training import load_network

HYPOTHESIS = (
    "Muscle forces of static optimization, predicted by a network: a hypothesis about how muscles "
    "share load, not a measurement. Preferred EMG directions differ from mechanical action by 23 "
    "degrees (sternocleidomastoid), 39 (splenius), 21 (semispinalis): Fice 2018."
)


@dataclass(frozen=True)
class Predictor:
    """A trained network, or an ensemble of them, with the neck it was trained on.

    Attributes:
        network: what says forces.
        personalizer: of the neck.
        inputs: name of the input set.
        window: frames it sees.
        rate: Hz of these frames; None for one frame.
        source: the folder it came from.
        members: folders of the training runs.
        missing_inputs: whether it was trained (and its intervals calibrated) on people of whom
            some inputs are missing.
        novelty: what it was trained on.
    """

    network: AbstractForceNetwork | ForceEnsemble
    personalizer: Personalizer
    inputs: str
    window: int
    rate: float | None
    source: Path
    members: tuple[Path, ...]
    missing_inputs: bool
    novelty: Novelty

    @classmethod
    def load(cls, folder: str | Path) -> "Predictor":
        """The network of a training run, or the ensemble in a folder with `ensemble.json`.

        Returns:
            With the neck and the inputs of its (first) training run.

        Raises:
            FileNotFoundError: there is neither.
        """
        folder = Path(folder)
        about = folder / "ensemble.json"
        if about.is_file():
            what, remedy = "the list of an ensemble's members", "calibrate the ensemble again"
            described = read_json(about, what, remedy)
            with reading(about, what, remedy):
                members = [folder / str(name) for name in described["members"]]
                if not isinstance(described["members"], list) or not members:
                    raise ValueError("it names no members")
            networks = [load_network(member) for member in members]
            network = ForceEnsemble.restored(networks, folder / "calibration.npz")
        else:
            members, network = [folder], load_network(folder)
        run = RunFolder(members[0])
        config, spec = run.config(), run.spec()
        missing_inputs = config.missing_inputs > 0
        if isinstance(network, ForceEnsemble):
            missing_inputs, novelty = missing_inputs and network.missing_inputs, network.novelty
        else:
            novelty = Novelty.read(run.novelty_file)
        model = Model.from_spec(spec, dtype=jnp.float32)
        return cls(
            network,
            Personalizer(model),
            config.network.inputs,
            config.network.window,
            run.rate(),
            folder,
            tuple(members),
            missing_inputs,
            novelty,
        )

    @property
    def model(self) -> Model:
        """The neck before it is personalized."""
        return self.personalizer.model


def save_ensemble(ensemble: ForceEnsemble, members: list[Path], folder: Path) -> None:
    """Write `ensemble.json` and `calibration.npz`, which `Predictor.load` reads.

    Args:
        members: the runs of its networks, inside `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ensemble.save_calibration(folder / "calibration.npz")
    names = [str(member.resolve().relative_to(folder.resolve())) for member in members]
    about = {"members": names, "coverage": ensemble.coverage}
    write_json(folder / "ensemble.json", sealed(about))


@dataclass(frozen=True)
class PredictedMotion:
    """Predicted forces behind a motion.

    Attributes:
        predictor: what said so.
        time: s.
        activation, force: of each muscle; 1, N.
        low, high: N, of an ensemble's intervals; None for a single network.
        novel: frames unlike those of training.
        beyond: inputs that alone are beyond those of training, in some frame.
        torque_residual: N m, R F - tau in each free coordinate; None where the motion of all
            coordinates, or something about the person, is not known.
    """

    predictor: Predictor
    time: Float[np.ndarray, " frames"]
    activation: Float[np.ndarray, "frames muscles"]
    force: Float[np.ndarray, "frames muscles"]
    low: Float[np.ndarray, "frames muscles"] | None
    high: Float[np.ndarray, "frames muscles"] | None
    novel: Bool[np.ndarray, " frames"]
    beyond: tuple[str, ...]
    torque_residual: Float[np.ndarray, "frames free"] | None


def predict_motion(
    predictor: Predictor,
    motion: Motion,
    person: Float[np.ndarray, " person"],
    *,
    gravity: Float[np.ndarray, " 3"] | None = None,
) -> PredictedMotion:
    """Forces behind a motion of all free coordinates.

    Args:
        motion: at any rate; a network with memory resamples it to the rate it was trained at.
        person: in the order of `PERSON_INPUTS`, NaN where not known; see `described_person`.
        gravity: m/s^2 in the torso's frame; an upright torso's if None.

    Returns:
        In the frames of `motion`, or of its resampling.

    Raises:
        ValueError: the motion is of other coordinates, or something about the person is not known
            that the network needs.
    """
    if motion.coordinates != predictor.model.topology.coordinates:
        raise ValueError(
            f"the motion has the coordinates {motion.coordinates}, the network's neck "
            f"{predictor.model.topology.coordinates}"
        )
    ratios = _ratios(predictor, person)
    if predictor.rate is not None:
        motion = motion.resample(predictor.rate)
    frames = MotionSample(*(jnp.asarray(x, jnp.float32) for x in motion.analyze_derivatives()))
    model = predictor.personalizer(Subject.from_vector(jnp.asarray(ratios, jnp.float32)))
    if gravity is not None:
        model = eqx.tree_at(lambda m: m.gravity, model, jnp.asarray(gravity, jnp.float32))
    inputs, equation = _mechanics(model, frames, predictor.inputs)
    # A guessed strength does not enter R F - tau, but sizes and masses do.
    known = bool(np.isfinite(person[_sizes()]).all())
    return _predicted(predictor, motion.time, inputs, person, equation, known)


def predict_recording(
    predictor: Predictor, recording: SensorRecording, person: Float[np.ndarray, " person"]
) -> PredictedMotion:
    """Forces behind what two sensors, or marker clusters, on torso and head saw.

    Returns:
        In the frames of `recording`, or of its resampling; without torque residual.

    Raises:
        ValueError: the network needs more than sensors give, or than is known of the person.
    """
    names = INPUT_SETS[predictor.inputs]
    if not set(names) <= {"orientation", "angular_velocity", "angular_acceleration", "gravity"}:
        raise ValueError(
            f"the network of {predictor.source} needs {', '.join(names)}; sensors give no more "
            "than orientation, angular_velocity, angular_acceleration and gravity"
        )
    if predictor.rate is not None:
        recording = recording.resample(predictor.rate)
    parts = {
        "orientation": np.asarray(orientation_columns(jnp.asarray(recording.orientation))),
        "angular_velocity": recording.angular_velocity,
        "angular_acceleration": recording.angular_acceleration,
        "gravity": recording.gravity,
    }
    inputs = np.concatenate([parts[name] for name in names], axis=1)
    inputs = jnp.asarray(inputs, jnp.float32)
    return _predicted(predictor, recording.time, inputs, person, None, False)


def write_prediction(predicted: PredictedMotion, folder: Path) -> list[Path]:
    """Write `StaticOptimization_activation.sto` and `_force.sto` with OpenSim's names and columns,
    and `prediction.sto`: novelty and torque residual of each frame. An ensemble adds
    `force_low.sto` and `force_high.sto`. All are complete before the first appears, and results of
    the solver or another network (`RESULT_FILES`) do not stay beside them.

    Returns:
        Paths of the files.
    """
    topology = predicted.predictor.model.topology
    muscles, notes = topology.muscles, (f"Network {predicted.predictor.source.name}.", HYPOTHESIS)
    tables = []

    def add(name: str, title: str, columns: tuple[str, ...], values: np.ndarray) -> None:
        table = Storage(title, columns, predicted.time, np.asarray(values, float))
        tables.append((name, table, notes))

    add("StaticOptimization_activation.sto", "Static Optimization", muscles, predicted.activation)
    add("StaticOptimization_force.sto", "ModelForces", muscles, predicted.force)
    if predicted.low is not None and predicted.high is not None:
        add("force_low.sto", "ModelForces", muscles, predicted.low)
        add("force_high.sto", "ModelForces", muscles, predicted.high)
    checks: dict[str, np.ndarray] = {"novel": predicted.novel}
    if predicted.torque_residual is not None:
        for k, name in enumerate(topology.free_coordinates):
            checks[f"{name}_torque_residual"] = predicted.torque_residual[:, k]
    add("prediction.sto", "Prediction", tuple(checks), np.column_stack(list(checks.values())))
    return write_storages(folder, tables, replaced=RESULT_FILES)


def _sizes() -> list[int]:
    """Columns of what enters the torque equation: ratios but strengths."""
    return [k for k in ratio_columns() if k not in strength_columns()]


def _ratios(predictor: Predictor, person: np.ndarray) -> np.ndarray:
    """The person's ratios, 1 where they are not known."""
    ratios = np.asarray(person, float)[ratio_columns()]
    missing = [name for name, x in zip(LIMITS, ratios, strict=True) if not np.isfinite(x)]
    if missing and predictor.network.needs_equation:
        raise ValueError(
            f"a dual network needs the person's mechanics; {', '.join(missing)} are not known"
        )
    return np.where(np.isfinite(ratios), ratios, 1.0)


@eqx.filter_jit
def _mechanics(model: Model, frames: MotionSample, inputs: str) -> tuple[Array, TorqueEquation]:
    def one(frame: MotionSample) -> tuple[Array, TorqueEquation]:
        return motion_inputs(model, inputs, frame, model.gravity), torque_equation(model, frame)

    return jax.lax.map(one, frames, batch_size=128)


def _predicted(
    predictor: Predictor,
    time: np.ndarray,
    motion: Array,
    person: np.ndarray,
    equation: TorqueEquation | None,
    judge: bool,
) -> PredictedMotion:
    if predictor.window > 1:
        # Before the first frame the head is taken to have been as in it.
        index = np.arange(len(time))[:, None] + np.arange(1 - predictor.window, 1)
        motion = motion[np.maximum(index, 0)]
    missing = [n for n, x in zip(PERSON_INPUTS, person, strict=True) if not np.isfinite(x)]
    if missing and not predictor.missing_inputs:
        raise ValueError(
            f"{', '.join(missing)} of the person are not known, and the network was trained on "
            "people of whom everything is (or its intervals calibrated on such); train one with "
            "missing_inputs > 0"
        )
    rows = jnp.broadcast_to(jnp.asarray(person, jnp.float32), (len(time), len(PERSON_INPUTS)))
    inputs = NetworkInputs(motion, rows)
    said = predict_rows(predictor.network, inputs, equation)
    novel, beyond = jax.vmap(lambda row: (predictor.novelty(row), predictor.novelty.beyond(row)))(
        inputs
    )
    names = input_names(predictor.inputs, predictor.model.topology.num_free)
    beyond = tuple(dict.fromkeys(names[k] for k in np.flatnonzero(np.any(beyond, axis=0))))
    residual = None
    if judge and equation is not None:
        supplied = np.einsum("rfm,rm->rf", np.asarray(equation.moment_arm), said.force)
        residual = supplied + said.reserve_force - np.asarray(equation.target)
    return PredictedMotion(
        predictor,
        time,
        np.asarray(said.activation),
        np.asarray(said.force),
        getattr(said, "low", None),
        getattr(said, "high", None),
        np.asarray(novel),
        beyond,
        residual,
    )
