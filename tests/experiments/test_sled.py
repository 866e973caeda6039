"""Volunteers on a sled: what is read, what the torso does, and which way the head goes."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io
from scipy.integrate import cumulative_trapezoid
from sled_report import peak
from sled_tests import GRAVITY, SIGNALS, SledTest, read_sled
from sled_volunteers import REFLEX, Sled

from cervjax.kinematics import body_poses

STEP, DURATION = 0.002, 0.1


@pytest.fixture(scope="module")
def sled(neck):
    return Sled.of(neck)


@pytest.fixture(scope="module")
def braked():
    """A torso that is held back at 100 m/s^2 for 0.1 s, and pitches forwards by 0.2 rad."""
    time = np.arange(0.0, 0.15, 0.0005)
    forwards = -0.5 * 100.0 * time**2
    torso = np.column_stack([forwards, 0.01 * np.sin(10 * time)])
    return SledTest("braked", time, 0.2 * (time / time[-1]) ** 2, torso, {})


def test_the_lowest_joint_moves_as_t1_did(sled, braked):
    """1e-6 m, what interpolating between recorded samples leaves."""
    torso = sled.torso(braked, DURATION, STEP)
    body = sled.model.body_index("spine")
    for time in (0.02, 0.05, 0.1):
        q = jnp.concatenate([jnp.zeros(6), torso(jnp.asarray(time))[0]])
        poses = body_poses(sled.model, q)
        place = poses.position[body] + poses.rotation[body] @ sled.anchor - sled.anchor
        expected = [np.interp(time, braked.time, c) for c in braked.torso.T]
        np.testing.assert_allclose(place[:2], expected, atol=1e-6)
        turned = -np.arctan2(poses.rotation[body][1, 0], poses.rotation[body][0, 0])
        assert turned == pytest.approx(np.interp(time, braked.time, braked.torso_pitch), abs=1e-6)


def test_a_head_goes_on_where_its_torso_is_held_back(sled, braked):
    """Forwards of T1 by nearly what a free body would: within 30 % in 30 ms; it bows, too."""
    time = STEP * np.arange(round(DURATION / STEP) + 1)
    carried = np.column_stack([np.interp(time, braked.time, c) for c in braked.torso.T])
    torso = sled.torso(braked, DURATION, STEP)
    values = jnp.asarray([p.start for p in REFLEX])
    head = np.asarray(sled.respond(torso, jnp.asarray(carried), values, True, DURATION, STEP, 0.02))
    assert np.isfinite(head).all()
    at = round(0.03 / STEP)
    free = -1e3 * carried[at, 0]
    assert 0.7 * free < head[at, 1] < free
    assert head[-1, 0] > 20.0
    found = peak(time, head[:, 0])
    assert found.time == pytest.approx(DURATION)


def test_files_of_the_sled_tests(data):
    """Seven tests; displacements of the head are those of its accelerations beyond T1's: 2 mm."""
    folder = data / "sled"
    tests, mean, corridors = read_sled(folder, 60.0)
    assert len(tests) == 7
    assert set(tests[0].head) == set(SIGNALS)
    top = peak(mean.time, mean.head["pitch"])
    assert top.angle == pytest.approx(corridors["pitch"].mean.max(), abs=0.5)
    assert corridors["pitch"].low.max() < top.angle < corridors["pitch"].high.max()

    def column(name: str) -> np.ndarray:
        curves = scipy.io.loadmat(
            folder / f"NBDL 15g Frontal - {name}.mat", squeeze_me=True, struct_as_record=False
        )["responseCurves"]
        return curves[0].data[:, 1] - curves[0].data[0, 1]

    time = tests[0].time
    beyond = GRAVITY * (column("Head XAccel") - column("T1 XAccel"))
    speed = cumulative_trapezoid(beyond, time, initial=0.0)
    place = 1e3 * cumulative_trapezoid(speed, time, initial=0.0)
    np.testing.assert_allclose(tests[0].head["x"], place, atol=2.0)
    with pytest.raises(FileNotFoundError, match="give the folder of the sled tests"):
        read_sled(data, 60.0)
