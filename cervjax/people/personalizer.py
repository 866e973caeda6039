"""`personalize`: a person's neck from a model's, as OpenSim's `Model.scale` does it."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.model import Model, Topology
from cervjax.spec import ModelSpec

from .body_personalizer import AbstractPersonalizer, AbstractSubject
from .body_scaling import InertiaRule, default_lengths
from .subject import LIMITS, ScalingRecipe, Subject


class Personalizer(AbstractPersonalizer):
    """Makes a person's neck from a model's, by the neck's own recipe; see `AbstractPersonalizer`.

    (A point given in a turned offset frame is scaled along the body's axes, where OpenSim scales
    along the frame's.)

    Attributes:
        model: the neck that `Subject` of ones stands for.
        path_length: m, of the muscles of `model` in its default pose.
        recipe: which parts are scaled.
        inertia: how the inertia of a stretched body follows.
        flexors, extensors: indices of these muscles.
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

    @property
    def ratio_names(self) -> tuple[str, ...]:
        """Those of `Subject`."""
        return tuple(LIMITS)

    def subject(self, vector: Float[Array, "*n ratios"]) -> Subject:
        """A subject from its ratios; see `AbstractPersonalizer`.

        Args:
            vector: no unit.

        Returns:
            A `Subject`.
        """
        return Subject.from_vector(vector)

    def body_scale(self, subject: AbstractSubject) -> Float[Array, "bodies 3"]:
        """By what each body is longer along its axes.

        Args:
            subject: one person.

        Returns:
            Ground first; no unit.
        """
        own = _neck(subject)
        scale = jnp.ones_like(self.model.body_mass_center)
        scale = scale.at[self._bodies(self.recipe.neck), 1].set(own.neck_length)
        scale = scale.at[self._bodies(self.recipe.shoulders), 2].set(own.shoulder_width)
        return scale.at[self._bodies(self.recipe.head)].set(own.head_size)

    def heavier(self, subject: AbstractSubject) -> Float[Array, " bodies"]:
        """By what each body's mass and inertia are larger.

        Args:
            subject: one person.

        Returns:
            Ground first; no unit.
        """
        heavier = jnp.ones_like(self.model.body_mass)
        return heavier.at[self._bodies(self.recipe.head)].set(_neck(subject).head_mass)

    def stronger(self, subject: AbstractSubject) -> Float[Array, " muscles"]:
        """By what each muscle's max isometric force is larger.

        Args:
            subject: one person.

        Returns:
            No unit.
        """
        own = _neck(subject)
        strength = jnp.broadcast_to(own.strength, self.path_length.shape)
        strength = strength.at[np.array(self.flexors, int)].multiply(own.flexor_strength)
        return strength.at[np.array(self.extensors, int)].multiply(own.extensor_strength)

    def _bodies(self, names: tuple[str, ...]) -> np.ndarray:
        return np.array([self.model.body_index(n) for n in names], dtype=int)


def _neck(subject: AbstractSubject) -> Subject:
    if not isinstance(subject, Subject):
        raise TypeError(f"subject is a {type(subject).__name__}; a neck's person is a `Subject`")
    return subject


def _members(topology: Topology, groups: tuple[str, ...]) -> tuple[int, ...]:
    """Muscles of the groups, and their counterparts of the other side."""
    anatomy = topology.anatomy
    stems = {anatomy.stem(name) for group in groups for name in topology.group(group)}
    return tuple(i for i, name in enumerate(topology.muscles) if anatomy.stem(name) in stems)
