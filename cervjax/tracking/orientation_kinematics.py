"""Inverse kinematics from orientations alone: two inertial sensors, on torso and head."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cervjax.contraction import contract
from cervjax.kinematics import body_poses
from cervjax.kinematics.paths import body_twists
from cervjax.kinematics.rotation import cross, dot, multiply, transpose
from cervjax.kinematics.tree import still_state
from cervjax.model import NeckModel
from cervjax.motion import coordinate_shares
from cervjax.spec import NeckSpec

from .bounded_step import bounded_step, held_at_limits
from .inverse_kinematics import PoseStatus, rotation_vector

SHARE_WEIGHT = 1e-4
"""rad^2/rad^2: orientation is followed to a ten-thousandth of how far the share is off."""
_STEPS = 30


class HeadPose(NamedTuple):
    """The neck in one frame.

    Attributes:
        q: rad, the free coordinates.
        error: rad, angle between the head as it was seen and as the model has it: what the limits
            of the coordinates leave over.
        status: a `PoseStatus`.
    """

    q: Float[Array, "*frames q"]
    error: Float[Array, "*frames"]
    status: Int[Array, "*frames"]


class OrientationKinematics(eqx.Module):
    """Coordinates from how the head is turned against the torso, which tells three of six: the
    others follow from the natural share between lower and upper neck.

    Attributes:
        neutral: orientation of the head in the torso at zero coordinates.
        low, high: rad, limits.
        prior: residuals of the share.
        head: index of the body.
    """

    neutral: Float[Array, "3 3"]
    low: Float[Array, " q"]
    high: Float[Array, " q"]
    prior: Float[Array, "priors q"]
    head: int = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        spec: NeckSpec,
        model: NeckModel,
        *,
        head: str = "skull",
        share_weight: float = SHARE_WEIGHT,
    ) -> "OrientationKinematics":
        """For necks like `model`.

        Raises:
            ValueError: a weight is not positive, joints slide, or there is no body `head`.
        """
        if not share_weight > 0:
            raise ValueError(f"share_weight = {share_weight} is not positive")
        if model.topology.slides or not model.coordinates.is_affine:
            raise ValueError(f"{spec.name!r} has joints that slide or follow curved functions")
        coordinates = [spec.coordinate(name) for name in spec.free_coordinates]
        ranges = np.array([c.range for c in coordinates])
        clamped = np.array([c.clamped for c in coordinates])[:, None]
        limits = np.where(clamped, ranges, [-np.inf, np.inf])
        index = model.body_index(head)
        zero = jnp.zeros_like(model.default_q)
        return cls(
            jax.jit(lambda model: body_poses(model, zero).rotation[index])(model),
            jnp.asarray(limits[:, 0], model.dtype),
            jnp.asarray(limits[:, 1], model.dtype),
            jnp.asarray(np.sqrt(share_weight) * coordinate_shares(spec), model.dtype),
            index,
        )

    def __call__(self, model: NeckModel, orientation: Float[Array, "3 3"]) -> HeadPose:
        """The pose of one frame; vmap for many.

        Args:
            orientation: of the head in the torso's frame, from the neutral pose.
        """
        wanted = multiply(jnp.asarray(orientation, model.dtype), self.neutral)
        start = jnp.clip(jnp.zeros_like(self.low), self.low, self.high)
        first = _Search(start, jnp.asarray(False), jnp.asarray(0))
        last = jax.lax.while_loop(
            lambda s: ~s.done & (s.steps < _STEPS),
            lambda s: self._step(model, wanted, s),
            first,
        )
        told = jnp.all(jnp.isfinite(wanted))
        settled = jnp.where(last.done, int(PoseStatus.CONVERGED), int(PoseStatus.NOT_CONVERGED))
        status = jnp.where(told, settled, int(PoseStatus.UNDETERMINED)).astype(jnp.int32)
        off, _ = self._off(model, wanted, last.q)
        q, error = (jnp.where(told, x, jnp.nan) for x in (last.q, jnp.sqrt(dot(off, off))))
        return HeadPose(q, error, status)

    def _off(
        self, model: NeckModel, wanted: Array, q: Array
    ) -> tuple[Float[Array, " 3"], Float[Array, "q 3"]]:
        """By which rotation the head is off, and how it turns with the coordinates."""
        _, state = still_state(model, q)
        rotation = body_poses(model, q).rotation[self.head]
        twist = body_twists(state, model.coordinates.jacobian(q), model.topology)
        turning = twist[model.topology.anchor[self.head] + 1, :, :3]
        return rotation_vector(multiply(rotation, transpose(wanted))), turning

    def _step(self, model: NeckModel, wanted: Array, search: "_Search") -> "_Search":
        off, turning = self._off(model, wanted, search.q)
        # Of a rotation vector's change by a small turn, to second order in the vector.
        rows = turning + 0.5 * cross(turning, off) + cross(cross(turning, off), off) / 12
        prior = contract("sq,sr->qr", self.prior, self.prior)
        gradient = contract("qx,x->q", rows, off) + contract("qr,r->q", prior, search.q)
        matrix = contract("qx,rx->qr", rows, rows) + prior
        matrix = matrix + 1e-9 * jnp.eye(len(matrix), dtype=matrix.dtype)
        low, high = self.low - search.q, self.high - search.q
        change = bounded_step(gradient, matrix, low, high, held_at_limits(gradient, low, high))
        settled = jnp.max(jnp.abs(change))
        tolerance = 1e-9 if change.dtype == jnp.float64 else 1e-5
        q = jnp.clip(search.q + change, self.low, self.high)
        return _Search(q, settled < tolerance, search.steps + 1)


class _Search(NamedTuple):
    q: Float[Array, " q"]
    done: Bool[Array, ""]
    steps: Int[Array, ""]
