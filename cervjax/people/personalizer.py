"""`personalize`: a person's neck from a model's, as OpenSim's `Model.scale` does it."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics import muscle_paths
from cervjax.model import Model, Topology
from cervjax.spec import ModelSpec

from .subject import ScalingRecipe, Subject

InertiaRule = Literal["affine", "opensim"]


class Personalizer(eqx.Module):
    """Makes a person's `Model` from a model's; one compiled function for any batch of people.

    Body geometry, path points, markers, optimal fiber lengths and tendon slack lengths change
    exactly as `Model.scale(state, scales, preserveMassDist=True)` changes them: lengths along
    the path in proportion to the path's length in the default pose; max isometric force, bushing
    stiffness and masses not at all. Strength and head mass are applied after. (A point given in
    a turned offset frame is scaled along the body's axes, where OpenSim scales along the frame's.)

    Attributes:
        model: the neck that `Subject` of ones stands for.
        path_length: m, of the muscles of `model` in its default pose.
    """

    model: Model
    path_length: Float[Array, " muscles"]
    recipe: ScalingRecipe = eqx.field(static=True)
    inertia: InertiaRule = eqx.field(static=True)
    flexors: tuple[int, ...] = eqx.field(static=True)
    extensors: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        source: Model | ModelSpec,
        *,
        recipe: ScalingRecipe | None = None,
        inertia: InertiaRule = "affine",
    ) -> None:
        """Prepare to scale a model.

        Args:
            source: the model, or the spec to make it from.
            recipe: which parts are scaled; those that the model's anatomy names if None.
            inertia: how the inertia of a stretched body follows. `affine`: that of the same mass
                stretched with the body, smooth in the ratios. `opensim`: OpenSim's rule, which
                takes a body scaled unevenly for a cylinder about its axis of least inertia, and
                so jumps as the ratio leaves one.

        Raises:
            ValueError: a body or a muscle group of the recipe is missing, or a joint that would
                be scaled translates.
        """
        model = Model.from_spec(source) if isinstance(source, ModelSpec) else source
        topology = model.topology
        recipe = ScalingRecipe.of(topology.anatomy) if recipe is None else recipe
        for body in (*recipe.neck, *recipe.shoulders, *recipe.head):
            model.body_index(body)
        if topology.slides:
            raise ValueError(
                f"{topology.name!r} has joints that translate; scaling of these is not supported"
            )
        scaled = {*recipe.neck, *recipe.shoulders, *recipe.head}
        for k, parent in enumerate(topology.joint_parent):
            shifted = bool(np.any(np.asarray(model.joint_rest_translation[k]) != 0))
            if shifted and topology.bodies[parent] in scaled:
                raise ValueError(
                    f"joint {topology.joints[k]!r} is displaced on a scaled body; "
                    "scaling of that is not supported"
                )
        self.model = model
        self.recipe = recipe
        self.inertia = inertia
        self.path_length = default_lengths(model)
        self.flexors = _members(topology, recipe.flexor_groups)
        self.extensors = _members(topology, recipe.extensor_groups)
        both = set(self.flexors) & set(self.extensors)
        if both:
            names = [topology.muscles[i] for i in sorted(both)]
            raise ValueError(f"muscles {names} are both flexors and extensors in the recipe")

    def __call__(self, subject: Subject) -> Model:
        """The neck of one person; `jax.vmap` for many."""
        scaled = self.scaled(subject)
        return self.stretched(scaled, subject, muscle_paths(scaled, scaled.default_q).length)

    def scaled(self, subject: Subject) -> Model:
        """The bodies of one person, with the muscles of the model.

        Args:
            subject: the person's ratios.

        Returns:
            Sizes (m), masses (kg) and inertias of the person.
        """
        model, topology = self.model, self.model.topology
        scale = self._body_scale(subject)
        mass_scale = jnp.ones_like(model.body_mass)
        mass_scale = mass_scale.at[self._bodies(self.recipe.head)].set(subject.head_mass)
        inertia = _affine_inertia if self.inertia == "affine" else _opensim_inertia
        parent, child = np.array(topology.joint_parent), np.array(topology.joint_child)
        ends = np.array(topology.bushing_bodies, dtype=int).reshape(-1, 2)
        return eqx.tree_at(
            lambda m: (
                m.body_mass,
                m.body_mass_center,
                m.body_inertia,
                m.joint_parent_translation,
                m.joint_child_translation,
                m.path_point_location,
                m.path_elements,
                m.marker_location,
                m.bushings.translation1,
                m.bushings.translation2,
            ),
            model,
            (
                model.body_mass * mass_scale,
                model.body_mass_center * scale,
                inertia(model, scale) * mass_scale[:, None, None],
                model.joint_parent_translation * scale[parent],
                model.joint_child_translation * scale[child],
                model.path_point_location * scale[np.array(topology.point_body, dtype=int)],
                tuple(element.scaled(scale) for element in model.path_elements),
                model.marker_location * scale[np.array(topology.marker_body, dtype=int)],
                model.bushings.translation1 * scale[ends[:, 0]],
                model.bushings.translation2 * scale[ends[:, 1]],
            ),
        )

    def stretched(self, scaled: Model, subject: Subject, length: Float[Array, " muscles"]) -> Model:
        """The person's bodies with the person's muscles.

        Args:
            scaled: what `scaled` returned.
            subject: the person's ratios.
            length: m, of the muscles of `scaled` in its default pose.

        Returns:
            The neck of the person.
        """
        stretch, muscles = length / self.path_length, self.model.muscles
        return eqx.tree_at(
            lambda m: (
                m.muscles.optimal_fiber_length,
                m.muscles.tendon_slack_length,
                m.muscles.max_isometric_force,
            ),
            scaled,
            (
                muscles.optimal_fiber_length * stretch,
                muscles.tendon_slack_length * stretch,
                muscles.max_isometric_force * self._strength(subject),
            ),
        )

    def _bodies(self, names: tuple[str, ...]) -> np.ndarray:
        return np.array([self.model.body_index(n) for n in names], dtype=int)

    def _body_scale(self, subject: Subject) -> Float[Array, "bodies 3"]:
        scale = jnp.ones_like(self.model.body_mass_center)
        scale = scale.at[self._bodies(self.recipe.neck), 1].set(subject.neck_length)
        scale = scale.at[self._bodies(self.recipe.shoulders), 2].set(subject.shoulder_width)
        return scale.at[self._bodies(self.recipe.head)].set(subject.head_size)

    def _strength(self, subject: Subject) -> Float[Array, " muscles"]:
        strength = jnp.broadcast_to(subject.strength, self.path_length.shape)
        strength = strength.at[np.array(self.flexors, int)].multiply(subject.flexor_strength)
        return strength.at[np.array(self.extensors, int)].multiply(subject.extensor_strength)


@eqx.filter_jit
def default_lengths(model: Model) -> Float[Array, " muscles"]:
    """Lengths of the muscles in the default pose, m."""
    # Compiled as one: done operation by operation, each is compiled by itself.
    return muscle_paths(model, model.default_q).length


def _members(topology: Topology, groups: tuple[str, ...]) -> tuple[int, ...]:
    """Muscles of the groups, and their counterparts of the other side."""
    anatomy = topology.anatomy
    stems = {anatomy.stem(name) for group in groups for name in topology.group(group)}
    return tuple(i for i, name in enumerate(topology.muscles) if anatomy.stem(name) in stems)


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
