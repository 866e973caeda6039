"""`personalize`: a person's neck from a model's, as OpenSim's `Model.scale` does it."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics import muscle_paths
from cervjax.model import Model, Topology
from cervjax.spec import ModelSpec

from .body_scaling import InertiaRule, default_lengths, scaled_bodies
from .subject import ScalingRecipe, Subject


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
            ValueError: a body or a muscle group of the recipe is missing.
        """
        model = Model.from_spec(source) if isinstance(source, ModelSpec) else source
        topology = model.topology
        recipe = ScalingRecipe.of(topology.anatomy) if recipe is None else recipe
        for body in (*recipe.neck, *recipe.shoulders, *recipe.head):
            model.body_index(body)
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
        model = self.model
        bodies = scaled_bodies(model, self._body_scale(subject), self.inertia)
        heavier = jnp.ones_like(model.body_mass)
        heavier = heavier.at[self._bodies(self.recipe.head)].set(subject.head_mass)
        return eqx.tree_at(
            lambda m: (m.body_mass, m.body_inertia),
            bodies,
            (model.body_mass * heavier, bodies.body_inertia * heavier[:, None, None]),
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


def _members(topology: Topology, groups: tuple[str, ...]) -> tuple[int, ...]:
    """Muscles of the groups, and their counterparts of the other side."""
    anatomy = topology.anatomy
    stems = {anatomy.stem(name) for group in groups for name in topology.group(group)}
    return tuple(i for i, name in enumerate(topology.muscles) if anatomy.stem(name) in stems)
