"""What is identified: muscle and bone parameters, inside bounds, as one vector without bounds."""

from collections.abc import Mapping, Sequence
from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cervjax.model import Model

from .parameter_kinds import PARAMETER_KINDS, Owner

MUSCLE_KINDS = (
    "max_isometric_force",
    "optimal_fiber_length",
    "tendon_slack_length",
    "pennation_angle_at_optimal",
)
"""Kinds of muscles that are identified by default; factors on the model's values."""
HEAD_KINDS = ("mass", "inertia", "mass_center_x", "mass_center_y")
"""Kinds of the head: factors on mass and inertia; shifts of the mass center, m, in its body's
frame (forwards and upwards in HYOID)."""


class ParameterSpace(eqx.Module):
    """Parameters of a neck, each between bounds.

    A number without bounds stands for each: the logit of where it is between its bounds.

    Attributes:
        nominal: the neck that factors are of.
        low, high: bounds; those of a tendon slack length such that in the default pose the fiber
            is at least 0.4 and at most 1.6 times as long as in the nominal neck.
        names: `kind muscle` or `kind head` of each parameter.
        kinds: of each.
        index: of its owner, a muscle or a body.
    """

    nominal: Model
    low: Float[Array, " p"]
    high: Float[Array, " p"]
    names: tuple[str, ...] = eqx.field(static=True)
    kinds: tuple[str, ...] = eqx.field(static=True)
    index: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        nominal: Model,
        *,
        kinds: Sequence[str] = (*MUSCLE_KINDS, *HEAD_KINDS),
        muscles: Sequence[str] | None = None,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        head: str | None = None,
    ) -> Self:
        """Parameters of `kinds`, of all `muscles` if None.

        A muscle that is not pennated has no pennation angle to find, one without a tendon no
        tendon slack length.

        Returns:
            Factors (no unit) and shifts (m), kind by kind.

        Raises:
            ValueError: a kind, a muscle or the head is unknown, or a bound does not hold the
                nominal value.
        """
        unknown = [k for k in kinds if k not in PARAMETER_KINDS]
        if unknown or not kinds:
            known = ", ".join(PARAMETER_KINDS)
            raise ValueError(f"kinds {', '.join(unknown) or 'none'}; there are {known}")
        names = nominal.topology.muscles if muscles is None else tuple(muscles)
        chosen = tuple(nominal.muscle_index(m) for m in names)
        body = nominal.body_index(nominal.topology.anatomy.skull if head is None else head)
        rows: list[tuple[str, Owner]] = []
        for kind in map(PARAMETER_KINDS.__getitem__, kinds):
            low, high = (bounds or {}).get(kind.name, kind.bounds)
            if not low < kind.nominal < high:
                raise ValueError(
                    f"bounds of {kind.name} {low:g}, {high:g} do not hold {kind.nominal:g}"
                )
            rows += [(kind.name, o) for o in kind.owners(nominal, chosen, body, (low, high))]
        of, owners = zip(*rows, strict=True)
        return cls(
            nominal,
            jnp.asarray([o.low for o in owners], nominal.dtype),
            jnp.asarray([o.high for o in owners], nominal.dtype),
            tuple(f"{kind} {o.name}" for kind, o in rows),
            of,
            tuple(o.index for o in owners),
        )

    @property
    def shifts(self) -> Bool[np.ndarray, " p"]:
        """Which parameters are shifts (m), not factors."""
        return np.array([PARAMETER_KINDS[kind].nominal == 0.0 for kind in self.kinds])

    @property
    def usual_spread(self) -> Float[np.ndarray, " p"]:
        """By how much values of a person are off where nothing is known.

        Returns:
            0.1 (no unit) for factors, 0.003 m for shifts of a mass center.
        """
        return np.where(self.shifts, 3e-3, 0.1)

    @property
    def nominal_values(self) -> Float[Array, " p"]:
        """The values of the nominal neck: 1 for factors, 0 m for shifts."""
        return jnp.asarray([PARAMETER_KINDS[k].nominal for k in self.kinds], self.low.dtype)

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
        """Values, factors (no unit) or shifts (m), from numbers without bounds."""
        return self.low + (self.high - self.low) * jax.nn.sigmoid(free)

    def unbounded(self, values: Float[Array, " p"]) -> Float[Array, " p"]:
        """The inverse of `bounded`, no unit; values at a bound or beyond are taken just inside."""
        part = (values - self.low) / (self.high - self.low)
        part = jnp.clip(part, 1e-6, 1 - 1e-6)
        return jnp.log(part) - jnp.log1p(-part)

    def model(self, values: Float[Array, " p"]) -> Model:
        """The neck with these values."""
        model = self.nominal
        for kind in dict.fromkeys(self.kinds):
            at = np.array([k for k, own in enumerate(self.kinds) if own == kind], dtype=int)
            index = np.array([self.index[k] for k in at])
            model = PARAMETER_KINDS[kind].applied(model, index, values[at])
        return model
