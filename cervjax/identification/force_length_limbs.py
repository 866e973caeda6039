"""Muscles on the wrong limb of their force-length curve: a least-squares search's local minima.

Below and above the optimal fiber length the active force is nearly the same; where a muscle's
length changes little, motion tells the one from the other only faintly, and no small step leads
across.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics import muscle_paths
from cervjax.model import Model

from .impulses import Impulses, impulse_errors_and_derivatives
from .parameter_kinds import PARAMETER_KINDS
from .shooting import ParametricDynamics

_DAMPING = 1e-7
"""Of the projection, in squared errors (rad/s)^2 by a parameter's spread."""
_STRIDE = 20
"""Points from one pose to the next that mean lengths are taken over: poses change slowly."""
_FAR = (0.6, 0.75, 0.9, 1.0, 1.2, 1.5)
"""How far across, in parts of the way to the mirrored length: a search that ends by its tolerance
is not at the bottom of its valley."""
_INSIDE = 1e-3
"""Of a parameter's range, that values keep from its bounds."""


class OtherLimb(NamedTuple):
    """A muscle on its other limb.

    Attributes:
        muscle: its name.
        values: with its tendon slack length and max isometric force changed.
        left: of the sum of squares, with all other parameters accommodated to first order.
    """

    muscle: str
    values: Float[np.ndarray, " p"]
    left: float


def other_limb(
    neck: ParametricDynamics,
    impulses: Impulses,
    values: Float[np.ndarray, " p"],
    spread: Float[np.ndarray, " p"],
) -> OtherLimb | None:
    """The muscle that explains the most from its other limb.

    Each muscle's fiber is given about the length that mirrors its mean length about the optimal
    one, by another tendon slack length. Errors are linear in max isometric forces, so that their
    derivatives by these, there, say what each muscle would do; what the other parameters could do
    as well is projected out.

    Returns:
        The muscle, and values of all parameters: factors (no unit) and shifts (m). None if there is
        none to change.
    """
    space = neck.space
    places = {name: k for k, name in enumerate(space.names)}
    muscles = [
        (name, places[f"max_isometric_force {name}"], places[f"tendon_slack_length {name}"])
        for name in space.nominal.topology.muscles
        if f"max_isometric_force {name}" in places and f"tendon_slack_length {name}" in places
    ]
    if not muscles:
        return None
    low, high = np.asarray(space.low), np.asarray(space.high)
    margin = _INSIDE * (high - low)
    names, force, tendon = (list(x) for x in zip(*muscles, strict=True))
    numbers = np.array([space.index[k] for k in tendon])
    error, slope = (
        np.asarray(x) for x in impulse_errors_and_derivatives(neck, impulses, jnp.asarray(values))
    )
    scaled = slope * spread
    covariance = np.linalg.inv(scaled.T @ scaled + _DAMPING * np.eye(len(values)))

    def perpendicular(x: np.ndarray) -> np.ndarray:
        return x - scaled @ (covariance @ (scaled.T @ x))

    left, mirror = perpendicular(error), _mirror(neck, impulses, values)[numbers]
    # Of what all parameters span, the part that is one muscle's alone.
    muscle = [PARAMETER_KINDS[kind].per_muscle for kind in space.kinds]
    owned = [
        [i for i, index in enumerate(space.index) if index == m and muscle[i]] for m in numbers
    ]
    alone = [np.linalg.qr(scaled @ covariance[:, own])[0] for own in owned]
    best: OtherLimb | None = None
    for far in _FAR:
        mirrored = values.copy()
        mirrored[tendon] += far * mirror
        mirrored = np.clip(mirrored, low + margin, high - margin)
        there = impulse_errors_and_derivatives(neck, impulses, jnp.asarray(mirrored)).by_values
        there = np.asarray(there)[:, force]
        across = perpendicular(there)
        for k, name in enumerate(names):
            at, own = force[k], alone[k]
            without = left + own @ (own.T @ (error - values[at] * slope[:, at]))
            column = across[:, k] + own @ (own.T @ there[:, k])
            factor = -(without @ column) / max(column @ column, np.finfo(float).tiny)
            factor = np.clip(factor, low[at] + margin[at], high[at] - margin[at])
            part = float(np.sum((without + factor * column) ** 2) / (left @ left))
            if best is None or part < best.left:
                changed = values.copy()
                changed[tendon[k]], changed[at] = mirrored[tendon[k]], factor
                best = OtherLimb(name, changed, part)
    return best


def _mirror(
    neck: ParametricDynamics, impulses: Impulses, values: Float[np.ndarray, " p"]
) -> Float[np.ndarray, " muscles"]:
    """By how much of its nominal value each tendon slack length would have to change."""
    model = neck.space.model(jnp.asarray(values))
    free = impulses.state.shape[-1] // 2
    poses = impulses.state.reshape(-1, 2 * free)[::_STRIDE, :free]
    length = np.asarray(_lengths(model, poses)).mean(axis=0)
    muscles = model.muscles
    optimal = np.asarray(muscles.optimal_fiber_length)
    slack = np.asarray(muscles.tendon_slack_length)
    nominal = np.asarray(neck.space.nominal.muscles.tendon_slack_length)
    height = optimal * np.sin(np.asarray(muscles.pennation_angle_at_optimal))
    along = length - slack
    other = 2 * optimal - np.hypot(along, height)
    mirrored = np.sqrt(np.maximum(other**2 - height**2, 0.0))
    return (along - mirrored) / np.where(nominal > 0, nominal, 1.0)


@eqx.filter_jit
def _lengths(model: Model, poses: Float[Array, "n free"]) -> Float[Array, "n muscles"]:
    return jax.vmap(lambda q: muscle_paths(model, q).length)(poses)
