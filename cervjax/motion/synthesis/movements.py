"""Head movements drawn at random: smooth, band-limited, inside a person's range.

A movement is a posture plus a sum of sinusoids, so that speeds and accelerations are exact and all
derivatives exist. Everything is relative to the torso.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from cervjax.model import Topology
from cervjax.motion import Motion
from cervjax.spec import PLANES, ModelSpec

from .movement import MotionSample, Movement, MovementKind
from .sinusoids import COMPONENTS, named_uniforms, spectrum

_SWAY = 0.02
"""Part of the range that a posture sways over."""


_MIX = (0.3, 0.25, 0.1, 0.1, 0.25)


def default_mix() -> dict[str, float]:
    """By the name of each kind of movement, the share that `MovementSampler` draws by default."""
    return {kind.name.lower(): share for kind, share in zip(MovementKind, _MIX, strict=False)}


@dataclass(frozen=True)
class MovementOptions:
    """Which movements are drawn. A `DatasetPlan` has these options too, and keeps them on disk.

    Attributes:
        mix: share of each kind of movement, by name (`planar`, ...); the default's if empty.
        slowest_deg, fastest_deg: deg/s, peak speed of the head.
        band_limit: Hz, no component of a movement is above.
        extent: largest part of the range that movements use.
        least_share: of its range that a coordinate uses at least where another of its plane uses
            all; 1 ties lower to upper neck, None lets them turn against each other.
        planes: free coordinates that turn the head in pitch, roll, yaw; those that the model's
            anatomy names if empty.

    Raises:
        ValueError: an option is out of range.
    """

    mix: dict[str, float] = field(default_factory=dict)
    slowest_deg: float = 10.0
    fastest_deg: float = 360.0
    band_limit: float = 6.0
    extent: float = 0.9
    least_share: float | None = 0.15
    planes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.slowest_deg < self.fastest_deg:
            raise ValueError(
                f"speeds {self.slowest_deg}, {self.fastest_deg} deg/s do not increase from 0"
            )
        if not 0 < self.extent <= 1:
            raise ValueError(f"extent = {self.extent} is a part of the range, in (0, 1]")
        if self.least_share is not None and not 0 <= self.least_share <= 1:
            raise ValueError(f"least_share = {self.least_share} is a part of the range, in [0, 1]")
        if not self.band_limit > 0:
            raise ValueError(f"band_limit = {self.band_limit} Hz is not positive")
        _ = self.shares

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of each `MovementKind`, in their order, without RECORDED; their sum is 1."""
        return _shares(self.mix) if self.mix else _MIX


class MovementSampler(eqx.Module):
    """Draws head movements.

    A limit of head speed is drawn between `slowest` and `fastest`, evenly on a logarithmic scale,
    and never exceeded. Peaks are below it, by a third in the median: components do not peak at
    once, and small movements are held back by the band limit. Lower and upper neck share each
    plane at random, both to the same side; or each goes its own way, as in drawing the chin in,
    where the lower neck extends and the upper bends.

    Attributes:
        low, high: rad, range of each coordinate.
        plane: index into `PLANES` of each coordinate.
        mix: share of each `MovementKind`, in their order, without RECORDED.
        slowest, fastest: rad/s, of the limit of head speed.
        band_limit: Hz, no component is above.
        extent: largest part of the range that is used.
        least_share: of its range that a coordinate uses at least, where another of its plane uses
            all it may. At 1 lower and upper neck always turn in proportion to their ranges, and
            the head's orientation tells the posture. None: a coordinate has a place of its own
            and its own part of its plane's movement, to either side.
    """

    low: Float[Array, " q"]
    high: Float[Array, " q"]
    plane: tuple[int, ...] = eqx.field(static=True)
    mix: tuple[float, ...] = eqx.field(static=True)
    slowest: float = eqx.field(static=True)
    fastest: float = eqx.field(static=True)
    band_limit: float = eqx.field(static=True)
    extent: float = eqx.field(static=True)
    least_share: float | None = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        spec: ModelSpec,
        options: MovementOptions = MovementOptions(),
        *,
        dtype: DTypeLike | None = None,
    ) -> "MovementSampler":
        """A sampler over the ranges of the free coordinates of `spec`.

        Args:
            options: which movements are drawn.
            dtype: of all numbers; JAX's default if None.

        Returns:
            Of movements in rad, rad/s and rad/s^2.

        Raises:
            ValueError: a coordinate belongs to no plane.
        """
        ranges = np.array([spec.coordinate(n).range for n in spec.free_coordinates])
        return cls(
            jnp.asarray(ranges[:, 0], dtype),
            jnp.asarray(ranges[:, 1], dtype),
            plane_of_coordinates(spec, options.planes or None),
            mix=options.shares,
            slowest=math.radians(options.slowest_deg),
            fastest=math.radians(options.fastest_deg),
            band_limit=options.band_limit,
            extent=options.extent,
            least_share=options.least_share,
        )

    def __call__(
        self,
        key: PRNGKeyArray,
        time: Float[Array, " frames"],
        range_of_motion: Float[Array, " 3"] | None = None,
    ) -> MotionSample:
        """One movement at `time` (s)."""
        return self.draw(key, range_of_motion).at(time)

    def draw(
        self, key: PRNGKeyArray, range_of_motion: Float[Array, " 3"] | None = None
    ) -> Movement:
        """One movement of a person who reaches `range_of_motion` of the range in each plane."""
        count = self.num_uniforms
        return self.from_uniforms(
            jax.random.uniform(key, (count,), self.low.dtype), range_of_motion
        )

    @property
    def num_uniforms(self) -> int:
        """How many uniform random numbers a movement takes."""
        return sum(math.prod(shape) for shape in self._uniform_shapes.values())

    def from_uniforms(
        self, uniforms: Float[Array, " n"], range_of_motion: Float[Array, " 3"] | None = None
    ) -> Movement:
        """The movement that `num_uniforms` uniform random numbers make."""
        dtype = self.low.dtype
        uniform = named_uniforms(uniforms, self._uniform_shapes)
        reach = jnp.ones((3,), dtype) if range_of_motion is None else range_of_motion
        kind = jnp.sum(uniform["kind"] >= jnp.asarray(np.cumsum(self.mix)[:-1], dtype))
        is_kind = {k: kind == k for k in MovementKind}

        half, middle, share = self._intervals(uniform, is_kind)
        center, amplitude = self._excursion(middle - half, middle + half, reach, share)
        circling, wandering = is_kind[MovementKind.CIRCUMDUCTION], is_kind[MovementKind.DAILY]
        multiple, weight = spectrum(uniform["size"], uniform["frequency"], circling, wandering)

        plane = np.array(self.plane)
        planes = [np.flatnonzero(plane == p) for p in range(len(PLANES))]
        width = jnp.stack([jnp.sum(jnp.abs(amplitude[i])) for i in planes])
        # No sum of sinusoids is faster than all of them together at their fastest.
        per_frequency = jnp.sqrt(jnp.sum((width * jnp.sum(weight * multiple, axis=1)) ** 2))
        speed = self.slowest * (self.fastest / self.slowest) ** uniform["speed"]
        most = 2 * np.pi * self.band_limit / COMPONENTS
        base = jnp.minimum(speed / jnp.maximum(per_frequency, 1e-6), most)

        phase = 2 * np.pi * uniform["phase"]
        quarter = jnp.where(uniform["turn"] < 0.5, -0.5 * np.pi, 0.5 * np.pi)
        phase = jnp.where(circling, phase.at[1].set(phase[0] + quarter), phase)
        return Movement(
            kind.astype(jnp.int32),
            center,
            amplitude[:, None] * weight[plane],
            base * multiple,
            phase[plane],
        )

    @property
    def plane_names(self) -> tuple[str, ...]:
        """Names of the groups of coordinates: `PLANES`."""
        return PLANES

    @property
    def plane_range(self) -> Float[np.ndarray, " 3"]:
        """rad, that the neck turns through in pitch, roll, yaw from end to end."""
        width, plane = np.asarray(self.high - self.low, float), np.array(self.plane)
        return np.array([width[plane == p].sum() for p in range(len(PLANES))])

    @property
    def neutral(self) -> Float[Array, " q"]:
        """rad, zero or the end of the range nearest to it."""
        return jnp.clip(0.0, self.low, self.high)

    @property
    def _uniform_shapes(self) -> dict[str, tuple[int, ...]]:
        planes, coordinates = len(PLANES), (len(self.plane),)
        shapes: dict[str, tuple[int, ...]] = {
            name: () for name in ("kind", "main", "speed", "still", "turn")
        }
        shapes |= {name: (planes,) for name in ("half", "middle", "part")}
        shapes |= {
            "phase": (planes, COMPONENTS),
            "size": (planes, COMPONENTS),
            "frequency": (COMPONENTS,),
            "share": coordinates,
        }
        return shapes if self.least_share is not None else {**shapes, "place": coordinates}

    def _intervals(
        self, uniform: dict[str, Array], is_kind: dict[MovementKind, Array]
    ) -> tuple[Float[Array, " q"], Float[Array, " q"], Float[Array, " q"]]:
        """Half-width (negative where a coordinate goes against its plane) and middle of each
        coordinate's movement in its range, and how much of both is used."""
        plane = np.array(self.plane)
        half, middle = (x[plane] for x in self._interval(uniform, is_kind))
        share = uniform["share"]
        if self.least_share is not None:
            # Coordinates of a plane share it: one goes all the way, the others part of it.
            largest = jnp.stack(
                [jnp.max(jnp.where(plane == p, share, 0.0)) for p in range(len(PLANES))]
            )
            share = self.least_share + (1 - self.least_share) * share / largest[plane]
            return half, middle, share
        resting = (half == 0) & (middle == 0)
        half = half * (2 * share - 1)
        place = (2 * uniform["place"] - 1) * (self.extent - jnp.abs(half))
        return half, jnp.where(resting, 0.0, place), jnp.ones_like(share)

    def _interval(
        self, uniform: dict[str, Array], is_kind: dict[MovementKind, Array]
    ) -> tuple[Float[Array, " 3"], Float[Array, " 3"]]:
        """Half-width and middle of each plane's movement; -1 and 1 are the ends of the range."""
        dtype = self.low.dtype
        main = jnp.floor(3 * uniform["main"]) == jnp.arange(3)
        some = 0.2 + 0.8 * uniform["part"]
        circle = jnp.stack([jnp.ones((), dtype), 0.6 + 0.4 * some[1], jnp.zeros((), dtype)])
        swaying = jnp.where(uniform["still"] < 0.5, 0.0, _SWAY)
        part = jnp.where(is_kind[MovementKind.PLANAR], main.astype(dtype), some)
        part = jnp.where(is_kind[MovementKind.CIRCUMDUCTION], circle, part)
        half = part * (0.15 + 0.85 * uniform["half"])
        half = jnp.where(is_kind[MovementKind.CIRCUMDUCTION], part * uniform["half"][0], half)
        half = self.extent * jnp.where(is_kind[MovementKind.HOLD], swaying, half)
        middle = (2 * uniform["middle"] - 1) * (self.extent - half)
        alone = is_kind[MovementKind.PLANAR] | is_kind[MovementKind.CIRCUMDUCTION]
        return half, jnp.where(alone & (half == 0), 0.0, middle)

    def _excursion(
        self, start: Array, end: Array, reach: Array, share: Array
    ) -> tuple[Float[Array, " q"], Float[Array, " q"]]:
        """Middle and amplitude (rad) of each coordinate between two points of its range."""
        neutral = self.neutral

        def angle(fraction: Array) -> Array:
            fraction = fraction * reach[np.array(self.plane)]
            end = jnp.where(fraction > 0, self.high - neutral, neutral - self.low)
            return neutral + share * fraction * end

        first, last = angle(start), angle(end)
        return 0.5 * (first + last), 0.5 * (last - first)


def plane_of_coordinates(
    source: ModelSpec | Topology, planes: Mapping[str, tuple[str, ...]] | None = None
) -> tuple[int, ...]:
    """The plane of each free coordinate of a model.

    Args:
        planes: coordinates of each plane; those that the model's anatomy names if None.

    Returns:
        Indices into `PLANES`.

    Raises:
        ValueError: a free coordinate belongs to none, or to more than one.
    """
    names = source.free_coordinates
    members = planes or source.anatomy.planes
    result = []
    for name in names:
        found = [p for p in PLANES if name in members.get(p, ())]
        if len(found) != 1:
            raise ValueError(
                f"coordinate {name!r} of {source.name!r} belongs to {found or 'none'} of the "
                "planes pitch, roll, yaw; name them in the model's `Anatomy`, or give "
                "`planes={'pitch': (...), 'roll': (...), 'yaw': (...)}`"
            )
        result.append(PLANES.index(found[0]))
    return tuple(result)


def sample_motion(spec: ModelSpec, seed: int, duration: float = 4.0, rate: float = 100.0) -> Motion:
    """One random movement as a `Motion`, sampled at `rate` Hz for `duration` s."""
    time = np.arange(round(duration * rate) + 1) / rate
    options = MovementOptions(mix={"combined": 1.0}, slowest_deg=60.0, fastest_deg=180.0)
    sampler = MovementSampler.of(spec, options)
    # Operation by operation it would compile each of some hundred.
    sample = eqx.filter_jit(sampler)(jax.random.key(seed), jnp.asarray(time))
    return Motion(f"movement {seed}", spec.free_coordinates, time, np.asarray(sample.q, float))


def _shares(mix: Mapping[str, float]) -> tuple[float, ...]:
    names = list(default_mix())
    unknown = set(mix) - set(names)
    if unknown:
        raise ValueError(f"unknown kinds of movement {sorted(unknown)}; there are {names}")
    total = sum(mix.values())
    if total <= 0 or any(share < 0 for share in mix.values()):
        raise ValueError(f"mix = {dict(mix)} are not shares: none negative, not all zero")
    return tuple(mix.get(name, 0.0) / total for name in names)
