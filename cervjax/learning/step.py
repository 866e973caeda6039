"""One gradient step and one validation: compiled once for a configuration, whatever the data."""

import dataclasses
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from cervjax.optimization import TorqueEquation
from cervjax.people import Personalizer

from .config import TrainingConfig
from .inputs import NetworkInputs, strength_columns
from .losses import LOSSES, AbstractLoss, LossContext, Scales
from .networks import AbstractForceNetwork
from .noise import SensorNoise
from .rows import TrainingRows

_REPORTED = ("force", "activation")
"""Terms that metrics always show: they cost nothing where the network runs anyway."""


class TrainState(eqx.Module):
    """All that a training goes on from.

    Attributes:
        trained: what is learned of the network.
        optimizer: its moments.
        step: steps taken.
        best: what was learned at the best validation ...
        best_loss: ... and its loss; infinite before the first.
        stale: validations since.
        totals: of each term of the loss, summed since the last validation.
    """

    trained: PyTree
    optimizer: optax.OptState
    step: Array
    best: PyTree
    best_loss: Array
    stale: Array
    totals: dict[str, Array]


class TrainingProblem(eqx.Module):
    """What the steps of a training have in common, all arrays.

    Attributes:
        network: all of it; what is learned is in the state.
        personalizer: of the population.
        scales: spreads that terms of the loss are over.
        weights: of the terms.
    """

    network: AbstractForceNetwork
    personalizer: Personalizer
    scales: Scales
    weights: dict[str, Float[Array, ""]]


@dataclass(frozen=True)
class StepPlan:
    """What decides how a step is compiled: plain values, no arrays.

    Attributes:
        terms: of the loss that have a weight.
        labels: whether labels may be looked at.
        steps: of the training, which its schedules run over.
        labels_end, physics_start, physics_ramp, optimizer, learning_rate, weight_decay,
            missing_inputs, noise: see `TrainingConfig`.
    """

    terms: tuple[str, ...]
    labels: bool
    steps: int
    labels_end: float
    physics_start: float
    physics_ramp: float
    optimizer: str
    learning_rate: float
    weight_decay: float
    missing_inputs: float
    noise: SensorNoise

    @classmethod
    def of(cls, config: TrainingConfig) -> "StepPlan":
        """The plan of a configuration.

        Args:
            config: of a training.

        Returns:
            Equal plans for configurations that compile to the same.
        """
        terms = tuple(name for name, weight in config.weights.items() if weight)
        labels = any(LOSSES[name].needs == "labels" for name in terms)
        names = {f.name for f in dataclasses.fields(cls)} - {"terms", "labels"}
        return cls(terms, labels, **{name: getattr(config, name) for name in names})

    @property
    def reported(self) -> tuple[str, ...]:
        """Names of the terms that are computed."""
        return tuple(dict.fromkeys((*_REPORTED, *self.terms)))

    @property
    def needs_mechanics(self) -> bool:
        """Whether a term looks at the mechanics of some rows."""
        return any(_on_mechanics(LOSSES[name], self) for name in self.terms)

    def factors(self, step: Array) -> dict[str, Array]:
        """Factors on the weights of each schedule.

        Args:
            step: steps taken.

        Returns:
            Factors by the name of a schedule.
        """
        labels = optax.linear_schedule(1.0, self.labels_end, self.steps)(step)
        one = jnp.ones(())
        physics = one
        if self.labels:
            ramp, start = max(1, round(self.physics_ramp * self.steps)), self.physics_start
            physics = optax.exponential_decay(start, ramp, 1.0 / start, end_value=1.0)(step)
        return {"labels": jnp.asarray(labels), "physics": jnp.asarray(physics), "constant": one}

    def transformation(self) -> optax.GradientTransformation:
        """The optimizer.

        Returns:
            Muon or Adam behind a clip of the gradient's norm.
        """
        warm = min(200, self.steps // 10)

        def rate(peak: float) -> optax.Schedule:
            return optax.warmup_cosine_decay_schedule(0.0, peak, warm, self.steps)

        if self.optimizer == "adam":
            step = optax.adamw(
                rate(self.learning_rate),
                weight_decay=self.weight_decay,
                mask=lambda trunk: jax.tree.map(lambda x: jnp.ndim(x) > 1, trunk),
            )
        else:
            step = optax.contrib.muon(
                rate(self.learning_rate),
                weight_decay=self.weight_decay,
                # What is no matrix wants smaller steps.
                adam_learning_rate=rate(0.2 * self.learning_rate),
            )
        return optax.chain(optax.clip_by_global_norm(1.0), step)


def fresh_state(network: AbstractForceNetwork, plan: StepPlan) -> TrainState:
    """The state before the first step.

    Args:
        network: normalized.
        plan: of the steps.

    Returns:
        A state whose best network is the fresh one.
    """
    trained = eqx.filter(network, network.trainable())
    return TrainState(
        trained,
        plan.transformation().init(trained),
        jnp.zeros((), jnp.int32),
        trained,
        jnp.full((), jnp.inf, jnp.float32),
        jnp.zeros((), jnp.int32),
        {name: jnp.zeros(()) for name in plan.reported},
    )


@eqx.filter_jit
def train_step(
    problem: TrainingProblem,
    rows: TrainingRows,
    some: TrainingRows,
    state: TrainState,
    key: PRNGKeyArray,
    plan: StepPlan,
) -> TrainState:
    """One gradient step.

    Args:
        problem: what all steps have in common.
        rows: of the batch.
        some: of the rows, those that terms with mechanics are computed on.
        state: before the step.
        key: of the training; the step's own follows from the state.
        plan: how to step.

    Returns:
        The state after the step.
    """
    keys = jax.random.split(jax.random.fold_in(key, state.step))
    rows, some = (
        dataclasses.replace(part, inputs=corrupt_inputs(part.inputs, plan, k))
        for part, k in zip((rows, some), keys, strict=True)
    )
    rest = eqx.filter(problem.network, problem.network.trainable(), inverse=True)

    def objective(trained: PyTree) -> tuple[Array, dict[str, Array]]:
        network = eqx.combine(trained, rest)
        parts = _terms(network, problem, rows, some, plan)
        return _total(problem, parts, plan, state.step), parts

    gradient, parts = eqx.filter_grad(objective, has_aux=True)(state.trained)
    updates, moments = plan.transformation().update(gradient, state.optimizer, state.trained)
    totals = {name: state.totals[name] + parts[name] for name in plan.reported}
    return TrainState(
        eqx.apply_updates(state.trained, updates),
        moments,
        state.step + 1,
        state.best,
        state.best_loss,
        state.stale,
        totals,
    )


@eqx.filter_jit
def validation_loss(
    problem: TrainingProblem,
    rows: TrainingRows,
    trained: PyTree,
    key: PRNGKeyArray,
    plan: StepPlan,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The weighted loss on rows, with the weights of the end, and its terms.

    Args:
        problem: what all steps have in common.
        rows: of people who are not trained on.
        trained: what is learned of the network.
        key: of the noise and the missing inputs, the same every time.
        plan: how to step.

    Returns:
        The loss, and every term that is reported; dimensionless.
    """
    seen = dataclasses.replace(rows, inputs=corrupt_inputs(rows.inputs, plan, key))
    network = eqx.combine(
        trained, eqx.filter(problem.network, problem.network.trainable(), inverse=True)
    )
    parts = _terms(network, problem, seen, seen, plan)
    return _total(problem, parts, plan, jnp.asarray(plan.steps, jnp.int32)), parts


def corrupt_inputs(
    inputs: NetworkInputs, plan: StepPlan | TrainingConfig, key: PRNGKeyArray
) -> NetworkInputs:
    """`inputs` of rows with the errors of sensors and with missing inputs of people.

    In a part `plan.missing_inputs` of the rows each input of the person is hidden with a
    probability of one half, the strengths together.

    Args:
        inputs: of many rows.
        plan: with `noise` and `missing_inputs`.
        key: of both.

    Returns:
        As many rows; hidden inputs are NaN.
    """
    motion, person = jnp.asarray(inputs.motion), jnp.asarray(inputs.person)
    noise, some, each, strengths = jax.random.split(key, 4)
    rows, known = person.shape
    if plan.noise.any:
        keys = jax.random.split(noise, rows)
        frames = motion if motion.ndim == 3 else motion[:, None]
        motion = jax.vmap(plan.noise)(frames, keys).reshape(motion.shape)
    if plan.missing_inputs:
        hidden = jax.random.bernoulli(each, 0.5, (rows, known))
        together = jax.random.bernoulli(strengths, 0.5, (rows, 1))
        columns = strength_columns()
        hidden = hidden.at[:, columns].set(jnp.broadcast_to(together, (rows, len(columns))))
        hidden &= jax.random.bernoulli(some, plan.missing_inputs, (rows, 1))
        person = jnp.where(hidden, jnp.nan, person)
    return NetworkInputs(motion, person)


def _on_mechanics(term: AbstractLoss, plan: StepPlan) -> bool:
    return term.needs == "mechanics" or (term.needs == "either" and not plan.labels)


def _terms(
    network: AbstractForceNetwork,
    problem: TrainingProblem,
    rows: TrainingRows,
    some: TrainingRows,
    plan: StepPlan,
) -> dict[str, Array]:
    """Every reported term: on `rows`, or on `some` of them where mechanics are needed."""

    def context(part: TrainingRows, *, mechanics: bool) -> LossContext:
        equation: TorqueEquation | None = None
        if mechanics or network.needs_equation:
            equation = jax.vmap(lambda pose: network.equation(problem.personalizer, pose))(
                part.frame
            )
        predict = jax.vmap(network.differentiable, in_axes=(0, None if equation is None else 0))
        return LossContext(
            predict(part.inputs, equation),
            part,
            equation,
            problem.scales,
            network.actuation,
            labels=plan.labels,
        )

    mechanical = [name for name in plan.reported if _on_mechanics(LOSSES[name], plan)]
    same = rows is some
    first = context(rows, mechanics=same and bool(mechanical))
    second = first if same or not mechanical else context(some, mechanics=True)
    return {name: LOSSES[name](second if name in mechanical else first) for name in plan.reported}


def _total(
    problem: TrainingProblem, parts: dict[str, Array], plan: StepPlan, step: Array
) -> Float[Array, ""]:
    factors = plan.factors(step)
    total = jnp.zeros(())
    for name in plan.terms:
        total = total + factors[LOSSES[name].schedule] * problem.weights[name] * parts[name]
    return total
