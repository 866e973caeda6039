"""What makes a person's model from a model: the same for a neck's recipe and for any bodies."""

import abc

import equinox as eqx
from jaxtyping import Array, Float

from cervjax.kinematics import muscle_paths
from cervjax.model import Model

from .body_scaling import InertiaRule, scaled_bodies


class AbstractSubject(eqx.Module):
    """A person, as ratios to the model; with leading axes, many."""

    @abc.abstractmethod
    def as_vector(self) -> Float[Array, "*n ratios"]:
        """The ratios.

        Returns:
            In the order of the personalizer's `ratio_names`; no unit.
        """


class AbstractPersonalizer(eqx.Module):
    """Makes a person's `Model` from a model's; one compiled function for any batch of people.

    Body geometry, path points, markers, optimal fiber lengths and tendon slack lengths change
    exactly as `Model.scale(state, scales, preserveMassDist=True)` changes them: lengths along
    the path in proportion to the path's length in the default pose; max isometric force, bushing
    stiffness and masses not at all. Strength and masses of a person are applied after.

    Attributes:
        model: that a subject of ones stands for.
        path_length: m, of the muscles of `model` in its default pose.
        inertia: how the inertia of a stretched body follows; see `Personalizer`.
    """

    model: eqx.AbstractVar[Model]
    path_length: eqx.AbstractVar[Float[Array, " muscles"]]
    inertia: eqx.AbstractVar[InertiaRule]

    @property
    @abc.abstractmethod
    def ratio_names(self) -> tuple[str, ...]:
        """Names of a subject's ratios, in the order of its vector."""

    @abc.abstractmethod
    def subject(self, vector: Float[Array, "*n ratios"]) -> AbstractSubject:
        """A subject from its ratios.

        Args:
            vector: in the order of `ratio_names`; no unit.

        Returns:
            A person, or many.
        """

    @abc.abstractmethod
    def body_scale(self, subject: AbstractSubject) -> Float[Array, "bodies 3"]:
        """By what each body is longer along its axes.

        Args:
            subject: one person.

        Returns:
            Ground first; no unit.
        """

    @abc.abstractmethod
    def heavier(self, subject: AbstractSubject) -> Float[Array, " bodies"]:
        """By what each body's mass and inertia are larger.

        Args:
            subject: one person.

        Returns:
            Ground first; no unit.
        """

    @abc.abstractmethod
    def stronger(self, subject: AbstractSubject) -> Float[Array, " muscles"]:
        """By what each muscle's max isometric force is larger.

        Args:
            subject: one person.

        Returns:
            No unit.
        """

    def __call__(self, subject: AbstractSubject) -> Model:
        """The model of one person; `jax.vmap` for many."""
        scaled = self.scaled(subject)
        return self.stretched(scaled, subject, muscle_paths(scaled, scaled.default_q).length)

    def of_vector(self, vector: Float[Array, " ratios"]) -> Model:
        """The model of one person.

        Args:
            vector: in the order of `ratio_names`; no unit.

        Returns:
            Of the person.
        """
        return self(self.subject(vector))

    def scaled(self, subject: AbstractSubject) -> Model:
        """The bodies of one person, with the muscles of the model.

        Args:
            subject: the person's ratios.

        Returns:
            Sizes (m), masses (kg) and inertias of the person.
        """
        model = self.model
        bodies = scaled_bodies(model, self.body_scale(subject), self.inertia)
        heavier = self.heavier(subject)
        return eqx.tree_at(
            lambda m: (m.body_mass, m.body_inertia),
            bodies,
            (model.body_mass * heavier, bodies.body_inertia * heavier[:, None, None]),
        )

    def stretched(
        self, scaled: Model, subject: AbstractSubject, length: Float[Array, " muscles"]
    ) -> Model:
        """The person's bodies with the person's muscles.

        Args:
            scaled: what `scaled` returned.
            subject: the person's ratios.
            length: m, of the muscles of `scaled` in its default pose.

        Returns:
            The model of the person.
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
                muscles.max_isometric_force * self.stronger(subject),
            ),
        )
