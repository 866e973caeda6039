"""Movements of any model drawn at random: each coordinate inside its own range."""

import math
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from cervjax.spec import ModelSpec

from .movement import MotionSample, Movement, MovementKind
from .movements import MovementOptions
from .sinusoids import COMPONENTS, named_uniforms, spectrum

_SWAY = 0.02
"""Part of the range that a posture sways over."""
_WIDEST = 2 * math.pi
"""rad; a wider range says nothing of how people move."""
_SHARES = (0.35, 0.3, 0.0, 0.1, 0.25)
"""Of the kinds of movement; there is nothing to circumduct without a head."""


class CoordinateSampler(eqx.Module):
    """Draws movements of the free coordinates of any model.

    PLANAR moves one coordinate and holds the others where they are; COMBINED moves all in step;
    HOLD holds all, still or swaying a little; DAILY lets all wander. How fast coordinates are at
    most is drawn between `slowest` and `fastest`, evenly on a logarithmic scale; translations are
    limited to as many meters as rotations are to radians.

    Attributes:
        low, high: rad or m, range of each coordinate.
        names: of the coordinates.
        mix: share of each `MovementKind`, in their order, without RECORDED.
        slowest, fastest: rad/s (m/s), of the limit of speed.
        band_limit: Hz, no component is above.
        extent: largest part of the range that is used.
    """

    low: Float[Array, " q"]
    high: Float[Array, " q"]
    names: tuple[str, ...] = eqx.field(static=True)
    mix: tuple[float, ...] = eqx.field(static=True)
    slowest: float = eqx.field(static=True)
    fastest: float = eqx.field(static=True)
    band_limit: float = eqx.field(static=True)
    extent: float = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        spec: ModelSpec,
        options: MovementOptions = MovementOptions(),
        *,
        ranges: Mapping[str, tuple[float, float]] | None = None,
        dtype: DTypeLike | None = None,
    ) -> "CoordinateSampler":
        """A sampler of the free coordinates of `spec`.

        Args:
            options: which movements are drawn; shares and planes of a neck do not count.
            ranges: rad or m, of coordinates that move in others than the model's own ranges.
            dtype: of all numbers; JAX's default if None.

        Returns:
            Of movements in rad (m), rad/s and rad/s^2.

        Raises:
            ValueError: a range is of no free coordinate, does not increase, or is too wide; or
                circumductions are asked for.
        """
        given, names = dict(ranges or {}), spec.free_coordinates
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ValueError(
                f"ranges name {', '.join(map(repr, unknown))}; the free coordinates of "
                f"{spec.name!r} are {', '.join(names)}"
            )
        if not names:
            raise ValueError(f"{spec.name!r} has no free coordinate that could move")
        mix = options.shares if options.mix else _SHARES
        if mix[MovementKind.CIRCUMDUCTION]:
            raise ValueError("mix has circumductions, which only necks make; leave them out")
        ends = [given.get(name, spec.coordinate(name).range) for name in names]
        for name, (low, high) in zip(names, ends, strict=True):
            turns = spec.coordinate(name).motion_type != "translational"
            if not (math.isfinite(low) and math.isfinite(high) and low < high) or (
                turns and high - low > _WIDEST
            ):
                raise ValueError(
                    f"coordinate {name!r} ranges from {low:g} to {high:g}; name a range of at most "
                    "a turn that people move in, or one place to hold it there"
                )
        table = np.array(ends, float)
        return cls(
            jnp.asarray(table[:, 0], dtype),
            jnp.asarray(table[:, 1], dtype),
            names=tuple(names),
            mix=mix,
            slowest=math.radians(options.slowest_deg),
            fastest=math.radians(options.fastest_deg),
            band_limit=options.band_limit,
            extent=options.extent,
        )

    def __call__(self, key: PRNGKeyArray, time: Float[Array, " frames"]) -> MotionSample:
        """One movement at `time` (s)."""
        uniforms = jax.random.uniform(key, (self.num_uniforms,), self.low.dtype)
        return self.from_uniforms(uniforms).at(time)

    @property
    def plane(self) -> tuple[int, ...]:
        """Each coordinate is a group of its own."""
        return tuple(range(len(self.names)))

    @property
    def plane_names(self) -> tuple[str, ...]:
        """Names of the groups: of the coordinates."""
        return self.names

    @property
    def neutral(self) -> Float[Array, " q"]:
        """Rad or m, the middle of each range: recorded motions are shrunk towards it."""
        return 0.5 * (self.low + self.high)

    @property
    def num_uniforms(self) -> int:
        """How many uniform random numbers a movement takes."""
        return sum(math.prod(shape) for shape in self._shapes.values())

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        size = len(self.names)
        shapes: dict[str, tuple[int, ...]] = {n: () for n in ("kind", "main", "speed", "still")}
        shapes |= {name: (size,) for name in ("half", "middle", "part")}
        return shapes | {
            "phase": (size, COMPONENTS),
            "size": (size, COMPONENTS),
            "frequency": (COMPONENTS,),
        }

    def from_uniforms(
        self, uniforms: Float[Array, " n"], range_of_motion: Float[Array, " q"] | None = None
    ) -> Movement:
        """The movement that `num_uniforms` uniform random numbers make.

        Args:
            uniforms: in [0, 1).
            range_of_motion: part of its range that each coordinate uses; all if None.

        Returns:
            rad or m, over s.
        """
        dtype, size = self.low.dtype, len(self.names)
        uniform = named_uniforms(uniforms, self._shapes)
        kind = jnp.sum(uniform["kind"] >= jnp.asarray(np.cumsum(self.mix)[:-1], dtype))
        main = jnp.floor(size * uniform["main"]) == jnp.arange(size)
        part = jnp.where(
            kind == MovementKind.PLANAR, main.astype(dtype), 0.2 + 0.8 * uniform["part"]
        )
        half = part * (0.15 + 0.85 * uniform["half"])
        swaying = jnp.where(uniform["still"] < 0.5, 0.0, _SWAY)
        half = jnp.where(kind == MovementKind.HOLD, swaying, half)
        middle = (2 * uniform["middle"] - 1) * (1 - half)
        width = 0.5 * self.extent * (self.high - self.low)
        width = width if range_of_motion is None else width * range_of_motion
        amplitude = width * half
        never = jnp.zeros((), bool)
        wandering = kind == MovementKind.DAILY
        multiple, weight = spectrum(uniform["size"], uniform["frequency"], never, wandering)
        # No sum of sinusoids is faster than all of them together at their fastest.
        per_frequency = jnp.max(amplitude * jnp.sum(weight * multiple, axis=1))
        speed = self.slowest * (self.fastest / self.slowest) ** uniform["speed"]
        most = 2 * np.pi * self.band_limit / COMPONENTS
        base = jnp.minimum(speed / jnp.maximum(per_frequency, 1e-6), most)
        return Movement(
            kind.astype(jnp.int32),
            0.5 * (self.low + self.high) + width * middle,
            amplitude[:, None] * weight,
            base * multiple,
            2 * np.pi * uniform["phase"],
        )
