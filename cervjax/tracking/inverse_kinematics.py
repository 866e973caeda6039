"""Inverse kinematics: from markers to the pose of the torso and the coordinates of the neck.

The weighted least squares of OpenSim's InverseKinematicsTool and, unless told otherwise, a weak
pull towards the natural share between lower and upper neck. Every frame for itself, so that frames
are a batch axis and a lost marker harms its frame alone.
"""

from enum import IntEnum
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cervjax.kinematics import MarkerMotion, marker_bending, marker_motion
from cervjax.math import inverse_spd, solve_spd
from cervjax.math.bounded_step import bounded_step, held_at_limits, without
from cervjax.math.contraction import contract
from cervjax.math.rotation import axis_rotation, cross, dot, multiply, rotate, transpose
from cervjax.model import Model
from cervjax.motion.synthesis import coordinate_shares

_TORSO = 6
"""Unknowns of the torso's pose, before those of the neck."""
SHARE_WEIGHT = 1e-4
"""m^2/rad^2, by default: 20 degrees off the natural share cost as much as markers that are 3.5 mm
off (root mean square), which is how far markers slide on skin."""
_THIN = 0.01
"""m; markers whose spread across their line is below this tell no rotation about it."""
_FAST = 0.2
"""Part of the cost that a step of Gauss and Newton's method has to save for another one. Markers
that sit some millimeters off make it slow, because what little tells upper from lower neck is of
the size of the second derivatives that it leaves out; far from the solution those mislead (the
hybrid of Fletcher & Xu 1987, IMA J. Numer. Anal. 7:371)."""


class PoseStatus(IntEnum):
    """What a frame's pose is good for.

    CONVERGED: the least-squares pose. UNDETERMINED: the markers seen do not tell it: fewer than
    three on head or torso, or nearly in line.
    NOT_CONVERGED: the iterations did not settle.
    """

    CONVERGED = 0
    UNDETERMINED = 1
    NOT_CONVERGED = 2


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


class InverseKinematics(eqx.Module):
    """Poses from markers: the sum of `weight` times squared distance is least, inside the limits.

    Attributes:
        markers: indices into `model.topology.markers`, in the order of what is seen.
        weight: of each marker; OpenSim's.
        low, high: rad, limits of the coordinates; infinite where not clamped.
        prior: m/rad, residuals that are zero where lower and upper neck share each plane in
            proportion to their ranges, and where coordinates are zero; beside markers whose
            weights add up to 1.
        max_steps: of Levenberg and Marquardt's method.
    """

    weight: Float[Array, " markers"]
    low: Float[Array, " q"]
    high: Float[Array, " q"]
    prior: Float[Array, "priors q"]
    markers: tuple[int, ...] = eqx.field(static=True)
    max_steps: int = eqx.field(static=True, default=40)

    @classmethod
    def of(
        cls,
        model: Model,
        markers: tuple[str, ...],
        *,
        weights: dict[str, float] | None = None,
        coordinate_weight: float = 0.0,
        share_weight: float = SHARE_WEIGHT,
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
        priors = [
            np.sqrt(share_weight) * coordinate_shares(topology),
            np.sqrt(coordinate_weight) * np.eye(topology.num_free),
        ]
        limits = topology.free_limits
        return cls(
            weight=jnp.asarray([given.get(name, 1.0) for name in markers], model.dtype),
            low=jnp.asarray(limits[:, 0], model.dtype),
            high=jnp.asarray(limits[:, 1], model.dtype),
            prior=jnp.asarray(np.concatenate(priors), model.dtype),
            markers=index,
            max_steps=max_steps,
        )

    def __call__(self, model: Model, seen: Float[Array, "markers 3"]) -> Pose:
        """The pose of one frame; vmap for many.

        Differentiable in `model` and `seen`, by the implicit function theorem; not in the limits.
        Frames whose pose is not told have no gradient.

        Args:
            seen: m, in the laboratory; NaN where a marker was not seen.

        Returns:
            Rotations, positions in m, coordinates in rad; NaN where the markers do not tell them.
        """
        seen = jnp.asarray(seen, model.dtype)
        state, status, steps = _solve((self, model), seen)
        look = _look(self, model, state, seen)
        here = jnp.isfinite(seen).all(axis=1)
        squared = dot(look.error, look.error)
        apart = here & (squared > 0)
        distance = jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1.0)), 0.0)
        told = status != int(PoseStatus.UNDETERMINED)
        pose = (state.rotation, state.position - rotate(state.rotation, look.pivot), state.q)
        rotation, position, q = (jnp.where(told, x, jnp.nan) for x in pose)
        error = jnp.where(here & told, distance, jnp.nan)
        return Pose(rotation, position, q, error, status, steps)


class _State(NamedTuple):
    """Unknowns: rotation of the torso, place of its pivot, coordinates."""

    rotation: Float[Array, "3 3"]
    position: Float[Array, " 3"]
    q: Float[Array, " q"]


class _Search(NamedTuple):
    """Where the search is: the best state, what was seen from it, and the state to try next."""

    state: _State
    look: "_Seen"
    cost: Float[Array, ""]
    tried: _State
    damping: Float[Array, ""]
    curved: Bool[Array, ""]
    done: Bool[Array, ""]
    steps: Int[Array, ""]


class _Seen(NamedTuple):
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


def _look(
    task: InverseKinematics, model: Model, state: _State, seen: Float[Array, "markers 3"]
) -> _Seen:
    motion = marker_motion(model, state.q, task.markers)
    torso = _on_torso(task, model)
    pivot = jax.lax.stop_gradient(jnp.sum(motion.position * torso[:, None], axis=0) / sum(torso))
    arm = motion.position - pivot
    here = jnp.isfinite(seen).all(axis=1, keepdims=True)
    there = rotate(transpose(state.rotation), jnp.where(here, seen, 0.0) - state.position)
    return _Seen(motion, pivot, arm, jnp.where(here, arm - there, 0.0))


def _on_torso(task: InverseKinematics, model: Model) -> np.ndarray:
    """1 for markers of the torso, 0 for those that the neck moves."""
    topology = model.topology
    still = [topology.anchor[topology.marker_body[k]] < 0 for k in task.markers]
    return np.array(still, dtype=float).astype(model.dtype)


def _prior(task: InverseKinematics, seen: Array) -> Float[Array, "q q"]:
    """Weights of the priors beside the markers that are seen, as Simbody weighs them."""
    here = jnp.isfinite(seen).all(axis=1)
    total = jnp.sum(jnp.where(here, task.weight, 0.0))
    return total * contract("sq,sr->qr", task.prior, task.prior)


def _cost(
    task: InverseKinematics, state: _State, seen: Array, error: Float[Array, "markers 3"]
) -> Float[Array, ""]:
    prior = contract("q,qr,r->", state.q, _prior(task, seen), state.q)
    return 0.5 * (jnp.sum(task.weight * dot(error, error)) + prior)


def _slope(
    task: InverseKinematics, state: _State, seen: Array, look: _Seen
) -> tuple[Float[Array, "markers u 3"], Float[Array, " u"]]:
    """Rows of the Jacobian and gradient of the cost, in small changes of the unknowns."""
    eye = jnp.eye(3, dtype=look.arm.dtype)
    turning = cross(eye[None], look.arm[:, None])
    moving = jnp.broadcast_to(eye, turning.shape)
    rows = jnp.concatenate([turning, moving, look.motion.jacobian], axis=1)
    gradient = contract("m,mux,mx->u", task.weight, rows, look.error)
    prior = contract("qr,r->q", _prior(task, seen), state.q)
    return rows, gradient.at[_TORSO:].add(prior)


class _Curvature(NamedTuple):
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


def _curvature(
    task: InverseKinematics, model: Model, state: _State, seen: Array, look: _Seen
) -> _Curvature:
    rows, gradient = _slope(task, state, seen, look)
    here = jnp.isfinite(seen).all(axis=1)
    straight = contract("m,mux,mvx->uv", jnp.where(here, task.weight, 0.0), rows, rows)
    pull = task.weight[:, None] * look.error
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
    straight = straight.at[_TORSO:, _TORSO:].add(_prior(task, seen))
    return _Curvature(gradient, straight, bent, scale)


def _moved(task: InverseKinematics, state: _State, change: Float[Array, " u"]) -> _State:
    """The state after a small change of the unknowns, inside the limits."""
    turn = change[:3]
    size = jnp.sqrt(dot(turn, turn) + jnp.finfo(turn.dtype).tiny)
    return _State(
        multiply(state.rotation, axis_rotation(turn / size, size)),
        state.position + rotate(state.rotation, change[3:_TORSO]),
        jnp.clip(state.q + change[_TORSO:], task.low, task.high),
    )


def _room(
    task: InverseKinematics, state: _State, gradient: Array
) -> tuple[Float[Array, " u"], Float[Array, " u"], Bool[Array, " u"]]:
    """How far the unknowns may change, down and up; and those held at a limit."""
    endless = jnp.full(_TORSO, jnp.inf, gradient.dtype)
    low = jnp.concatenate([-endless, task.low - state.q])
    high = jnp.concatenate([endless, task.high - state.q])
    return low, high, held_at_limits(gradient, low, high)


@eqx.filter_custom_jvp
def _solve(models: tuple[InverseKinematics, Model], seen: Array) -> tuple[_State, Array, Array]:
    """The least-squares state, a `PoseStatus`, and the steps taken."""
    task, model = models
    return _search(task, model, seen)


def _search(task: InverseKinematics, model: Model, seen: Array) -> tuple[_State, Array, Array]:
    dtype = seen.dtype
    # Of the cost, and m^2 beside it: below, rounding of positions decides.
    part, floor = (1e-14, 1e-20) if dtype == jnp.float64 else (1e-5, 1e-12)

    def step(search: _Search) -> _Search:
        look = _look(task, model, search.tried, seen)
        reached = _cost(task, search.tried, seen, look.error)
        better = reached <= search.cost
        state, look = jax.tree.map(
            lambda new, old: jnp.where(better, new, old),
            (search.tried, look),
            (search.state, search.look),
        )
        cost = jnp.where(better, reached, search.cost)
        slow = jnp.where(better, search.cost - reached < _FAST * search.cost, search.curved)
        damping = jnp.where(better, 0.1 * search.damping, 10 * search.damping)
        around = _curvature(task, model, state, seen, look)
        matrix = around.straight + jnp.where(slow, around.bent, 0.0)
        damped = matrix + damping * jnp.diag(around.scale)
        change = bounded_step(around.gradient, damped, *_room(task, state, around.gradient))
        slope = around.gradient + 0.5 * contract("uv,v->u", matrix, change)
        promised = -contract("u,u->", slope, change)
        settled = (promised >= 0) & (promised <= part * cost + floor) & (damping < 1e-2)
        return _Search(
            state,
            look,
            cost,
            _moved(task, state, change),
            jnp.clip(damping, 1e-9, 1e6),
            slow,
            search.done | settled,
            search.steps + 1,
        )

    def going(search: _Search) -> Bool[Array, ""]:
        return ~search.done & (search.steps < task.max_steps)

    start, told = _start(task, model, seen)
    nothing = jax.tree.map(
        lambda x: jnp.zeros(x.shape, x.dtype),
        jax.eval_shape(lambda x: _look(task, model, start, x), seen),
    )
    # The first step finds the start better than nothing.
    first = _Search(
        start,
        nothing,
        jnp.asarray(jnp.inf, dtype),
        start,
        jnp.asarray(1e-2, dtype),
        jnp.asarray(False),
        ~told,
        jnp.asarray(0),
    )
    last = jax.lax.while_loop(going, step, first)
    # The step that promised next to nothing is taken: it squares what is left of the error.
    state = jax.tree.map(lambda a, b: jnp.where(last.done, a, b), last.tried, last.state)
    settled = jnp.where(last.done, int(PoseStatus.CONVERGED), int(PoseStatus.NOT_CONVERGED))
    status = jnp.where(told, settled, int(PoseStatus.UNDETERMINED))
    return state, status.astype(jnp.int32), last.steps


def _start(task: InverseKinematics, model: Model, seen: Array) -> tuple[_State, Bool[Array, ""]]:
    """The torso laid onto its markers, the head's turn shared by the ranges of the coordinates; and
    whether the markers tell a pose."""
    torso = _on_torso(task, model)
    neutral = jnp.clip(jnp.zeros_like(task.low), task.low, task.high)
    motion = marker_motion(model, neutral, task.markers)
    arm = motion.position - jnp.sum(motion.position * torso[:, None], axis=0) / sum(torso)
    here = jnp.isfinite(seen).all(axis=1) & (task.weight > 0)
    enough = _spread(arm, here & (torso > 0)) & _spread(arm, here & (torso == 0))
    # The other body's markers turn one only where its own are in line.
    trust = jnp.where(here, jnp.where(jnp.stack([torso > 0, torso == 0]), 1.0, 1e-3), 0.0)
    seen = jnp.where(here[:, None], seen, 0.0)
    (rotation, head), (position, _) = jax.vmap(_laid, (0, None, None))(
        trust.astype(arm.dtype), arm, seen
    )
    topology = model.topology
    mover = max(topology.anchor[topology.marker_body[k]] for k in task.markers)
    width = jnp.where(jnp.isfinite(task.high - task.low), task.high - task.low, 1.0)
    turning = motion.twist[mover + 1, :, :3] * width[:, None]
    across = contract("qx,qy->xy", turning, turning) + 1e-9 * jnp.eye(3, dtype=arm.dtype)
    turned = rotation_vector(multiply(transpose(rotation), head))
    q = width * contract("qx,x->q", turning, solve_spd(across, turned))
    q = jnp.where(enough, jnp.clip(neutral + q, task.low, task.high), neutral)
    return _State(rotation, position, q), enough


def _laid(
    trust: Float[Array, " n"], arm: Float[Array, "n 3"], seen: Float[Array, "n 3"]
) -> tuple[Float[Array, "3 3"], Float[Array, " 3"]]:
    """Rotation and shift that lay `arm` onto what was seen (Kabsch 1976)."""
    trust = trust[:, None]
    total = jnp.maximum(jnp.sum(trust), 1e-9)
    there, middle = jnp.sum(trust * seen, axis=0) / total, jnp.sum(trust * arm, axis=0) / total
    spread = contract("mi,mj->ij", trust * (seen - there), arm - middle)
    left, _, right = jnp.linalg.svd(spread)
    flip = jnp.sign(jnp.linalg.det(left) * jnp.linalg.det(right))
    last = jnp.array([1.0, 1.0, 0.0], arm.dtype) + jnp.array([0.0, 0.0, 1.0], arm.dtype) * flip
    rotation = multiply(left * last, right)
    return rotation, there - rotate(rotation, middle)


def rotation_vector(rotation: Float[Array, "3 3"]) -> Float[Array, " 3"]:
    """Axis times angle (rad), to well below a half turn."""
    twice = jnp.stack(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )
    size = jnp.sqrt(dot(twice, twice) + jnp.finfo(rotation.dtype).tiny)
    angle = jnp.arctan2(size, jnp.trace(rotation) - 1)
    return twice / size * angle


def _spread(points: Float[Array, "n 3"], chosen: Bool[Array, " n"]) -> Bool[Array, ""]:
    """Whether the chosen points are three or more, and not in line."""
    count = jnp.sum(chosen)
    share = chosen[:, None] / jnp.maximum(count, 1)
    away = jnp.where(chosen[:, None], points - jnp.sum(share * points, axis=0), 0.0)
    scatter = contract("mi,mj->ij", away, away) / jnp.maximum(count, 1)
    size = jnp.trace(scatter)
    # Sum of the products of two of its eigenvalues: small where two of them are.
    pairs = 0.5 * (size**2 - jnp.sum(scatter**2))
    return (count >= 3) & (pairs > _THIN**2 * size)


@_solve.def_jvp
def _solve_jvp(primals, tangents):
    """By the implicit function theorem: the gradient stays zero, limits that hold stay held."""
    (models, seen), (models_dot, seen_dot) = primals, tangents
    task, model = models
    state, status, steps = _solve(models, seen)

    def slope(models: tuple[InverseKinematics, Model], seen: Array) -> Array:
        task, model = models
        return _slope(task, state, seen, _look(task, model, state, seen))[1]

    _, rate = eqx.filter_jvp(slope, (models, seen), (models_dot, seen_dot))
    around = _curvature(task, model, state, seen, _look(task, model, state, seen))
    matrix = around.straight + around.bent
    _, _, held = _room(task, state, around.gradient)
    matrix, rate = without(held, matrix, rate)
    # Where no pose was told there is nothing to follow, and the equations may be singular.
    known = status == int(PoseStatus.CONVERGED)
    matrix, rate = jnp.where(known, matrix, jnp.eye(len(rate))), jnp.where(known, rate, 0.0)
    # The inverse, because elimination of a table that a tangent is part of can't be transposed.
    change = -contract("uv,v->u", inverse_spd(matrix), rate)
    turning = cross(state.rotation, change[:3])
    moving = rotate(state.rotation, change[3:_TORSO])
    dot_state = _State(turning, moving, change[_TORSO:])
    return (state, status, steps), (dot_state, None, None)
