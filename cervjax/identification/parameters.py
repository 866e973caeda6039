"""What is identified: muscle and bone parameters, inside bounds, as one vector without bounds."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cervjax.kinematics import muscle_paths
from cervjax.model import Model

MUSCLE_KINDS = (
    "max_isometric_force",
    "optimal_fiber_length",
    "tendon_slack_length",
    "pennation_angle_at_optimal",
)
"""As factors on the model's values."""
HEAD_KINDS = ("mass", "inertia", "mass_center_x", "mass_center_y")
"""Of the head: factors on mass and inertia; shifts of the mass center, m, in its body's frame
(forwards and upwards in HYOID)."""
BOUNDS: Mapping[str, tuple[float, float]] = {
    "max_isometric_force": (0.2, 4.0),
    "optimal_fiber_length": (0.5, 2.0),
    "tendon_slack_length": (0.5, 2.0),
    "pennation_angle_at_optimal": (0.3, 2.5),
    "mass": (0.5, 2.0),
    "inertia": (0.3, 3.0),
    "mass_center_x": (-0.03, 0.03),
    "mass_center_y": (-0.03, 0.03),
}
_FIBER_LEFT = 0.4
"""Of the fiber's nominal length, that a longer tendon leaves it."""


class ParameterSpace(eqx.Module):
    """Parameters of a neck, each between bounds.

    A number without bounds stands for each: the logit of where it is between its bounds.

    Attributes:
        nominal: the neck that factors are of.
        low, high: bounds; those of a tendon slack length such that in the default pose the fiber
            is at least 0.4 and at most 1.6 times as long as in the nominal neck.
        names: `kind muscle` or `kind head` of each parameter.
        kinds: of each.
        index: of its muscle; -1 for the head's.
        head: index of the head's body.
    """

    nominal: Model
    low: Float[Array, " p"]
    high: Float[Array, " p"]
    names: tuple[str, ...] = eqx.field(static=True)
    kinds: tuple[str, ...] = eqx.field(static=True)
    index: tuple[int, ...] = eqx.field(static=True)
    head: int = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        nominal: Model,
        *,
        kinds: Sequence[str] = (*MUSCLE_KINDS, *HEAD_KINDS),
        muscles: Sequence[str] | None = None,
        bounds: Mapping[str, tuple[float, float]] = BOUNDS,
        head: str | None = None,
    ) -> Self:
        """Parameters of `kinds`, of all `muscles` if None.

        A muscle that is not pennated has no pennation angle to find, one without a tendon no
        tendon slack length.

        Raises:
            ValueError: a kind, a muscle or the head is unknown, or a bound does not hold the
                nominal value.
        """
        unknown = [k for k in kinds if k not in BOUNDS]
        if unknown or not kinds:
            raise ValueError(f"kinds {', '.join(unknown) or 'none'}; there are {', '.join(BOUNDS)}")
        for kind in kinds:
            low, high = bounds[kind]
            own = _nominal(kind)
            if not low < own < high:
                raise ValueError(f"bounds of {kind} {low:g}, {high:g} do not hold {own:g}")
        chosen = nominal.topology.muscles if muscles is None else tuple(muscles)
        numbers = [nominal.muscle_index(m) for m in chosen]
        rows: list[tuple[str, str, int, float, float]] = []
        for kind in kinds:
            low, high = bounds[kind]
            if kind in HEAD_KINDS:
                rows.append((f"{kind} head", kind, -1, low, high))
                continue
            own = np.asarray(getattr(nominal.muscles, kind))
            for name, k in zip(chosen, numbers, strict=True):
                if own[k] > 0:
                    rows.append((f"{kind} {name}", kind, k, low, high))
        names, of, index, low, high = zip(*rows, strict=True)
        ends = np.array([low, high])
        at = [i for i, kind in enumerate(of) if kind == "tendon_slack_length"]
        if at:
            spare = _tendon_range(nominal)[[index[i] for i in at]]
            ends[:, at] = [
                np.maximum(ends[0, at], 1 - spare),
                np.minimum(ends[1, at], 1 + spare),
            ]
        return cls(
            nominal,
            jnp.asarray(ends[0], nominal.dtype),
            jnp.asarray(ends[1], nominal.dtype),
            names,
            of,
            index,
            nominal.body_index(nominal.topology.anatomy.skull if head is None else head),
        )

    @property
    def shifts(self) -> Bool[np.ndarray, " p"]:
        """Which parameters are shifts (m), not factors."""
        return np.array([_nominal(kind) == 0.0 for kind in self.kinds])

    @property
    def usual_spread(self) -> Float[np.ndarray, " p"]:
        """By how much values of a person are off where nothing is known: a tenth for factors, 3 mm
        for shifts of a mass center."""
        return np.where(self.shifts, 3e-3, 0.1)

    @property
    def nominal_values(self) -> Float[Array, " p"]:
        """The values of the nominal neck."""
        return jnp.asarray([_nominal(kind) for kind in self.kinds], self.low.dtype)

    def check_inside(self, guess: Float[np.ndarray, " p"]) -> None:
        """Raises:
        ValueError: a value is at a bound or beyond.
        """
        inside = (guess > np.asarray(self.low)) & (guess < np.asarray(self.high))
        for k in np.flatnonzero(~inside):
            raise ValueError(
                f"guess of {self.names[k]} = {float(guess[k]):g} is not between "
                f"{float(self.low[k]):g} and {float(self.high[k]):g}"
            )

    def bounded(self, free: Float[Array, " p"]) -> Float[Array, " p"]:
        """Values from numbers without bounds."""
        return self.low + (self.high - self.low) * jax.nn.sigmoid(free)

    def unbounded(self, values: Float[Array, " p"]) -> Float[Array, " p"]:
        """The inverse of `bounded`; values at a bound or beyond are taken just inside."""
        part = (values - self.low) / (self.high - self.low)
        part = jnp.clip(part, 1e-6, 1 - 1e-6)
        return jnp.log(part) - jnp.log1p(-part)

    def model(self, values: Float[Array, " p"]) -> Model:
        """The neck with these values."""
        model: Any = self.nominal
        for kind in MUSCLE_KINDS:
            at = np.array([k for k, own in enumerate(self.kinds) if own == kind], dtype=int)
            if len(at):
                own = getattr(model.muscles, kind)
                rows = np.array([self.index[k] for k in at])
                changed = own * jnp.ones_like(own).at[rows].set(values[at])
                model = eqx.tree_at(lambda m, kind=kind: getattr(m.muscles, kind), model, changed)
        own = {kind: values[k] for k, kind in enumerate(self.kinds) if kind in HEAD_KINDS}
        zero = jnp.zeros((), self.low.dtype)
        shift = jnp.stack([own.get("mass_center_x", zero), own.get("mass_center_y", zero), zero])
        head = np.arange(len(self.nominal.body_mass)) == self.head
        return eqx.tree_at(
            lambda m: (m.body_mass, m.body_inertia, m.body_mass_center),
            model,
            (
                model.body_mass * jnp.where(head, own.get("mass", 1.0), 1.0),
                model.body_inertia * jnp.where(head, own.get("inertia", 1.0), 1.0)[:, None, None],
                model.body_mass_center + head[:, None] * shift,
            ),
        )


def _nominal(kind: str) -> float:
    return 0.0 if kind.startswith("mass_center") else 1.0


def _tendon_range(nominal: Model) -> Float[np.ndarray, " muscles"]:
    """By what part a tendon slack length may change either way."""
    length = np.asarray(muscle_paths(nominal, nominal.default_q).length)
    slack = np.asarray(nominal.muscles.tendon_slack_length)
    # A muscle that is slack in the default pose keeps the range of one with little to spare.
    along = np.maximum(length - slack, 0.1 * np.asarray(nominal.muscles.optimal_fiber_length))
    return (1 - _FIBER_LEFT) * along / np.where(slack > 0, slack, 1.0)
