"""`Subject`: how a person differs from the model they are scaled from."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from cervjax.kinematics import upright_pose
from cervjax.model import Model
from cervjax.spec import Anatomy

from .body_personalizer import AbstractSubject

LIMITS = {
    "neck_length": (0.5, 2.0),
    "shoulder_width": (0.5, 2.0),
    "head_mass": (0.3, 3.0),
    "head_size": (0.5, 2.0),
    "strength": (0.05, 10.0),
    "flexor_strength": (0.05, 10.0),
    "extensor_strength": (0.05, 10.0),
}
"""Ratios beyond these are taken for a mistake in units."""


class Subject(AbstractSubject):
    """A person, as ratios to the model; 1 everywhere is the model itself.

    Every field is a scalar, or all have the same leading axes for a batch of people.

    Attributes:
        neck_length: scales the cervical vertebrae along their y axis.
        shoulder_width: scales clavicles and scapulae along their z axis.
        head_mass: scales mass and inertia of the skull (and jaw).
        head_size: scales the skull (and jaw) evenly, inertia with its square, mass not.
        strength: scales max isometric force of every muscle. Not derived from size: measured
            strength correlates with body size below 0.4.
        flexor_strength, extensor_strength: scale it further, for those muscles.
    """

    neck_length: Float[Array, "*n"]
    shoulder_width: Float[Array, "*n"]
    head_mass: Float[Array, "*n"]
    head_size: Float[Array, "*n"]
    strength: Float[Array, "*n"]
    flexor_strength: Float[Array, "*n"]
    extensor_strength: Float[Array, "*n"]

    @classmethod
    def of(cls, dtype: DTypeLike | None = None, **ratios: float | np.ndarray) -> "Subject":
        """A subject, or a batch of them, with the given ratios and 1 elsewhere.

        Returns:
            Every field with the shape that the ratios broadcast to.

        Raises:
            ValueError: a ratio is unknown, not finite, or outside `LIMITS`.
        """
        unknown = set(ratios) - set(LIMITS)
        if unknown:
            raise ValueError(f"unknown ratios {sorted(unknown)}; there are {list(LIMITS)}")
        shape = np.broadcast_shapes(*(np.shape(r) for r in ratios.values()))
        values = {}
        for name, (low, high) in LIMITS.items():
            value = np.asarray(ratios.get(name, 1.0), dtype=float)
            if not np.all((value >= low) & (value <= high)):
                raise ValueError(
                    f"{name} = {value} is outside [{low}, {high}]; it is a ratio to the model, "
                    "not a length or a mass (see `Measures.subject` for those)"
                )
            values[name] = jnp.asarray(np.broadcast_to(value, shape), dtype)
        return cls(**values)

    def as_vector(self) -> Float[Array, "*n 7"]:
        """The ratios in the order of `LIMITS`."""
        return jnp.stack([getattr(self, name) for name in LIMITS], axis=-1)

    def ratios(self) -> dict[str, float]:
        """The ratios of one subject by their names.

        Returns:
            In the order of `LIMITS`; dimensionless.
        """
        return {name: float(getattr(self, name)) for name in LIMITS}

    @classmethod
    def from_vector(cls, vector: Float[Array, "*n 7"]) -> "Subject":
        """The inverse of `as_vector`."""
        return cls(*(vector[..., i] for i in range(len(LIMITS))))


@dataclass(frozen=True)
class ScalingRecipe:
    """Which parts of a model a `Subject` scales.

    Attributes:
        neck: bodies scaled along y by neck length.
        shoulders: bodies scaled along z by shoulder width.
        head: bodies that head size scales, and whose mass and inertia head mass scales.
        flexor_groups, extensor_groups: names of muscle groups; a muscle listed for one side
            brings its counterpart of the other side.
    """

    neck: tuple[str, ...] = ()
    shoulders: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    flexor_groups: tuple[str, ...] = ()
    extensor_groups: tuple[str, ...] = ()

    @classmethod
    def of(cls, anatomy: Anatomy) -> "ScalingRecipe":
        """The parts that an anatomy names.

        Args:
            anatomy: of the model.

        Returns:
            A recipe; ratios of parts that the anatomy does not name change nothing.
        """
        return cls(
            anatomy.vertebrae, anatomy.shoulders, anatomy.head, anatomy.flexors, anatomy.extensors
        )


@dataclass(frozen=True)
class Measures:
    """Sizes of a model, to turn a person's sizes into ratios.

    Attributes:
        neck_length: m, from the joint below the lowest vertebra to the head's origin, upright.
        shoulder_width: m, between the markers of the acromia.
        head_mass: kg.
    """

    neck_length: float
    shoulder_width: float
    head_mass: float

    @classmethod
    def of(cls, model: Model, recipe: ScalingRecipe | None = None) -> "Measures":
        """Sizes of `model`.

        Returns:
            m, m, kg.

        Raises:
            ValueError: the model lacks a body of the recipe, or the acromion markers.
        """
        anatomy = model.topology.anatomy
        recipe = ScalingRecipe.of(anatomy) if recipe is None else recipe
        if not (recipe.head and recipe.neck and anatomy.shoulder_markers):
            raise ValueError(
                f"the anatomy of {model.topology.name!r} names no head, vertebrae or acromia"
            )
        poses, markers = upright_pose(model)
        head, lowest = model.body_index(recipe.head[0]), model.body_index(recipe.neck[0])
        joint = model.topology.joint_child.index(lowest)
        parent = model.topology.joint_parent[joint]
        base = poses.position[parent] + poses.rotation[parent] @ np.asarray(
            model.joint_parent_translation[joint]
        )
        names = model.topology.markers
        left, right = anatomy.shoulder_markers
        missing = {left, right} - set(names)
        if missing:
            raise ValueError(f"shoulder width needs the markers {sorted(missing)}")
        width = markers[names.index(right)] - markers[names.index(left)]
        return cls(
            float(np.linalg.norm(poses.position[head] - base)),
            float(np.linalg.norm(width)),
            float(sum(model.body_mass[model.body_index(b)] for b in recipe.head)),
        )

    def subject(
        self,
        neck_length: float | np.ndarray | None = None,
        shoulder_width: float | np.ndarray | None = None,
        head_mass: float | np.ndarray | None = None,
        **strengths: float | np.ndarray,
    ) -> Subject:
        """The subject with these sizes (m, m, kg) and strength ratios.

        `shoulder_width` scales clavicles and scapulae only, as OpenSim's scaling does, so the
        distance between the acromia changes by less than the ratio.

        Returns:
            Ratios; 1 for what is not given.
        """
        sizes = {
            "neck_length": (neck_length, self.neck_length),
            "shoulder_width": (shoulder_width, self.shoulder_width),
            "head_mass": (head_mass, self.head_mass),
        }
        ratios = {k: np.asarray(v) / own for k, (v, own) in sizes.items() if v is not None}
        return Subject.of(None, **ratios, **strengths)


def subject_at(subjects: Subject, index: int) -> Subject:
    """One person of a batch."""
    return jax.tree.map(lambda x: x[index], subjects)
