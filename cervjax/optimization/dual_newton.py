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

from cervjax.math import inverse_spd, solve_spd
from cervjax.math.contraction import contract

from .compensated import accurate_reduced_costs, two_sum
from .problem import ActivationProblem, controls_from, generated_force, reduced_costs

_QUICK_STEPS, _QUICK_SEARCH = 10, 4
"""Newton steps with a coarse line search, which nearly every row ends with ..."""
_FINE_SEARCH = 12
"""... and function values of the line search of the steps after them."""
_SMALLEST_CONTROL = 1e-3
"""Bounds the dual's curvature for p > 2, which is infinite at zero control."""


_LOOSE, _AT_BOUND = 1e-8, 1e-2
"""Part of an equation's curvature below which nothing holds it, and the part that it is then held
with."""


class DualState(NamedTuple):
    """Where the iteration ended.

    Attributes:
        multipliers: per N m.
        correction: what float32 products lose of the controls' reduced costs; zero in float64.
        iterations: Newton steps taken.
    """

    multipliers: Float[Array, " equations"]
    correction: Float[Array, " actuators"]
    iterations: Int[Array, ""]

    def reduced_costs(self, problem: ActivationProblem) -> Float[Array, " actuators"]:
        """Of each control; derivatives are those of the plain product."""
        return reduced_costs(problem, self.multipliers) + jax.lax.stop_gradient(self.correction)


def solve_dual(
    problem: ActivationProblem,
    exponent: float,
    max_steps: int,
    start: Float[Array, " equations"] | None = None,
) -> DualState:
    """The multipliers of one problem; vmap for many.

    Args:
        exponent: p >= 2 of the objective.
        max_steps: limit of Newton steps; 0 leaves `start` as it is.
        start: multipliers to begin with, such as a network's; those of least squares if None. The
            optimum does not depend on them, and derivatives are taken as if it had been reached.

    Returns:
        Per N m, and how the iteration went.
    """
    if start is None:
        start = least_squares_multipliers(problem)
    return DualState(*_solve(exponent, max_steps, problem, start))


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _solve(exponent: float, max_steps: int, problem: ActivationProblem, start: Array) -> tuple:
    return tuple(_newton(problem, start, exponent, max_steps))


@_solve.defjvp
def _solve_jvp(exponent: float, max_steps: int, primals: tuple, tangents: tuple) -> tuple:
    (problem, start), (change, _) = primals, tangents
    state = DualState(*_solve(exponent, max_steps, problem, start))
    multipliers, correction = state.multipliers, state.correction

    def shortfall(p: ActivationProblem) -> Array:
        costs = reduced_costs(p, multipliers) + correction
        return p.target - generated_force(p, controls_from(p, costs, exponent))

    _, moved = jax.jvp(shortfall, (problem,), (change,))
    controls = controls_from(problem, state.reduced_costs(problem), exponent)
    hessian = _regularized(problem, _curvature(problem, controls, exponent))
    step = contract("ij,j->i", inverse_spd(hessian), moved)
    zero = jax.custom_derivatives.zero_from_primal
    values = (multipliers, correction, state.iterations)
    return values, (step, jnp.zeros_like(correction), zero(state.iterations))


class _Iterate(NamedTuple):
    """Attributes: `rest` is what float32 `multipliers` cannot hold; `costs` are of both."""

    multipliers: Array
    rest: Array
    costs: Array
    iterations: Array
    done: Array


def _newton(problem: ActivationProblem, start: Array, exponent: float, max_steps: int) -> DualState:
    """Iterate to rounding; in float32 then again, with compensated sums, where much cancels."""
    finite = jnp.all(jnp.isfinite(problem.target)) & jnp.all(jnp.isfinite(problem.matrix))
    costs = reduced_costs(problem, start)
    iterate = _Iterate(start, jnp.zeros_like(start), costs, jnp.array(0), ~finite)
    quick = min(_QUICK_STEPS, max_steps)
    most = _most_curvature(problem, exponent)
    iterate = _iterate(problem, iterate, most, exponent, quick, _QUICK_SEARCH)
    iterate = _iterate(problem, iterate, most, exponent, max_steps, _FINE_SEARCH)
    correction = jnp.zeros_like(costs)
    if problem.target.dtype != jnp.float64:
        costs = accurate_reduced_costs(problem, iterate.multipliers, iterate.rest)
        iterate = iterate._replace(costs=costs, done=~finite)
        iterate = _iterate(
            problem, iterate, most, exponent, max_steps, _FINE_SEARCH, compensated=True
        )
        correction = iterate.costs - reduced_costs(problem, iterate.multipliers)
    return DualState(iterate.multipliers, correction, iterate.iterations)


def _iterate(
    problem: ActivationProblem,
    start: _Iterate,
    most: Array,
    exponent: float,
    max_steps: int,
    search: int,
    *,
    compensated: bool = False,
) -> _Iterate:
    """Newton steps until the row is done, or `max_steps` with those taken before."""
    tolerance = 8 * jnp.finfo(problem.target.dtype).eps
    # Size of the balance's terms, whose rounding no iteration gets below.
    largest = jnp.max(jnp.abs(problem.matrix), axis=0)
    target = jnp.max(jnp.abs(problem.target))

    def balance(it: _Iterate) -> tuple[Array, Array, Array]:
        controls = controls_from(problem, it.costs, exponent)
        shortfall = problem.target - generated_force(problem, controls)
        curvature = _curvature(problem, controls, exponent)
        terms = jnp.abs(controls)
        if not compensated:
            # And of the controls' costs, whose terms cancel where reserves carry much.
            terms = terms + largest * curvature * jnp.sum(jnp.abs(it.multipliers))
        size = contract("k,k->", largest, terms) + target
        return curvature, shortfall, jnp.max(jnp.abs(shortfall)) <= tolerance * size

    def advance(it: _Iterate) -> _Iterate:
        curvature, shortfall, met = balance(it)
        held, hessian = _held(_regularized(problem, curvature), curvature, most)
        direction = solve_spd(hessian, shortfall)
        change = reduced_costs(problem, direction)
        length, settled = _line_search(
            problem, it.costs, change, direction, shortfall, exponent, search
        )
        # The step from a point that meets the tolerance polishes it; then the row rests.
        settled &= held
        multipliers, dropped = two_sum(it.multipliers, length * direction)
        rest = it.rest + dropped
        if compensated:
            costs = accurate_reduced_costs(problem, multipliers, rest)
        else:
            costs = it.costs + length * change
        return _Iterate(
            multipliers,
            rest,
            costs,
            it.iterations + 1,
            met | (settled & (not compensated)),
        )

    if compensated:
        # Most rows are at rounding already and rest from the start.
        met = balance(start)[2]
        start = start._replace(done=start.done | met)
    return jax.lax.while_loop(lambda it: (it.iterations < max_steps) & ~it.done, advance, start)


def least_squares_multipliers(problem: ActivationProblem) -> Float[Array, " equations"]:
    """Multipliers of the problem without bounds and with p = 2: a start that is not zero, where
    every muscle sits on its bound and the dual has no curvature to go by.

    Returns:
        Per N m.
    """
    curvature = 0.5 / problem.weight
    return solve_spd(_regularized(problem, curvature), problem.target)


def _curvature(problem: ActivationProblem, controls: Array, exponent: float) -> Array:
    """Derivative of the controls with respect to their reduced costs; zero on the bounds."""
    inside = (controls > problem.lower) & (controls < problem.upper)
    slope = 1 / (exponent * (exponent - 1) * problem.weight)
    if exponent != 2.0:
        slope = slope * jnp.maximum(jnp.abs(controls), _SMALLEST_CONTROL) ** (2 - exponent)
    return jnp.where(inside, slope, 0.0)


def _most_curvature(problem: ActivationProblem, exponent: float) -> Float[Array, " equations"]:
    """Curvature of each equation with every control inside its bounds, at a control of one."""
    within = 1 / (exponent * (exponent - 1) * problem.weight)
    return contract("ek,k->e", problem.matrix**2, within)


def _held(hessian: Array, curvature: Array, most: Array) -> tuple[Bool[Array, ""], Array]:
    """Whether the controls inside their bounds hold every equation, and the matrix to step with.

    Without reserves, controls that are all at bounds leave equations that no multiplier changes:
    the Newton step along these is without limit. Every equation is then held a little.
    """
    held = jnp.sum(curvature > 0) >= len(most)
    held &= jnp.all(jnp.diagonal(hessian) >= _LOOSE * most)
    return held, hessian + jnp.diag(jnp.where(held, 0.0, _AT_BOUND * most))


def _regularized(problem: ActivationProblem, curvature: Array) -> Array:
    """`matrix @ diag(curvature) @ matrix^T`, kept positive definite where muscles saturate."""
    matrix = problem.matrix
    hessian = contract("ik,jk->ij", matrix * curvature, matrix)
    eps = jnp.finfo(matrix.dtype).eps
    floor = eps * jnp.sum(matrix**2 / problem.weight) / len(matrix)
    return hessian + (floor + jnp.finfo(matrix.dtype).tiny) * jnp.eye(
        len(matrix), dtype=matrix.dtype
    )


def _line_search(
    problem: ActivationProblem,
    costs: Array,
    change: Array,
    direction: Array,
    shortfall: Array,
    exponent: float,
    steps: int,
) -> tuple[Array, Array]:
    """Length of the step: one, or the root of the dual's derivative where that comes before.

    Also whether the full step ends the iteration: with p = 2 the dual is quadratic as long as no
    control reaches or leaves a bound, and its derivative is then zero at the full step.
    """
    gain = contract("e,e->", direction, problem.target)

    def slope(length: Array) -> Array:
        controls = controls_from(problem, costs + length * change, exponent)
        return gain - contract("k,k->", change, controls)

    zero, one = jnp.zeros_like(gain), jnp.ones_like(gain)
    at_zero, at_one = contract("e,e->", direction, shortfall), slope(one)
    full = at_one >= -1e-3 * jnp.abs(at_zero)
    # float32 is looked at again with compensated sums, float64 is not.
    straight = 1e-11 if costs.dtype == jnp.float64 else 1e-5
    settled = full & (jnp.abs(at_one) <= straight * at_zero) & (exponent == 2.0)

    def shrink(bracket: tuple) -> tuple:
        """Illinois false position: halve the value of an end that stays twice."""
        low, high, at_low, at_high, step = bracket
        spread = at_low - at_high
        middle = low + (high - low) * at_low / jnp.where(spread > 0, spread, 1.0)
        at_middle = slope(middle)
        before = at_middle >= 0
        return (
            jnp.where(before, middle, low),
            jnp.where(before, high, middle),
            jnp.where(before, at_middle, 0.5 * at_low),
            jnp.where(before, 0.5 * at_high, at_middle),
            step + 1,
        )

    low, high, _, _, _ = jax.lax.while_loop(
        lambda bracket: (bracket[-1] < steps) & ~full,
        shrink,
        (zero, one, at_zero, at_one, jnp.array(0)),
    )
    return jnp.where(full, one, jnp.where(low > 0, low, high)), settled
