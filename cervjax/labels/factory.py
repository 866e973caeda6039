"""`LabelFactory`: from a person's index to that person and their labelled frames, on the device.

Random numbers are keyed by the person's index, and people are always computed in the same blocks,
so a row is the same on one device or eight, drawn alone or among a million.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, PRNGKeyArray

from cervjax.motion.synthesis import (
    CoordinateSampler,
    FixedGravity,
    MotionSample,
    MovementKind,
    MovementSampler,
    RecordedMovements,
    TorsoInclination,
)
from cervjax.people import AbstractPersonalizer, Person

from .row import LabelBatch, RowOptions, RowOrigin, label_row

Population = Callable[[Integer[Array, ""], PRNGKeyArray], Person]
"""Person `index` of the population that a key draws."""


class LabelFactory(eqx.Module):
    """Draws people and their movements and labels the frames.

    Attributes:
        personalizer: makes a person's model.
        population: `AnsurPopulation`, `BoxPopulation`, `RatioPopulation`, or any function of index
            and key; its subjects are those of the personalizer.
        sampler: draws movements.
        torso: draws how the torso is held, once per movement.
        recorded: recorded motions, or None.
        recorded_share: of movements that are recorded ones.
        personal_range: keep a person's movements inside that person's range of motion, not only
            the model's.
        options: what is solved and kept of a row.
        seed: of all random numbers.
        movements, frames: per person, per movement.
        rate: Hz of the frames of a movement, which then follow one another; None for frames at
            random times.
        duration: s, of a movement.
        block: people computed at once. Part of what the rows are, to the last bit.
    """

    personalizer: AbstractPersonalizer
    population: Population
    sampler: MovementSampler | CoordinateSampler
    torso: TorsoInclination | FixedGravity
    recorded: RecordedMovements | None = None
    recorded_share: float = eqx.field(static=True, default=0.0)
    personal_range: bool = eqx.field(static=True, default=True)
    options: RowOptions = eqx.field(static=True, default=RowOptions())
    seed: int = eqx.field(static=True, default=0)
    movements: int = eqx.field(static=True, default=1)
    frames: int = eqx.field(static=True, default=8)
    rate: float | None = eqx.field(static=True, default=None)
    duration: float = eqx.field(static=True, default=20.0)
    block: int = eqx.field(static=True, default=16)

    @property
    def rows_per_person(self) -> int:
        """Frames of all movements of a person."""
        return self.movements * self.frames

    def blocks(self, index: Integer[Array, " blocks"]) -> tuple[Person, LabelBatch]:
        """People and rows of the blocks `index`, one block after the other.

        Returns:
            People with leading axis `[blocks * block]`, and their rows, person by person, with
            leading axis `[blocks * block * rows_per_person]`. Not jitted.
        """

        def one(block: Array) -> tuple[Person, LabelBatch]:
            first = block * self.block
            return jax.vmap(self.person)(first + jnp.arange(self.block, dtype=block.dtype))

        people, rows = jax.lax.map(one, index)
        return (
            jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), people),
            jax.tree.map(lambda x: x.reshape(-1, *x.shape[3:]), rows),
        )

    def person(self, index: Integer[Array, ""]) -> tuple[Person, LabelBatch]:
        """One person and their rows."""
        people_key, motion_key = jax.random.split(jax.random.key(self.seed))
        person = self.population(index, people_key)
        model = self.personalizer(person.subject)
        key = jax.random.fold_in(motion_key, index)
        needed = self.sampler.num_uniforms + self.frames + 3 + 5
        # One call of the generator: on a CPU every call is a loop of its own.
        uniforms = jax.random.uniform(key, (self.movements, needed), self.sampler.low.dtype)
        own = person.range_of_motion
        reach = own if self.personal_range else jnp.ones_like(own)
        kind, time, motion, gravity = jax.vmap(self._movement, in_axes=(0, None))(uniforms, reach)
        kind, gravity = (
            jnp.broadcast_to(x[:, None], (x.shape[0], self.frames, *x.shape[1:]))
            for x in (kind, gravity)
        )
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), (kind, time, motion, gravity))
        subject = person.subject.as_vector()

        def row(kind: Array, time: Array, motion: MotionSample, gravity: Array) -> LabelBatch:
            origin = RowOrigin(index, kind, time, subject)
            return label_row(model, motion, gravity, self.options, origin)

        if self.rows_per_person == 1:
            # A mapped axis of length one costs a CPU half its speed.
            only = row(*jax.tree.map(lambda x: x[0], flat))
            return person, jax.tree.map(lambda x: x[None], only)
        return person, jax.vmap(row)(*flat)

    def _movement(
        self, uniforms: Float[Array, " n"], reach: Float[Array, " planes"]
    ) -> tuple[Array, Array, MotionSample, Array]:
        """Kind, times, frames and gravity of one movement."""
        dtype = uniforms.dtype
        when, torso, record, move = jnp.split(uniforms, np.cumsum([self.frames, 3, 5]).tolist())
        if self.rate is None:
            time = self.duration * when
        else:
            time = jnp.arange(self.frames, dtype=dtype) / self.rate
        movement = self.sampler.from_uniforms(move, reach)
        kind, motion = movement.kind, movement.at(time)
        if self.recorded is not None:
            chosen = record[0] < self.recorded_share
            frames = self.recorded(record[1:], time, reach)
            motion = jax.tree.map(lambda a, b: jnp.where(chosen, a, b), frames, motion)
            kind = jnp.where(chosen, int(MovementKind.RECORDED), kind)
        return kind, time, motion, self.torso.from_uniforms(torso)
