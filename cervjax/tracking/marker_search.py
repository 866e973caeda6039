"""The search for the pose of torso and neck: Levenberg and Marquardt's, second derivatives added
where Gauss and Newton's is slow; differentiable by the implicit function theorem."""

from enum import IntEnum
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from cervjax.kinematics import marker_motion
from cervjax.math import inverse_spd, solve_spd
from cervjax.math.bounded_step import bounded_step, without
from cervjax.math.contraction import contract
from cervjax.math.rotation import cross, multiply, rotate, rotation_vector, transpose
from cervjax.model import Model

from .marker_cost import (
    TORSO,
    MarkersFromTorso,
    MarkerTask,
    TorsoAndNeck,
    cost_of,
    curvature_of,
    look_at,
    moved,
    on_torso,
    room,
    slope_of,
)

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


class _Search(NamedTuple):
    """Where the search is: the best state, what was seen from it, and the state to try next."""

    state: TorsoAndNeck
    look: "MarkersFromTorso"
    cost: Float[Array, ""]
    tried: TorsoAndNeck
    damping: Float[Array, ""]
    curved: Bool[Array, ""]
    done: Bool[Array, ""]
    steps: Int[Array, ""]


@eqx.filter_custom_jvp
def solve_pose(models: tuple[MarkerTask, Model], seen: Array) -> tuple[TorsoAndNeck, Array, Array]:
    """The least-squares state, a `PoseStatus`, and the steps taken."""
    task, model = models
    return _search(task, model, seen)


def _search(task: MarkerTask, model: Model, seen: Array) -> tuple[TorsoAndNeck, Array, Array]:
    dtype = seen.dtype
    # Of the cost, and m^2 beside it: below, rounding of positions decides.
    part, floor = (1e-14, 1e-20) if dtype == jnp.float64 else (1e-5, 1e-12)

    def step(search: _Search) -> _Search:
        look = look_at(task, model, search.tried, seen)
        reached = cost_of(task, model, search.tried, seen, look.error)
        better = reached <= search.cost
        state, look = jax.tree.map(
            lambda new, old: jnp.where(better, new, old),
            (search.tried, look),
            (search.state, search.look),
        )
        cost = jnp.where(better, reached, search.cost)
        slow = jnp.where(better, search.cost - reached < _FAST * search.cost, search.curved)
        damping = jnp.where(better, 0.1 * search.damping, 10 * search.damping)
        around = curvature_of(task, model, state, seen, look)
        matrix = around.straight + jnp.where(slow, around.bent, 0.0)
        damped = matrix + damping * jnp.diag(around.scale)
        change = bounded_step(around.gradient, damped, *room(task, state, around.gradient))
        slope = around.gradient + 0.5 * contract("uv,v->u", matrix, change)
        promised = -contract("u,u->", slope, change)
        settled = (promised >= 0) & (promised <= part * cost + floor) & (damping < 1e-2)
        return _Search(
            state,
            look,
            cost,
            moved(task, state, change),
            jnp.clip(damping, 1e-9, 1e6),
            slow,
            search.done | settled,
            search.steps + 1,
        )

    def going(search: _Search) -> Bool[Array, ""]:
        return ~search.done & (search.steps < task.max_steps)

    start, determined = _start(task, model, seen)
    nothing = jax.tree.map(
        lambda x: jnp.zeros(x.shape, x.dtype),
        jax.eval_shape(lambda x: look_at(task, model, start, x), seen),
    )
    # The first step finds the start better than nothing.
    first = _Search(
        start,
        nothing,
        jnp.asarray(jnp.inf, dtype),
        start,
        jnp.asarray(1e-2, dtype),
        jnp.asarray(False),
        ~determined,
        jnp.asarray(0),
    )
    last = jax.lax.while_loop(going, step, first)
    # The step that promised next to nothing is taken: it squares what is left of the error.
    state = jax.tree.map(lambda a, b: jnp.where(last.done, a, b), last.tried, last.state)
    settled = jnp.where(last.done, int(PoseStatus.CONVERGED), int(PoseStatus.NOT_CONVERGED))
    status = jnp.where(determined, settled, int(PoseStatus.UNDETERMINED))
    return state, status.astype(jnp.int32), last.steps


def _start(task: MarkerTask, model: Model, seen: Array) -> tuple[TorsoAndNeck, Bool[Array, ""]]:
    """The torso laid onto its markers, the head's turn shared by the ranges of the coordinates; and
    whether the markers tell a pose."""
    torso = on_torso(task, model)
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
    return TorsoAndNeck(rotation, position, q), enough


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


@solve_pose.def_jvp
def _solve_jvp(primals, tangents):
    """By the implicit function theorem: the gradient stays zero, limits that hold stay held."""
    (models, seen), (models_dot, seen_dot) = primals, tangents
    task, model = models
    state, status, steps = solve_pose(models, seen)

    def slope(models: tuple[MarkerTask, Model], seen: Array) -> Array:
        task, model = models
        return slope_of(task, model, state, seen, look_at(task, model, state, seen))[1]

    _, rate = eqx.filter_jvp(slope, (models, seen), (models_dot, seen_dot))
    around = curvature_of(task, model, state, seen, look_at(task, model, state, seen))
    matrix = around.straight + around.bent
    _, _, held = room(task, state, around.gradient)
    matrix, rate = without(held, matrix, rate)
    # Where no pose was determined there is nothing to follow, and the equations may be singular.
    known = status == int(PoseStatus.CONVERGED)
    matrix, rate = jnp.where(known, matrix, jnp.eye(len(rate))), jnp.where(known, rate, 0.0)
    # The inverse, because elimination of a table that a tangent is part of can't be transposed.
    change = -contract("uv,v->u", inverse_spd(matrix), rate)
    turning = cross(state.rotation, change[:3])
    moving = rotate(state.rotation, change[3:TORSO])
    dot_state = TorsoAndNeck(turning, moving, change[TORSO:])
    return (state, status, steps), (dot_state, None, None)
