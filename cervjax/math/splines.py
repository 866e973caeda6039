"""The interpolating spline that OpenSim's tools differentiate motions with."""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BSpline, make_interp_spline

LEAST_FRAMES = 6
"""A quintic spline needs six samples."""


def natural_quintic_spline(
    time: Float[np.ndarray, " frames"], values: Float[np.ndarray, "frames n"]
) -> BSpline:
    """The interpolating spline of degree five whose third and fourth derivatives vanish at the
    ends: OpenSim's `GCVSpline` of degree five without smoothing.

    Returns:
        A function of time, in the unit of `values`.

    Raises:
        ValueError: fewer than six samples.
    """
    if len(time) < LEAST_FRAMES:
        raise ValueError(f"{len(time)} frames; a quintic spline needs at least {LEAST_FRAMES}")
    end = [(3, np.zeros(values.shape[1:])), (4, np.zeros(values.shape[1:]))]
    return make_interp_spline(time, values, k=5, bc_type=(end, end))
