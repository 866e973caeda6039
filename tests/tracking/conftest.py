import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax import Model
from cervjax.kinematics import marker_positions
from cervjax.spec import Marker
from cervjax.tracking import InverseKinematics
from tests.helpers import TRACKED_HEAD, TRACKED_MARKERS, TRACKED_TRUNK

ALL_MARKERS = (*TRACKED_MARKERS, "C4")
"""With one on the middle of the neck, which tells its lower from its upper half."""

FRAMES = 24
"""Of a batch."""


@pytest.fixture(scope="session")
def tracked(neck):
    """The default neck with markers where one person wore them, and one more."""
    markers = [Marker(name, "ribcage", at) for name, at in TRACKED_TRUNK.items()]
    markers += [Marker(name, "skull", at) for name, at in TRACKED_HEAD.items()]
    markers.append(Marker("C4", "cerv4", (-0.05, 0.01, 0.0)))
    return dataclasses.replace(neck, markers=tuple(markers))


@pytest.fixture(scope="session")
def model(tracked):
    return Model.from_spec(tracked, dtype=jnp.float64)


@pytest.fixture(scope="session")
def solve():
    """Poses of `FRAMES` frames; compiled once for every weight."""
    return eqx.filter_jit(lambda ik, model, seen: jax.vmap(lambda frame: ik(model, frame))(seen))


@pytest.fixture(scope="session")
def posed(tracked, model):
    """Coordinates inside their ranges, torso poses, and the markers that a camera would see."""
    rng = np.random.default_rng(0)
    ranges = np.array([tracked.coordinate(n).range for n in tracked.free_coordinates])
    q = ranges[:, 0] + rng.uniform(0.05, 0.95, (FRAMES, 6)) * np.ptp(ranges, axis=1)
    turn = np.linalg.qr(rng.normal(size=(FRAMES, 3, 3)))[0]
    turn *= np.linalg.det(turn)[:, None, None]
    place = rng.normal(size=(FRAMES, 3))
    still = np.asarray(jax.jit(jax.vmap(marker_positions, (None, 0)))(model, jnp.asarray(q)))
    seen = np.einsum("fxy,fmy->fmx", turn, still) + place[:, None]
    return q, turn, place, seen


@pytest.fixture(scope="session")
def plain(tracked, model):
    """OpenSim's problem: markers alone."""
    return InverseKinematics.of(model, ALL_MARKERS, share_weight=0.0, orientation_weight=1.0)
