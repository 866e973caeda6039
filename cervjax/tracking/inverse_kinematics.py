"""Inverse kinematics: from markers to the pose of the torso and the coordinates of the neck.

The weighted least squares of OpenSim's InverseKinematicsTool and, unless asked otherwise, a weak
pull towards the natural share between lower and upper neck. Every frame for itself, so that frames
are a batch axis and a lost marker harms its frame alone.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cervjax.math.rotation import dot, rotate
from cervjax.model import Model
from cervjax.motion.synthesis import coordinate_shares

from .marker_cost import MarkerTask, look_at
from .marker_search import PoseStatus, solve_pose

SHARE_WEIGHT = 1e-4
"""m^2/rad^2, by default: 20 degrees off the natural share cost as much as markers that are 3.5 mm
off (root mean square), which is how far markers slide on skin."""


ORIENTATION_WEIGHT = 100.0
"""By default: a body that cannot be both where its cluster is and turned as it gives way in place.
Heads of three volunteers are then turned as their clusters to 0.1 degrees (docs/validation.md)."""


class Pose(NamedTuple):
    """Torso and neck in one frame.

    Attributes:
        rotation: of the torso, as a matrix from its frame (the model's ground) to the laboratory's.
        position: m, of the origin of the torso's frame, in the laboratory.
        q: rad, the free coordinates.
        marker_error: m, distance of each marker from where the model has it; NaN where not seen.
        status: a `PoseStatus`.
        steps: iterations taken.
    """

    rotation: Float[Array, "*frames 3 3"]
    position: Float[Array, "*frames 3"]
    q: Float[Array, "*frames q"]
    marker_error: Float[Array, "*frames markers"]
    status: Int[Array, "*frames"]
    steps: Int[Array, "*frames"]


class InverseKinematics(MarkerTask):
    """Poses from markers: the sum of `weight` times squared distance is least, inside the limits.

    Attributes: see `MarkerTask`.
    """

    @classmethod
    def of(
        cls,
        model: Model,
        markers: tuple[str, ...],
        *,
        weights: dict[str, float] | None = None,
        coordinate_weight: float = 0.0,
        share_weight: float = SHARE_WEIGHT,
        orientation_weight: float = ORIENTATION_WEIGHT,
        max_steps: int = 40,
    ) -> "InverseKinematics":
        """Inverse kinematics of necks like `model` from the markers named `markers`.

        Args:
            weights: of markers by name, 1 for the others.
            coordinate_weight: m^2/rad^2, of the distance of each coordinate from zero. As in
                OpenSim's coordinate tasks it weighs against the mean over the markers' weights.
            share_weight: m^2/rad^2, of the distance from the natural share between lower and upper
                neck, against the same. Zero is OpenSim's problem, in which markers that slide on
                the skin decide how upper and lower neck are turned against each other.
            orientation_weight: see `MarkerTask`. At 1, with no share, the problem is OpenSim's, in
                which a neck of another shape than the person's turns the head to bring it near its
                markers.

        Returns:
            Of frames of these markers (m), in this order.

        Raises:
            ValueError: the neck lacks a marker, a weight is negative or of no marker, the markers
                cannot tell a pose, or joints of the neck slide or follow curved functions.
        """
        if max_steps < 1 or len(set(markers)) < len(markers):
            raise ValueError(f"max_steps = {max_steps} of markers {', '.join(markers)}")
        topology = model.topology
        if topology.slides or not model.coordinates.is_affine:
            raise ValueError(
                f"{topology.name!r} has joints that slide or follow curved functions; inverse "
                "kinematics knows hinges that turn in proportion to the coordinates"
            )
        known = topology.markers
        lacking = [name for name in markers if name not in known]
        if lacking:
            raise ValueError(
                f"{topology.name!r} has no marker {', '.join(lacking)}; it has {', '.join(known)}"
            )
        given = weights or {}
        for name, value in given.items():
            if name not in markers or not value >= 0:
                raise ValueError(
                    f"weight {value} of marker {name!r}: weights are not negative, of "
                    f"{', '.join(markers)}"
                )
        index = tuple(known.index(name) for name in markers)
        felt = [k for k, name in zip(index, markers, strict=True) if given.get(name, 1.0) > 0]
        moving = [model.topology.anchor[model.topology.marker_body[k]] >= 0 for k in felt]
        if sum(moving) < 3 or len(moving) - sum(moving) < 3:
            raise ValueError(
                f"markers {', '.join(markers)}: of those with weight, {sum(moving)} move with the "
                f"head and {len(moving) - sum(moving)} with the torso; three of each are needed"
            )
        for name, value in (("coordinate", coordinate_weight), ("share", share_weight)):
            if not value >= 0:
                raise ValueError(f"{name}_weight = {value} is negative")
        if not 1 <= orientation_weight < np.inf:
            raise ValueError(
                f"orientation_weight = {orientation_weight} is not 1 (OpenSim) or more"
            )
        priors = [
            np.sqrt(share_weight) * coordinate_shares(topology),
            np.sqrt(coordinate_weight) * np.eye(topology.num_free),
        ]
        limits = topology.free_limits
        return cls(
            weight=jnp.asarray([given.get(name, 1.0) for name in markers], model.dtype),
            orientation_weight=jnp.asarray(orientation_weight, model.dtype),
            low=jnp.asarray(limits[:, 0], model.dtype),
            high=jnp.asarray(limits[:, 1], model.dtype),
            prior=jnp.asarray(np.concatenate(priors), model.dtype),
            markers=index,
            max_steps=max_steps,
        )

    def __call__(self, model: Model, seen: Float[Array, "markers 3"]) -> Pose:
        """The pose of one frame; vmap for many.

        Differentiable in `model` and `seen`, by the implicit function theorem; not in the limits.
        Frames whose pose is not determined have no gradient.

        Args:
            seen: m, in the laboratory; NaN where a marker was not seen.

        Returns:
            Rotations, positions in m, coordinates in rad; NaN where the markers do not tell them.
        """
        seen = jnp.asarray(seen, model.dtype)
        state, status, steps = solve_pose((self, model), seen)
        look = look_at(self, model, state, seen)
        here = jnp.isfinite(seen).all(axis=1)
        squared = dot(look.error, look.error)
        apart = here & (squared > 0)
        distance = jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1.0)), 0.0)
        determined = status != int(PoseStatus.UNDETERMINED)
        pose = (state.rotation, state.position - rotate(state.rotation, look.pivot), state.q)
        rotation, position, q = (jnp.where(determined, x, jnp.nan) for x in pose)
        error = jnp.where(here & determined, distance, jnp.nan)
        return Pose(rotation, position, q, error, status, steps)
