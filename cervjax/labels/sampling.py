"""Rows to label: persons times frames of random movements.

Random numbers are keyed by the person's index, so a row does not depend on how many rows are
drawn, in which order, or where.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from cervjax.motion import MotionSample, MovementSampler
from cervjax.personalization import PopulationBox, Subject


def sample_rows(
    sampler: MovementSampler,
    population: PopulationBox,
    *,
    persons: int,
    frames: int,
    seed: int,
) -> tuple[Int[Array, " rows"], Subject, MotionSample]:
    """`persons` of the population, each in one random movement, at `frames` random times of it.

    Returns:
        Per row: index of the person, the person, and the frame.
    """
    dtype = sampler.low.dtype
    people = population.sample(persons, seed)
    people = jax.tree.map(lambda x: jnp.repeat(x.astype(dtype), frames), people)

    def movement(person: Array) -> MotionSample:
        key = jax.random.fold_in(jax.random.key(seed), person)
        when_key, move_key = jax.random.split(key)
        times = jax.random.uniform(when_key, (frames,), dtype, 0.0, 10.0)
        return sampler(move_key, times)

    motion = jax.jit(jax.vmap(movement))(jnp.arange(persons))
    rows = jax.tree.map(lambda x: x.reshape(persons * frames, -1), motion)
    return jnp.asarray(np.repeat(np.arange(persons), frames)), people, rows
