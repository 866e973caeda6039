"""Labels for rows that somebody brings: persons and frames of their own."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cervjax.dynamics import mechanics
from cervjax.motion.synthesis import MotionSample
from cervjax.people import AbstractPersonalizer, AbstractSubject

from .row import LabelBatch, RowOptions, RowOrigin, label_row

_CHUNK = 128
"""Rows computed at once: about a hundred stay in a CPU's caches."""


class Labeler(eqx.Module):
    """Labels rows, a different person in each, with one compiled function.

    Attributes:
        options: what is solved and kept.
        chunk: rows computed at once; a GPU wants more than the default.
    """

    personalizer: AbstractPersonalizer
    options: RowOptions = eqx.field(static=True, default=RowOptions())
    chunk: int = eqx.field(static=True, default=_CHUNK)

    @eqx.filter_jit
    def __call__(
        self,
        person: Int[Array, " rows"],
        subject: AbstractSubject,
        motion: MotionSample,
        gravity: Float[Array, "rows 3"] | None = None,
    ) -> LabelBatch:
        """Label rows.

        Args:
            person: index of each row's person, kept with the row.
            subject: of each row.
            motion: one frame per row.
            gravity: m/s^2, in the torso's frame; the model's own if None.

        Returns:
            Labels of all rows, whatever their status; time is zero.
        """
        if gravity is None:
            own = self.personalizer.model.gravity
            gravity = jnp.broadcast_to(own, (*person.shape, *own.shape))
        rows = (person, subject, motion, gravity)
        return jax.lax.map(lambda row: self._row(*row), rows, batch_size=self.chunk)

    def _row(
        self, person: Array, subject: AbstractSubject, motion: MotionSample, gravity: Array
    ) -> LabelBatch:
        kind, time = jnp.full((), -1, jnp.int32), jnp.zeros((), gravity.dtype)
        origin = RowOrigin(person, kind, time, subject.as_vector())
        return label_row(self.personalizer(subject), motion, gravity, self.options, origin)


@eqx.filter_jit
def moment_arms(
    personalizer: AbstractPersonalizer, subject: Float[Array, "rows ratios"], motion: MotionSample
) -> Float[Array, "rows free muscles"]:
    """Moment arms (m) of the free coordinates, for the torque balance of predicted forces."""

    def row(vector: Array, frame: MotionSample) -> Array:
        model = personalizer.of_vector(vector)
        return mechanics(model, *frame).moment_arm[: model.topology.num_free]

    return jax.lax.map(lambda r: row(*r), (subject, motion), batch_size=_CHUNK)
