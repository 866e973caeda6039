"""Inverse kinematics: from markers to the pose of the torso and the coordinates of the neck.

The weighted least squares that OpenSim's InverseKinematicsTool solves, frame by frame without a
memory of the frame before, so that frames are a batch axis and one lost marker harms one frame.
"""

import itertools
from enum import IntEnum
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cervjax.contraction import contract
from cervjax.elimination import inverse_spd, solve_spd
from cervjax.kinematics import MarkerMotion, marker_bending, marker_motion
from cervjax.kinematics.rotation import axis_rotation, cross, dot, multiply, rotate, transpose
from cervjax.model import NeckModel
from cervjax.motion import PLANES, plane_of_coordinates
from cervjax.spec import NeckSpec

_TORSO = 6
"""Unknowns of the torso's pose, before those of the neck."""
SHARE_WEIGHT = 2e-5
"""m^2/rad^2, by default: with eight markers that slide by 4 mm, some 20 degrees off the share cost
as much as the markers do."""
_FAST = 0.2
"""Part of the cost that a step of Gauss and Newton's method has to save for another one. Markers that
sit some millimeters off make it slow, because what little tells upper from lower neck is of the size
of the second derivatives that it leaves out; far from the solution those mislead (the hybrid of
Fletcher & Xu 1987, IMA J. Numer. Anal. 7:371)."""
_PASSES = 4
"""Times that a step is solved anew because coordinates would leave their limits."""


class PoseStatus(IntEnum):
    """What a frame's pose is good for.

    CONVERGED: the least-squares pose. UNDETERMINED: too few markers were seen to tell it.
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
        low, high: rad, limits of the coordinates.
        prior: m/rad, residuals that are zero where lower and upper neck share each plane in
            proportion to their ranges, and where coordinates are zero.
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
        spec: NeckSpec,
        model: NeckModel,
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

        Raises:
            ValueError: the neck lacks a marker, a weight is negative or of no marker, or the
                markers cannot tell a pose.
        """
        known = model.topology.markers
        lacking = [name for name in markers if name not in known]
        if lacking:
            raise ValueError(
                f"{spec.name!r} has no marker {', '.join(lacking)}; there are {', '.join(known)}"
            )
        given = weights or {}
        for name, value in given.items():
            if name not in markers or not value >= 0:
                raise ValueError(
                    f"weight {value} of marker {name!r}: weights are not negative, of "
                    f"{', '.join(markers)}"
                )
        index = tuple(known.index(name) for name in markers)
        moving = [model.topology.anchor[model.topology.marker_body[k]] >= 0 for k in index]
        if sum(moving) < 3 or len(moving) - sum(moving) < 3:
            raise ValueError(
                f"markers {', '.join(markers)}: {sum(moving)} move with the head and "
                f"{len(moving) - sum(moving)} with the torso; three of each are needed"
            )
        ranges = np.array([spec.coordinate(name).range for name in spec.free_coordinates])
        for name, value in (("coordinate", coordinate_weight), ("share", share_weight)):
            if not value >= 0:
                raise ValueError(f"{name}_weight = {value} is negative")
        total = sum(given.get(name, 1.0) for name in markers)
        priors = [
            np.sqrt(total * share_weight) * _share_rows(spec, ranges),
            np.sqrt(total * coordinate_weight) * np.eye(len(ranges)),
        ]
        return cls(
            weight=jnp.asarray([given.get(name, 1.0) for name in markers], model.dtype),
            low=jnp.asarray(ranges[:, 0], model.dtype),
            high=jnp.asarray(ranges[:, 1], model.dtype),
            prior=jnp.asarray(np.concatenate(priors), model.dtype),
            markers=index,
            max_steps=max_steps,
        )

    def __call__(self, model: NeckModel, seen: Float[Array, "markers 3"]) -> Pose:
        """The pose of one frame; vmap for many. Differentiable in `model` and `seen`.

        Args:
            seen: m, in the laboratory; NaN where a marker was not seen.
        """
        state, status, steps = _solve((self, model), seen)
        error = _look(self, model, state, seen).error
        here = jnp.isfinite(seen).all(axis=1)
        distance = jnp.sqrt(jnp.where(here, dot(error, error), 1.0))
        return Pose(
            state.rotation,
            state.position - rotate(state.rotation, _pivot(self, model)),
            state.q,
            jnp.where(here, distance, jnp.nan),
            status,
            steps,
        )


class _State(NamedTuple):
    """Unknowns: rotation of the torso, place of its pivot, coordinates."""

    rotation: Float[Array, "3 3"]
    position: Float[Array, " 3"]
    q: Float[Array, " q"]


class _Search(NamedTuple):
    """Where the search is."""

    state: _State
    cost: Float[Array, ""]
    damping: Float[Array, ""]
    curved: Bool[Array, ""]
    done: Bool[Array, ""]
    steps: Int[Array, ""]


def _share_rows(spec: NeckSpec, ranges: np.ndarray) -> np.ndarray:
    """Rows that are zero on coordinates in proportion to their ranges, in rad."""
    plane, width = np.array(plane_of_coordinates(spec)), np.ptp(ranges, axis=1)
    rows = []
    for p in range(len(PLANES)):
        members = np.flatnonzero(plane == p)
        for one, other in itertools.pairwise(members):
            row = np.zeros(len(width))
            both = width[one] + width[other]
            row[one], row[other] = width[other] / both, -width[one] / both
            rows.append(row)
    return np.array(rows).reshape(-1, len(width))


def _pivot(task: InverseKinematics, model: NeckModel) -> Float[Array, " 3"]:
    """m, middle of the torso's markers: turning about it moves the others least."""
    topology = model.topology
    torso = [k for k in task.markers if topology.anchor[topology.marker_body[k]] < 0]
    still = marker_motion(model, model.default_q, tuple(torso)).position
    return jax.lax.stop_gradient(jnp.mean(still, axis=0))


class _Seen(NamedTuple):
    """Markers in the frame of the torso as it is held to be.

    Attributes:
        motion: of the model's markers.
        arm: m, from the pivot.
        error: m, from where they were seen; zero where they were not.
    """

    motion: MarkerMotion
    arm: Float[Array, "markers 3"]
    error: Float[Array, "markers 3"]


def _look(
    task: InverseKinematics, model: NeckModel, state: _State, seen: Float[Array, "markers 3"]
) -> _Seen:
    motion = marker_motion(model, state.q, task.markers)
    arm = motion.position - _pivot(task, model)
    here = jnp.isfinite(seen).all(axis=1, keepdims=True)
    there = rotate(transpose(state.rotation), jnp.where(here, seen, 0.0) - state.position)
    return _Seen(motion, arm, jnp.where(here, arm - there, 0.0))


def _cost(task: InverseKinematics, state: _State, error: Array) -> Float[Array, ""]:
    prior = contract("sq,q->s", task.prior, state.q)
    return 0.5 * (jnp.sum(task.weight * dot(error, error)) + jnp.sum(prior**2))


def _slope(
    task: InverseKinematics, model: NeckModel, state: _State, seen: Array
) -> tuple[_Seen, Float[Array, "markers u 3"], Float[Array, " u"]]:
    """Rows of the Jacobian and gradient of the cost, in small changes of the unknowns."""
    look = _look(task, model, state, seen)
    eye = jnp.eye(3, dtype=look.arm.dtype)
    turning = cross(eye[None], look.arm[:, None])
    moving = jnp.broadcast_to(eye, turning.shape)
    rows = jnp.concatenate([turning, moving, look.motion.jacobian], axis=1)
    gradient = contract("m,mux,mx->u", task.weight, rows, look.error)
    prior = contract("sq,sr,r->q", task.prior, task.prior, state.q)
    return look, rows, gradient.at[_TORSO:].add(prior)


def _curvature(
    task: InverseKinematics, model: NeckModel, state: _State, seen: Array
) -> tuple[Float[Array, " u"], Float[Array, "u u"], Float[Array, "u u"]]:
    """Gradient of the cost, Gauss and Newton's matrix, and what that lacks of the second
    derivatives."""
    look, rows, gradient = _slope(task, model, state, seen)
    here = jnp.isfinite(seen).all(axis=1)
    matrix = contract("m,mux,mvx->uv", jnp.where(here, task.weight, 0.0), rows, rows)
    pull = task.weight[:, None] * look.error
    bending = marker_bending(model, state.q, look.motion, pull, task.markers)
    spread = contract("mx,my->xy", pull, look.arm)
    turning = 0.5 * (spread + spread.T) - jnp.trace(spread) * jnp.eye(3, dtype=spread.dtype)
    corner = jnp.zeros((3, 3), spread.dtype)
    priors = contract("sq,sr->qr", task.prior, task.prior)
    matrix = matrix.at[_TORSO:, _TORSO:].add(priors)
    bent = jnp.block(
        [
            [turning, corner, bending.turning],
            [corner, corner, jnp.zeros_like(bending.turning)],
            [bending.turning.T, jnp.zeros_like(bending.turning.T), bending.coordinates],
        ]
    )
    return gradient, matrix, bent


def _moved(task: InverseKinematics, state: _State, change: Float[Array, " u"]) -> _State:
    """The state after a small change of the unknowns, inside the limits."""
    turn = change[:3]
    size = jnp.sqrt(dot(turn, turn) + jnp.finfo(turn.dtype).tiny)
    return _State(
        multiply(state.rotation, axis_rotation(turn / size, size)),
        state.position + rotate(state.rotation, change[3:_TORSO]),
        jnp.clip(state.q + change[_TORSO:], task.low, task.high),
    )


def _held(task: InverseKinematics, state: _State, gradient: Array) -> Bool[Array, " u"]:
    """Unknowns at a limit that the cost pushes against."""
    down, up = state.q <= task.low, state.q >= task.high
    push = gradient[_TORSO:]
    stuck = (down & (push > 0)) | (up & (push < 0))
    return jnp.concatenate([jnp.zeros(_TORSO, bool), stuck])


def _without(held: Array, matrix: Array, right: Array) -> tuple[Array, Array]:
    """The equations of the unknowns that are not held; the others do not change."""
    free = ~held
    matrix = jnp.where(free[:, None] & free[None, :], matrix, 0.0)
    return matrix + jnp.diag(jnp.where(held, 1.0, 0.0).astype(matrix.dtype)), right * free


def _bounded_step(
    task: InverseKinematics, state: _State, gradient: Array, matrix: Array
) -> Float[Array, " u"]:
    """The change that the quadratic model asks for, inside the limits: coordinates that would
    leave them go as far as they may, and the others make up for it."""
    endless = jnp.full(_TORSO, jnp.inf, gradient.dtype)
    low = jnp.concatenate([-endless, task.low - state.q])
    high = jnp.concatenate([endless, task.high - state.q])
    held = _held(task, state, gradient)
    change = jnp.zeros_like(gradient)
    for _ in range(_PASSES):
        known = jnp.where(held, change, 0.0)
        right = gradient + contract("uv,v->u", matrix, known)
        change = known - solve_spd(*_without(held, matrix, right))
        beyond = (change < low) | (change > high)
        change = jnp.clip(change, low, high)
        held = held | beyond
    return change


@eqx.filter_custom_jvp
def _solve(models: tuple[InverseKinematics, NeckModel], seen: Array) -> tuple[_State, Array, Array]:
    """The least-squares state, a `PoseStatus`, and the steps taken."""
    task, model = models
    return _search(task, model, seen)


def _search(task: InverseKinematics, model: NeckModel, seen: Array) -> tuple[_State, Array, Array]:
    dtype = seen.dtype
    small = 1e-10 if dtype == jnp.float64 else 1e-5
    flat = 1e-15 if dtype == jnp.float64 else 1e-7

    def step(search: _Search) -> _Search:
        cost = search.cost
        gradient, straight, bent = _curvature(task, model, search.state, seen)
        matrix = straight + jnp.where(search.curved, 1.0, 0.0).astype(dtype) * bent
        damped = matrix + search.damping * jnp.diag(scale)
        change = _bounded_step(task, search.state, gradient, damped)
        tried = _moved(task, search.state, change)
        reached = _cost(task, tried, _look(task, model, tried, seen).error)
        better = reached <= cost
        # What the step promised or brought is below what rounding can tell.
        still = (jnp.max(jnp.abs(change)) < small) | (
            better & (cost - reached <= flat * cost) & (search.damping < 1e-2)
        )
        state = jax.tree.map(lambda a, b: jnp.where(better, a, b), tried, search.state)
        damping = jnp.where(better, 0.1 * search.damping, 10 * search.damping)
        return _Search(
            state,
            jnp.where(better, reached, cost),
            jnp.clip(damping, 1e-9, 1e6),
            jnp.where(better, cost - reached < _FAST * cost, search.curved),
            still,
            search.steps + 1,
        )

    def going(search: _Search) -> Bool[Array, ""]:
        return ~search.done & (search.steps < task.max_steps)

    start, told = _start(task, model, seen)
    look, rows, _ = _slope(task, model, start, seen)
    # Lever arms and weights of the markers: the curvature's own diagonal may be negative.
    scale = contract("m,mux,mux->u", task.weight, rows, rows)
    first = _Search(
        start,
        _cost(task, start, look.error),
        jnp.asarray(1e-3, dtype),
        jnp.asarray(False),
        ~told,
        jnp.asarray(0),
    )
    last = jax.lax.while_loop(going, step, first)
    settled = jnp.where(last.done, int(PoseStatus.CONVERGED), int(PoseStatus.NOT_CONVERGED))
    status = jnp.where(told, settled, int(PoseStatus.UNDETERMINED))
    nowhere = jax.tree.map(lambda x: jnp.where(told, x, jnp.nan), last.state)
    return nowhere, status.astype(jnp.int32), last.steps


def _start(
    task: InverseKinematics, model: NeckModel, seen: Array
) -> tuple[_State, Bool[Array, ""]]:
    """The torso laid onto its markers, the neck neutral; and whether the markers tell a pose."""
    topology = model.topology
    torso = np.array([topology.anchor[topology.marker_body[k]] < 0 for k in task.markers])
    neutral = jnp.clip(jnp.zeros_like(task.low), task.low, task.high)
    arm = marker_motion(model, neutral, task.markers).position - _pivot(task, model)
    here = jnp.isfinite(seen).all(axis=1)
    enough = (jnp.sum(here & torso) >= 3) & (jnp.sum(here & ~torso) >= 3)
    # Laid onto the torso's markers first; the head's turn it only where the torso's are in line.
    trust = jnp.where(here, jnp.where(torso, 1.0, 1e-3), 0.0).astype(arm.dtype)[:, None]
    total = jnp.maximum(jnp.sum(trust), 1e-9)
    seen = jnp.where(here[:, None], seen, 0.0)
    there, model_middle = (
        jnp.sum(trust * seen, axis=0) / total,
        jnp.sum(trust * arm, axis=0) / total,
    )
    spread = contract("mi,mj->ij", trust * (seen - there), arm - model_middle)
    left, _, right = jnp.linalg.svd(spread)
    flip = jnp.sign(jnp.linalg.det(left) * jnp.linalg.det(right))
    last = jnp.array([1.0, 1.0, 0.0], arm.dtype) + jnp.array([0.0, 0.0, 1.0], arm.dtype) * flip
    rotation = multiply(left * last, right)
    return _State(rotation, there - rotate(rotation, model_middle), neutral), enough


@_solve.def_jvp
def _solve_jvp(primals, tangents):
    """By the implicit function theorem: the gradient stays zero, limits that hold stay held."""
    (models, seen), (models_dot, seen_dot) = primals, tangents
    task, model = models
    state, status, steps = _search(task, model, seen)

    def slope(models: tuple[InverseKinematics, NeckModel], seen: Array) -> Array:
        return _slope(*models, state, seen)[2]

    _, rate = eqx.filter_jvp(slope, (models, seen), (models_dot, seen_dot))
    gradient, straight, bent = _curvature(task, model, state, seen)
    matrix = straight + bent
    held = _held(task, state, gradient)
    matrix, rate = _without(held, matrix, rate)
    # The inverse, because elimination of a table that a tangent is part of can't be transposed.
    change = -contract("uv,v->u", inverse_spd(matrix), rate)
    turning = -cross(state.rotation, change[:3])
    moving = rotate(state.rotation, change[3:_TORSO])
    dot_state = _State(turning, moving, change[_TORSO:])
    return (state, status, steps), (dot_state, None, None)
