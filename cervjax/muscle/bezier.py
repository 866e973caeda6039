"""Smooth curves of quintic Bezier segments: the kind OpenSim's Millard 2012 muscle is made of.

A curve is `x(u), y(u)` per segment, so `y(x)` needs the root `u` of `x(u) = x`. A polynomial guess
and a fixed number of Newton steps find it to rounding, without branches.

Source: Millard, Uchida, Seth, Delp 2013, J Biomech Eng 135(2):021005.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_GUESS_DEGREE = 7
_ROOT_STEPS = 14
"""Steps to the root of a curve and a slope, whose guess is a straight line only."""
_BERNSTEIN_TO_POWER = np.array(
    [
        [
            math.comb(5, k) * math.comb(5 - k, j - k) * (-1) ** (j - k) if j >= k else 0
            for j in range(6)
        ]
        for k in range(6)
    ]
)
"""Row k: power coefficients, lowest first, of the k-th Bernstein polynomial of degree five."""


class BezierCurve(eqx.Module):
    """`y(x)` over `segments` quintic Bezier segments, straight outside.

    The leading axis is that of the muscles where they have curves of their own, else absent.

    Attributes:
        knots: x at the ends of the segments.
        x, y: power coefficients in u, lowest first.
        guess: power coefficients of an approximate `u` in `(x - left) / (right - left)`.
        end_value, end_slope: at the first and the last knot.
    """

    knots: Float[Array, "*m knots"]
    x: Float[Array, "*m segments 6"]
    y: Float[Array, "*m segments 6"]
    guess: Float[Array, "*m segments guess"]
    end_value: Float[Array, "*m 2"]
    end_slope: Float[Array, "*m 2"]

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " m"]:
        """The curve at `x`, one value per muscle, in its own unit; differentiable twice."""
        left, right = self.knots[..., 0], self.knots[..., -1]
        # Not jnp.clip: its derivative at an end knot itself is one half.
        inside = jnp.where(x < left, left, jnp.where(x > right, right, x))
        x_of, y_of, guess_of, start, width = self._segment(inside)

        u = jax.lax.stop_gradient(jnp.clip(_polynomial(guess_of, (inside - start) / width), 0, 1))
        plain = [jax.lax.stop_gradient(c) for c in (*x_of, inside)]
        for _ in range(_newton_steps(x.dtype)):
            u = jnp.clip(u - _step(plain[:-1], plain[-1], u), 0, 1)
        # Two differentiable steps from the root make the first and second derivatives exact.
        for _ in range(2):
            u = u - _step(x_of, inside, u)
        y = _polynomial(y_of, u)
        y = jnp.where(x < left, self.end_value[..., 0] + self.end_slope[..., 0] * (x - left), y)
        return jnp.where(
            x > right, self.end_value[..., 1] + self.end_slope[..., 1] * (x - right), y
        )

    def solve(
        self, scale: Float[Array, " m"], slope: Float[Array, " m"], value: Float[Array, " m"]
    ) -> Float[Array, " m"]:
        """The x at which `scale * y(x) + slope * x` is `value`, for a curve that does not fall.

        Sought as the curve's own parameter u, in which both y and x are polynomials: no root
        inside a root. Differentiable twice.

        Args:
            scale, slope: not negative; one of them positive wherever the curve is not steep.

        Returns:
            One x per muscle, in its own unit.
        """
        y_end = self.end_value
        knot_y = jnp.concatenate([self.y[..., 0], y_end[..., 1:]], axis=-1)
        sums = [
            scale * knot_y[..., k] + slope * self.knots[..., k] for k in range(knot_y.shape[-1])
        ]
        first, last = sums[0], sums[-1]
        inside = jnp.where(value < first, first, jnp.where(value > last, last, value))

        def pick(columns: list[Array]) -> Array:
            chosen = columns[0]
            for bound, column in zip(sums[1:-1], columns[1:], strict=True):
                chosen = jnp.where(inside >= bound, column, chosen)
            return chosen

        count = self.x.shape[-2]
        x_of = [pick([self.x[..., i, k] for i in range(count)]) for k in range(6)]
        y_of = [pick([self.y[..., i, k] for i in range(count)]) for k in range(6)]
        sum_of = [scale * y + slope * x for x, y in zip(x_of, y_of, strict=True)]

        plain = [jax.lax.stop_gradient(c) for c in (*sum_of, inside)]
        left, right = jax.lax.stop_gradient((pick(sums[:-1]), pick(sums[1:])))
        u = (plain[-1] - left) / (right - left)
        low, high = jnp.zeros_like(u), jnp.ones_like(u)
        rounding = jnp.sqrt(jnp.finfo(u.dtype).eps)
        for _ in range(_ROOT_STEPS):
            short = _polynomial(plain[:-1], u) < plain[-1]
            low, high = jnp.where(short, u, low), jnp.where(short, high, u)
            step = u - _step(plain[:-1], plain[-1], u)
            # A step that leaves what is known to hold the root is halved instead; but not one from
            # the root itself, which is an end of the bracket then.
            held = (step > low - rounding) & (step < high + rounding)
            u = jnp.where(held, step, 0.5 * (low + high))
        for _ in range(2):
            u = u - _step(sum_of, inside, u)
        x = _polynomial(x_of, u)
        for k, bound, beyond in ((0, first, value < first), (1, last, value > last)):
            steep = scale * self.end_slope[..., k] + slope
            at = self.knots[..., 0 if k == 0 else -1]
            x = jnp.where(beyond, at + (value - bound) / jnp.where(beyond, steep, 1.0), x)
        return x

    def _segment(self, x: Float[Array, " m"]) -> tuple:
        """Coefficients of the segment that holds `x`, by selection: a gather is slower."""
        count = self.x.shape[-2]

        def pick(values: Array) -> Array:
            chosen = values[..., 0]
            for i in range(1, count):
                chosen = jnp.where(x >= self.knots[..., i], values[..., i], chosen)
            return chosen

        x_of = [pick(self.x[..., k]) for k in range(6)]
        y_of = [pick(self.y[..., k]) for k in range(6)]
        guess_of = [pick(self.guess[..., k]) for k in range(_GUESS_DEGREE + 1)]
        return x_of, y_of, guess_of, pick(self.knots[..., :-1]), pick(jnp.diff(self.knots))


def _newton_steps(dtype: jnp.dtype) -> int:
    # From a guess within 2e-3: 1e-5, 1e-10, 1e-20; the two differentiable steps come on top.
    return 2 if dtype == jnp.float64 else 1


def _polynomial(coefficients: list[Array], u: Array) -> Array:
    value = coefficients[-1]
    for c in coefficients[-2::-1]:
        value = value * u + c
    return value


def _step(x_of: list[Array], x: Array, u: Array) -> Array:
    slope = [k * c for k, c in enumerate(x_of)][1:]
    return (_polynomial(x_of, u) - x) / _polynomial(slope, u)


Points = tuple[float, float, float]
"""A point of a corner with the slope there: x, y, dy/dx."""


def corner_curve(points: list[list[Points]], curviness: list[list[float]]) -> BezierCurve:
    """The curve whose segments are corners between consecutive `points`.

    Args:
        points: per curve, `n + 1` points with slopes; x increases.
        curviness: per curve, one value in [0, 1] for each of its `n` segments.

    Returns:
        In units of `points`; stored once where all curves are alike.
    """
    same = all(p == points[0] for p in points) and all(c == curviness[0] for c in curviness)
    if same:
        points, curviness = points[:1], curviness[:1]
    controls = np.array(
        [
            [_corner(a, b, 0.1 + 0.8 * c) for a, b, c in zip(p, p[1:], curve, strict=False)]
            for p, curve in zip(points, curviness, strict=True)
        ]
    )  # [m, segments, 2, 6]
    ends = np.array([[p[0], p[-1]] for p in points])
    x, y = controls[:, :, 0], controls[:, :, 1]
    knots = np.concatenate([x[:, :, 0], x[:, -1:, 5]], axis=1)
    arrays = (
        knots,
        x @ _BERNSTEIN_TO_POWER,
        y @ _BERNSTEIN_TO_POWER,
        _guess(x),
        ends[:, :, 1],
        ends[:, :, 2],
    )
    if same:
        arrays = tuple(a[0] for a in arrays)
    return BezierCurve(*(jnp.asarray(a) for a in arrays))


def _corner(a: Points, b: Points, c: float) -> np.ndarray:
    """Control points `[2, 6]` of the corner from `a` to `b`, tangent to both slopes."""
    (x0, y0, slope0), (x1, y1, slope1) = a, b
    if abs(slope0 - slope1) > math.sqrt(np.finfo(float).eps):
        xc = (y1 - y0 - x1 * slope1 + x0 * slope0) / (slope0 - slope1)
    else:
        xc = 0.5 * (x0 + x1)
    yc = (xc - x1) * slope1 + y1
    if not min(x0, x1) <= xc <= max(x0, x1):
        raise ValueError(f"the tangents at {a} and {b} do not meet between them; adjust the slopes")
    near = x0 + c * (xc - x0), y0 + c * (yc - y0)
    far = x1 + c * (xc - x1), y1 + c * (yc - y1)
    return np.array([[p, q, q, r, r, s] for p, q, r, s in zip(a, near, far, b, strict=False)])


def _guess(x: np.ndarray) -> np.ndarray:
    """Polynomial in the fraction of the way along x, fitted to u over each segment."""
    u = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, 201))
    powers = u[:, None] ** np.arange(6)
    sampled = (x @ _BERNSTEIN_TO_POWER) @ powers.T
    fraction = (sampled - x[..., :1]) / (x[..., 5:] - x[..., :1])
    fits = [
        np.polynomial.polynomial.polyfit(f, u, _GUESS_DEGREE) for f in fraction.reshape(-1, 201)
    ]
    return np.array(fits).reshape(*x.shape[:-1], _GUESS_DEGREE + 1)
