"""Parameters from changes of speed, on a small scale."""

import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.dynamics import JointLimits
from cervjax.identification import (
    Impulses,
    ImpulseSettings,
    ParameterSpace,
    ParametricDynamics,
    fit_impulses,
    impulse_errors,
    impulse_errors_and_derivatives,
    other_limb,
    random_activations,
    random_poses,
    recorded,
)
from cervjax.model import Model
from cervjax.simulation import Dynamics

STEP = 0.01
MUSCLES = ("stern_mast", "semi_cap_sklthx", "trap_acr")
LIMB = "trap_acr"
"""Hardly changes its length: the two limbs of its force-length curve are two minima."""


@pytest.fixture(scope="module")
def lab(neck):
    model = Model.from_spec(neck)
    space = ParameterSpace.of(model, muscles=MUSCLES)
    return ParametricDynamics(space, Dynamics(model, "rigid", JointLimits.of(model)))


@pytest.fixture(scope="module")
def truth(lab):
    rng = np.random.default_rng(0)
    nominal = np.asarray(lab.space.nominal_values)
    truth = nominal + np.where(lab.space.shifts, 0.003, 0.1) * rng.normal(size=len(nominal))
    # Fibers of 1.02 optimal lengths: off the top, and not far.
    truth[lab.space.names.index(f"optimal_fiber_length {LIMB}")] = 1.07
    truth[lab.space.names.index(f"tendon_slack_length {LIMB}")] = 0.952
    return truth


@pytest.fixture(scope="module")
def recording(lab, truth, neck):
    rng = np.random.default_rng(1)
    ranges = np.array([neck.coordinate(c).range for c in neck.free_coordinates])
    activation = random_activations(rng, 4, 41, len(neck.muscles), STEP)
    return recorded(lab.at(jnp.asarray(truth)), random_poses(rng, 4, ranges), activation, STEP)


@pytest.fixture(scope="module")
def impulses(recording):
    return Impulses.of(recording.q, recording.qd, recording.activation, STEP, settle=0.05)


@pytest.fixture(scope="module")
def near(lab, impulses, truth):
    """A search that starts 10 % off, but for the muscle with two minima."""
    rng = np.random.default_rng(3)
    spread = np.where(lab.space.shifts, 0.003, 0.1)
    own = np.array([name.endswith(LIMB) for name in lab.space.names])
    guess = truth + np.where(own, 0.0, spread * rng.normal(size=len(truth)))
    return fit_impulses(lab, impulses, guess, settings=ImpulseSettings(limbs=0))


def test_the_true_neck_explains_the_impulses(lab, impulses, truth):
    """1 %: what cubics between samples, 10 ms apart, leave."""
    left = np.asarray(impulse_errors(lab, impulses, truth))
    assert left.shape == (impulses.change.size,)
    assert np.sqrt(np.mean(left**2)) < 0.01 * np.sqrt(np.mean(np.asarray(impulses.change) ** 2))


def test_derivatives_of_impulses(lab, impulses, truth):
    """Against central differences: 1e-6 of each parameter's largest."""
    found = np.asarray(impulse_errors_and_derivatives(lab, impulses, truth).by_values)
    for k in range(len(truth)):
        step = 1e-5 * np.eye(len(truth))[k]
        ends = [impulse_errors(lab, impulses, truth + sign * step) for sign in (1, -1)]
        expected = np.asarray(ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(found[:, k], expected, atol=1e-6 * np.abs(expected).max())


def test_impulses_give_the_parameters_back(lab, truth, near):
    """0.05 % on average, as asked for; pennation, that these data hardly determine, aside."""
    sure = np.array([not name.startswith("pennation") for name in lab.space.names])
    error = np.abs(near.values - truth)
    assert np.abs(near.history[0] - truth)[sure].mean() > 0.03
    assert error[sure].mean() < 5e-4
    assert near.other_limbs == ()


def test_a_muscle_on_the_wrong_limb_is_put_on_the_other(lab, truth, impulses, near):
    wrong = near.values.copy()
    tendon = lab.space.names.index(f"tendon_slack_length {LIMB}")
    wrong[tendon] = 1.003
    stuck = fit_impulses(lab, impulses, wrong, settings=ImpulseSettings(limbs=0))
    assert stuck.rms > 1.5 * near.rms
    assert abs(stuck.values[tendon] - truth[tendon]) > 0.02
    best = other_limb(lab, impulses, stuck.values, np.where(lab.space.shifts, 0.003, 0.1))
    assert best is not None
    assert best.muscle == LIMB
    found = fit_impulses(lab, impulses, wrong)
    assert found.other_limbs == (LIMB,)
    assert abs(found.values[tendon] - truth[tendon]) < 2e-3


def test_impulses_that_cannot_be(recording, lab, impulses, truth):
    tables = recording.q, recording.qd, recording.activation
    with pytest.raises(ValueError, match=r"settle = 0\.4 s leaves fewer than two of 41 samples"):
        Impulses.of(*tables, STEP, settle=0.4)
    with pytest.raises(ValueError, match="step = 0 s must be positive"):
        Impulses.of(*tables, 0.0)
    broken = recording.qd.copy()
    broken[1, 7, 2] = np.nan
    with pytest.raises(ValueError, match=r"qd of movement 1 is not finite in column 2 at 0\.07 s"):
        Impulses.of(recording.q, broken, recording.activation, STEP)
    with pytest.raises(ValueError, match="activation has"):
        Impulses.of(recording.q, recording.qd, recording.activation[:, 1:], STEP)
    far = truth.copy()
    far[0] = 100.0
    with pytest.raises(ValueError, match="guess of max_isometric_force stern_mast = 100"):
        fit_impulses(lab, impulses, far)
    with pytest.raises(ValueError, match="limbs = -1"):
        ImpulseSettings(limbs=-1)
