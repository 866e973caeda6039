"""Static optimization: the activations that supply a frame's generalized forces at least cost."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cervjax.dynamics import ExternalLoads, Mechanics, mechanics
from cervjax.math.contraction import contract
from cervjax.model import Model
from cervjax.muscle import MuscleParameters, RigidTendonState, rigid_tendon_state

from .certificate import Certificate, certify
from .dual_newton import solve_dual
from .problem import controls_from
from .result import SolverResult
from .torque_equation import Reserves, TorqueEquation, activation_problem

Convention = Literal["opensim", "physical"]

_SLACK_ROUNDS = 20


@dataclass(frozen=True)
class StaticOptimizationSettings:
    """What is minimized, and by which convention a muscle's force follows from its activation.

    Attributes:
        convention: `opensim` is what OpenSim's StaticOptimization does, to be compared with it:
            force = activation x active fiber force of a rigid-tendon muscle, all but without the
            cosine of the pennation angle (opensim-core issue 4390; see `RigidTendonState`) and
            without passive force. `physical`
            has both: force along the tendon = (activation x active + passive + damping) x cosine,
            never below zero; a muscle that would have to push is held slack, and the certificate
            is that of the problem with these muscles slack.
        exponent: p >= 2 of the objective, the sum of weight x activation^p.
        weighting: `none`, or `volume` for muscle volume over its mean (max isometric force x
            optimal fiber length). Reserves have weight one.
        max_steps: limit of Newton steps.

    Raises:
        ValueError: an option is out of range.
    """

    convention: Convention = "opensim"
    exponent: float = 2.0
    weighting: Literal["none", "volume"] = "none"
    max_steps: int = 100

    def __post_init__(self) -> None:
        if self.convention not in ("opensim", "physical"):
            raise ValueError(f"convention {self.convention!r} is not 'opensim' or 'physical'")
        if not 2.0 <= self.exponent <= 20.0:
            raise ValueError(f"exponent {self.exponent} is not in [2, 20]")
        if self.weighting not in ("none", "volume"):
            raise ValueError(f"weighting {self.weighting!r} is not 'none' or 'volume'")
        if self.max_steps < 1:
            raise ValueError(f"max_steps {self.max_steps} is not at least 1")


class StaticOptimizationSolution(eqx.Module):
    """The optimum of one frame.

    Attributes:
        activation: of each muscle.
        muscle_force: N, along the tendon in the stated convention.
        reserve_control, reserve_force: control, and control x optimal force (N m or N).
        generalized_force: N m, what muscles and reserves supply, per free coordinate.
        multipliers: per N m, of the free coordinates' equations.
        upper_bound_multiplier: of each muscle's upper bound: by how much the objective would fall
            per unit more of its activation. Positive where the bound is active.
        certificate: proof of optimality.
    """

    activation: Float[Array, " muscles"]
    muscle_force: Float[Array, " muscles"]
    reserve_control: Float[Array, " reserves"]
    reserve_force: Float[Array, " reserves"]
    generalized_force: Float[Array, " free"]
    multipliers: Float[Array, " free"]
    upper_bound_multiplier: Float[Array, " muscles"]
    certificate: Certificate


def static_optimization(
    model: Model,
    q: Float[Array, " q"],
    qd: Float[Array, " q"],
    qdd: Float[Array, " q"],
    settings: StaticOptimizationSettings = StaticOptimizationSettings(),
    *,
    loads: ExternalLoads | None = None,
    max_isometric_force: Float[Array, " muscles"] | None = None,
    min_control: Float[Array, " muscles"] | None = None,
    max_control: Float[Array, " muscles"] | None = None,
) -> StaticOptimizationSolution:
    """Solve one frame of one person; `jax.vmap` over frames and persons.

    Differentiable, by the implicit function theorem, in the motion and in every number of the
    model; derivatives are those of the current set of muscles at their bounds.

    Args:
        q, qd, qdd: motion, rad or m and s, in the order of `model.topology.coordinates`.
        loads: what acts on the bodies from outside, of this frame.
        max_isometric_force: N; the model's own if None.
        min_control, max_control: bounds of the activations; the model's own if None.

    Returns:
        Activations, forces in N, generalized forces in N m.
    """
    frame = mechanics(model, q, qd, qdd, loads)
    return solve_frame(
        model,
        frame,
        settings,
        max_isometric_force=max_isometric_force,
        min_control=min_control,
        max_control=max_control,
    )


def solve_frame(
    model: Model,
    frame: Mechanics,
    settings: StaticOptimizationSettings,
    *,
    max_isometric_force: Float[Array, " muscles"] | None = None,
    min_control: Float[Array, " muscles"] | None = None,
    max_control: Float[Array, " muscles"] | None = None,
) -> StaticOptimizationSolution:
    """`static_optimization` where the mechanics of the frame are known already."""
    muscles = model.muscles
    if max_isometric_force is not None:
        muscles = eqx.tree_at(lambda m: m.max_isometric_force, muscles, max_isometric_force)
    model = eqx.tree_at(lambda m: m.muscles, model, muscles)
    bounds = (
        muscles.min_control if min_control is None else min_control,
        muscles.max_control if max_control is None else max_control,
    )
    state = rigid_tendon_state(muscles, frame.length, frame.lengthening_speed)
    if settings.convention == "opensim":
        active = state.opensim_active_force
        passive = jnp.zeros_like(active)
        return _solve(model, frame, _Pull(active, passive), bounds, settings)
    return _solve_physical(model, frame, state, bounds, settings)


class _Pull(NamedTuple):
    """Forces along the tendons, N: at full activation, and what is there without any."""

    active: Float[Array, " muscles"]
    passive: Float[Array, " muscles"]


def _solve_physical(
    model: Model,
    frame: Mechanics,
    state: RigidTendonState,
    bounds: tuple[Array, Array],
    settings: StaticOptimizationSettings,
) -> StaticOptimizationSolution:
    """Solve with passive force; a muscle that would have to push goes slack, and again.

    Damping can exceed what a fiber that shortens fast can pull with. Such a muscle is taken out
    of the balance, round by round until none pushes; derivatives are those of the last round.
    The certificate is that of the problem with these muscles slack: that another choice of slack
    muscles would not cost less is not proved (it can, by 1e-4, in about 1 of 200 extreme frames).
    """
    pull = _Pull(
        state.active_fiber_force * state.cos_pennation,
        state.passive_fiber_force * state.cos_pennation,
    )

    def solve(slack: Array, inputs: tuple) -> StaticOptimizationSolution:
        model, frame, pull, bounds = inputs
        pulling = _Pull(*(jnp.where(slack, 0.0, force) for force in pull))
        return _solve(model, frame, pulling, bounds, settings)

    inputs = (model, frame, pull, bounds)
    fixed = jax.lax.stop_gradient(inputs)

    def more(loop: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        slack, _, rounds = loop
        pushing = solve(slack, fixed).muscle_force < 0
        return slack | pushing, jnp.any(pushing), rounds + 1

    slack, unsettled, _ = jax.lax.while_loop(
        lambda loop: loop[1] & (loop[2] < _SLACK_ROUNDS),
        more,
        (jnp.zeros(pull.active.shape, bool), jnp.array(True), jnp.array(0)),
    )
    solution = solve(slack, inputs)
    result = solution.certificate.result
    pushes = unsettled & (result == SolverResult.CONVERGED)
    result = jnp.where(pushes, int(SolverResult.SLACK_UNSETTLED), result)
    return eqx.tree_at(lambda s: s.certificate.result, solution, result)


def _solve(
    model: Model,
    frame: Mechanics,
    pull: _Pull,
    bounds: tuple[Array, Array],
    settings: StaticOptimizationSettings,
) -> StaticOptimizationSolution:
    muscles, free = model.muscles, model.topology.num_free
    (active, passive), (low, high) = pull, bounds
    arms = frame.moment_arm[:free]
    possible = jnp.all(muscles.max_isometric_force > 0) & jnp.all(low <= high)
    target = frame.generalized_force[:free] - contract("qm,m->q", arms, passive)
    # An impossible problem must not give a plausible answer.
    equation = TorqueEquation(arms, active, jnp.where(possible, target, jnp.nan))
    reserves = Reserves.of_model(model, frame.reserve_arm)
    problem = activation_problem(equation, low, high, reserves, _weights(muscles, settings))
    state = solve_dual(problem, settings.exponent, settings.max_steps)
    costs = state.reduced_costs(problem)
    controls = controls_from(problem, costs, settings.exponent)
    count = active.shape[0]
    activation, control = controls[:count], controls[count:]
    force = activation * active + passive
    marginal = settings.exponent * problem.weight * jnp.abs(controls) ** (settings.exponent - 1)
    bound_multiplier = jnp.where(controls >= problem.upper, costs - marginal, 0.0)
    certificate = certify(*jax.lax.stop_gradient((problem, controls, state)), settings.exponent)
    return StaticOptimizationSolution(
        activation=activation,
        muscle_force=force,
        reserve_control=control,
        reserve_force=control * model.reserves.optimal_force,
        generalized_force=contract("qm,m->q", arms, force)
        + contract("qk,k->q", problem.matrix[:, count:], control),
        multipliers=state.multipliers,
        upper_bound_multiplier=jnp.maximum(bound_multiplier, 0.0)[:count],
        certificate=certificate,
    )


def _weights(muscles: MuscleParameters, settings: StaticOptimizationSettings) -> Array:
    if settings.weighting == "none":
        return jnp.ones_like(muscles.max_isometric_force)
    volume = muscles.max_isometric_force * muscles.optimal_fiber_length
    return volume / jnp.mean(volume)
