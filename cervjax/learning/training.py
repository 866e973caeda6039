"""Training of a force network: Optax steps over all local devices, exact resumption."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PRNGKeyArray

from cervjax.model import Model
from cervjax.people import Personalizer
from cervjax.spec import ModelSpec

from .config import TrainingConfig
from .inputs import NetworkInputs
from .losses import Losses, Scales, joined_losses, label_losses, physics_losses
from .networks import (
    DualNetwork,
    FeedForwardNetwork,
    ForceNetwork,
    Normalization,
    make_network,
    multipliers_of,
)
from .novelty import Novelty
from .rows import Balance, BalanceBuilder, TrainingRows, row_balance
from .run_folder import RunFolder, restored_state, save_state
from .sources import RowSource
from .trunks import Trunk

_MECHANICS_ROWS = 16_384
"""Rows whose mechanics normalizations are computed from."""


class TrainingProgress(NamedTuple):
    """Told after every step.

    Attributes:
        step, steps: taken, and to take.
        losses: their means since the last validation, on the device: reading them waits for it.
        validation: weighted loss of the last validation; infinite before the first.
    """

    step: int
    steps: int
    losses: Losses
    validation: float


Progress = Callable[[TrainingProgress], None]


class _State(eqx.Module):
    """All that a run goes on from."""

    trunk: Trunk
    optimizer: optax.OptState
    step: Array
    best: Trunk
    best_loss: Array
    stale: Array
    total: Losses


def train(
    source: RowSource,
    spec: ModelSpec,
    config: TrainingConfig,
    folder: str | Path,
    *,
    progress: Progress | None = None,
) -> ForceNetwork:
    """Train a network on the rows of `source`, or go on with what `folder` holds.

    The batch is shared out over all local devices. At every validation a line of metrics and a
    checkpoint are written; a run that was stopped, however rudely, and called again ends with the
    same metrics and the same network as one that was not.

    Args:
        spec: the neck of the rows, with their reserves.
        folder: of the run; see `cervjax.learning.run_folder`.
        progress: called after each step.

    Returns:
        The network of the best validation.

    Raises:
        ValueError: `folder` holds a run with another configuration or on other rows.
        FloatingPointError: the loss is no longer finite; checkpoints stay.
    """
    run = RunFolder(folder)
    run.begin(config, spec, source.fingerprint, source.rate)
    if not run.novelty_file.exists():
        seen = disturbed(source.normalizing().inputs, config, jax.random.key(config.seed))
        Novelty.of(seen).write(run.novelty_file)
    with run.checkpoints() as checkpoints:
        if checkpoints.latest_step() == config.steps:
            return load_network(folder)
    personalizer = Personalizer(spec, Model.from_spec(spec, dtype=jnp.float32))
    network, scales = _prepared(config, personalizer, source.normalizing())
    devices = jax.local_devices()
    mesh = Mesh(np.array(devices), ("device",))
    batched, whole = (NamedSharding(mesh, PartitionSpec(*x)) for x in (("device",), ()))
    size = -(-config.batch_size // len(devices)) * len(devices)
    optimizer = _optimizer(config)
    network, scales = (jax.tree.map(_placed(whole), x) for x in (network, scales))
    step_key = jax.random.key(config.seed + 1)

    weights, needs_balance = config.weights, network.needs_balance

    def mechanics(rows: TrainingRows) -> Balance:
        return jax.vmap(lambda frame: row_balance(personalizer, frame))(rows.frame)

    def objective(
        trunk: Trunk, rows: TrainingRows, some: TrainingRows, step: Array
    ) -> tuple[Array, Losses]:
        trained = _with_trunk(network, trunk)
        parts = label_losses(trained, rows, mechanics(rows) if needs_balance else None, scales)
        if weights.needs_physics:
            asked = physics_losses(trained, some, mechanics(some), scales)
            parts = joined_losses(parts, asked, labels=weights.needs_labels)
        return parts.total(weights, *_schedule(config, step)), parts

    @eqx.filter_jit
    def advance(rows: TrainingRows, some: TrainingRows, state: _State) -> _State:
        keys = jax.random.split(jax.random.fold_in(step_key, state.step))
        rows, some = (
            dataclasses.replace(part, inputs=disturbed(part.inputs, config, key))
            for part, key in zip((rows, some), keys, strict=True)
        )
        slope = eqx.filter_grad(objective, has_aux=True)
        gradient, parts = slope(state.trunk, rows, some, state.step)
        trained = eqx.filter(state.trunk, eqx.is_inexact_array)
        updates, moments = optimizer.update(gradient, state.optimizer, trained)
        return _State(
            eqx.apply_updates(state.trunk, updates),
            moments,
            state.step + 1,
            state.best,
            state.best_loss,
            state.stale,
            jax.tree.map(jnp.add, state.total, parts),
        )

    @eqx.filter_jit
    def validate(state: _State, rows: TrainingRows) -> tuple[Array, Losses]:
        # With the same errors and gaps every time, and the weights of the end.
        seen = dataclasses.replace(
            rows, inputs=disturbed(rows.inputs, config, jax.random.key(config.seed))
        )
        trained, balance = _with_trunk(network, state.trunk), mechanics(seen)
        known = label_losses(trained, seen, balance, scales)
        asked = physics_losses(trained, seen, balance, scales)
        parts = joined_losses(known, asked, labels=weights.needs_labels)
        return parts.total(weights, *_schedule(config, jnp.array(config.steps))), parts

    state = jax.tree.map(_placed(whole), _fresh(network, optimizer))
    held_out = _placed_rows(_whole_rows(source.validation(), len(devices)), batched)
    with run.checkpoints() as checkpoints:
        _, state = restored_state(checkpoints, (network, state))
        state = jax.tree.map(_placed(whole), state)
        first = int(state.step)
        run.cut_metrics(first)
        latest = float(state.best_loss)
        if _stopped(state, config):
            return _with_trunk(network, state.best)
        # The range comes first: a batch beyond the last step is not made.
        batches = source.batches(first, size, config.seed)
        for step, rows in zip(range(first + 1, config.steps + 1), batches, strict=False):
            some = _some(rows, config, len(devices))
            state = advance(_placed_rows(rows, batched), _placed_rows(some, batched), state)
            if progress is not None:
                done = step - (step - 1) // config.validate_every * config.validate_every
                mean = jax.tree.map(lambda x, n=done: x / n, state.total)
                progress(TrainingProgress(step, config.steps, mean, latest))
            if step % config.validate_every == 0 or step == config.steps:
                state, latest = _judged(run, config, state, validate(state, held_out))
                state = jax.tree.map(_placed(whole), state)
                save_state(checkpoints, step, (network, state))
                if _stopped(state, config):
                    break
    return _with_trunk(network, state.best)


def load_network(folder: str | Path) -> ForceNetwork:
    """The best network of the run in `folder` so far.

    Raises:
        FileNotFoundError: there is no run, or no checkpoint yet.
    """
    run = RunFolder(folder)
    config = run.config()
    network = make_network(config.network, run.model(), key=jax.random.key(config.seed))
    with run.checkpoints() as checkpoints:
        if checkpoints.latest_step() is None:
            raise FileNotFoundError(f"no checkpoint in {run.path}")
        fresh = _fresh(network, _optimizer(config))
        network, state = restored_state(checkpoints, (network, fresh))
    return _with_trunk(network, state.best)


def disturbed(inputs: NetworkInputs, config: TrainingConfig, key: PRNGKeyArray) -> NetworkInputs:
    """`inputs` of rows with the errors of sensors and the gaps in what is known of people.

    Of `unknown_person` of the rows something is hidden: each input with a chance of one half, the
    three strengths together.
    """
    motion, person = jnp.asarray(inputs.motion), jnp.asarray(inputs.person)
    noise, some, each, strengths = jax.random.split(key, 4)
    rows, known = person.shape
    if config.noise.any:
        keys = jax.random.split(noise, rows)
        frames = motion if motion.ndim == 3 else motion[:, None]
        motion = jax.vmap(config.noise)(frames, keys).reshape(motion.shape)
    if config.unknown_person:
        hidden = jax.random.bernoulli(each, 0.5, (rows, known))
        together = jax.random.bernoulli(strengths, 0.5, (rows, 1))
        hidden = hidden.at[:, -3:].set(jnp.broadcast_to(together, (rows, 3)))
        hidden &= jax.random.bernoulli(some, config.unknown_person, (rows, 1))
        person = jnp.where(hidden, jnp.nan, person)
    return NetworkInputs(motion, person)


def _prepared(
    config: TrainingConfig, personalizer: Personalizer, rows: TrainingRows
) -> tuple[ForceNetwork, Scales]:
    """A fresh network, normalized to `rows`, and the scales of the losses."""
    network = make_network(config.network, personalizer.model, key=jax.random.key(config.seed))
    balance = BalanceBuilder(personalizer)(jax.tree.map(lambda x: x[:_MECHANICS_ROWS], rows))
    rows = jax.tree.map(jnp.asarray, rows)
    labels = config.weights.needs_labels
    scales = Scales.of(rows, balance, network.actuation, labels=labels)
    last = rows.inputs.motion
    last = last if last.ndim == 2 else last[:, -1]
    motion, person = Normalization.of(last), Normalization.of(rows.inputs.person)
    network = eqx.tree_at(lambda n: (n.motion, n.person), network, (motion, person))
    if isinstance(network, DualNetwork):
        found = multipliers_of(network.actuation, rows.reserve_force)
        return eqx.tree_at(lambda n: n.multipliers, network, Normalization.of(found)), scales
    assert isinstance(network, FeedForwardNetwork)
    lower = network.actuation.lower
    activation = jnp.mean(rows.activation, axis=0) if labels else lower + scales.activation
    capacity = jnp.asarray(balance.capacity)
    if config.network.head == "bounded":
        strength = Normalization.of(capacity)
    elif labels:
        strength = Normalization.of(rows.force)
    else:
        strength = Normalization(activation * jnp.mean(capacity, axis=0), scales.force)
    return eqx.tree_at(
        lambda n: (n.activation, n.strength),
        network,
        (Normalization(activation, scales.activation), strength),
    ), scales


def _schedule(config: TrainingConfig, step: Array) -> tuple[Array, Array]:
    """Parts of their weights that labels and physics have at `step`."""
    labels = optax.linear_schedule(1.0, config.labels_end, config.steps)
    if not config.weights.needs_labels:
        return jnp.asarray(labels(step)), jnp.ones(())
    ramp = max(1, round(config.physics_ramp * config.steps))
    start = config.physics_start
    physics = optax.exponential_decay(start, ramp, 1.0 / start, end_value=1.0)
    return jnp.asarray(labels(step)), jnp.asarray(physics(step))


def _optimizer(config: TrainingConfig) -> optax.GradientTransformation:
    warm = min(200, config.steps // 10)

    def rate(peak: float) -> optax.Schedule:
        return optax.warmup_cosine_decay_schedule(0.0, peak, warm, config.steps)

    if config.optimizer == "adam":
        step = optax.adamw(
            rate(config.learning_rate),
            weight_decay=config.weight_decay,
            mask=lambda trunk: jax.tree.map(lambda x: jnp.ndim(x) > 1, trunk),
        )
    else:
        step = optax.contrib.muon(
            rate(config.learning_rate),
            weight_decay=config.weight_decay,
            # What is no matrix wants smaller steps.
            adam_learning_rate=rate(0.2 * config.learning_rate),
        )
    return optax.chain(optax.clip_by_global_norm(1.0), step)


def _fresh(network: ForceNetwork, optimizer: optax.GradientTransformation) -> _State:
    trained = eqx.filter(network.trunk, eqx.is_inexact_array)
    zero = jnp.zeros(())
    return _State(
        network.trunk,
        optimizer.init(trained),
        jnp.array(0),
        network.trunk,
        jnp.array(jnp.inf),
        jnp.array(0),
        Losses(*[zero] * len(Losses._fields)),
    )


def _judged(
    run: RunFolder, config: TrainingConfig, state: _State, validation: tuple[Array, Losses]
) -> tuple[_State, float]:
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
            **{f"train_{k}": float(v) / since for k, v in state.total._asdict().items()},
            **{f"validation_{k}": float(v) for k, v in parts._asdict().items()},
            "validation": loss,
        }
    )
    better = loss < float(state.best_loss)
    return _State(
        state.trunk,
        state.optimizer,
        state.step,
        state.trunk if better else state.best,
        jnp.array(loss if better else float(state.best_loss), state.best_loss.dtype),
        jnp.array(0 if better else int(state.stale) + 1),
        jax.tree.map(jnp.zeros_like, state.total),
    ), loss


def _stopped(state: _State, config: TrainingConfig) -> bool:
    return bool(config.patience) and int(state.stale) >= config.patience


def _with_trunk(network: ForceNetwork, trunk: Trunk) -> ForceNetwork:
    return eqx.tree_at(lambda n: n.trunk, network, trunk)


def _placed(sharding: NamedSharding) -> Callable:
    return lambda x: jax.device_put(x, sharding) if eqx.is_array(x) else x


def _placed_rows(rows: TrainingRows, sharding: NamedSharding) -> TrainingRows:
    return jax.tree.map(lambda x: jax.device_put(x, sharding), rows)


def _some(rows: TrainingRows, config: TrainingConfig, devices: int) -> TrainingRows:
    """The rows that the terms without labels look at."""
    wanted = round(config.physics_share * len(rows)) if config.weights.needs_physics else 0
    # One row per device at least: an empty mean is no number.
    count = max(1, wanted // devices) * devices
    return jax.tree.map(lambda x: x[:count], rows)


def _whole_rows(rows: TrainingRows, devices: int) -> TrainingRows:
    """As many of `rows` as can be shared out evenly."""
    count = len(rows) // devices * devices
    if count == 0:
        raise ValueError(f"{len(rows)} rows to validate on are fewer than {devices} devices")
    return jax.tree.map(lambda x: x[:count], rows)
