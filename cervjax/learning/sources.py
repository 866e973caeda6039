"""Where the rows of every step come from: a stored dataset, or labels made on the spot.

Step k of a run takes the same rows whenever it is taken, so a run that was stopped goes on as if it
had not been.
"""

import abc
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache

import jax
import numpy as np
from jaxtyping import Int

from cervjax.labels import BlockRunner, LabelDataset, LabelFactory, RowStatus, stream_labels
from cervjax.people import Personalizer

from .config import NetworkConfig
from .inputs import person_inputs
from .rows import RowBuilder, TrainingRows, joined_rows, select_rows

_NORMALIZING_ROWS = 65_536
_STREAM_VALIDATION_ROWS = 2048


class StoredRows:
    """Rows in memory, drawn one by one or with the frames before them."""

    def __init__(self, rows: TrainingRows, last: Int[np.ndarray, " n"], window: int) -> None:
        """Rows `last` can be drawn, each with the `window - 1` rows before it."""
        self._rows, self._last, self._window = rows, last, window

    def __len__(self) -> int:
        """Rows that can be drawn."""
        return len(self._last)

    def draw(self, index: Int[np.ndarray, " n"]) -> TrainingRows:
        """The rows `index` of those that can be drawn."""
        last = self._last[index]
        rows = select_rows(self._rows, last)
        if self._window == 1:
            return rows
        frames = last[:, None] + np.arange(1 - self._window, 1)
        motion = self._rows.inputs.motion[frames]
        return dataclasses.replace(rows, inputs=type(rows.inputs)(motion, rows.inputs.person))

    def first(self, count: int) -> TrainingRows:
        """The first `count` rows, or all there are."""
        return self.draw(np.arange(min(count, len(self))))


class RowSource(abc.ABC):
    """Rows to train on."""

    @property
    @abc.abstractmethod
    def fingerprint(self) -> str:
        """Of the rows: another one is another run."""

    @property
    @abc.abstractmethod
    def rate(self) -> float | None:
        """Hz of the frames of a window; None where there are no windows."""

    @abc.abstractmethod
    def normalizing(self) -> TrainingRows:
        """Rows that normalizations are computed from."""

    @abc.abstractmethod
    def validation(self) -> TrainingRows:
        """Rows of people who are not trained on."""

    @abc.abstractmethod
    def batches(self, first: int, size: int, seed: int) -> Iterator[TrainingRows]:
        """Batches of `size` rows for the steps from `first` on, without end."""


def _only_necks(of_any_model: bool) -> None:
    if of_any_model:
        raise ValueError(
            "the labels are of people of the population 'ratios'; the networks here know the "
            "people and the movements of necks. Read such labels with `LabelDataset`"
        )


class DatasetSource(RowSource):
    """A stored dataset: as many of its shards in memory as fit, the next ones after a while."""

    def __init__(
        self,
        dataset: LabelDataset,
        personalizer: Personalizer,
        network: NetworkConfig,
        *,
        memory_rows: int = 4_000_000,
        validation_rows: int = 16_384,
    ) -> None:
        """Prepare; rows are read when asked for.

        Args:
            personalizer: of the neck with the plan's reserves.
            memory_rows: about how many rows are in memory at once, 1 kB each.
            validation_rows: judged at every validation.

        Raises:
            ValueError: the labels are not of convention `opensim`, or a network with memory meets
                frames that do not follow one another.
        """
        plan = dataset.plan
        _only_necks(bool(plan.people))
        check_plan(plan.convention, plan.rate, plan.frames, network.window)
        self._dataset, self._window = dataset, network.window
        self._builder = RowBuilder(personalizer, network.inputs)
        self._validation_rows = validation_rows
        per_shard = plan.shard_persons * plan.rows_per_person
        self._group = max(1, min(plan.shards, memory_rows // per_shard))
        self._groups = -(-plan.shards // self._group)
        self._group_rows = self._group * per_shard
        self._load = lru_cache(maxsize=1)(self._loaded)

    @property
    def fingerprint(self) -> str:
        """Of the dataset's manifest."""
        text = json.dumps(self._dataset.manifest, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def rate(self) -> float | None:
        """Hz, the plan's; None where there are no windows."""
        return self._dataset.plan.rate if self._window > 1 else None

    def normalizing(self) -> TrainingRows:
        """The first rows of the first group of shards."""
        return self._load(self._members(0, 0)).first(_NORMALIZING_ROWS)

    def validation(self) -> TrainingRows:
        """Rows of the people of the split `validation`."""
        return self.rows("validation", self._validation_rows)

    def rows(self, split: str, limit: int) -> TrainingRows:
        """The first rows of a split, in order.

        Returns:
            `limit` of them, or all there are.

        Raises:
            ValueError: there are none.
        """
        parts: list[TrainingRows] = []
        for shard in range(self._dataset.plan.shards):
            stored = self._read(shard, split)
            if stored is not None:
                parts.append(stored.first(limit - sum(map(len, parts))))
            if sum(map(len, parts)) >= limit:
                break
        if not parts:
            raise ValueError(
                f"no certified row of {self._dataset.folder.path} is in {split!r}; give the plan's "
                "`splits` a share of it"
            )
        return joined_rows(parts)

    def batches(self, first: int, size: int, seed: int) -> Iterator[TrainingRows]:
        """Rows drawn from the group of shards of the step."""
        stay = max(1, -(-self._group_rows // size)) if self._groups > 1 else None
        step = first
        while True:
            turn = 0 if stay is None else step // stay
            members = self._members(turn, seed)
            stored = self._load(members)
            draw = np.random.default_rng((seed, step))
            yield stored.draw(draw.integers(0, len(stored), size))
            step += 1

    def _members(self, turn: int, seed: int) -> tuple[int, ...]:
        """Shards in memory at the `turn`-th time that shards are read."""
        shards = np.arange(self._dataset.plan.shards)
        if self._groups > 1:
            shards = np.random.default_rng((seed, 1, turn // self._groups)).permutation(shards)
        at = (turn % self._groups) * self._group
        return tuple(shards[at : at + self._group].tolist())

    def _loaded(self, shards: tuple[int, ...]) -> StoredRows:
        found = [s for s in (self._read(shard, "train") for shard in shards) if s is not None]
        if not found:
            raise ValueError(f"no certified row of shards {shards} is to be trained on")
        starts = np.cumsum([0, *(len(s._rows) for s in found)])
        last = np.concatenate([s._last + at for s, at in zip(found, starts, strict=False)])
        return StoredRows(joined_rows([s._rows for s in found]), last, self._window)

    def _read(self, shard: int, split: str) -> StoredRows | None:
        """Rows of one shard, None if the split has none there."""
        dataset, plan = self._dataset, self._dataset.plan
        low, high = plan.persons_of(shard)
        span = slice(low * plan.rows_per_person, high * plan.rows_per_person)
        usable = dataset.in_split(split, span)
        if self._window > 1:
            # Frames before the last one need no label of their own.
            frame = np.arange(span.stop - span.start) % plan.frames
            index = np.arange(span.start, span.stop)
            last = np.flatnonzero(usable & (frame >= self._window - 1))
        else:
            index = span.start + np.flatnonzero(usable)
            last = np.arange(len(index))
        if len(last) == 0:
            return None
        labels = dataset.rows(index)
        known = np.asarray(person_inputs(dataset.people(slice(low, high))))
        person = known[np.asarray(labels.person) - low]
        return StoredRows(self._builder(labels, person), last, self._window)


class StreamSource(RowSource):
    """Labels made for each step and used once: no disk, nobody seen twice.

    Nobody is in a dataset either (see `stream_labels`); kinds of movement to be held out must be
    left out of the factory's mix. The stream's first people normalize and validate, those after
    them are trained on.
    """

    def __init__(self, factory: LabelFactory, network: NetworkConfig) -> None:
        """Prepare.

        Raises:
            ValueError: the labels are not of convention `opensim`, or a network with memory meets
                frames that do not follow one another.
        """
        personalizer = factory.personalizer
        _only_necks(not isinstance(personalizer, Personalizer))
        assert isinstance(personalizer, Personalizer)
        convention = factory.options.settings.convention
        check_plan(convention, factory.rate, factory.frames, network.window)
        self._factory, self._window = factory, network.window
        self._builder = RowBuilder(personalizer, network.inputs)
        self._first: TrainingRows | None = None

    @property
    def fingerprint(self) -> str:
        """Of the stream's first rows."""
        rows = self.normalizing()
        digest = hashlib.sha256()
        for array in (rows.inputs.motion, rows.force, rows.target):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def rate(self) -> float | None:
        """Hz, the factory's; None where there are no windows."""
        return self._factory.rate if self._window > 1 else None

    def normalizing(self) -> TrainingRows:
        """The rows of the stream's first step."""
        if self._first is None:
            self._first = next(self._rows(0, _STREAM_VALIDATION_ROWS))
        return self._first

    def validation(self) -> TrainingRows:
        """The rows of the stream's first step."""
        return self.normalizing()

    def batches(self, first: int, size: int, seed: int) -> Iterator[TrainingRows]:
        """New people every step; `seed` is the factory's affair."""
        validated, step = (self._blocks(n) for n in (_STREAM_VALIDATION_ROWS, size))
        return self._rows(first + -(-validated // step), size)

    def _persons(self, rows: int) -> int:
        factory = self._factory
        return -(-rows // (factory.movements * (factory.frames - self._window + 1)))

    def _blocks(self, rows: int) -> int:
        """Blocks of people that a step of the stream uses up."""
        block = self._factory.block
        return BlockRunner(self._factory, -(-self._persons(rows) // block)).computed

    def _rows(self, first: int, size: int) -> Iterator[TrainingRows]:
        factory, persons = self._factory, self._persons(size)
        for step in stream_labels(factory, persons, first_step=first):
            status = np.asarray(step.rows.solution.status)
            frame = np.arange(len(status)) % factory.frames
            good = np.flatnonzero((status == RowStatus.CERTIFIED) & (frame >= self._window - 1))
            # Rows that are not certified are replaced, so that every step has the same shape.
            last = np.resize(good, size)
            known = np.asarray(person_inputs(step.people))
            person = np.repeat(known, factory.rows_per_person, axis=0)
            if self._window == 1:
                labels = jax.tree.map(lambda x, chosen=last: np.asarray(x)[chosen], step.rows)
                yield self._builder(labels, person[last])
            else:
                rows = self._builder(step.rows, person)
                yield StoredRows(rows, last, self._window).draw(np.arange(size))


def check_plan(convention: str, rate: float | None, frames: int, window: int) -> None:
    """Whether a network can learn from such labels.

    Raises:
        ValueError: it cannot.
    """
    if convention != "opensim":
        raise ValueError(
            f"networks learn labels of convention 'opensim', where force is activation times "
            f"capacity; these are {convention!r}"
        )
    if window > 1 and (rate is None or frames < window):
        raise ValueError(
            f"a network with window = {window} needs that many frames one after the other; the "
            f"plan has rate = {rate} and frames = {frames} (try rate = 50, frames = 64)"
        )
