"""Recorded movements with their activations, cut into windows."""

from collections.abc import Mapping
from typing import Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Windows(eqx.Module):
    """Short stretches of movements, each of which starts anew from a state of its own.

    Between samples activations run straight.

    Attributes:
        q: rad, measured.
        activation: of each muscle, measured or assumed.
        start: guesses of the state at each start: `q` (rad), then `qd` (rad/s).
        activation_sd: standard deviation of an unknown offset of each muscle's activation that
            lasts for the window; zero for activations that are exact.
        step: s, between samples.
    """

    q: Float[Array, "windows n free"]
    activation: Float[Array, "windows n muscles"]
    start: Float[Array, "windows twofree"]
    activation_sd: Float[Array, "windows muscles"]
    step: float = eqx.field(static=True)

    @classmethod
    def cut(
        cls,
        q: Float[np.ndarray, "movements n free"],
        activation: Float[np.ndarray, "movements n muscles"],
        step: float,
        *,
        samples: int,
        qd: Float[np.ndarray, "movements n free"] | None = None,
        activation_sd: Float[np.ndarray, "movements n muscles"] | None = None,
    ) -> Self:
        """Windows of `samples` each; no sample is in two of them.

        The start of each is guessed by a cubic through its samples, unless speeds are known.

        Args:
            qd: rad/s, where they are known.
            activation_sd: standard deviation of each muscle's activation; that of a window is their
                mean. None for exact activations.

        Returns:
            Angles in rad, starts in rad and rad/s; movement by movement.

        Raises:
            ValueError: a movement is shorter than a window, a window shorter than 6 samples,
                `step` is not positive, or a value is not finite.
        """
        q, activation = np.asarray(q, float), np.asarray(activation, float)
        check_movements({"q": q, "activation": activation}, step)
        if samples < 6 or q.shape[1] < samples:
            raise ValueError(
                f"samples = {samples}: a window needs 6 samples or more, and movements have "
                f"{q.shape[1]}"
            )

        def cut(values: np.ndarray) -> np.ndarray:
            count = values.shape[1] // samples
            kept = values[:, : count * samples]
            return kept.reshape(-1, samples, values.shape[2])

        sd = np.zeros_like(activation) if activation_sd is None else np.asarray(activation_sd)
        angles = cut(q)
        return cls(
            jnp.asarray(angles),
            jnp.asarray(cut(activation)),
            jnp.asarray(_start(angles, step) if qd is None else _known(angles, cut(qd))),
            jnp.asarray(cut(sd).mean(axis=1)),
            step,
        )


def check_movements(tables: Mapping[str, Float[np.ndarray, "movements n _"]], step: float) -> None:
    """Raises:
    ValueError: `step` (s) is not positive, a value is not finite, or tables have other movements
        and samples than `q`.
    """
    if not step > 0:
        raise ValueError(f"step = {step:g} s must be positive")
    shape = tables["q"].shape[:2]
    for name, table in tables.items():
        if table.shape[:2] != shape:
            raise ValueError(f"{name} has {table.shape[:2]} movements and samples, q {shape}")
        if not np.isfinite(table).all():
            movement, row, column = np.argwhere(~np.isfinite(table))[0]
            raise ValueError(
                f"{name} of movement {movement} is not finite in column {column} at "
                f"{row * step:g} s; cut the movement there"
            )


def _start(q: Float[np.ndarray, "windows n free"], step: float) -> np.ndarray:
    """State at the first sample, of the cubic nearest to all of a window's samples."""
    time = step * np.arange(q.shape[1])
    powers = np.vander(time, 4, increasing=True)
    fit = np.linalg.pinv(powers)[:2]
    value, slope = np.moveaxis(np.einsum("kn,wnf->wkf", fit, q), 1, 0)
    return np.concatenate([value, slope], axis=1)


def _known(
    q: Float[np.ndarray, "windows n free"], qd: Float[np.ndarray, "windows n free"]
) -> np.ndarray:
    return np.concatenate([q[:, 0], qd[:, 0]], axis=1)
