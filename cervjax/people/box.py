"""The source paper's population: a box of ratios filled evenly, no person in particular."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Integer, PRNGKeyArray

from .person import MEASUREMENTS, Person
from .sobol import sobol_points
from .subject import LIMITS, Subject

Range = tuple[float, float]


@dataclass(frozen=True)
class PopulationBox:
    """A box of ratios: the source paper's design (He, Liu, Li 2026, Sensors 26(2):752: neck
    length, shoulder width, head mass) with strength added.

    Sizes span the 1st percentile of women to the 99th of men (ANSUR II; Zatsiorsky & Seluyanov
    1983), strength weak women to strong men. Each attribute is the least and the greatest ratio.
    """

    neck_length: Range = (0.73, 1.28)
    shoulder_width: Range = (0.77, 1.12)
    head_mass: Range = (0.84, 1.42)
    head_size: Range = (0.90, 1.07)
    strength: Range = (0.5, 1.5)
    flexor_strength: Range = (0.75, 1.25)
    extensor_strength: Range = (0.8, 1.3)

    def sample(self, count: int, seed: int, *, first: int = 0) -> Subject:
        """Subjects `first` to `first + count - 1` of the sequence with `seed`.

        The same index is the same person, however the sequence is cut up.

        Returns:
            `[count]` people.

        Raises:
            ValueError: `count` is not positive.
        """
        if count < 1:
            raise ValueError(f"count of persons is {count}, must be at least 1")
        population, key = BoxPopulation.of(self), jax.random.key(seed)
        index = jnp.arange(first, first + count)
        return jax.jit(jax.vmap(lambda k: population(k, key).subject))(index)


class BoxPopulation(eqx.Module):
    """A Sobol sequence that fills a `PopulationBox`.

    Attributes:
        low, high: ends of the box, in the order of `LIMITS`.
    """

    low: Float[Array, " ratios"]
    high: Float[Array, " ratios"]

    @classmethod
    def of(cls, box: PopulationBox, dtype: DTypeLike | None = None) -> "BoxPopulation":
        """The population that fills `box`.

        Returns:
            A function of a person's index and a key.

        Raises:
            ValueError: a range is not two increasing ratios inside `LIMITS`.
        """
        ends = np.array([getattr(box, name) for name in LIMITS], float)
        for (name, limits), (low, high) in zip(LIMITS.items(), ends, strict=True):
            if not limits[0] <= low <= high <= limits[1]:
                raise ValueError(f"{name} = ({low}, {high}) is not a range inside {limits}")
        return cls(jnp.asarray(ends[:, 0], dtype), jnp.asarray(ends[:, 1], dtype))

    def __call__(self, index: Integer[Array, ""], key: PRNGKeyArray) -> Person:
        """Person `index` of the sequence that `key` shifts."""
        count, dtype = self.low.shape[0], self.low.dtype
        shift = jax.random.bits(key, (count,), jnp.uint32)
        point = sobol_points(index.astype(jnp.uint32), count, shift).astype(dtype)
        return Person(
            sex=jnp.full((), -1, jnp.int32),
            measurement=jnp.full((len(MEASUREMENTS),), jnp.nan, dtype),
            subject=Subject.from_vector(self.low + (self.high - self.low) * point),
            range_of_motion=jnp.ones((3,), dtype),
        )
