"""Frames of recorded motions, varied from person to person."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from cervjax.motion import Motion, read_storage
from cervjax.spec import ModelSpec

from .coordinate_movements import CoordinateSampler
from .movement import MotionSample
from .movements import MovementSampler

_MARGIN = 0.05
"""s, left out at both ends of a recording."""
_SHORTEST = 0.5
"""s, of a recording that is worth drawing from."""


class RecordedMovements(eqx.Module):
    """Draws frames of recorded motions.

    A motion is shrunk towards the neutral pose where it leaves the person's range, made smaller or
    larger, and slower or faster, at random; a `variation` of zero leaves it as recorded, but for
    the range and the fastest speed. Longer motions are drawn more often: every frame alike.

    Attributes:
        motion: q, qd, qdd of all motions, one after the other.
        first, count: frames of each motion.
        reach: part of the range each motion uses, per coordinate.
        speed: rad/s, peak head speed of each motion, the sum over a plane's coordinates.
        neutral: rad.
        plane: index of the group of each coordinate; into `PLANES` for a neck.
        variation: largest relative change of size and of tempo.
        fastest: rad/s; a motion that would be faster is slowed down to it.
        rate: Hz, of the frames.
    """

    motion: MotionSample
    first: Int[Array, " motions"]
    count: Int[Array, " motions"]
    reach: Float[Array, "motions q"]
    speed: Float[Array, " motions"]
    neutral: Float[Array, " q"]
    plane: tuple[int, ...] = eqx.field(static=True)
    variation: float = eqx.field(static=True)
    fastest: float = eqx.field(static=True)
    rate: float = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        motions: Sequence[Motion],
        sampler: MovementSampler | CoordinateSampler,
        *,
        variation: float = 0.2,
        rate: float = 100.0,
        dtype: DTypeLike | None = None,
    ) -> "RecordedMovements":
        """Frames of `motions`, resampled to `rate`, for the range of `sampler`.

        Args:
            variation: largest relative change of size and of tempo, in [0, 1).

        Returns:
            Of frames in rad, rad/s and rad/s^2.

        Raises:
            ValueError: there is no motion, one is too short, or an option is out of range.
        """
        if not motions:
            raise ValueError("no recorded motions were given")
        if not 0 <= variation < 1:
            raise ValueError(f"variation = {variation} is not in [0, 1)")
        neutral = np.asarray(sampler.neutral, float)
        above = np.maximum(np.asarray(sampler.high, float) - neutral, 1e-9)
        below = np.maximum(neutral - np.asarray(sampler.low, float), 1e-9)
        plane = np.array(sampler.plane)
        tables, reach, speed = [], [], []
        for motion in motions:
            if motion.time[-1] - motion.time[0] < _SHORTEST:
                raise ValueError(
                    f"{motion.name!r} lasts {motion.time[-1] - motion.time[0]:.3g} s; a recorded "
                    f"motion needs at least {_SHORTEST} s"
                )
            whole = motion.resample(rate).analyze_derivatives()
            # A spline's second derivative is poor at its ends.
            margin = round(_MARGIN * rate)
            frames = [x[margin : len(x) - margin] for x in whole]
            tables.append(frames)
            away = frames[0] - neutral
            reach.append(np.max(np.where(away > 0, away / above, -away / below), axis=0))
            rates = [
                np.abs(frames[1][:, plane == p]).sum(axis=1) for p in range(int(plane.max()) + 1)
            ]
            speed.append(np.sqrt(np.square(rates).sum(axis=0)).max())
        counts = np.array([len(t[0]) for t in tables])

        def array(x: object) -> Array:
            return jnp.asarray(np.asarray(x, float), dtype)

        return cls(
            motion=MotionSample(*(array(np.concatenate(x)) for x in zip(*tables, strict=True))),
            first=jnp.asarray(np.cumsum(counts) - counts),
            count=jnp.asarray(counts),
            reach=array(np.maximum(reach, 1e-9)),
            speed=array(np.maximum(speed, 1e-9)),
            neutral=array(neutral),
            plane=sampler.plane,
            variation=variation,
            fastest=sampler.fastest,
            rate=rate,
        )

    def __call__(
        self,
        uniforms: Float[Array, " 4"],
        time: Float[Array, " frames"],
        range_of_motion: Float[Array, " planes"],
    ) -> MotionSample:
        """Frames of one motion at the recorded frames nearest to `time` (s) after a random start.

        A motion starts over where `time` goes beyond its end.

        Args:
            uniforms: uniform random numbers: which motion, from where, its size and tempo.

        Returns:
            rad, rad/s, rad/s^2.
        """
        ends = self.first + self.count
        which = jnp.sum(uniforms[0] * ends[-1] >= ends[:-1])
        count = self.count[which]
        start = jnp.floor(uniforms[1] * count).astype(int)
        size = 1 + self.variation * (2 * uniforms[2] - 1)
        tempo = 1 + self.variation * (2 * uniforms[3] - 1)
        tempo = jnp.minimum(tempo, self.fastest / (self.speed[which] * size))
        size = jnp.minimum(size, range_of_motion[np.array(self.plane)] / self.reach[which])
        at = self.first[which] + (start + jnp.round(time * tempo * self.rate).astype(int)) % count
        q, qd, qdd = (x[at] for x in self.motion)
        return MotionSample(
            self.neutral + size * (q - self.neutral), size * tempo * qd, size * tempo**2 * qdd
        )


def read_motions(folder: Path, spec: ModelSpec, lowpass_hz: float = 6.0) -> list[Motion]:
    """Every `.mot` and `.sto` of `folder`, low-passed at `lowpass_hz` (0 for none).

    Returns:
        rad or m, over s; by name.

    Raises:
        FileNotFoundError: there is none.
        ValueError: a file is no motion of `spec`.
    """
    paths = sorted(p for p in folder.glob("*") if p.suffix in (".mot", ".sto"))
    if not paths:
        raise FileNotFoundError(f"no .mot or .sto file in {folder}")
    return [_read(path, spec, lowpass_hz) for path in paths]


def _read(path: Path, spec: ModelSpec, lowpass_hz: float) -> Motion:
    try:
        motion = Motion.from_storage(read_storage(path), spec)
        motion = dataclasses.replace(motion, name=path.name)
        return motion.lowpass(lowpass_hz) if lowpass_hz else motion
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
