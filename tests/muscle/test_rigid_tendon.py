import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.dynamics import mechanics
from cervjax.model import Model
from cervjax.muscle import rigid_tendon_state
from cervjax.spec import ThelenCurves
from conversion.opensim_engine import OpensimNeck
from tests.helpers import random_motion, single


def _states(model, q, qd):
    def state(q, qd):
        frame = mechanics(model, q, qd, jnp.zeros_like(q))
        return rigid_tendon_state(model.muscles, frame.length, frame.lengthening_speed)

    return jax.jit(jax.vmap(state))(jnp.asarray(q), jnp.asarray(qd))


@pytest.mark.parametrize("speed", [0.0, 3.0, 12.0])
def test_millard_forces_are_opensims_over_the_full_range(neck, model, speed):
    """Clamped fibers, fibers past their maximum speed and slack ones included; all 72 muscles.

    1e-10 of max isometric force: OpenSim inverts its curves to about 1e-13.
    """
    engine = OpensimNeck(neck, model)
    q, qd, _ = random_motion(neck, 40, 0, speed=speed)
    states = _states(model, q, qd)
    strongest = np.asarray(model.muscles.max_isometric_force)
    clamped = 0
    for i in range(len(q)):
        state, reference = single(states, i), engine.muscle_forces(q[i], qd[i])
        ones = jnp.ones_like(strongest)
        for ours, theirs in [
            (state.active_fiber_force * state.cos_pennation, reference.active_along_tendon),
            (state.tendon_force(ones), reference.total_along_tendon),
            (state.opensim_active_force, reference.static_optimization),
        ]:
            np.testing.assert_allclose(ours / strongest, theirs / strongest, atol=1e-10)
        clamped += int(np.sum(np.asarray(state.active_fiber_force) == 0))
    assert clamped > 0, "the range no longer reaches a muscle's ends; widen it"


def test_thelen_forces_of_static_optimization_are_opensims(neck):
    thelen = tuple(
        dataclasses.replace(m, curves=ThelenCurves(), fiber_damping=0.0) for m in neck.muscles
    )
    spec = dataclasses.replace(neck, muscles=thelen)
    model = Model.from_spec(spec)
    engine = OpensimNeck(spec, model)
    q, qd, _ = random_motion(spec, 20, 1, speed=5.0)
    states = _states(model, q, qd)
    strongest = np.asarray(model.muscles.max_isometric_force)
    for i in range(len(q)):
        reference = engine.muscle_forces(q[i], qd[i]).static_optimization
        ours = single(states, i).opensim_active_force
        # OpenSim inverts its force-velocity curve iteratively, to 1e-8 or so.
        np.testing.assert_allclose(ours / strongest, reference / strongest, atol=1e-7)


def test_a_mixture_of_muscle_models_keeps_each_its_own(neck):
    mixed = tuple(
        dataclasses.replace(m, curves=ThelenCurves()) if i % 3 == 0 else m
        for i, m in enumerate(neck.muscles)
    )
    alone = [
        Model.from_spec(dataclasses.replace(neck, muscles=tuple(muscles)))
        for muscles in (
            mixed,
            neck.muscles,
            [dataclasses.replace(m, curves=ThelenCurves()) for m in neck.muscles],
        )
    ]
    q, qd, _ = random_motion(neck, 3, 2)
    both, millard, thelen = (_states(m, q, qd).active_fiber_force for m in alone)
    expected = np.where(np.arange(72) % 3 == 0, thelen, millard)
    np.testing.assert_allclose(both, expected, rtol=1e-13)
