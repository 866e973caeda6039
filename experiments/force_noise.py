"""Noisy orientations to forces: filtered and solved, filtered and predicted, raw with memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from force_judgement import Judge
from scipy.spatial.transform import Rotation

from cervjax.labels import LabelBatch
from cervjax.learning import AbstractForceNetwork, NetworkInputs, orientation_columns, predict_rows
from cervjax.motion import Motion
from cervjax.motion.recordings.sensors import SensorRecording
from cervjax.motion.synthesis import MotionSample
from cervjax.people import Subject


@dataclass(frozen=True)
class NoisyScores:
    """R^2 at one size of errors.

    Attributes:
        orientation_deg: standard deviation per frame.
        scores: median and worst R^2 of each way to forces.
    """

    orientation_deg: float
    scores: dict[str, tuple[float, float]]


class Movements(NamedTuple):
    """Whole movements.

    Attributes:
        labels: of movements of `frames` frames each, one after the other.
        person: network inputs of each movement's person.
        rate: Hz.
        frames: of a movement.
    """

    labels: LabelBatch
    person: np.ndarray
    rate: float
    frames: int


def noise_robustness(
    judge: Judge,
    networks: dict[str, AbstractForceNetwork],
    movements: Movements,
    sizes: Sequence[float],
    seed: int = 0,
) -> list[NoisyScores]:
    """Noisy head orientation to forces: by the direct solver, a network of single frames, and one
    with memory.

    The solver and the network of single frames are given what laboratories give them: angles or
    orientations behind a 6 Hz low-pass, differentiated twice. The network with memory gets the raw
    orientation, a gyroscope with three times the error per second, an offset of the same size, and
    loses a tenth of the frames.

    Args:
        sizes: degrees, standard deviations of the errors of orientations.
    """
    labels, known, rate, frames = movements
    rng = np.random.default_rng(seed)
    memory = networks["temporal, tied"]
    window = memory.config.window
    # The ends of a movement are where filters and splines are worst.
    inner = np.arange(max(window, 8), frames - 8)
    count = len(labels.q) // frames
    shaped = jax.tree.map(lambda x: np.asarray(x).reshape(count, frames, *x.shape[1:]), labels)
    rows = judge.rows(labels, np.repeat(known, frames, axis=0), ("sensor", "sensor-rates"))
    chosen = np.concatenate([m * frames + inner for m in range(count)])
    chosen = chosen[np.asarray(labels.solution.status)[chosen] == 0]
    at = np.arange(frames) / rate
    clean = np.asarray(rows.inputs["sensor"].motion).reshape(count, frames, -1)
    found = []
    for size in sizes:
        q, sensed, raw = [], [], []
        for m in range(count):
            error = np.radians(size) * rng.normal(size=(frames, shaped.q.shape[2]))
            motion = Motion("noisy", judge.spec.free_coordinates, at, shaped.q[m] + error)
            q.append(motion.lowpass(6.0).analyze_derivatives())
            columns = clean[m, :, :6].reshape(frames, 2, 3)
            turned = _matrices(columns)
            turned = Rotation.from_rotvec(np.radians(size) * rng.normal(size=(frames, 3))) * turned
            sensed.append(_sensed(at, turned, shaped.gravity[m]))
            rates = clean[m, :, 6:9] + np.radians(3 * size) * rng.normal(size=(frames, 3))
            offset = Rotation.from_rotvec(np.radians(size) * rng.normal(size=3))
            seen = np.concatenate([_columns(offset * turned), rates, shaped.gravity[m]], axis=1)
            kept = np.maximum.accumulate(
                np.where(rng.random(frames) >= (0.1 if size else 0.0), np.arange(frames), 0)
            )
            raw.append(seen[kept])
        noisy = [np.concatenate(x) for x in zip(*q, strict=True)]
        again = judge.labeler(
            labels.person,
            Subject.from_vector(jnp.asarray(labels.subject)),
            MotionSample(*(jnp.asarray(x, jnp.float32) for x in noisy)),
            jnp.asarray(labels.gravity),
        )
        person = rows.inputs["sensor"].person
        single = NetworkInputs(np.concatenate(sensed).astype(np.float32), person)
        index = np.maximum(np.arange(frames)[:, None] + np.arange(1 - window, 1), 0)
        windows = np.concatenate([x[index] for x in raw]).astype(np.float32)
        ways = {
            "static optimization, filtered": np.asarray(again.muscle_force),
            "network of single frames, filtered": predict_rows(
                networks["sensor, tied"], single
            ).force,
            "network with memory, raw": predict_rows(memory, NetworkInputs(windows, person)).force,
        }
        scores = {}
        for name, force in ways.items():
            scored = judge.score(np.asarray(force), rows, chosen)
            scores[name] = (scored.median_r2, scored.worst[1])
        found.append(NoisyScores(size, scores))
    return found


def _matrices(columns: np.ndarray) -> Rotation:
    first, second = columns[:, 0], columns[:, 1]
    return Rotation.from_matrix(np.stack([first, second, np.cross(first, second)], axis=-1))


def _columns(turned: Rotation) -> np.ndarray:
    return np.asarray(orientation_columns(jnp.asarray(turned.as_matrix())))


def _sensed(at: np.ndarray, turned: Rotation, gravity: np.ndarray) -> np.ndarray:
    """Orientation behind a low-pass, and the rates of a spline through it."""
    still = np.tile([1.0, 0.0, 0.0, 0.0], (len(at), 1))
    seen = SensorRecording.of(at, still, turned.as_quat(scalar_first=True)).lowpass(6.0)
    columns = _columns(Rotation.from_matrix(seen.orientation))
    return np.concatenate(
        [columns, seen.angular_velocity, seen.angular_acceleration, gravity], axis=1
    )
