"""Identification on a small scale: a few parameters, a few windows, one compiled search."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.dynamics import JointLimits
from cervjax.identification import (
    Estimate,
    IdentificationSettings,
    ParameterSpace,
    ParametricDynamics,
    Prior,
    Shooting,
    Windows,
    fisher_information,
    identifiability,
    identify,
    linearised,
    motion,
    motion_and_sensitivity,
    profile_likelihood,
    random_activations,
    random_poses,
    recorded,
)
from cervjax.model import Model
from cervjax.simulation import Dynamics

STEP = 0.01
EXACT = IdentificationSettings(rounds=12, shooting=Shooting(solver="tsit5"))
MUSCLES = ("stern_mast", "semi_cap_sklthx", "trap_cl")


@pytest.fixture(scope="module")
def lab(neck):
    model = Model.from_spec(neck)
    space = ParameterSpace.of(model, muscles=MUSCLES)
    return ParametricDynamics(space, Dynamics(model, "rigid", JointLimits.of(model)))


@pytest.fixture(scope="module")
def truth(lab):
    rng = np.random.default_rng(0)
    nominal, shift = lab.space.nominal_values, lab.space.nominal_values == 0
    return nominal + jnp.where(shift, 0.005, 0.1) * rng.normal(size=len(nominal))


@pytest.fixture(scope="module")
def recording(lab, truth, neck):
    rng = np.random.default_rng(1)
    ranges = np.array([neck.coordinate(c).range for c in neck.free_coordinates])
    activation = random_activations(rng, 4, 41, len(neck.muscles), STEP)
    return recorded(lab.at(truth), random_poses(rng, 4, ranges), activation, STEP)


def cut(recording, **known):
    return Windows.cut(recording.q, recording.activation, STEP, samples=20, **known)


@pytest.fixture(scope="module")
def windows(recording):
    return cut(recording)


@pytest.fixture(scope="module")
def found(lab, windows):
    return identify(
        lab,
        windows,
        lab.space.nominal_values,
        angle_sd=1e-6,
        settings=EXACT,
    )


def test_sensitivities_are_derivatives_of_the_motion(lab, truth, recording):
    """Of the motion, which is the recorded one within 0.03 deg (`Shooting.solver`). Against central
    differences: 5e-3 of the largest change of each parameter, as A and B are parabolas between
    steps."""
    start = jnp.concatenate([recording.q[0, 20], recording.qd[0, 20]])
    activation = jnp.asarray(recording.activation[0, 20:35])
    move = jax.jit(lambda v, s, a: motion(lab, v, s, a, STEP))
    angles, sensitivity = jax.jit(lambda v, s, a: motion_and_sensitivity(lab, v, s, a, STEP))(
        truth, start, activation
    )
    np.testing.assert_allclose(angles, move(truth, start, activation), atol=1e-13)
    np.testing.assert_allclose(angles, recording.q[0, 20:35], atol=np.radians(0.03))
    rougher = Shooting(coarse=True)
    coarse = jax.jit(lambda v, s, a: motion_and_sensitivity(lab, v, s, a, STEP, rougher)[1])
    rough = np.abs(coarse(truth, start, activation).values - sensitivity.values).max(axis=(0, 1))
    assert np.all(rough < 2e-2 * np.abs(sensitivity.values).max(axis=(0, 1)))
    for at, table, change in (
        (truth, sensitivity.values, lambda x: move(x, start, activation)),
        (start, sensitivity.start, lambda x: move(truth, x, activation)),
        (
            jnp.zeros(72),
            sensitivity.activation,
            lambda x: move(truth, start, activation + x),
        ),
    ):
        for k in range(0, len(at), 5):
            step = 1e-5 * jnp.eye(len(at))[k]
            expected = (change(at + step) - change(at - step)) / 2e-5
            largest = np.abs(expected).max()
            np.testing.assert_allclose(table[..., k], expected, atol=5e-3 * largest + 1e-9)


def test_exact_data_give_the_parameters_back(lab, truth, found):
    """0.05 % asked for; the shifts of the mass center to 1e-5 m."""
    assert found.converged, (np.abs(np.diff(found.history, axis=0)).max(axis=1), found.cost)
    judged = identifiability(
        fisher_information(found.linearised), lab.space.names, np.full(len(truth), 1e-3)
    )
    error = np.abs(np.asarray(found.estimate.values - truth))
    assert np.abs(np.asarray(lab.space.nominal_values - truth)).mean() > 0.04
    assert judged.determined.sum() > 0.6 * len(truth)
    assert error[judged.determined].mean() < 5e-4
    assert error[lab.space.shifts].max() < 1e-5


def test_intervals_hold_the_truth(lab, truth, recording, windows):
    """Angles with 0.1 degree of noise, activations off by 5 % for a window: 90 % intervals of 16
    parameters hold at least 11 (of as many independent ones fewer would in 1 of 100 cases), and
    estimates are better than the guess."""
    rng, angle_sd = np.random.default_rng(2), np.radians(0.1)
    noisy = windows.q + angle_sd * rng.normal(size=windows.q.shape)
    drive = windows.activation
    sd = 0.05 * drive.mean(axis=1)
    drive = drive + (sd * rng.normal(size=sd.shape))[:, None]
    start = Windows.cut(np.asarray(noisy), np.asarray(drive), STEP, samples=20).start
    measured = Windows(jnp.asarray(noisy), drive, start, sd, STEP)
    nominal = lab.space.nominal_values
    prior = Prior(nominal, jnp.where(nominal == 0, 0.01, 0.2))
    result = identify(
        lab,
        measured,
        nominal,
        angle_sd=float(angle_sd),
        prior=prior,
        settings=IdentificationSettings(shooting=EXACT.shooting),
    )
    judged = identifiability(
        fisher_information(result.linearised), lab.space.names, np.full(len(truth), 0.1), prior
    )
    error = np.abs(np.asarray(result.estimate.values - truth))
    assert np.sum(error < 1.645 * judged.standard_error) >= 0.69 * len(truth)
    assert error.mean() < np.abs(np.asarray(nominal - truth)).mean()
    assert np.all(judged.standard_error <= np.asarray(prior.sd) * (1 + 1e-9))
    # A sum of squares of so many independent residuals of unit variance, within four standard
    # deviations; a neck that may not fit has a larger one.
    count = windows.q.size - windows.start.size
    usual = 4 * np.sqrt(2 / count)
    assert result.misfit == pytest.approx(1 - len(truth) / count, abs=usual)
    held = identify(
        lab,
        measured,
        nominal,
        angle_sd=float(angle_sd),
        prior=Prior(nominal, 1e-4 * prior.sd),
        settings=IdentificationSettings(rounds=1, shooting=EXACT.shooting),
    )
    assert held.misfit > 1 + 2 * usual


def test_profile_rises_as_the_standard_error_says(lab, windows, found):
    """Near the estimate of a parameter that the data determine well: 5 % of 1 at one standard
    error, what curvature leaves."""
    judged = identifiability(
        fisher_information(found.linearised), lab.space.names, np.full(len(lab.space.names), 1e-3)
    )
    name = "mass head"
    k = lab.space.names.index(name)
    at = float(found.estimate.values[k]) + judged.standard_error[k] * np.array([-1.0, 1.0])
    profile = profile_likelihood(found, name, at, rounds=2)
    np.testing.assert_allclose(profile.rise, 1.0, atol=0.05)


def test_what_data_cannot_tell_is_named():
    """Two parameters that act as one, one that does nothing, one well determined."""
    rows = np.array([[1.0, 1.0, 0.0, 0.0], [2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 10.0]])
    names = ("force", "pennation", "idle", "mass")
    judged = identifiability(jnp.asarray(rows.T @ rows), names, np.full(4, 0.2))
    np.testing.assert_array_equal(judged.determined, [False, False, False, True])
    assert judged.standard_error[3] == pytest.approx(0.1)
    assert np.all(np.isinf(judged.standard_error[:3]))
    prior = Prior(jnp.zeros(4), jnp.full(4, 0.5))
    known = identifiability(jnp.asarray(rows.T @ rows), names, np.full(4, 0.2), prior)
    assert known.partners["force"][0] == "pennation"
    assert known.partners["force"][1] < -0.5
    assert known.standard_error[2] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 4}, "samples = 4"),
        ({"samples": 99}, "movements have 41"),
        ({"step": 0.0}, "step = 0 s"),
    ],
)
def test_windows_that_cannot_be_cut(recording, change, message):
    known = {"step": STEP, "samples": 20} | change
    step = known.pop("step")
    with pytest.raises(ValueError, match=message):
        Windows.cut(recording.q, recording.activation, step, **known)


def test_gaps_in_recordings_are_named(recording):
    q = recording.q.copy()
    q[1, 7, 2] = np.nan
    with pytest.raises(ValueError, match=r"q of movement 1 is not finite in column 2 at 0\.07 s"):
        Windows.cut(q, recording.activation, STEP, samples=20)


def test_wrong_questions_are_refused(lab, windows, neck):
    model = Model.from_spec(neck)
    with pytest.raises(ValueError, match="kinds color"):
        ParameterSpace.of(model, kinds=["color"])
    with pytest.raises(ValueError, match="do not hold 1"):
        ParameterSpace.of(model, bounds={"mass": (1.5, 2.0)}, kinds=["mass"])
    with pytest.raises(ValueError, match="rigid tendons"):
        ParametricDynamics(lab.space, Dynamics(model, "compliant"))
    guess = lab.space.nominal_values.at[0].set(99.0)
    with pytest.raises(ValueError, match="max_isometric_force stern_mast = 99"):
        identify(lab, windows, guess, angle_sd=0.01)
    with pytest.raises(ValueError, match="angle_sd"):
        identify(lab, windows, lab.space.nominal_values, angle_sd=0.0)


def test_unstable_integrations_are_told(lab, windows):
    """All muscles fully active damp the upper neck by more than Tsit5's step can take."""
    stiff = eqx.tree_at(lambda w: w.activation, windows, jnp.ones_like(windows.activation))
    known = Estimate(lab.space.nominal_values, windows.start, jnp.zeros(()))
    with pytest.raises(FloatingPointError, match="not stable there"):
        linearised(lab, stiff, known, 1e-6, EXACT.shooting)


def test_bounds_and_numbers_without_bounds_are_inverse(lab):
    space = lab.space
    values = space.low + 0.3 * (space.high - space.low)
    np.testing.assert_allclose(space.bounded(space.unbounded(values)), values, rtol=1e-12)
    assert np.all(np.asarray(space.bounded(jnp.full(len(values), 50.0))) <= np.asarray(space.high))


def test_parameters_go_into_the_model(lab):
    """Factors multiply, shifts add, and nothing else changes."""
    space, nominal = lab.space, lab.space.nominal
    values = space.nominal_values
    k = space.names.index("tendon_slack_length trap_cl")
    moved = space.model(values.at[k].set(1.1).at[space.names.index("mass_center_x head")].set(0.01))
    slack = np.asarray(moved.muscles.tendon_slack_length / nominal.muscles.tendon_slack_length)
    expected = np.ones(len(slack))
    expected[nominal.muscle_index("trap_cl")] = 1.1
    np.testing.assert_allclose(slack, expected, rtol=1e-15)
    change = np.asarray(moved.body_mass_center - nominal.body_mass_center)
    head = nominal.body_index("skull")
    assert change[head, 0] == pytest.approx(0.01)
    assert np.count_nonzero(change) == 1
    np.testing.assert_array_equal(moved.body_mass, nominal.body_mass)
