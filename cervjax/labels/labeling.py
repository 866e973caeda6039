"""Labels: (person, motion) -> muscle forces with their certificate, many rows at once."""

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int

from cervjax.dynamics import mechanics
from cervjax.motion import MotionSample
from cervjax.optimization import Certificate, StaticOptimization, solve_frame
from cervjax.personalization import Personalizer, Subject

_CHUNK = 500
"""Rows computed at once: between 250 and 2000 a CPU keeps them in its caches."""


class LabelBatch(eqx.Module):
    """Rows of labels.

    Attributes:
        person: index of the row's person.
        subject: ratios of the person, in the order of `cervjax.personalization.LIMITS`.
        q, qd, qdd: motion; rad, s.
        generalized_force: N m, that muscles and reserves supply.
        activation: of each muscle.
        muscle_force: N.
        reserve_force: N m.
        certificate: proof of each row.
    """

    person: Int[Array, "*rows"]
    subject: Float[Array, "*rows ratios"]
    q: Float[Array, "*rows free"]
    qd: Float[Array, "*rows free"]
    qdd: Float[Array, "*rows free"]
    generalized_force: Float[Array, "*rows free"]
    activation: Float[Array, "*rows muscles"]
    muscle_force: Float[Array, "*rows muscles"]
    reserve_force: Float[Array, "*rows reserves"]
    certificate: Certificate

    @property
    def motion(self) -> MotionSample:
        """`q, qd, qdd` together."""
        return MotionSample(self.q, self.qd, self.qdd)


class Labeler(eqx.Module):
    """Labels rows, a different person in each, with one compiled function.

    Attributes:
        chunk: rows computed at once; a GPU wants more than the default.
    """

    personalizer: Personalizer
    settings: StaticOptimization = eqx.field(static=True, default=StaticOptimization())
    chunk: int = eqx.field(static=True, default=_CHUNK)

    @eqx.filter_jit
    def __call__(
        self, person: Int[Array, " rows"], subject: Subject, motion: MotionSample
    ) -> LabelBatch:
        """Label rows.

        Args:
            person: index of each row's person, kept with the row.
            subject: of each row.
            motion: one frame per row.
        """
        rows = (person, subject, motion)
        return jax.lax.map(lambda row: self._row(*row), rows, batch_size=self.chunk)

    def _row(self, person: Array, subject: Subject, motion: MotionSample) -> LabelBatch:
        model = self.personalizer(subject)
        frame = mechanics(model, *motion)
        solution = solve_frame(model, frame, self.settings)
        return LabelBatch(
            person,
            subject.as_vector(),
            *motion,
            frame.generalized_force[: model.topology.free],
            solution.activation,
            solution.muscle_force,
            solution.reserve_force,
            solution.certificate,
        )


@eqx.filter_jit
def moment_arms(
    personalizer: Personalizer, subject: Float[Array, "rows ratios"], motion: MotionSample
) -> Float[Array, "rows free muscles"]:
    """Moment arms (m) of the free coordinates, for the torque balance of predicted forces."""

    def row(vector: Array, frame: MotionSample) -> Array:
        model = personalizer(Subject.from_vector(vector))
        return mechanics(model, *frame).moment_arm[: model.topology.free]

    return jax.lax.map(lambda r: row(*r), (subject, motion), batch_size=_CHUNK)
