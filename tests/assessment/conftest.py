import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax import Model, shipped_neck
from cervjax.assessment import (
    MAIN,
    AssessmentOptions,
    Envelope,
    MovementNorms,
    Mover,
    assess_markers,
    healthy_limits,
    with_limits,
)
from cervjax.assessment.directions import rotation_of
from cervjax.kinematics import marker_positions
from cervjax.motion.recordings import MarkerRecording
from cervjax.people import AssessedPerson, Sex
from cervjax.spec import Marker
from cervjax.tracking import OrientationKinematics
from tests.helpers import TRACKED_HEAD, TRACKED_TRUNK

RATE, STILL = 50.0, 60
AGE = 40.0


@pytest.fixture(scope="session")
def worn():
    """The shipped neck with markers where one person wore them."""
    spec = shipped_neck()
    kept = [m for m in spec.markers if m.name not in {**TRACKED_TRUNK, **TRACKED_HEAD}]
    trunk = [Marker(name, "ribcage", at) for name, at in TRACKED_TRUNK.items()]
    head = [Marker(name, "skull", at) for name, at in TRACKED_HEAD.items()]
    return dataclasses.replace(spec, markers=(*kept, *trunk, *head))


@pytest.fixture(scope="session")
def markers_of(worn):
    """Turns of the head (rad) to markers in the torso."""
    model = Model.from_spec(worn)
    task = with_limits(OrientationKinematics.of(model), *healthy_limits(model.topology))

    @jax.jit
    def places(model, rotation):
        q = jax.lax.map(lambda r: task(model, r).q, rotation, batch_size=128)
        return jax.lax.map(lambda row: marker_positions(model, row), q, batch_size=128)

    def found(turn):
        filled = np.concatenate([turn, np.repeat(turn[-1:], 4096 - len(turn), axis=0)])
        rotation = jnp.asarray(rotation_of(filled).as_matrix())
        return np.asarray(places(model, rotation))[: len(turn)]

    return model.topology.markers, found


@pytest.fixture(scope="session")
def examination():
    """A healthy person whose left rotation is cut to 35 degrees: turns, rad."""
    norms, rng = MovementNorms(), np.random.default_rng(5)
    mover = Mover.draw(norms, AGE, Sex.FEMALE, rng).today(norms, rng)
    mover = mover.restricted(reach={"left rotation": float(np.radians(35))})
    _, turn = mover.examination(rng, directions=MAIN, rate=RATE)
    return np.concatenate([np.zeros((STILL, 3)), turn])


@pytest.fixture(scope="session")
def recording(markers_of, examination):
    """The same as markers with 1 mm of noise, in a laboratory in which the person sits aslant."""
    names, found = markers_of
    rng = np.random.default_rng(6)
    turn = np.array([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0], [-0.8, 0.0, 0.6]])
    place = found(examination) @ turn.T + np.array([1.0, 0.9, -0.4])
    place = place + 0.001 * rng.normal(size=place.shape)
    return MarkerRecording("exam.trc", names, np.arange(len(place)) / RATE, place)


@pytest.fixture(scope="session")
def static(recording):
    return recording.between(0.0, (STILL - 1) / RATE)


@pytest.fixture(scope="session")
def person():
    return AssessedPerson.described({"sex": "female", "age": AGE})


@pytest.fixture(scope="session")
def quick():
    """Without forces."""
    return AssessmentOptions(forces=False)


@pytest.fixture(scope="session")
def assessment(recording, static, person, worn):
    """With forces of 96 frames."""
    options = AssessmentOptions(force_frames=96)
    return assess_markers(
        recording, static, person, worn, options, envelope=Envelope.of(AGE, Sex.FEMALE)
    )
