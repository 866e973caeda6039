import jax
import jax.numpy as jnp
import numpy as np

from cervjax.kinematics import marker_positions, muscle_paths
from cervjax.spec import shipped_neck
from tests.helpers import random_motion


def test_moment_arms_are_minus_the_gradient_of_lengths(model, neck):
    """The analytic moment arms against automatic differentiation, to rounding."""
    q = jnp.asarray(random_motion(neck, 1, 0)[0][0])
    gradient = jax.jit(jax.jacfwd(lambda q: muscle_paths(model, q).length))(q)
    arms = jax.jit(lambda q: muscle_paths(model, q).moment_arm)(q)
    np.testing.assert_allclose(arms, -gradient.T, atol=1e-14)


def test_positive_pitch_is_extension(model):
    """The head's front markers go up, and the sternomastoids shorten in flexion."""
    names = list(model.topology.markers)
    q = jnp.zeros(6)
    markers = jax.jit(lambda q: marker_positions(model, q))
    up = markers(q.at[0].set(0.2)) - markers(q)
    assert up[names.index("RAH"), 1] > 0
    paths = jax.jit(lambda q: muscle_paths(model, q))(q)
    arm = paths.moment_arm[0, model.muscle_index("stern_mast")]
    assert arm < 0, "sternomastoid flexes the lower neck: a negative moment arm in extension"


def test_coincident_points_give_finite_gradients():
    import dataclasses

    from cervjax.model import Model

    spec = shipped_neck()
    muscle = spec.muscles[0]
    path = (muscle.path[0], muscle.path[0], muscle.path[1])
    spec = dataclasses.replace(
        spec, muscles=(dataclasses.replace(muscle, path=path), *spec.muscles[1:])
    )
    model = Model.from_spec(spec)
    total = jax.jit(jax.grad(lambda m: jnp.sum(muscle_paths(m, jnp.zeros(6)).length)))
    gradient = total(model)
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(gradient))
