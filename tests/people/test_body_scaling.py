"""Bodies scaled one by one, against OpenSim's `Model.scale`."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import opensim
import pytest

from cervjax import Model
from cervjax.kinematics import muscle_paths
from cervjax.people import scale_model
from cervjax.people.body_scaling import scaled_bodies
from cervjax.spec import (
    Body,
    Constant,
    Coordinate,
    CoordinateCoupler,
    Joint,
    LinearFunction,
    ModelSpec,
    Muscle,
    OffsetFrame,
    PathPoint,
    PolynomialFunction,
    TransformAxis,
)
from conversion import read_osim, read_scale_set, write_osim
from conversion.opensim_functions import axes_of_simple_joint


@jax.jit
def paths(model, q):
    return jax.vmap(partial(muscle_paths, model))(q)


def opensim_scaled(file, factors, folder, *, preserve, mass):
    model = opensim.Model(str(file))
    state = model.initSystem()
    scales = opensim.ScaleSet()
    for body, factor in factors.items():
        scale = opensim.Scale()
        scale.setSegmentName(body)
        scale.setScaleFactors(opensim.Vec3(*factor))
        scale.setApply(True)
        scales.cloneAndAppend(scale)
    model.scale(state, scales, preserve, mass or -1.0)
    model.printToXML(str(folder / "scaled.osim"))
    return read_osim(folder / "scaled.osim")


@pytest.mark.parametrize(
    ("name", "preserve", "mass"),
    [("leg6dof9musc", True, None), ("gait2392_thelen2003muscle", False, 62.0)],
)
def test_scaled_as_opensim_scales(data, tmp_path, name, preserve, mass):
    """Knees that slide by splines, points that move and come and go: lengths and moment arms to
    1e-8 m, masses, inertias and muscle lengths to rounding."""
    file = data / "opensim_models" / "ccby_models" / f"{name}.osim"
    spec = read_osim(file)
    rng = np.random.default_rng(2)
    factors = {b.name: tuple(map(float, rng.uniform(0.85, 1.2, 3))) for b in spec.bodies[1:]}
    factors[spec.bodies[0].name] = (1.1, 1.1, 1.1)
    theirs = Model.from_spec(opensim_scaled(file, factors, tmp_path, preserve=preserve, mass=mass))
    ours = scale_model(
        Model.from_spec(spec), factors, preserve_mass_distribution=preserve, final_mass=mass
    )
    ends = np.clip(ours.topology.free_ranges, -1, 1)
    q = jnp.asarray(rng.uniform(*ends.T, (20, len(ends))))
    mine, wanted = paths(ours, q), paths(theirs, q)
    np.testing.assert_allclose(mine.length, wanted.length, atol=1e-8, rtol=0)
    np.testing.assert_allclose(mine.moment_arm, wanted.moment_arm, atol=1e-8, rtol=0)
    np.testing.assert_allclose(ours.body_mass, theirs.body_mass, rtol=1e-10)
    np.testing.assert_allclose(ours.body_inertia, theirs.body_inertia, rtol=1e-6, atol=1e-9)
    again = Model.from_spec(ours.to_spec(spec))
    np.testing.assert_allclose(paths(again, q).length, mine.length, atol=1e-12, rtol=0)
    for length in ("optimal_fiber_length", "tendon_slack_length"):
        np.testing.assert_allclose(
            getattr(ours.muscles, length), getattr(theirs.muscles, length), rtol=1e-8
        )


def test_the_derivative_by_a_body(data):
    """Of path lengths by a scale factor, against central differences."""
    spec = read_osim(data / "opensim_models" / "ccby_models" / "leg6dof9musc.osim")
    model = Model.from_spec(spec)
    femur = model.body_index("femur_r")
    q = jnp.asarray([0.3, 0.1, -0.2, -0.8, 0.1, 0.05])[: len(model.default_q)]

    @jax.jit
    def lengths(factor):
        scale = jnp.ones_like(model.body_mass_center).at[femur, 1].set(factor)
        return muscle_paths(scaled_bodies(model, scale), q).length

    slope = jax.jacfwd(lengths)(1.05)
    step = 1e-6
    central = (lengths(1.05 + step) - lengths(1.05 - step)) / (2 * step)
    np.testing.assert_allclose(slope, central, atol=1e-7)
    assert np.abs(slope).max() > 0.1


def test_a_scale_set_of_a_file(tmp_path):
    scales = opensim.ScaleSet()
    for name, applied in (("femur_r", True), ("tibia_r", False)):
        scale = opensim.Scale()
        scale.setSegmentName(name)
        scale.setScaleFactors(opensim.Vec3(1.1, 0.9, 1.2))
        scale.setApply(applied)
        scales.cloneAndAppend(scale)
    scales.printToXML(str(tmp_path / "scales.xml"))
    assert read_scale_set(tmp_path / "scales.xml") == {"femur_r": (1.1, 0.9, 1.2)}
    (tmp_path / "other.xml").write_text("<OpenSimDocument/>")
    with pytest.raises(ValueError, match="not a ScaleSet"):
        read_scale_set(tmp_path / "other.xml")


def test_what_cannot_be_scaled(data):
    spec = read_osim(data / "opensim_models" / "ccby_models" / "leg6dof9musc.osim")
    model = Model.from_spec(spec)
    with pytest.raises(ValueError, match=r"'thigh'; the bodies of .* are .*femur_r"):
        scale_model(model, {"thigh": (1.0, 1.0, 1.0)})
    with pytest.raises(ValueError, match="must be positive"):
        scale_model(model, {"femur_r": (1.0, -1.0, 1.0)})


def test_a_translation_that_a_coupler_drives(tmp_path):
    """It grows with the body it hangs on, as OpenSim's `scale_factor` does, and is written back."""
    body = [Body(n, 1.0, (0.0, 0.1, 0.0), (0.01, 0.02, 0.02, 0.0, 0.0, 0.0)) for n in "ab"]
    turn, slide = (
        Joint(
            f"{child}_joint",
            kind,
            OffsetFrame(parent, (0.1, 0.2, 0.0)),
            OffsetFrame(child),
            (Coordinate(name, 0.0, (-1.0, 1.0), motion),),
            axes_of_simple_joint(kind, [name]),
        )
        for parent, child, kind, name, motion in (
            ("ground", "a", "PinJoint", "turn", "rotational"),
            ("a", "b", "SliderJoint", "slide", "translational"),
        )
    )
    path = PathPoint("P0", "ground", (0.3, 0.0, 0.1)), PathPoint("P1", "b", (0.0, 0.2, 0.05))
    spec = ModelSpec(
        "coupled",
        tuple(body),
        (turn, slide),
        (CoordinateCoupler("tie", "slide", "turn", PolynomialFunction((0.03, 0.02, 0.01))),),
        (Muscle("m", path, 100.0, 0.1, 0.1, 0.0),),
    )
    write_osim(spec, tmp_path / "coupled.osim")
    factors = {"a": (1.2, 1.2, 1.2), "b": (0.9, 1.1, 1.0)}
    scaled = opensim_scaled(tmp_path / "coupled.osim", factors, tmp_path, preserve=True, mass=None)
    theirs = Model.from_spec(scaled)
    ours = scale_model(Model.from_spec(spec), factors)
    q = jnp.linspace(-0.9, 0.9, 7)[:, None]
    wanted = paths(theirs, q).length
    np.testing.assert_allclose(paths(ours, q).length, wanted, atol=1e-12, rtol=0)
    assert np.ptp(np.asarray(wanted - paths(Model.from_spec(spec), q).length)) > 1e-3
    again = Model.from_spec(ours.to_spec(spec))
    np.testing.assert_allclose(paths(again, q).length, wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize("coupled", [False, True])
def test_translations_along_oblique_axes(coupled):
    """A body scaled by one moves its joint as before, and one scaled evenly by that factor: with
    OpenSim's own sum of the axis' components it would move 1.4 times as far."""
    body = [Body(n, 1.0, (0.0, 0.1, 0.0), (0.01, 0.02, 0.02, 0.0, 0.0, 0.0)) for n in "ab"]
    pin = Joint(
        "pin",
        "PinJoint",
        OffsetFrame("ground"),
        OffsetFrame("a"),
        (Coordinate("turn", 0.0, (-1.0, 1.0), "rotational"),),
        axes_of_simple_joint("PinJoint", ["turn"]),
    )
    curve, itself = PolynomialFunction((0.03, 0.02, 0.15)), LinearFunction((1.0, 0.0))
    nothing, own = Constant(0.0), "slide" if coupled else "roll"
    axes = (
        TransformAxis((1.0, 0.0, 0.0), None if coupled else own, nothing if coupled else itself),
        TransformAxis((0.0, 1.0, 0.0), None, nothing),
        TransformAxis((0.0, 0.0, 1.0), None, nothing),
        TransformAxis((0.6, 0.8, 0.0), own, itself if coupled else curve),
        TransformAxis((0.8, -0.6, 0.0), None, nothing),
        TransformAxis((0.0, 0.0, 1.0), None, nothing),
    )
    kind = "translational" if coupled else "rotational"
    custom = Joint(
        "oblique",
        "CustomJoint",
        OffsetFrame("a"),
        OffsetFrame("b"),
        (Coordinate(own, 0.0, (-1.0, 1.0), kind),),
        axes,
    )
    path = PathPoint("P0", "a", (0.0, 0.0, 0.0)), PathPoint("P1", "b", (0.0, 0.0, 0.0))
    tie = (CoordinateCoupler("tie", own, "turn", curve),) if coupled else ()
    muscle = Muscle("m", path, 100.0, 0.1, 0.1, 0.0)
    model = Model.from_spec(ModelSpec("oblique", tuple(body), (pin, custom), tie, (muscle,)))
    q = jnp.full((1, model.default_q.shape[0]), 0.4)
    before = paths(model, q).length
    for factor in (1.0, 1.1):
        scaled = scale_model(model, {"a": (factor,) * 3})
        np.testing.assert_allclose(paths(scaled, q).length, factor * before, rtol=1e-12)
