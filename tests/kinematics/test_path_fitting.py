"""Polynomials in place of paths: against OpenSim's FunctionBasedPath, and for what they claim."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import opensim
import pytest
from jax.test_util import check_grads

from cervjax import Model
from cervjax.dynamics import evaluate_frame
from cervjax.kinematics import PathFittingSettings, fit_paths, muscle_paths
from cervjax.people import scale_model
from cervjax.spec import (
    FunctionBasedPath,
    MultivariatePolynomialFunction,
    monomials,
    read_tables,
    write_tables,
)
from conversion import read_osim, write_osim

SETTINGS = PathFittingSettings(num_samples=256, seed=3)


@pytest.fixture(scope="module")
def leg(data):
    return read_osim(data / "opensim_models" / "ccby_models" / "leg6dof9musc.osim")


@pytest.fixture(scope="module")
def motion(leg):
    """Away from where the leg's conditional points come and go."""
    low, high = np.array([leg.coordinate(c).range for c in leg.free_coordinates]).T
    swing = np.sin(np.linspace(0, 6, 40))[:, None] * np.linspace(0.1, 0.2, len(low))
    return 0.4 * low + 0.6 * high + 0.3 * swing


@pytest.fixture(scope="module")
def fitted(leg, motion):
    return fit_paths(leg, SETTINGS, around=motion)


@jax.jit
def paths(model, q):
    return jax.vmap(partial(muscle_paths, model))(q)


def near(motion, count, seed):
    random = np.random.default_rng(seed)
    at = motion[random.integers(0, len(motion), count)]
    bound = SETTINGS.coordinate_sampling_bounds
    return at + random.uniform(-bound, bound, at.shape)


def test_monomials_are_in_the_order_of_opensim():
    """Its MultivariatePolynomialFunction, one coefficient at a time."""
    x = (0.7, -1.3, 0.4)
    exponents = monomials(3, 4)
    for k, exponent in enumerate(exponents):
        coefficients = opensim.Vector(len(exponents), 0.0)
        coefficients.set(k, 1.0)
        function = opensim.MultivariatePolynomialFunction(coefficients, 3, 4)
        argument = opensim.Vector(3, 0.0)
        for i, value in enumerate(x):
            argument.set(i, value)
        ours = np.prod(np.power(x, exponent))
        assert function.calcValue(argument) == pytest.approx(ours, rel=1e-14)


def test_errors_are_as_told(leg, motion, fitted):
    """At 500 poses that neither the fit nor its judge saw; a quarter of slack for the draw."""
    poses = near(motion, 500, seed=11)
    true = paths(Model.from_spec(leg), poses)
    ours = paths(Model.from_spec(fitted.spec), poses)
    for k, fit in enumerate(fitted.fits):
        assert fit.muscle == leg.muscles[k].name
        off = np.sqrt(np.mean(np.square(ours.length[:, k] - true.length[:, k])))
        arms = ours.moment_arm[:, :, k] - true.moment_arm[:, :, k]
        at = [leg.free_coordinates.index(c) for c in fit.coordinates]
        arm_off = np.sqrt(np.mean(np.square(arms[:, at])))
        assert off <= 1.25 * fit.length_rms + 1e-9
        assert arm_off <= 1.25 * fit.moment_arm_rms + 1e-9
        assert fit.within_tolerance == (fit.length_rms <= 1e-4 and fit.moment_arm_rms <= 1e-4)
    assert sum(fit.within_tolerance for fit in fitted.fits) >= 5


def test_opensim_has_the_same_lengths_and_moment_arms(motion, fitted, tmp_path):
    """Written, and read by OpenSim: what is left is rounding of large terms that cancel."""
    write_osim(fitted.spec, tmp_path / "fitted.osim")
    ours = Model.from_spec(fitted.spec)
    poses = near(motion, 5, seed=5)
    found = paths(ours, poses)
    model = opensim.Model(str(tmp_path / "fitted.osim"))
    state = model.initSystem()
    coordinates = model.getCoordinateSet()
    for i, pose in enumerate(poses):
        for name, value in zip(ours.topology.free_coordinates, pose, strict=True):
            coordinates.get(name).setValue(state, float(value), False)
        model.realizePosition(state)
        for k, name in enumerate(ours.topology.muscles):
            muscle = model.getMuscles().get(name)
            assert muscle.getLength(state) == pytest.approx(float(found.length[i, k]), abs=1e-12)
            for j, coordinate in enumerate(ours.topology.free_coordinates):
                arm = muscle.getPath().computeMomentArm(state, coordinates.get(coordinate))
                assert arm == pytest.approx(float(found.moment_arm[i, j, k]), abs=1e-11)


def test_files_keep_them(fitted, tmp_path):
    write_osim(fitted.spec, tmp_path / "fitted.osim")
    assert read_osim(tmp_path / "fitted.osim").muscles == fitted.spec.muscles
    write_tables(fitted.spec, tmp_path / "tables")
    assert read_tables(tmp_path / "tables").muscles == fitted.spec.muscles


def test_a_model_gives_its_polynomials_back(fitted):
    spec = Model.from_spec(fitted.spec).to_spec(fitted.spec)
    assert [m.path for m in spec.muscles] == [m.path for m in fitted.spec.muscles]


def test_derivatives(motion, fitted):
    """Of lengths and moment arms by pose and coefficients, against central differences."""
    model = Model.from_spec(fitted.spec)

    def length(q):
        return muscle_paths(model, q).length

    q = jnp.asarray(motion[3])
    arm = muscle_paths(model, q).moment_arm
    np.testing.assert_allclose(arm, -jax.jacrev(length)(q).T, atol=1e-14)
    check_grads(lambda q: jnp.sum(muscle_paths(model, q).moment_arm ** 2), (q,), 1, rtol=1e-4)
    # Zero is where powers of a variable have no derivative if taken carelessly.
    assert np.all(np.isfinite(jax.jacrev(jax.jacrev(length))(jnp.zeros_like(q))))


def test_what_they_cannot_do_is_refused(motion, fitted):
    model = Model.from_spec(fitted.spec)
    with pytest.raises(ValueError, match="do not follow bodies that are scaled"):
        scale_model(model, {fitted.spec.bodies[0].name: (1.1, 1.0, 1.0)})
    frame = evaluate_frame(model, motion[0], 0 * motion[0], 0 * motion[0])
    with pytest.raises(ValueError, match=r"bifemlh_r.*do not say where they pull"):
        frame.joint_loads(jnp.ones(len(model.topology.muscles)))


def test_prescribed_coordinates_are_refused(fitted):
    """A locked coordinate that a motion gives: most of the polynomials do not know it."""
    joints = tuple(
        dataclasses.replace(
            j,
            coordinates=tuple(
                dataclasses.replace(c, locked=c.locked or c.name == "ankle_angle_r")
                for c in j.coordinates
            ),
        )
        for j in fitted.spec.joints
    )
    spec = dataclasses.replace(fitted.spec, joints=joints)
    with pytest.raises(ValueError, match="may not follow them as prescribed"):
        Model.from_spec(spec, prescribed=("ankle_angle_r",))


def test_impossible_paths_are_refused(fitted):
    muscle = fitted.spec.muscles[0]
    (path,) = muscle.path

    def spec_with(**changes):
        changed = dataclasses.replace(muscle, **changes)
        return dataclasses.replace(fitted.spec, muscles=(changed, *fitted.spec.muscles[1:]))

    short = MultivariatePolynomialFunction((1.0, 2.0), len(path.coordinates), 3)
    with pytest.raises(ValueError, match="has 2 coefficients, not"):
        spec_with(path=(dataclasses.replace(path, length_function=short),))
    with pytest.raises(ValueError, match="no points or wraps can be beside it"):
        spec_with(path=(path, path))
    unknown = FunctionBasedPath("p", ("neck", *path.coordinates[1:]), path.length_function)
    with pytest.raises(ValueError, match="unknown coordinate neck"):
        spec_with(path=(unknown,))


def test_moment_arm_functions_are_refused(fitted, tmp_path):
    """OpenSim would take these instead of the derivative."""
    write_osim(fitted.spec, tmp_path / "fitted.osim")
    text = (tmp_path / "fitted.osim").read_text()
    one = text.index("soleus_r")
    begin, end = (text.index(tag, one) for tag in ("<length_function>", "</FunctionBasedPath>"))
    function = text[begin:end].partition(">")[2].partition("</length_function>")[0]
    own = f"<moment_arm_functions>{function}</moment_arm_functions>"
    (tmp_path / "own.osim").write_text(text[:end] + own + text[end:])
    with pytest.raises(ValueError, match=r"soleus_r.*moment_arm_functions of its own"):
        read_osim(tmp_path / "own.osim")


def test_paths_that_no_polynomial_follows_are_kept(leg, motion, fitted):
    """If asked for: the others are the same polynomials."""
    kept = fit_paths(leg, SETTINGS, around=motion, only_within_tolerance=True)
    assert kept.fits == fitted.fits
    assert not all(fit.within_tolerance for fit in kept.fits)
    for fit, muscle, true, poly in zip(
        kept.fits, kept.spec.muscles, leg.muscles, fitted.spec.muscles, strict=True
    ):
        assert muscle == (poly if fit.within_tolerance else true)


def test_bad_arguments_are_refused(leg):
    with pytest.raises(ValueError, match="no muscle 'biceps'"):
        fit_paths(leg, muscles=["biceps"])
    with pytest.raises(ValueError, match=r"around has shape \(3, 2\)"):
        fit_paths(leg, around=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="must be at most pi"):
        PathFittingSettings(coordinate_sampling_bounds=10.0)
    with pytest.raises(ValueError, match="num_samples is 3"):
        PathFittingSettings(num_samples=3)
    with pytest.raises(ValueError, match="orders 4 to 2"):
        PathFittingSettings(minimum_polynomial_order=4, maximum_polynomial_order=2)
