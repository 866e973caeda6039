"""Polynomials of coordinates in place of muscle paths, fitted to lengths and moment arms.

What OpenSim's PolynomialPathFitter is for: paths over many surfaces are slow, and their lengths
bend where they touch one. A polynomial is smooth and quick, and wrong by what is told here.
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float
from rich.progress import Progress, track
from scipy.stats import qmc

from cervjax.execution.rows import in_chunks
from cervjax.model import Model
from cervjax.spec import (
    FunctionBasedPath,
    ModelSpec,
    MultivariatePolynomialFunction,
    monomials,
)

from .paths import MusclePaths, muscle_paths

_BLOCK = 64
_MOST_MONOMIALS = 1000
"""Orders with more are not tried: their least squares take minutes."""


@dataclasses.dataclass(frozen=True)
class PathFittingSettings:
    """How paths are fitted; names are OpenSim's PolynomialPathFitter's where it has the same.

    Attributes:
        minimum_polynomial_order, maximum_polynomial_order: orders that are tried, lowest first.
        path_length_tolerance: m, root mean square, at which no higher order is tried.
        moment_arm_tolerance: m (m/m for a translation), likewise.
        moment_arm_threshold: m, of the largest moment arm below which a path does not depend on a
            coordinate.
        num_samples: poses to fit to; as many again to judge by.
        coordinate_sampling_bounds: rad, how far poses are drawn on either side of a motion; at
            most pi (OpenSim's are in degrees).
        translation_sampling_bounds: m, the same for coordinates that translate.
        seed: of the draw.

    Raises:
        ValueError: orders, tolerances or samples are impossible.
    """

    minimum_polynomial_order: int = 2
    maximum_polynomial_order: int = 9
    path_length_tolerance: float = 1e-4
    moment_arm_tolerance: float = 1e-4
    moment_arm_threshold: float = 1e-5
    num_samples: int = 2048
    coordinate_sampling_bounds: float = math.radians(10)
    translation_sampling_bounds: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.minimum_polynomial_order <= self.maximum_polynomial_order <= 12:
            raise ValueError(
                f"orders {self.minimum_polynomial_order} to {self.maximum_polynomial_order}: needs "
                "1 <= minimum_polynomial_order <= maximum_polynomial_order <= 12"
            )
        for name in (
            "path_length_tolerance",
            "moment_arm_tolerance",
            "moment_arm_threshold",
            "coordinate_sampling_bounds",
            "translation_sampling_bounds",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be positive")
        if self.coordinate_sampling_bounds > math.pi:
            raise ValueError(
                f"coordinate_sampling_bounds is {self.coordinate_sampling_bounds} rad, must be at "
                "most pi"
            )
        if self.num_samples < 16:
            raise ValueError(f"num_samples is {self.num_samples}, must be 16 or more")


class PathFit(NamedTuple):
    """How well one muscle's polynomial does at poses that it was not fitted to.

    Attributes:
        muscle: name.
        coordinates: names, of its variables.
        order: of the polynomial.
        length_rms, length_max: m.
        moment_arm_rms, moment_arm_max: m (m/m for a translation), over all its coordinates.
        within_tolerance: whether both root mean squares are.
    """

    muscle: str
    coordinates: tuple[str, ...]
    order: int
    length_rms: float
    length_max: float
    moment_arm_rms: float
    moment_arm_max: float
    within_tolerance: bool


class FittedPaths(NamedTuple):
    """A model with polynomials for paths, and what they are worth.

    Attributes:
        spec: with a FunctionBasedPath for each muscle fitted.
        fits: one for each of them, and for those whose paths were kept as not within tolerance.
    """

    spec: ModelSpec
    fits: tuple[PathFit, ...]


def fit_paths(
    spec: ModelSpec,
    settings: PathFittingSettings | None = None,
    *,
    muscles: Iterable[str] | None = None,
    around: Float[np.ndarray, "frames q"] | None = None,
    only_within_tolerance: bool = False,
    wrapping: Literal["consistent", "opensim"] = "consistent",
    progress: bool = False,
) -> FittedPaths:
    """The same model with muscle paths replaced by polynomials of the free coordinates.

    Least squares on lengths and moment arms together, at poses drawn over the ranges of all free
    coordinates, or about a motion: a smaller space, in which a polynomial does better. Where a path
    jumps, or bends as it touches a surface, no polynomial follows: `fits` says by how much.

    Args:
        spec: whose paths they are; needs JAX's 64-bit mode.
        settings: how; defaults if None.
        muscles: names of those to replace; all if None. Paths that are functions already stay, and
            of all those that depend on no free coordinate.
        around: rad or m, free coordinates of a motion about which poses are drawn.
        only_within_tolerance: keep the paths of muscles whose polynomials are not.
        wrapping: of the paths that are fitted, see `Model.from_spec`. The moment arms of a
            polynomial are the derivative of its length: OpenSim's are met less well.
        progress: show a bar.

    Returns:
        Polynomials in m, of rad or m.

    Raises:
        ValueError: a muscle is unknown or does not depend on any free coordinate, a range is not
            finite, `around` is of another shape or not finite, or JAX's 64-bit mode is off.
    """
    settings = settings or PathFittingSettings()
    chosen = tuple(m.name for m in spec.muscles) if muscles is None else tuple(muscles)
    for name in chosen:
        spec.muscle(name)
    model = Model.from_spec(spec, dtype="float64", wrapping=wrapping)
    poses = _poses(model, settings, around)
    paths = _sampled(model, poses, progress)
    alike: dict[tuple[int, ...], list[int]] = {}
    for k, muscle in enumerate(spec.muscles):
        if muscle.name not in chosen or isinstance(muscle.path[0], FunctionBasedPath):
            continue
        variables = _variables(settings, paths, k)
        if variables:
            alike.setdefault(variables, []).append(k)
        elif muscles is not None:
            raise ValueError(
                f"the path of {muscle.name!r} depends on no free coordinate; leave it out of "
                "`muscles`"
            )
    found: dict[int, tuple[FunctionBasedPath, PathFit]] = {}
    for variables, together in track(
        alike.items(), "fitting", total=len(alike), disable=not progress
    ):
        found |= _fitted(model, settings, poses, paths, variables, together)
    new = [
        dataclasses.replace(muscle, path=(found[k][0],), wraps=())
        if k in found and (found[k][1].within_tolerance or not only_within_tolerance)
        else muscle
        for k, muscle in enumerate(spec.muscles)
    ]
    fits = [found[k][1] for k in sorted(found)]
    used = {w.wrap_object for m in (*new, *spec.path_forces) for w in m.wraps}
    surfaces = tuple(w for w in spec.wrap_objects if w.name in used)
    return FittedPaths(
        dataclasses.replace(spec, muscles=tuple(new), wrap_objects=surfaces), tuple(fits)
    )


def _poses(
    model: Model, settings: PathFittingSettings, around: np.ndarray | None
) -> Float[np.ndarray, "poses q"]:
    """Poses to fit to, then poses to judge by."""
    topology, count = model.topology, 2 * settings.num_samples
    random = np.random.default_rng(settings.seed)
    draw = qmc.LatinHypercube(topology.num_free, rng=random).random(count)
    if around is not None:
        around = np.asarray(around, float)
        if around.ndim != 2 or around.shape[1] != topology.num_free or not len(around):
            raise ValueError(f"around has shape {around.shape}, not (frames, {topology.num_free})")
        if not np.all(np.isfinite(around)):
            raise ValueError("around holds values that are not finite")
        frame = random.permutation(np.resize(np.arange(len(around)), count))
        turns = np.array([kind != "translational" for kind in topology.motion_types])
        bound = np.where(
            turns, settings.coordinate_sampling_bounds, settings.translation_sampling_bounds
        )
        # A clamped coordinate stays inside its range, but for where the motion itself leaves it.
        low, high = topology.free_limits.T
        low, high = np.minimum(low, around.min(axis=0)), np.maximum(high, around.max(axis=0))
        return np.clip(around[frame] + bound * (2 * draw - 1), low, high)
    low, high = np.array(topology.ranges).T
    if not np.all(np.isfinite([low, high])):
        name = topology.coordinates[int(np.argmax(~np.isfinite(low) | ~np.isfinite(high)))]
        raise ValueError(f"the range of coordinate {name!r} is not finite; set it in the model")
    turns = np.array([kind != "translational" for kind in topology.motion_types])
    wide = turns & (high - low > 4 * math.pi)
    if wide.any():
        name = topology.coordinates[int(np.argmax(wide))]
        raise ValueError(
            f"coordinate {name!r} ranges over more than two turns, which no fit can cover; set its "
            "range, or fit about a motion (`around`)"
        )
    return low + (high - low) * draw


class _Samples(NamedTuple):
    """Lengths (m) and their derivatives at the poses."""

    length: Float[np.ndarray, "poses muscles"]
    slope: Float[np.ndarray, "poses q muscles"]


def _sampled(model: Model, poses: np.ndarray, progress: bool) -> _Samples:
    with Progress(disable=not progress) as bar:
        task = bar.add_task("paths", total=len(poses))

        def block(q: np.ndarray) -> MusclePaths:
            bar.advance(task, len(q))
            return _paths_at(model, q)

        found = in_chunks(block, _BLOCK, poses)
    return _Samples(found.length, -found.moment_arm)


@eqx.filter_jit
def _paths_at(model: Model, q: Array | np.ndarray) -> MusclePaths:
    return jax.vmap(lambda pose: muscle_paths(model, pose))(q)


def _variables(settings: PathFittingSettings, paths: _Samples, k: int) -> tuple[int, ...]:
    """Indices of the coordinates that the path of muscle `k` depends on."""
    used = np.max(np.abs(paths.slope[:, :, k]), axis=0) > settings.moment_arm_threshold
    return tuple(np.flatnonzero(used).tolist())


def _fitted(
    model: Model,
    settings: PathFittingSettings,
    poses: np.ndarray,
    paths: _Samples,
    variables: tuple[int, ...],
    muscles: list[int],
) -> dict[int, tuple[FunctionBasedPath, PathFit]]:
    """Polynomials of muscles with the same variables, each of the lowest order that does."""
    used, half = np.array(variables), settings.num_samples
    names = tuple(model.topology.coordinates[i] for i in variables)
    # Variables of size one: the powers of a wide range would drown those of a narrow one.
    size = np.maximum(np.max(np.abs(poses[:, used]), axis=0), 1e-6)
    x = poses[:, used] / size
    best: dict[int, tuple[float, FunctionBasedPath, PathFit]] = {}
    left = np.array(muscles)
    for order in range(settings.minimum_polynomial_order, settings.maximum_polynomial_order + 1):
        exponent = np.array(monomials(len(used), order))
        most = min(_MOST_MONOMIALS, half * (1 + len(used)) // 4)
        if not len(left) or (best and len(exponent) > most):
            break
        value, change = _design(x, exponent)
        length = paths.length[:, left]
        slope = paths.slope[:, used][:, :, left] * size[:, None]
        rows = np.concatenate([value[:half], change[:half].reshape(-1, len(exponent))])
        target = np.concatenate([length[:half], slope[:half].reshape(-1, len(left))])
        # The bound on singular values keeps terms from cancelling that the data do not tell apart.
        coefficients = np.linalg.lstsq(rows, target, rcond=1e-10)[0]
        off = value[half:] @ coefficients - length[half:]
        arm_off = (change[half:] @ coefficients - slope[half:]) / size[:, None]
        coefficients /= np.prod(size**exponent, axis=1)[:, None]
        good = np.zeros(len(left), bool)
        for i, k in enumerate(left.tolist()):
            rms, arm_rms = _root_mean_square(off[:, i]), _root_mean_square(arm_off[..., i])
            worth = max(
                rms / settings.path_length_tolerance, arm_rms / settings.moment_arm_tolerance
            )
            good[i] = worth <= 1
            if k in best and best[k][0] <= worth:
                continue
            muscle = model.topology.muscles[k]
            function = MultivariatePolynomialFunction(
                tuple(coefficients[:, i].tolist()), len(used), order
            )
            largest, arm_largest = np.max(np.abs(off[:, i])), np.max(np.abs(arm_off[..., i]))
            fit = PathFit(
                muscle, names, order, rms, float(largest), arm_rms, float(arm_largest), worth <= 1
            )
            best[k] = worth, FunctionBasedPath(f"{muscle}_path", names, function), fit
        left = left[~good]
    return {k: (path, fit) for k, (_, path, fit) in best.items()}


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _design(
    x: Float[np.ndarray, "poses variables"], exponent: np.ndarray
) -> tuple[Float[np.ndarray, "poses monomials"], Float[np.ndarray, "poses variables monomials"]]:
    """Monomials at each pose, and their derivatives by each variable."""
    power = x[:, :, None] ** np.arange(exponent.max() + 1)
    factors = [power[:, k, exponent[:, k]] for k in range(x.shape[1])]
    value = np.prod(factors, axis=0)
    change = []
    for k in range(x.shape[1]):
        lowered = power[:, k, np.maximum(exponent[:, k] - 1, 0)] * exponent[:, k]
        others = [f for i, f in enumerate(factors) if i != k]
        change.append(lowered * np.prod(others, axis=0) if others else lowered)
    return value, np.stack(change, axis=1)
