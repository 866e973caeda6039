"""Damped semismooth Newton on the dual of `ActivationProblem`.

The dual is concave with as many unknowns as there are equations (six for a neck), so a step is
one small linear solve. The line search along the Newton direction finds the root of the dual's
derivative, which decreases, by safeguarded false position: without it the iteration cycles.
Derivatives of the solution come from the implicit function theorem, in forward and reverse mode.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .problem import ActivationProblem, controls_from, reduced_costs, supplied

_LINE_SEARCH_STEPS = 5
_SMALLEST_CONTROL = 1e-3
"""Bounds the dual's curvature for p > 2, which is infinite at zero control."""


class DualState(NamedTuple):
    """Where the iteration ended.

    Attributes:
        multipliers: per N m.
        iterations: Newton steps taken.
        converged: whether the balance was met to rounding.
    """

    multipliers: Float[Array, "equations *batch"]
    iterations: Int[Array, "*batch"]
    converged: Bool[Array, "*batch"]


def solve_dual(problem: ActivationProblem, exponent: float, max_steps: int) -> DualState:
    """The multipliers of one problem; vmap for many.

    Args:
        exponent: p >= 2 of the objective.
        max_steps: limit of Newton steps.
    """
    multipliers, iterations, converged = _solve(exponent, max_steps, problem)
    return DualState(multipliers, iterations, converged)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _solve(exponent: float, max_steps: int, problem: ActivationProblem) -> tuple:
    return tuple(_batched(exponent, max_steps)(*problem))


@_solve.defjvp
def _solve_jvp(exponent: float, max_steps: int, primals: tuple, tangents: tuple) -> tuple:
    (problem,), (change,) = primals, tangents
    multipliers, iterations, converged = _solve(exponent, max_steps, problem)

    def shortfall(p: ActivationProblem) -> Array:
        return p.target - supplied(p, controls_from(p, reduced_costs(p, multipliers), exponent))

    _, moved = jax.jvp(shortfall, (problem,), (change,))
    curvature = _curvature(problem, reduced_costs(problem, multipliers), exponent)
    step = jnp.sum(_inverse(_regularized(problem, curvature)) * moved[None], axis=1)
    zero = jax.custom_derivatives.zero_from_primal
    return (multipliers, iterations, converged), (step, zero(iterations), zero(converged))


def _batched(exponent: float, max_steps: int):
    """The iteration for one problem, which vmap turns into one with the batch axis last."""
    run = partial(_newton, exponent=exponent, max_steps=max_steps)

    @jax.custom_batching.custom_vmap
    def solve(*problem: Array) -> DualState:
        return run(ActivationProblem(*problem))

    @solve.def_vmap
    def _(size: int, batched: list[bool], *problem: Array) -> tuple[DualState, DualState]:
        last = [
            jnp.moveaxis(x, 0, -1) if is_batched else jnp.broadcast_to(x[..., None], (*x.shape, size))
            for x, is_batched in zip(problem, batched, strict=True)
        ]
        solution = run(ActivationProblem(*last))
        first = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), solution)
        return first, DualState(True, True, True)  # type: ignore[arg-type]

    return solve


class _Iterate(NamedTuple):
    multipliers: Array
    step: Array
    iterations: Array
    met: Array
    done: Array


def _newton(problem: ActivationProblem, exponent: float, max_steps: int) -> DualState:
    tolerance = 64 * jnp.finfo(problem.target.dtype).eps

    def advance(it: _Iterate) -> _Iterate:
        worth = reduced_costs(problem, it.multipliers)
        controls = controls_from(problem, worth, exponent)
        parts = problem.matrix * controls[None]
        shortfall = problem.target - jnp.sum(parts, axis=1)
        size = jnp.sum(jnp.abs(parts), axis=1) + jnp.abs(problem.target)
        met = jnp.max(jnp.abs(shortfall), axis=0) <= tolerance * jnp.max(size, axis=0)

        curvature = _curvature(problem, worth, exponent)
        direction = _solve_spd(_regularized(problem, curvature), shortfall)
        length = _line_search(problem, worth, direction, exponent)
        # The step from a point that meets the tolerance polishes it; then the row rests.
        multipliers = jnp.where(it.done, it.multipliers, it.multipliers + length * direction)
        return _Iterate(
            multipliers,
            it.step + 1,
            jnp.where(it.done, it.iterations, it.step + 1),
            it.met | met,
            it.done | met,
        )

    batch = problem.target.shape[1:]
    start = _Iterate(
        _start(problem, exponent),
        jnp.array(0),
        jnp.zeros(batch, int),
        jnp.zeros(batch, bool),
        ~jnp.isfinite(jnp.sum(problem.target, axis=0) + jnp.sum(problem.matrix, axis=(0, 1))),
    )
    end = jax.lax.while_loop(
        lambda it: (it.step < max_steps) & ~jnp.all(it.done), advance, start
    )
    return DualState(end.multipliers, end.iterations, end.met)


def _start(problem: ActivationProblem, exponent: float) -> Array:
    """Multipliers of the problem without bounds and with p = 2: not zero, where every muscle
    sits on its bound and the dual has no curvature to go by."""
    del exponent
    curvature = 0.5 / problem.weight
    return _solve_spd(_regularized(problem, curvature), problem.target)


def _curvature(problem: ActivationProblem, worth: Array, exponent: float) -> Array:
    """Derivative of the controls with respect to their worth; zero on the bounds."""
    controls = controls_from(problem, worth, exponent)
    inside = (controls > problem.lower) & (controls < problem.upper)
    slope = 1 / (exponent * (exponent - 1) * problem.weight)
    if exponent != 2.0:
        slope = slope * jnp.maximum(jnp.abs(controls), _SMALLEST_CONTROL) ** (2 - exponent)
    return jnp.where(inside, slope, 0.0)


def _regularized(problem: ActivationProblem, curvature: Array) -> Array:
    """`matrix @ diag(curvature) @ matrix^T`, kept positive definite where muscles saturate."""
    matrix = problem.matrix
    count = matrix.shape[0]
    rows = []
    for i in range(count):
        scaled = matrix[i] * curvature
        rows.append(jnp.sum(scaled[None] * matrix, axis=1))
    hessian = jnp.stack(rows)
    eps = jnp.finfo(matrix.dtype).eps
    floor = eps * jnp.sum(matrix**2 / problem.weight[None], axis=(0, 1)) / count
    eye = jnp.eye(count, dtype=matrix.dtype).reshape(count, count, *[1] * (matrix.ndim - 2))
    return hessian + (floor + jnp.finfo(matrix.dtype).tiny) * eye


def _solve_spd(matrix: Array, right: Array) -> Array:
    return _eliminate(matrix, right[:, None])[:, 0]


def _inverse(matrix: Array) -> Array:
    count = matrix.shape[0]
    eye = jnp.eye(count, dtype=matrix.dtype).reshape(count, count, *[1] * (matrix.ndim - 2))
    return _eliminate(matrix, jnp.broadcast_to(eye, matrix.shape))


def _eliminate(matrix: Array, right: Array) -> Array:
    """Gauss-Jordan elimination of positive definite systems along the batch.

    A loop over the pivots: LAPACK would be called once per row of the batch, and unrolled, XLA
    would recompute the chain.
    """
    count = matrix.shape[0]

    def pivot(k: Array, table: Array) -> Array:
        row = table[k] / table[k][k]
        factor = table[:, k]
        return (table - factor[:, None] * row[None]).at[k].set(row)

    table = jax.lax.fori_loop(0, count, pivot, jnp.concatenate([matrix, right], axis=1))
    return table[:, count:]


def _line_search(
    problem: ActivationProblem, worth: Array, direction: Array, exponent: float
) -> Array:
    """Length of the step: one, or the root of the dual's derivative where that comes before."""
    change = reduced_costs(problem, direction)
    gain = jnp.sum(direction * problem.target, axis=0)

    def slope(length: Array) -> Array:
        controls = controls_from(problem, worth + length[None] * change, exponent)
        return gain - jnp.sum(change * controls, axis=0)

    zero, one = jnp.zeros_like(gain), jnp.ones_like(gain)
    at_zero, at_one = slope(zero), slope(one)

    def shrink(_: int, bracket: tuple) -> tuple:
        """Illinois false position: halve the value of an end that stays twice."""
        low, high, at_low, at_high = bracket
        spread = at_low - at_high
        middle = low + (high - low) * at_low / jnp.where(spread > 0, spread, 1.0)
        at_middle = slope(middle)
        before = at_middle >= 0
        return (
            jnp.where(before, middle, low),
            jnp.where(before, high, middle),
            jnp.where(before, at_middle, 0.5 * at_low),
            jnp.where(before, 0.5 * at_high, at_middle),
        )

    low, high, _, _ = jax.lax.fori_loop(
        0, _LINE_SEARCH_STEPS, shrink, (zero, one, at_zero, at_one)
    )
    return jnp.where(at_one >= -1e-3 * jnp.abs(at_zero), one, jnp.where(low > 0, low, high))
