import jax
import jax.numpy as jnp
import numpy as np
import opensim
import pytest

from cervjax.muscle import millard_force_curves, thelen_force_curves
from cervjax.spec import MillardCurves, ThelenCurves

OTHER = MillardCurves(
    min_norm_active_fiber_length=0.5,
    transition_norm_fiber_length=0.75,
    max_norm_active_fiber_length=1.7,
    shallow_ascending_slope=0.7,
    concentric_slope_near_vmax=0.2,
    isometric_slope=4.0,
    max_eccentric_velocity_force_multiplier=1.5,
    concentric_curviness=0.4,
    eccentric_curviness=0.7,
    passive_strain_at_zero_force=0.1,
    passive_strain_at_one_norm_force=0.6,
    passive_stiffness_at_low_force=0.3,
    passive_stiffness_at_one_norm_force=4.0,
    passive_curviness=0.6,
)


def _reference(name, s):
    if name == "active_force_length":
        return opensim.ActiveForceLengthCurve(
            s.min_norm_active_fiber_length,
            s.transition_norm_fiber_length,
            s.max_norm_active_fiber_length,
            s.shallow_ascending_slope,
            s.minimum_value,
        )
    if name == "force_velocity":
        return opensim.ForceVelocityCurve(
            s.concentric_slope_at_vmax,
            s.concentric_slope_near_vmax,
            s.isometric_slope,
            s.eccentric_slope_at_vmax,
            s.eccentric_slope_near_vmax,
            s.max_eccentric_velocity_force_multiplier,
            s.concentric_curviness,
            s.eccentric_curviness,
        )
    return opensim.FiberForceLengthCurve(
        s.passive_strain_at_zero_force,
        s.passive_strain_at_one_norm_force,
        s.passive_stiffness_at_low_force,
        s.passive_stiffness_at_one_norm_force,
        s.passive_curviness,
    )


SPANS = {
    "active_force_length": (0.2, 2.2),
    "force_velocity": (-1.5, 1.5),
    "passive_force_length": (0.8, 2.0),
}


@pytest.mark.parametrize("shape", [MillardCurves(), OTHER], ids=["default", "other"])
@pytest.mark.parametrize("name", SPANS)
def test_millard_curves_are_opensims(name, shape):
    """Values to 1e-12, first derivatives to 1e-10, second to 1e-8, inside and outside."""
    reference = _reference(name, shape)
    x = np.linspace(*SPANS[name], 1003)
    curve = getattr(millard_force_curves([shape]), name)

    def at(x):
        return curve(x[None])[0]

    value, slope = jax.vmap(jax.value_and_grad(at))(jnp.asarray(x))
    bend = jax.vmap(jax.grad(jax.grad(at)))(jnp.asarray(x))
    np.testing.assert_allclose(value, [reference.calcValue(float(t)) for t in x], atol=1e-12)
    expected = [reference.calcDerivative(float(t), 1) for t in x]
    np.testing.assert_allclose(slope, expected, atol=1e-10)
    expected = [reference.calcDerivative(float(t), 2) for t in x]
    np.testing.assert_allclose(bend, expected, atol=1e-8)


@pytest.mark.parametrize("name", SPANS)
def test_millard_curves_in_float32(name):
    """To 5e-6: the steepest slope is 5, the rounding of the argument 1e-7."""
    curves = millard_force_curves([MillardCurves()])
    small = jax.tree.map(lambda x: x.astype(jnp.float32), curves)
    x = np.linspace(*SPANS[name], 1003)
    exact = getattr(curves, name)(jnp.asarray(x))
    rounded = getattr(small, name)(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(rounded, exact, atol=5e-6)


def test_muscles_with_their_own_curves_keep_them():
    together = millard_force_curves([MillardCurves(), OTHER])
    apart = [millard_force_curves([s]) for s in (MillardCurves(), OTHER)]
    x = jnp.array([0.9, 0.9])
    for name in SPANS:
        both = getattr(together, name)(x)
        for k in range(2):
            np.testing.assert_allclose(both[k], getattr(apart[k], name)(x[:1])[0], rtol=1e-14)


def test_thelen_curves_are_continuous_and_of_known_values():
    curves = thelen_force_curves([ThelenCurves()])
    for name, x, y in [
        ("active_force_length", 1.0, 1.0),
        ("force_velocity", -1.0, 0.0),
        ("force_velocity", 0.0, 1.0),
        ("passive_force_length", 1.0, 0.0),
        ("passive_force_length", 1.6, 1.0),
    ]:
        curve = getattr(curves, name)
        np.testing.assert_allclose(curve(jnp.array([x]))[0], y, atol=1e-12)
        beside = [float(curve(jnp.array([x + d]))[0]) for d in (-1e-9, 1e-9)]
        np.testing.assert_allclose(beside, y, atol=1e-7)
