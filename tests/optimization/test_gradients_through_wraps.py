"""Derivatives of a wrapped path, its moment arms and the optimized forces by pose, radius of the
surface and size of the body, against central differences; finite where the path touches."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax import Model
from cervjax.kinematics import muscle_paths
from cervjax.optimization import StaticOptimizationSettings, static_optimization
from cervjax.people.body_scaling import scaled_bodies
from cervjax.spec import (
    Body,
    Coordinate,
    CoordinateActuator,
    Joint,
    ModelSpec,
    Muscle,
    OffsetFrame,
    PathPoint,
    PathWrap,
    WrapCylinder,
    WrapSphere,
)
from conversion.opensim_functions import axes_of_simple_joint
from tests.helpers import central_difference

RADIUS = 0.04
SURFACES = {
    "cylinder": WrapCylinder("roll", "arm", (0.0, 0.0, 0.0), radius=RADIUS, length=1.0),
    "sphere": WrapSphere("roll", "arm", (0.0, 0.0, 0.0), radius=RADIUS),
}


def elbow(kind):
    """A forearm that hangs on a hinge; an extensor over a surface at the hinge, two flexors."""
    body = Body("arm", 2.0, (0.1, -0.2, 0.0), (0.02, 0.01, 0.02, 0.0, 0.0, 0.0))
    hinge = Coordinate("flexion", 0.0, (-0.2, 2.2), "rotational")
    joint = Joint("elbow", "PinJoint", OffsetFrame("ground", (0.0, 1.0, 0.0)), OffsetFrame("arm"),
                  (hinge,), axes_of_simple_joint("PinJoint", ["flexion"]))  # fmt: skip

    def muscle(name, x, force, wraps=()):
        path = (PathPoint(f"{name}1", "ground", (x, 1.25, 0.01)),
                PathPoint(f"{name}2", "arm", (x, -0.06, 0.01)))  # fmt: skip
        return Muscle(name, path, force, 0.15, 0.15, 0.1, wraps=wraps)

    muscles = (
        muscle("extensor", -0.045, 300.0, (PathWrap("over", "roll"),)),
        muscle("flexor", 0.06, 400.0),
        muscle("other", 0.05, 200.0),
    )
    return ModelSpec("elbow", (body,), (joint,), muscles=muscles,
                     actuators=(CoordinateActuator("reserve", "flexion", 0.1),),
                     wrap_objects=(SURFACES[kind],))  # fmt: skip


@eqx.filter_jit
def quantities(model, angle, radius, size):
    """Length (m) and moment arm (m) of the wrapped muscle, and the sum of its optimized force (N)
    and a flexor's."""
    model = eqx.tree_at(
        lambda m: m.path_elements[0].groups[0].size[0],
        model,
        model.path_elements[0].groups[0].size[0].at[0, 0].set(radius),
    )
    scale = jnp.ones((2, 3)).at[1].set(size)
    model = scaled_bodies(model, scale)
    q = jnp.reshape(angle, (1,))
    paths = muscle_paths(model, q)
    # Extension is asked for: the extensor works.
    solved = static_optimization(
        model, q, 0 * q, 0 * q - 20.0, StaticOptimizationSettings("physical")
    )
    return jnp.stack([paths.length[0], paths.moment_arm[0, 0], solved.muscle_force[0]])


path_length = eqx.filter_jit(lambda model, q: muscle_paths(model, q).length[0])
derivatives = eqx.filter_jit(jax.jacfwd(quantities, (1, 2, 3)))

AT = (1.1, RADIUS, 1.05)


@pytest.mark.parametrize("kind", SURFACES)
def test_derivatives(kind):
    """1e-4 of central differences."""
    model = Model.from_spec(elbow(kind))
    at = tuple(map(jnp.asarray, AT))
    value = quantities(model, *at)
    assert value[2] > 5, "the extensor has to work, or there is nothing to derive"
    for k, found in enumerate(derivatives(model, *at)):
        for i in range(3):

            def along(x, k=k, i=i):
                return quantities(model, *at[:k], jnp.asarray(x), *at[k + 1 :])[i]

            expected = central_difference(along, AT[k])
            np.testing.assert_allclose(found[i], expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("kind", SURFACES)
def test_finite_where_the_path_touches(kind):
    """The angle at which the path begins to wrap, found by bisection to the last digit: lengths,
    moment arms and forces and their derivatives are numbers there and on either side."""
    model = Model.from_spec(elbow(kind))
    spec = elbow(kind)
    muscles = tuple(dataclasses.replace(m, wraps=()) for m in spec.muscles)
    bare = Model.from_spec(dataclasses.replace(spec, muscles=muscles, wrap_objects=()))

    def wraps(angle):
        q = jnp.asarray([angle])
        return path_length(model, q) > path_length(bare, q) + 1e-15

    low, high = -0.2, 1.1
    assert not wraps(low)
    assert wraps(high)
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if wraps(middle) else (middle, high)
    for angle in (low, high, np.nextafter(low, -1), np.nextafter(high, 2)):
        at = tuple(map(jnp.asarray, (angle, RADIUS, 1.0)))
        assert np.all(np.isfinite(quantities(model, *at)))
        for derivative in derivatives(model, *at):
            assert np.all(np.isfinite(derivative))
