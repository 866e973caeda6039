"""Inverse kinematics from orientations alone: two inertial sensors, on torso and head."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cervjax.kinematics import body_poses
from cervjax.kinematics.paths import body_twists
from cervjax.kinematics.tree import still_state
from cervjax.math import inverse_spd
from cervjax.math.bounded_step import bounded_step, held_at_limits, without
from cervjax.math.contraction import contract
from cervjax.math.rotation import cross, dot, multiply, rotation_vector, transpose
from cervjax.model import Model
from cervjax.motion.synthesis import coordinate_shares

from .marker_search import PoseStatus

SHARE_WEIGHT = 1e-4
"""rad^2/rad^2: orientation is followed to a ten-thousandth of how far the share is off."""
_STEPS = 60


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
        model: Model,
        *,
        head: str | None = None,
        share_weight: float = SHARE_WEIGHT,
    ) -> "OrientationKinematics":
        """For necks like `model`.

        Returns:
            Of poses in rad.

        Raises:
            ValueError: a weight is not positive, joints slide, or there is no body `head`.
        """
        if not share_weight > 0:
            raise ValueError(f"share_weight = {share_weight} is not positive")
        topology = model.topology
        if topology.slides or not model.coordinates.is_affine:
            raise ValueError(f"{topology.name!r} has joints that slide or follow curved functions")
        limits = topology.free_limits
        index = model.body_index(topology.anatomy.skull if head is None else head)
        zero = jnp.zeros_like(model.default_q)
        return cls(
            _rotation(model, zero, index),
            jnp.asarray(limits[:, 0], model.dtype),
            jnp.asarray(limits[:, 1], model.dtype),
            jnp.asarray(np.sqrt(share_weight) * coordinate_shares(topology), model.dtype),
            index,
        )

    def __call__(self, model: Model, orientation: Float[Array, "3 3"]) -> HeadPose:
        """The pose of one frame; vmap for many. Differentiable in `model` and `orientation`, by the
        implicit function theorem, to 1e-5 where no limit holds.

        Args:
            orientation: of the head in the torso's frame, from the neutral pose.

        Returns:
            rad; NaN where `orientation` is not finite.
        """
        seen = jnp.asarray(orientation, model.dtype)
        determined = jnp.all(jnp.isfinite(seen))
        seen = jnp.where(determined, seen, jnp.eye(3, dtype=seen.dtype))
        wanted = multiply(seen, self.neutral)
        start = jnp.clip(jnp.zeros_like(self.low), self.low, self.high)
        still, fixed = jax.lax.stop_gradient((model, wanted))
        last = jax.lax.while_loop(
            lambda s: ~s.done & (s.steps < _STEPS),
            lambda s: self._step(still, fixed, s),
            _Search(
                start,
                jnp.asarray(jnp.inf, model.dtype),
                start,
                jnp.asarray(1e-6, model.dtype),
                jnp.asarray(False),
                jnp.asarray(0),
            ),
        )
        # One more step, whose gradient is that of the implicit function theorem.
        _, gradient, matrix = self._system(model, wanted, last.q)
        held = held_at_limits(gradient, self.low - last.q, self.high - last.q)
        matrix, gradient = without(held, jax.lax.stop_gradient(matrix), gradient)
        q = last.q - contract("qr,r->q", inverse_spd(matrix), gradient)
        q = jnp.clip(q, self.low, self.high)
        off, _ = self._off(model, wanted, q)
        squared = dot(off, off)
        angle = jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1.0)), 0.0)
        settled = jnp.where(last.done, int(PoseStatus.CONVERGED), int(PoseStatus.NOT_CONVERGED))
        status = jnp.where(determined, settled, int(PoseStatus.UNDETERMINED)).astype(jnp.int32)
        return HeadPose(
            jnp.where(determined, q, jnp.nan), jnp.where(determined, angle, jnp.nan), status
        )

    def _off(
        self, model: Model, wanted: Array, q: Array
    ) -> tuple[Float[Array, " 3"], Float[Array, "q 3"]]:
        """By which rotation the head is off, and how it turns with the coordinates."""
        _, state = still_state(model, q)
        rotation = body_poses(model, q).rotation[self.head]
        twist = body_twists(state, model.coordinates.jacobian(q), model.topology)
        turning = twist[model.topology.anchor[self.head] + 1, :, :3]
        return rotation_vector(multiply(rotation, transpose(wanted))), turning

    def _system(
        self, model: Model, wanted: Array, q: Array
    ) -> tuple[Float[Array, ""], Float[Array, " q"], Float[Array, "q q"]]:
        """The cost, its gradient, and Gauss and Newton's matrix."""
        off, turning = self._off(model, wanted, q)
        # Of a rotation vector's change by a small turn: the inverse of SO(3)'s left Jacobian.
        size = jnp.sqrt(dot(off, off) + jnp.finfo(off.dtype).tiny)
        half = 0.5 * size
        second = jnp.where(
            size < 1e-3, 1 / 12, (1 - half / jnp.tan(jnp.where(size < 1e-3, 1.0, half))) / size**2
        )
        rows = turning + 0.5 * cross(turning, off) + second * cross(cross(turning, off), off)
        prior = contract("sq,sr->qr", self.prior, self.prior)
        pull = contract("qr,r->q", prior, q)
        cost = 0.5 * (dot(off, off) + contract("q,q->", q, pull))
        gradient = contract("qx,x->q", rows, off) + pull
        matrix = contract("qx,rx->qr", rows, rows) + prior
        return cost, gradient, matrix + 1e-9 * jnp.eye(len(matrix), dtype=matrix.dtype)

    def _step(self, model: Model, wanted: Array, search: "_Search") -> "_Search":
        """Levenberg and Marquardt's: a step that does not lower the cost is taken back."""
        reached, *_ = self._system(model, wanted, search.tried)
        better = reached <= search.cost
        q = jnp.where(better, search.tried, search.q)
        damping = jnp.clip(jnp.where(better, 0.1, 10.0) * search.damping, 1e-9, 1e3)
        cost, gradient, matrix = self._system(model, wanted, q)
        low, high = self.low - q, self.high - q
        damped = matrix + damping * jnp.eye(len(q), dtype=matrix.dtype)
        change = bounded_step(gradient, damped, low, high, held_at_limits(gradient, low, high))
        slope = gradient + 0.5 * contract("qr,r->q", matrix, change)
        promised = -contract("q,q->", slope, change)
        # Below these, rounding decides; rad^2.
        part, floor = (1e-14, 1e-24) if change.dtype == jnp.float64 else (1e-6, 1e-12)
        settled = jnp.abs(promised) <= part * cost + floor
        tried = jnp.clip(q + change, self.low, self.high)
        return _Search(q, cost, tried, damping, search.done | settled, search.steps + 1)


@eqx.filter_jit
def _rotation(model: Model, q: Float[Array, " q"], body: int) -> Float[Array, "3 3"]:
    return body_poses(model, q).rotation[body]


class _Search(NamedTuple):
    """Where the search is: the best coordinates, and those to try next."""

    q: Float[Array, " q"]
    cost: Float[Array, ""]
    tried: Float[Array, " q"]
    damping: Float[Array, ""]
    done: Bool[Array, ""]
    steps: Int[Array, ""]
