"""Training of a force network: Optax steps, Orbax checkpoints, exact resumption."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
from jaxtyping import Array

from cervjax.labels import LabelBatch, LabelFactory, RowStatus, stream_labels

from .data import TrainingRows, select_rows, training_rows
from .losses import Losses, losses
from .network import ForceNetwork


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Attributes:
        width, depth: of the hidden layers.
        steps, batch_size: gradient steps, and rows in each.
        learning_rate: peak of a cosine schedule with a short warm-up.
        weight_decay: of AdamW.
        physics_weight: of the torque-balance loss beside the data loss.
        checkpoint_every: steps between checkpoints (and lines of metrics).
        seed: of the network and of the order of rows.
    """

    width: int = 256
    depth: int = 3
    steps: int = 10_000
    batch_size: int = 1024
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    physics_weight: float = 0.1
    checkpoint_every: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("width", "depth", "steps", "batch_size", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} is not at least 1")
        if not self.learning_rate > 0 or self.physics_weight < 0 or self.weight_decay < 0:
            raise ValueError(
                "learning_rate must be positive, physics_weight and weight_decay not negative"
            )


class _State(eqx.Module):
    network: ForceNetwork
    optimizer: optax.OptState
    step: Array


Progress = Callable[[int, Losses], None]


def train(
    rows: TrainingRows,
    config: TrainingConfig,
    folder: str | Path,
    *,
    progress: Progress | None = None,
) -> ForceNetwork:
    """Train a network on `rows`, or go on with what `folder` holds.

    Writes checkpoints and `metrics.jsonl` (one line each `checkpoint_every` steps) into `folder`.
    Rows of step k are drawn from (seed, k), so a run that was stopped and resumed takes the same
    steps as one that was not.

    Args:
        progress: called after each step with its number and losses.

    Raises:
        ValueError: `folder` holds a run with another configuration or on other rows.
    """

    def batches(first: int) -> Iterator[TrainingRows]:
        for step in itertools.count(first):
            draw = np.random.default_rng((config.seed, step))
            index = jnp.asarray(draw.integers(0, len(rows.inputs), config.batch_size))
            yield _chosen(rows, index)

    return _fit(rows, batches, config, Path(folder), _fingerprint(rows), progress)


def train_on_stream(
    factory: LabelFactory,
    config: TrainingConfig,
    folder: str | Path,
    *,
    progress: Progress | None = None,
) -> ForceNetwork:
    """Train a network on labels made for each step and used once: no disk, nobody seen twice.

    Nobody is in a dataset either (see `stream_labels`); kinds of movement to be held out must be
    left out of the factory's mix.

    Step k takes the people of the stream's step k + 1 (step 0 sets the normalization), so a run
    that was stopped and resumed takes the same steps as one that was not.

    Args:
        factory: makes the labels; its people per step follow from `config.batch_size`.
        progress: called after each step with its number and losses.

    Raises:
        ValueError: `folder` holds a run with another configuration or of another factory.
    """
    persons = -(-config.batch_size // factory.rows_per_person)

    def rows_of(labels: LabelBatch) -> TrainingRows:
        # Rows that are not certified are replaced, so that every step has the same shape.
        good = np.flatnonzero(np.asarray(labels.solution.status) == RowStatus.CERTIFIED)
        chosen = select_rows(labels, np.resize(good, config.batch_size))
        return training_rows(factory.personalizer, chosen)

    def batches(first: int) -> Iterator[TrainingRows]:
        for step in stream_labels(factory, persons, first_step=first + 1):
            yield rows_of(step.rows)

    like = rows_of(next(stream_labels(factory, persons)).rows)
    return _fit(like, batches, config, Path(folder), _fingerprint(like), progress)


@jax.jit
def _chosen(rows: TrainingRows, index: Array) -> TrainingRows:
    return jax.tree.map(lambda x: x[index], rows)


def _fit(
    rows: TrainingRows,
    batches: Callable[[int], Iterator[TrainingRows]],
    config: TrainingConfig,
    folder: Path,
    fingerprint: str,
    progress: Progress | None,
) -> ForceNetwork:
    """Take the steps that are left on `batches`, from that of the step taken next.

    Args:
        rows: what the network is normalized to.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    _check_config(folder / "config.json", config, fingerprint)
    optimizer = _optimizer(config)
    torque_spread = jnp.std(rows.muscle_torque, axis=0)
    state = _fresh(rows, config, optimizer)

    @eqx.filter_jit
    def advance(state: _State, batch: TrainingRows) -> tuple[_State, Losses]:
        def total(network: ForceNetwork) -> tuple[Array, Losses]:
            parts = losses(network, batch, torque_spread)
            return parts.data + config.physics_weight * parts.torque, parts

        gradient, parts = eqx.filter_grad(total, has_aux=True)(state.network)
        trained = eqx.filter(state.network, eqx.is_inexact_array)
        updates, moments = optimizer.update(gradient, state.optimizer, trained)
        # The normalizations have no gradient, but weight decay would still shrink them.
        updates = eqx.tree_at(
            lambda n: (n.inputs, n.outputs),
            updates,
            replace_fn=lambda part: jax.tree.map(jnp.zeros_like, part),
        )
        return _State(eqx.apply_updates(state.network, updates), moments, state.step + 1), parts

    options = ocp.CheckpointManagerOptions(max_to_keep=2)
    with ocp.CheckpointManager(folder / "checkpoints", options=options) as checkpoints:
        state = _restored(checkpoints, state)
        metrics = _Metrics(folder / "metrics.jsonl", int(state.step))
        first = int(state.step)
        # The range comes first: a batch beyond the last step is not made.
        for step, batch in zip(range(first, config.steps), batches(first), strict=False):
            state, parts = advance(state, batch)
            if progress is not None:
                progress(step + 1, parts)
            if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
                metrics.write(step + 1, parts)
                arrays = eqx.filter(state, eqx.is_array)
                checkpoints.save(step + 1, args=ocp.args.StandardSave(_leaves(arrays)))
                checkpoints.wait_until_finished()
    return state.network


def load_network(folder: str | Path, rows: TrainingRows) -> ForceNetwork:
    """The network of the last checkpoint in `folder`.

    Args:
        rows: rows of the same shapes as it was trained on (one is enough).

    Raises:
        FileNotFoundError: there is no checkpoint.
    """
    folder = Path(folder).absolute()
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"no training run in {folder}")
    described = json.loads((folder / "config.json").read_text())
    described.pop("rows")
    config = TrainingConfig(**described)
    state = _fresh(rows, config, _optimizer(config))
    with ocp.CheckpointManager(folder / "checkpoints") as checkpoints:
        if checkpoints.latest_step() is None:
            raise FileNotFoundError(f"no checkpoint in {folder}")
        return _restored(checkpoints, state).network


def _optimizer(config: TrainingConfig) -> optax.GradientTransformation:
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, min(200, config.steps // 10 + 1), config.steps
    )
    return optax.adamw(schedule, weight_decay=config.weight_decay)


def _fresh(
    rows: TrainingRows, config: TrainingConfig, optimizer: optax.GradientTransformation
) -> _State:
    network = ForceNetwork.of(
        rows.inputs,
        rows.force,
        width=config.width,
        depth=config.depth,
        key=jax.random.key(config.seed),
    )
    moments = optimizer.init(eqx.filter(network, eqx.is_inexact_array))
    return _State(network, moments, jnp.array(0))


def _leaves(tree: Any) -> dict[str, Array]:
    """Arrays by their path: what a checkpoint holds does not depend on Python classes."""
    found = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in found}


def _restored(checkpoints: ocp.CheckpointManager, state: _State) -> _State:
    latest = checkpoints.latest_step()
    if latest is None:
        return state
    arrays, rest = eqx.partition(state, eqx.is_array)
    stored = checkpoints.restore(latest, args=ocp.args.StandardRestore(_leaves(arrays)))
    filled = jax.tree_util.tree_map_with_path(
        lambda path, _: stored[jax.tree_util.keystr(path)], arrays
    )
    return eqx.combine(filled, rest)


def _fingerprint(rows: TrainingRows) -> str:
    """A hash of the rows: another training set is another run."""
    digest = hashlib.sha256()
    for array in (rows.inputs, rows.force, rows.muscle_torque):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _check_config(path: Path, config: TrainingConfig, rows: str) -> None:
    described = {**dataclasses.asdict(config), "rows": rows}
    if not path.exists():
        path.write_text(json.dumps(described, indent=1) + "\n")
        return
    stored = json.loads(path.read_text())
    if stored != described:
        differing = sorted(k for k in described if stored.get(k) != described[k])
        raise ValueError(
            f"{path.parent} holds a run with other {', '.join(differing)}; "
            "choose another folder, or remove it"
        )


class _Metrics:
    """Appends lines to a file, after cutting off those past the step a run resumes from."""

    def __init__(self, path: Path, step: int) -> None:
        lines = path.read_text().splitlines() if path.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        path.write_text("".join(f"{line}\n" for line in kept))
        self._path = path

    def write(self, step: int, parts: Losses) -> None:
        entry = {"step": step, **{k: float(v) for k, v in parts._asdict().items()}}
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
