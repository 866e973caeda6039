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

from cervjax.contraction import contract

from .compensated import accurate_costs, two_sum
from .problem import ActivationProblem, controls_from, reduced_costs, supplied

_LINE_SEARCH_STEPS = 6
_SMALLEST_CONTROL = 1e-3
"""Bounds the dual's curvature for p > 2, which is infinite at zero control."""


class DualState(NamedTuple):
    """Where the iteration ended.

    Attributes:
        multipliers: per N m.
        rest: what `multipliers` cannot hold in float32; zero in float64.
        iterations: Newton steps taken.
        met: whether the balance was met to rounding.
    """

    multipliers: Float[Array, " equations"]
    rest: Float[Array, " equations"]
    iterations: Int[Array, ""]
    met: Bool[Array, ""]


def solve_dual(problem: ActivationProblem, exponent: float, max_steps: int) -> DualState:
    """The multipliers of one problem; vmap for many.

    Args:
        exponent: p >= 2 of the objective.
        max_steps: limit of Newton steps.
    """
    return DualState(*_solve(exponent, max_steps, problem))


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _solve(exponent: float, max_steps: int, problem: ActivationProblem) -> tuple:
    return tuple(_newton(problem, exponent, max_steps))


@_solve.defjvp
def _solve_jvp(exponent: float, max_steps: int, primals: tuple, tangents: tuple) -> tuple:
    (problem,), (change,) = primals, tangents
    multipliers, rest, iterations, met = _solve(exponent, max_steps, problem)
    worth = accurate_costs(problem, multipliers, rest)

    def shortfall(p: ActivationProblem) -> Array:
        costs = accurate_costs(p, multipliers, rest)
        return p.target - supplied(p, controls_from(p, costs, exponent))

    _, moved = jax.jvp(shortfall, (problem,), (change,))
    curvature = _curvature(problem, controls_from(problem, worth, exponent), exponent)
    step = contract("ij,j->i", _inverse(_regularized(problem, curvature)), moved)
    zero = jax.custom_derivatives.zero_from_primal
    values = (multipliers, rest, iterations, met)
    return values, (step, jnp.zeros_like(rest), zero(iterations), zero(met))


class _Iterate(NamedTuple):
    multipliers: Array
    rest: Array
    step: Array
    iterations: Array
    met: Array
    done: Array


def _newton(problem: ActivationProblem, exponent: float, max_steps: int) -> DualState:
    """Iterate to rounding; in float32 then again, with compensated sums, where much cancels."""
    finite = jnp.all(jnp.isfinite(problem.target)) & jnp.all(jnp.isfinite(problem.matrix))
    start = _start(problem)
    iterate = _Iterate(
        start, jnp.zeros_like(start), jnp.array(0), jnp.array(0), jnp.array(False), ~finite
    )
    iterate = _iterate(problem, iterate, exponent, max_steps, compensated=False)
    if problem.target.dtype != jnp.float64:
        iterate = iterate._replace(met=jnp.array(False), done=~finite)
        iterate = _iterate(problem, iterate, exponent, max_steps, compensated=True)
    return DualState(iterate.multipliers, iterate.rest, iterate.iterations, iterate.met)


def _iterate(
    problem: ActivationProblem,
    start: _Iterate,
    exponent: float,
    max_steps: int,
    *,
    compensated: bool,
) -> _Iterate:
    tolerance = 8 * jnp.finfo(problem.target.dtype).eps

    def balance(it: _Iterate) -> tuple[Array, Array, Array, Array]:
        if compensated:
            worth = accurate_costs(problem, it.multipliers, it.rest)
        else:
            worth = reduced_costs(problem, it.multipliers)
        controls = controls_from(problem, worth, exponent)
        shortfall = problem.target - supplied(problem, controls)
        curvature = _curvature(problem, controls, exponent)
        cancels = 0.0 if compensated else 1.0
        size = _magnitude(problem, it.multipliers, controls, cancels * curvature)
        met = jnp.max(jnp.abs(shortfall)) <= tolerance * size
        return worth, curvature, shortfall, met

    def advance(it: _Iterate) -> _Iterate:
        worth, curvature, shortfall, met = balance(it)
        direction = _solve_spd(_regularized(problem, curvature), shortfall)
        length = _line_search(problem, worth, direction, exponent)
        # The step from a point that meets the tolerance polishes it; then the row rests.
        step = jnp.where(it.done, 0.0, length * direction)
        multipliers, dropped = two_sum(it.multipliers, step)
        return _Iterate(
            multipliers,
            it.rest + dropped,
            it.step + 1,
            jnp.where(it.done, it.iterations, it.iterations + 1),
            it.met | met,
            it.done | met,
        )

    if compensated:
        # Most rows are at rounding already and rest from the start.
        met = balance(start)[3]
        start = start._replace(met=met, done=start.done | met, step=jnp.array(0))
    return jax.lax.while_loop(lambda it: (it.step < max_steps) & ~it.done, advance, start)


def _magnitude(
    problem: ActivationProblem, multipliers: Array, controls: Array, curvature: Array
) -> Array:
    """Size of the terms whose rounding no iteration can get below: those of the balance, and
    those of the controls' worth, which cancel where reserves carry much."""
    matrix = jnp.abs(problem.matrix)
    cancelling = contract("ek,e->k", matrix, jnp.abs(multipliers)) * curvature
    terms = contract("ek,k->e", matrix, jnp.abs(controls) + cancelling)
    return jnp.max(terms + jnp.abs(problem.target))


def _start(problem: ActivationProblem) -> Array:
    """Multipliers of the problem without bounds and with p = 2: not zero, where every muscle
    sits on its bound and the dual has no curvature to go by."""
    curvature = 0.5 / problem.weight
    return _solve_spd(_regularized(problem, curvature), problem.target)


def _curvature(problem: ActivationProblem, controls: Array, exponent: float) -> Array:
    """Derivative of the controls with respect to their worth; zero on the bounds."""
    inside = (controls > problem.lower) & (controls < problem.upper)
    slope = 1 / (exponent * (exponent - 1) * problem.weight)
    if exponent != 2.0:
        slope = slope * jnp.maximum(jnp.abs(controls), _SMALLEST_CONTROL) ** (2 - exponent)
    return jnp.where(inside, slope, 0.0)


def _regularized(problem: ActivationProblem, curvature: Array) -> Array:
    """`matrix @ diag(curvature) @ matrix^T`, kept positive definite where muscles saturate."""
    matrix = problem.matrix
    hessian = contract("ik,jk->ij", matrix * curvature, matrix)
    eps = jnp.finfo(matrix.dtype).eps
    floor = eps * jnp.sum(matrix**2 / problem.weight) / len(matrix)
    return hessian + (floor + jnp.finfo(matrix.dtype).tiny) * jnp.eye(
        len(matrix), dtype=matrix.dtype
    )


def _solve_spd(matrix: Array, right: Array) -> Array:
    return _eliminate(matrix, right[:, None])[:, 0]


def _inverse(matrix: Array) -> Array:
    return _eliminate(matrix, jnp.eye(len(matrix), dtype=matrix.dtype))


def _eliminate(matrix: Array, right: Array) -> Array:
    """Gauss-Jordan elimination of a positive definite system.

    As array operations over the whole table, because under vmap LAPACK would be called once per
    row of the batch.
    """
    count = len(matrix)
    table = jnp.concatenate([matrix, right], axis=1)
    for k in range(count):
        row = table[k] / table[k, k]
        table = (table - table[:, k, None] * row).at[k].set(row)
    return table[:, count:]


def _line_search(
    problem: ActivationProblem, worth: Array, direction: Array, exponent: float
) -> Array:
    """Length of the step: one, or the root of the dual's derivative where that comes before."""
    change = reduced_costs(problem, direction)
    gain = jnp.sum(direction * problem.target)

    def slope(length: Array) -> Array:
        controls = controls_from(problem, worth + length * change, exponent)
        return gain - jnp.sum(change * controls)

    zero, one = jnp.zeros_like(gain), jnp.ones_like(gain)
    at_zero, at_one = slope(zero), slope(one)

    def shrink(_: Array, bracket: tuple) -> tuple:
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

    low, high, _, _ = jax.lax.fori_loop(0, _LINE_SEARCH_STEPS, shrink, (zero, one, at_zero, at_one))
    return jnp.where(at_one >= -1e-3 * jnp.abs(at_zero), one, jnp.where(low > 0, low, high))
