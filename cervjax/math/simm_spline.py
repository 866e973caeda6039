"""SIMM's cubic spline, as OpenSim's SimmSpline has it."""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PPoly, make_interp_spline


def simm_spline_pieces(
    x: Float[np.ndarray, " knots"], y: Float[np.ndarray, " knots"]
) -> tuple[Float[np.ndarray, " pieces+1"], Float[np.ndarray, "4 pieces"]]:
    """Cubics in `value - knot`, highest power first, with a straight piece on either side.

    Its third derivative at either end is that of the cubic through the four points there
    (Forsythe, Malcolm, Moler 1977), not zero curvature as in a natural spline; through two points
    it is straight.

    Args:
        x: increasing.
        y: at these.

    Returns:
        Knots where pieces begin, and the end of the last; coefficients. In units of `x`, `y`.
    """
    if len(x) == 2:
        slope = (y[1] - y[0]) / (x[1] - x[0])
        pieces, first, last = np.array([[0.0], [0.0], [slope], [y[0]]]), slope, slope
    else:
        ends = [[(3, _third_derivative(x[part], y[part]))] for part in (slice(4), slice(-4, None))]
        spline = PPoly.from_spline(make_interp_spline(x, y, k=3, bc_type=tuple(ends)))
        pieces = spline.c[:, np.diff(spline.x) > 0]
        first, last = float(spline(x[0], 1)), float(spline(x[-1], 1))
    before = np.array([0.0, 0.0, first, y[0] - first])
    after = np.array([0.0, 0.0, last, y[-1]])
    knots = np.concatenate([[x[0] - 1.0], x, [x[-1] + 1.0]])
    return knots, np.column_stack([before, pieces, after])


def _third_derivative(x: np.ndarray, y: np.ndarray) -> float:
    """Of the cubic through four points; zero for fewer."""
    return 6 * float(np.polyfit(x - x[0], y, 3)[0]) if len(x) == 4 else 0.0
