"""The cost of a pose of torso and neck beside the markers that were seen, and its derivatives."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cervjax.kinematics import MarkerMotion, marker_bending, marker_motion
from cervjax.math.bounded_step import held_at_limits
from cervjax.math.contraction import contract
from cervjax.math.rotation import axis_rotation, cross, dot, multiply, rotate, transpose
from cervjax.model import Model

TORSO = 6
"""Unknowns of the torso's pose, before those of the neck."""


class MarkerTask(eqx.Module):
    """What is least in a pose: the sum of `weight` times squared distance, inside the limits.

    Markers of one rigid part are a cluster. The sum over a cluster is the squared distance of its
    middle times the weights, and what is left when the middles are laid onto each other, which is
    least where the part is turned as the cluster is (Kabsch 1976). `orientation_weight` multiplies
    the second.

    Attributes:
        markers: indices into `model.topology.markers`, in the order of what is seen.
        weight: of each marker; OpenSim's.
        orientation_weight: how much more it counts that a part is turned as its cluster than that
            it is where its cluster is; 1 is OpenSim's problem. No unit.
        low, high: rad, limits of the coordinates; infinite where not clamped.
        prior: m/rad, residuals that are zero where lower and upper neck share each plane in
            proportion to their ranges, and where coordinates are zero; beside markers whose
            weights add up to 1.
        max_steps: of Levenberg and Marquardt's method.
    """

    weight: Float[Array, " markers"]
    orientation_weight: Float[Array, ""]
    low: Float[Array, " q"]
    high: Float[Array, " q"]
    prior: Float[Array, "priors q"]
    markers: tuple[int, ...] = eqx.field(static=True)
    max_steps: int = eqx.field(static=True, default=40)


class TorsoAndNeck(NamedTuple):
    """Unknowns: rotation of the torso, place of its pivot, coordinates."""

    rotation: Float[Array, "3 3"]
    position: Float[Array, " 3"]
    q: Float[Array, " q"]


class MarkersFromTorso(NamedTuple):
    """Markers in the frame of the torso as it is held to be.

    Attributes:
        motion: of the model's markers.
        pivot: m, middle of the torso's markers, in the torso: turning about it moves the others
            least.
        arm: m, from the pivot.
        error: m, from where they were seen; zero where they were not.
    """

    motion: MarkerMotion
    pivot: Float[Array, " 3"]
    arm: Float[Array, "markers 3"]
    error: Float[Array, "markers 3"]


def look_at(
    task: MarkerTask, model: Model, state: TorsoAndNeck, seen: Float[Array, "markers 3"]
) -> MarkersFromTorso:
    """The markers from the torso as a state holds it."""
    motion = marker_motion(model, state.q, task.markers)
    torso = on_torso(task, model)
    pivot = jax.lax.stop_gradient(jnp.sum(motion.position * torso[:, None], axis=0) / sum(torso))
    arm = motion.position - pivot
    here = jnp.isfinite(seen).all(axis=1, keepdims=True)
    there = rotate(transpose(state.rotation), jnp.where(here, seen, 0.0) - state.position)
    return MarkersFromTorso(motion, pivot, arm, jnp.where(here, arm - there, 0.0))


def on_torso(task: MarkerTask, model: Model) -> np.ndarray:
    """1 for markers of the torso, 0 for those that the neck moves; no unit."""
    topology = model.topology
    still = [topology.anchor[topology.marker_body[k]] < 0 for k in task.markers]
    return np.array(still, dtype=float).astype(model.dtype)


def _prior(task: MarkerTask, seen: Array) -> Float[Array, "q q"]:
    """Weights of the priors beside the markers that are seen, as Simbody weighs them."""
    here = jnp.isfinite(seen).all(axis=1)
    total = jnp.sum(jnp.where(here, task.weight, 0.0))
    return total * contract("sq,sr->qr", task.prior, task.prior)


def clusters(task: MarkerTask, model: Model) -> np.ndarray:
    """Which markers belong to rigid parts that carry three or more: fewer do not tell how a part is
    turned.

    Returns:
        A row for each such part, 1 for its markers and 0 for the others; no unit.
    """
    topology = model.topology
    part = np.array([topology.anchor[topology.marker_body[k]] for k in task.markers])
    rows = [part == p for p in np.unique(part) if np.count_nonzero(part == p) >= 3]
    return np.array(rows, float).reshape(len(rows), len(part)).astype(model.dtype)


def weights_of(task: MarkerTask, model: Model, seen: Array) -> Float[Array, "markers markers"]:
    """The matrix that distances of markers are weighted with: `weight` on its diagonal, and for
    each cluster `orientation_weight` times what is left behind its middle.

    Returns:
        No unit; zero for markers that are not seen.
    """
    weight = jnp.where(jnp.isfinite(seen).all(axis=1), task.weight, 0.0)
    own = jnp.asarray(clusters(task, model)) * weight
    total = jnp.maximum(jnp.sum(own, axis=1), jnp.finfo(weight.dtype).tiny)
    middle = contract("cm,cn->mn", own / total[:, None], own)
    behind = jnp.diag(jnp.sum(own, axis=0)) - middle
    return jnp.diag(weight) + (task.orientation_weight - 1.0) * behind


def cost_of(
    task: MarkerTask,
    model: Model,
    state: TorsoAndNeck,
    seen: Array,
    error: Float[Array, "markers 3"],
) -> Float[Array, ""]:
    """Half the weighted sum of squared `error` (m), and the priors; m^2."""
    prior = contract("q,qr,r->", state.q, _prior(task, seen), state.q)
    pull = contract("mn,nx->mx", weights_of(task, model, seen), error)
    return 0.5 * (jnp.sum(dot(pull, error)) + prior)


def slope_of(
    task: MarkerTask, model: Model, state: TorsoAndNeck, seen: Array, look: MarkersFromTorso
) -> tuple[Float[Array, "markers u 3"], Float[Array, " u"]]:
    """Rows of the Jacobian and gradient of the cost, in small changes of the unknowns.

    Returns:
        m/rad for turns, no unit for moves; and m^2/rad, m.
    """
    eye = jnp.eye(3, dtype=look.arm.dtype)
    turning = cross(eye[None], look.arm[:, None])
    moving = jnp.broadcast_to(eye, turning.shape)
    rows = jnp.concatenate([turning, moving, look.motion.jacobian], axis=1)
    pull = contract("mn,nx->mx", weights_of(task, model, seen), look.error)
    gradient = contract("mux,mx->u", rows, pull)
    prior = contract("qr,r->q", _prior(task, seen), state.q)
    return rows, gradient.at[TORSO:].add(prior)


class CostCurvature(NamedTuple):
    """The cost around a state, in small changes of the unknowns.

    Attributes:
        gradient: first derivatives.
        straight: Gauss and Newton's matrix.
        bent: what that lacks of the second derivatives.
        scale: lever arms and weights of the markers; the matrix's own diagonal may be negative.
    """

    gradient: Float[Array, " u"]
    straight: Float[Array, "u u"]
    bent: Float[Array, "u u"]
    scale: Float[Array, " u"]


def curvature_of(
    task: MarkerTask, model: Model, state: TorsoAndNeck, seen: Array, look: MarkersFromTorso
) -> CostCurvature:
    """The cost around a state, in small changes of the unknowns."""
    rows, gradient = slope_of(task, model, state, seen, look)
    weights = weights_of(task, model, seen)
    straight = contract("mux,mvx->uv", contract("mn,nux->mux", weights, rows), rows)
    pull = contract("mn,nx->mx", weights, look.error)
    bending = marker_bending(model, state.q, look.motion, pull, task.markers)
    spread = contract("mx,my->xy", pull, look.arm)
    turning = 0.5 * (spread + spread.T) - jnp.trace(spread) * jnp.eye(3, dtype=spread.dtype)
    corner = jnp.zeros((3, 3), spread.dtype)
    bent = jnp.block(
        [
            [turning, corner, bending.turning],
            [corner, corner, jnp.zeros_like(bending.turning)],
            [bending.turning.T, jnp.zeros_like(bending.turning.T), bending.coordinates],
        ]
    )
    scale = jnp.diagonal(straight)
    straight = straight.at[TORSO:, TORSO:].add(_prior(task, seen))
    return CostCurvature(gradient, straight, bent, scale)


def moved(task: MarkerTask, state: TorsoAndNeck, change: Float[Array, " u"]) -> TorsoAndNeck:
    """The state after a small change of the unknowns, inside the limits."""
    turn = change[:3]
    size = jnp.sqrt(dot(turn, turn) + jnp.finfo(turn.dtype).tiny)
    return TorsoAndNeck(
        multiply(state.rotation, axis_rotation(turn / size, size)),
        state.position + rotate(state.rotation, change[3:TORSO]),
        jnp.clip(state.q + change[TORSO:], task.low, task.high),
    )


def room(
    task: MarkerTask, state: TorsoAndNeck, gradient: Array
) -> tuple[Float[Array, " u"], Float[Array, " u"], Bool[Array, " u"]]:
    """How far the unknowns may change, down and up (rad, m); and those held at a limit."""
    endless = jnp.full(TORSO, jnp.inf, gradient.dtype)
    low = jnp.concatenate([-endless, task.low - state.q])
    high = jnp.concatenate([endless, task.high - state.q])
    return low, high, held_at_limits(gradient, low, high)
