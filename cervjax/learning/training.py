"""Training of a force network: steps over devices, exact resumption."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from cervjax.model import Model
from cervjax.people import Personalizer
from cervjax.spec import ModelSpec

from .config import TrainingConfig
from .losses import Scales, check_terms
from .networks import AbstractForceNetwork, Normalization, Spreads, make_network
from .novelty import Novelty
from .rows import TrainingRows, row_equations
from .run_folder import RunFolder
from .sources import RowSource
from .step import (
    StepPlan,
    TrainingProblem,
    TrainState,
    corrupt_inputs,
    fresh_state,
    train_step,
    validation_loss,
)
from .weights import Checkpoints, filled, read_weights, write_weights

_MECHANICS_ROWS = 16_384
"""Rows whose mechanics normalizations are computed from."""


class TrainingProgress(NamedTuple):
    """State of a training after a step.

    Attributes:
        step, steps: taken, and to take.
        losses: mean of each term since the last validation, on the device: reading one waits for
            it.
        validation: weighted loss of the last validation; infinite before the first.
    """

    step: int
    steps: int
    losses: dict[str, Float[Array, ""]]
    validation: float


Progress = Callable[[TrainingProgress], None]


def train(
    source: RowSource,
    spec: ModelSpec,
    config: TrainingConfig,
    folder: str | Path,
    *,
    devices: Sequence[Any] | None = None,
    progress: Progress | None = None,
) -> AbstractForceNetwork:
    """Train a network on the rows of `source`, or go on with what `folder` holds.

    The batch is shared out over devices. At every validation a line of metrics and a
    checkpoint are written; a run that was stopped, however rudely, and called again ends with the
    same metrics and the same network as one that was not.

    Args:
        source: of the rows.
        spec: the model of the rows, with their reserves.
        config: how to train.
        folder: of the run; see `cervjax.learning.run_folder`.
        devices: to share batches out over. If None, all local ones of an accelerator, or the first
            of a CPU, which has every core: several would repeat the optimizer's work on them.
        progress: called after each step.

    Returns:
        The network of the best validation.

    Raises:
        ValueError: `folder` holds a run with another configuration or on other rows, or there is
            no such term of the loss.
        FloatingPointError: the loss is no longer finite; checkpoints stay.
    """
    check_terms(config.weights)
    run = RunFolder(folder)
    run.begin(config, spec, source.fingerprint, source.rate)
    plan = StepPlan.of(config)
    if not run.novelty_file.exists():
        inputs = jax.tree.map(jnp.asarray, source.normalizing().inputs)
        seen = eqx.filter_jit(corrupt_inputs)(inputs, plan, jax.random.key(config.seed))
        Novelty.of(seen).write(run.novelty_file)
    with Checkpoints(run.checkpoint_folder) as checkpoints:
        if checkpoints.latest_step == config.steps:
            return load_network(folder)
    personalizer = Personalizer(Model.from_spec(spec, dtype=jnp.float32))
    problem = _prepared(config, personalizer, source.normalizing())
    if devices is None:
        local = jax.local_devices()
        devices = local[:1] if local[0].platform == "cpu" else local
    mesh = Mesh(np.array(devices), ("device",))
    batched, whole = (NamedSharding(mesh, PartitionSpec(*x)) for x in (("device",), ()))
    size = -(-config.batch_size // len(devices)) * len(devices)
    problem = _placed(problem, whole)
    step_key, validation_key = jax.random.key(config.seed + 1), jax.random.key(config.seed)
    state = _placed(fresh_state(problem.network, plan), whole)
    held_out = _placed(_whole_rows(source.validation(), len(devices)), batched)
    with Checkpoints(run.checkpoint_folder) as checkpoints, ThreadPoolExecutor(1) as beside:
        state = _placed(checkpoints.restore(state), whole)
        first = int(state.step)
        run.cut_metrics(first)
        latest = float(state.best_loss)
        if _stopped(state, config):
            return _best(problem, state)
        # Validation is compiled beside the step: each compilation keeps one core busy.
        compiled = beside.submit(
            validation_loss, problem, held_out, state.trained, validation_key, plan
        )
        # The range comes first: a batch beyond the last step is not made.
        batches = source.batches(first, size, config.seed)
        for step, rows in zip(range(first + 1, config.steps + 1), batches, strict=False):
            some = _some(rows, config, plan, len(devices))
            state = train_step(
                problem, _placed(rows, batched), _placed(some, batched), state, step_key, plan
            )
            if progress is not None:
                done = step - (step - 1) // config.validate_every * config.validate_every
                mean = {name: total / done for name, total in state.totals.items()}
                progress(TrainingProgress(step, config.steps, mean, latest))
            if step % config.validate_every == 0 or step == config.steps:
                compiled.result()
                judged = validation_loss(problem, held_out, state.trained, validation_key, plan)
                state, latest = _judged(run, config, state, judged)
                state = _placed(state, whole)
                if latest == float(state.best_loss):
                    write_weights(_best(problem, state), run.weights_file, run.identity)
                checkpoints.save(step, state)
                if _stopped(state, config):
                    break
    return _best(problem, state)


def load_network(folder: str | Path) -> AbstractForceNetwork:
    """The best network of the run in `folder` so far, for inference.

    Args:
        folder: of a run of this version or an older one.

    Returns:
        The network.

    Raises:
        FileNotFoundError: there is no run, or no validation yet.
        ValueError: the run is of a kind of network that is not registered.
    """
    run = RunFolder(folder)
    config = run.config()
    network = make_network(config.network, run.model(), key=jax.random.key(config.seed))
    if run.weights_file.is_file():
        return read_weights(run.weights_file, network, run.identity)
    if run.checkpoint_folder.is_dir():
        # Runs before weights had a file of their own: the network stands beside its training state.
        with Checkpoints(run.checkpoint_folder) as checkpoints:
            stored = checkpoints.arrays()
        if stored:
            return filled(network, _weights_of_format_1(stored), str(run.path))
    raise FileNotFoundError(f"no checkpoint in {run.path}")


def _weights_of_format_1(stored: dict[str, Any]) -> dict[str, Any]:
    """Arrays by their paths in a network: the network without its trunk, and the best trunk."""
    network = {k[3:]: v for k, v in stored.items() if k.startswith("[0].")}
    best = {
        f".trunk{k.removeprefix('[1].best')}": v
        for k, v in stored.items()
        if k.startswith("[1].best.")
    }
    return network | best


def _prepared(
    config: TrainingConfig, personalizer: Personalizer, rows: TrainingRows
) -> TrainingProblem:
    """A fresh network, normalized to `rows`, and what else the steps need."""
    network = make_network(config.network, personalizer.model, key=jax.random.key(config.seed))
    some = jax.tree.map(lambda x: x[:_MECHANICS_ROWS], rows)
    equation = row_equations(personalizer, some)
    rows = jax.tree.map(jnp.asarray, rows)
    labels = StepPlan.of(config).labels
    scales = Scales.of(rows, equation, network.actuation, labels=labels)
    last = rows.inputs.motion
    last = last if last.ndim == 2 else last[:, -1]
    motion, person = Normalization.of(last), Normalization.of(rows.inputs.person)
    network = eqx.tree_at(lambda n: (n.motion, n.person), network, (motion, person))
    middle = jnp.mean(jnp.asarray(rows.activation), axis=0)
    if not labels:
        middle = network.actuation.lower + scales.activation
    spreads = Spreads(middle, scales.activation, scales.force, labels)
    network = network.normalized(rows, equation, spreads)
    weights = {name: jnp.asarray(w, jnp.float32) for name, w in config.weights.items()}
    return TrainingProblem(network, personalizer, scales, weights)


def _judged(
    run: RunFolder,
    config: TrainingConfig,
    state: TrainState,
    validation: tuple[Array, dict[str, Array]],
) -> tuple[TrainState, float]:
    """Note the validation, and whether the network is the best so far."""
    loss, parts = float(validation[0]), validation[1]
    step = int(state.step)
    since = (step - 1) % config.validate_every + 1
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the loss is {loss} at step {step}; lower learning_rate, or resume from the last "
            "checkpoint with another configuration in another folder"
        )
    run.add_metrics(
        {
            "step": step,
            **{f"train_{k}": float(v) / since for k, v in state.totals.items()},
            **{f"validation_{k}": float(v) for k, v in parts.items()},
            "validation": loss,
        }
    )
    better = loss < float(state.best_loss)
    return TrainState(
        state.trained,
        state.optimizer,
        state.step,
        state.trained if better else state.best,
        jnp.array(loss if better else float(state.best_loss), state.best_loss.dtype),
        jnp.array(0 if better else int(state.stale) + 1, state.stale.dtype),
        jax.tree.map(jnp.zeros_like, state.totals),
    ), float(jnp.array(loss, state.best_loss.dtype))


def _stopped(state: TrainState, config: TrainingConfig) -> bool:
    return bool(config.patience) and int(state.stale) >= config.patience


def _best(problem: TrainingProblem, state: TrainState) -> AbstractForceNetwork:
    network = problem.network
    return eqx.combine(state.best, eqx.filter(network, network.trainable(), inverse=True))


def _placed(tree: Any, sharding: NamedSharding) -> Any:
    return jax.tree.map(
        lambda x: jax.device_put(x, sharding) if isinstance(x, jax.Array | np.ndarray) else x, tree
    )


def _some(rows: TrainingRows, config: TrainingConfig, plan: StepPlan, devices: int) -> TrainingRows:
    """The rows that terms with mechanics are computed on."""
    wanted = round(config.physics_share * len(rows)) if plan.needs_mechanics else 0
    # One row per device at least: an empty mean is no number.
    count = max(1, wanted // devices) * devices
    return jax.tree.map(lambda x: x[:count], rows)


def _whole_rows(rows: TrainingRows, devices: int) -> TrainingRows:
    """As many of `rows` as can be shared out evenly."""
    count = len(rows) // devices * devices
    if count == 0:
        raise ValueError(f"{len(rows)} rows to validate on are fewer than {devices} devices")
    return jax.tree.map(lambda x: x[:count], rows)
