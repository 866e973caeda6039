"""A model with its bodies scaled, as OpenSim's `Model.scale` does it with a ScaleSet."""

from collections.abc import Mapping
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics import muscle_paths
from cervjax.kinematics.paths import path_force_paths
from cervjax.kinematics.tree import still_state
from cervjax.model import Model

InertiaRule = Literal["affine", "opensim"]


def scaled_bodies(
    model: Model, scale: Float[Array, "bodies 3"], inertia: InertiaRule = "affine"
) -> Model:
    """The model with longer and shorter bodies, and the muscles it had; masses stay.

    Args:
        model: to scale.
        scale: of each body along its axes, ground first.
        inertia: how the inertia of a stretched body follows; see `Personalizer`.

    Returns:
        Sizes (m) and inertias of the person. Translations of a joint scale along its axes with the
        body it hangs on, unless a coordinate is the translation itself.
    """
    topology, source = model.topology, model
    parent, child = np.array(topology.joint_parent), np.array(topology.joint_child)
    ends = np.array(topology.bushing_bodies, dtype=int).reshape(-1, 2)
    rule = _affine_inertia if inertia == "affine" else _opensim_inertia
    moved = scale[parent]
    model = eqx.tree_at(
        lambda m: (
            m.body_mass_center,
            m.body_inertia,
            m.joint_parent_translation,
            m.joint_child_translation,
            m.path_point_location,
            m.path_elements,
            m.path_forces,
            m.marker_location,
            m.bushings.translation1,
            m.bushings.translation2,
        ),
        model,
        (
            model.body_mass_center * scale,
            rule(model, scale),
            model.joint_parent_translation * moved,
            model.joint_child_translation * scale[child],
            model.path_point_location * scale[np.array(topology.point_body, dtype=int)],
            tuple(element.scaled(scale) for element in model.path_elements),
            model.path_forces.scaled(scale),
            model.marker_location * scale[np.array(topology.marker_body, dtype=int)],
            model.bushings.translation1 * scale[ends[:, 0]],
            model.bushings.translation2 * scale[ends[:, 1]],
        ),
    )
    if any(map(any, topology.scaled_slides)):
        model = _scaled_slides(model, moved)
    if topology.coupled_slides:
        model = _scaled_couplings(model, moved)
    if model.path_forces.element is None:
        return model
    stretch = _path_force_lengths(model) / _path_force_lengths(source)
    return eqx.tree_at(lambda m: m.path_forces, model, model.path_forces.stretched(stretch))


def scale_model(
    model: Model,
    scales: Mapping[str, tuple[float, float, float]],
    *,
    preserve_mass_distribution: bool = True,
    final_mass: float | None = None,
    inertia: InertiaRule = "opensim",
) -> Model:
    """A person's model by scale factors of its bodies: OpenSim's `Model.scale`.

    Optimal fiber, tendon slack and resting lengths scale with the length of the path in the default
    pose.

    Args:
        model: to scale.
        scales: factors along the axes of each body, by its name; 1 for bodies that it lacks.
        preserve_mass_distribution: whether masses stay; else each grows with the body's volume.
        final_mass: kg, that all masses are then scaled to.
        inertia: how the inertia of a stretched body follows; see `Personalizer`.

    Returns:
        The person's model, m and kg.

    Raises:
        ValueError: the model has no such body, or a factor or the mass is not positive.
    """
    bodies = model.topology.bodies
    unknown = sorted(set(scales) - set(bodies[1:]))
    if unknown:
        raise ValueError(
            f"scales names {', '.join(map(repr, unknown))}; the bodies of "
            f"{model.topology.name!r} are {', '.join(bodies[1:])}"
        )
    factors = np.array([scales.get(name, (1.0, 1.0, 1.0)) for name in bodies])
    if not np.all(factors > 0):
        raise ValueError(f"scale factors must be positive, got {dict(scales)}")
    if final_mass is not None and not final_mass > 0:
        raise ValueError(f"final_mass = {final_mass} kg must be positive")
    scale = jnp.asarray(factors, model.dtype)
    scaled = scaled_bodies(model, scale, inertia)
    heavier = jnp.ones_like(model.body_mass)
    if not preserve_mass_distribution:
        heavier = jnp.prod(scale, axis=1)
    mass = scaled.body_mass * heavier
    inertias = scaled.body_inertia * heavier[:, None, None]
    if final_mass is not None:
        factor = final_mass / jnp.sum(mass)
        mass, inertias = mass * factor, inertias * factor
    stretch = default_lengths(scaled) / default_lengths(model)
    muscles = model.muscles
    return eqx.tree_at(
        lambda m: (
            m.body_mass,
            m.body_inertia,
            m.muscles.optimal_fiber_length,
            m.muscles.tendon_slack_length,
        ),
        scaled,
        (
            mass,
            inertias,
            muscles.optimal_fiber_length * stretch,
            muscles.tendon_slack_length * stretch,
        ),
    )


@eqx.filter_jit
def default_lengths(model: Model) -> Float[Array, " muscles"]:
    """Lengths of the muscles in the default pose, m."""
    # Compiled as one: done operation by operation, each is compiled by itself.
    return muscle_paths(model, model.default_q).length


@eqx.filter_jit
def _path_force_lengths(model: Model) -> Float[Array, " forces"]:
    """Of ligaments and springs in the default pose, m."""
    rest, state = still_state(model, model.default_q)
    return path_force_paths(model, rest, state, model.default_q).length


def _scaled_slides(model: Model, parent: Float[Array, "joints 3"]) -> Model:
    """Translations of joints by functions, scaled along their axes with the parent bodies."""
    topology = model.topology
    scales = np.array(topology.scaled_slides, dtype=bool)
    moving = np.array(topology.moving_joints, dtype=int)
    # OpenSim has the sum of |axis| in place of that of its squares: where an axis is oblique even a
    # body scaled by one would move its joint further. Along the body's axes both are the same.
    along = jnp.sum(model.joint_axis[:, 3:] ** 2 * parent[moving][:, None], axis=-1)
    gain = jnp.where(scales[moving], along, 1.0)
    gain = jnp.concatenate([jnp.ones_like(gain), gain], axis=1).reshape(-1)
    # Where joints that do not move are displaced, their axes are those of the parent's frame.
    rest = jnp.where(scales, parent, 1.0)
    return eqx.tree_at(
        lambda m: (m.coordinates.to_axes, m.joint_rest_translation),
        model,
        (model.coordinates.to_axes.scaled(gain), model.joint_rest_translation * rest),
    )


def _scaled_couplings(model: Model, parent: Float[Array, "joints 3"]) -> Model:
    """Translations that couplers drive, scaled along their axes with the parent bodies.

    OpenSim scales them where a body is scaled evenly, and refuses to where it is not.
    """
    index, joint, axis = map(np.array, zip(*model.topology.coupled_slides, strict=True))
    factor = jnp.ones(len(model.topology.all_coordinates), model.dtype)
    along = jnp.sum(axis**2 * parent[joint], axis=-1)
    return eqx.tree_at(
        lambda m: m.coordinates,
        model,
        model.coordinates.scaled_couplings(factor.at[index].set(along)),
    )


def _affine_inertia(model: Model, scale: Float[Array, "bodies 3"]) -> Float[Array, "bodies 3 3"]:
    """Inertia of bodies of unchanged mass, stretched by `scale`.

    The second moments of mass, J = tr(I)/2 - I, stretch as S J S.
    """
    eye = jnp.eye(3, dtype=model.dtype)
    inertia = model.body_inertia
    half_trace = 0.5 * _trace(inertia)
    moments = (half_trace * eye - inertia) * scale[:, :, None] * scale[:, None, :]
    return _trace(moments) * eye - moments


def _trace(matrix: Float[Array, "n 3 3"]) -> Float[Array, "n 1 1"]:
    # Written out: XLA's CPU backend is slow along short axes.
    return (matrix[:, 0, 0] + matrix[:, 1, 1] + matrix[:, 2, 2])[:, None, None]


def _opensim_inertia(model: Model, scale: Float[Array, "bodies 3"]) -> Float[Array, "bodies 3 3"]:
    """OpenSim's `Body::scaleInertialProperties` without mass scaling."""
    inertia = model.body_inertia
    mass = jnp.where(model.body_mass > 0, model.body_mass, 1.0)
    moments = jnp.diagonal(inertia, axis1=-2, axis2=-1)
    axis = jnp.argmin(moments, axis=-1)
    other = jnp.where(axis == 0, 1, 0)

    def at(values: Array, index: Array) -> Array:
        return jnp.take_along_axis(values, index[:, None], axis=-1)[:, 0]

    radius2 = jnp.maximum(2 * at(moments, axis) / mass, 0.0)
    length2 = jnp.maximum(12 * (at(moments, other) - 0.25 * mass * radius2) / mass, 0.0)
    along = at(scale, axis)
    radius2 = radius2 * jnp.prod(scale, axis=-1) / along
    length2 = length2 * along**2
    axial, across = 0.5 * mass * radius2, mass * (length2 / 12 + 0.25 * radius2)
    is_axis = jnp.arange(3)[None] == axis[:, None]
    diagonal = jnp.where(is_axis, axial[:, None], across[:, None])
    eye = jnp.eye(3, dtype=bool)
    uneven = jnp.where(eye, diagonal[:, :, None], inertia * scale[:, :, None] * scale[:, None])
    even = inertia * (scale[:, :1] ** 2)[:, :, None]
    same = jnp.all(jnp.abs(scale - scale[:, :1]) < 1e-12, axis=-1)[:, None, None]
    result = jnp.where(same, even, uneven)
    return jnp.where((model.body_mass > 0)[:, None, None], result, 0.0)
