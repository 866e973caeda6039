"""One row: the frame of one person, solved, with its certificate and what to think of it."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Integer

from cervjax.dynamics import FrameEvaluation, evaluate_frame
from cervjax.model import Model, Topology
from cervjax.motion.synthesis import MotionSample
from cervjax.optimization import (
    Certificate,
    StaticOptimizationSettings,
    StaticOptimizationSolution,
    solve_frame,
)
from cervjax.spec.known_names import check_known

from .columns import COLUMNS


class RowStatus(IntEnum):
    """What a row is good for.

    CERTIFIED: the optimum, with proof. RESERVE_EXCEEDED: the optimum too, but the muscles cannot
    supply the frame and reserves carry more than the stated limit; `limiting_muscle` says which
    muscle's upper bound costs most. NOT_CONVERGED: no optimum; not a label.
    """

    CERTIFIED = 0
    RESERVE_EXCEEDED = 1
    NOT_CONVERGED = 2


@dataclass(frozen=True)
class RowOptions:
    """What is solved and kept of every row.

    Attributes:
        settings: of static optimization; its convention is that of the row's main solution.
        compare: solve in the other convention too.
        reserve_limit: N m; a row whose reserves carry more is marked.
        joint_loads: keep the loads of the intervertebral joints.
        muscle_lengths: keep the lengths of the muscle paths.
        columns: names of further columns; see `cervjax.labels.register_column`.
    """

    settings: StaticOptimizationSettings = field(default_factory=StaticOptimizationSettings)
    compare: bool = False
    reserve_limit: float = 0.1
    joint_loads: bool = True
    muscle_lengths: bool = False
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.reserve_limit > 0:
            raise ValueError(f"reserve_limit = {self.reserve_limit} N m is not positive")
        check_known(self.columns, COLUMNS, "column", "cervjax.labels.register_column")


class Solution(eqx.Module):
    """What static optimization says of rows, in one convention.

    Attributes:
        activation: of each muscle.
        muscle_force: N.
        reserve_force: N m.
        joint_force, joint_moment: N, N m; see `cervjax.dynamics.JointLoads`.
        certificate: proof.
        status: a `RowStatus`.
        limiting_muscle: index of the muscle whose upper bound costs most, -1 where none is felt.
    """

    activation: Float[Array, "*rows muscles"]
    muscle_force: Float[Array, "*rows muscles"]
    reserve_force: Float[Array, "*rows reserves"]
    joint_force: Float[Array, "*rows levels 3"] | None
    joint_moment: Float[Array, "*rows levels 3"] | None
    certificate: Certificate
    status: Int[Array, "*rows"]
    limiting_muscle: Int[Array, "*rows"]


class LabelBatch(eqx.Module):
    """Rows of labels.

    Attributes:
        person: index of the row's person.
        kind: a `MovementKind`; -1 where the motion was given.
        time: s, in the movement.
        subject: ratios of the person, in the order of `cervjax.people.LIMITS`.
        q, qd, qdd: motion; rad, s.
        gravity: m/s^2, in the torso's frame.
        generalized_force: N m, that muscles and reserves supply.
        muscle_length: m, of the paths.
        solution: in the convention asked for.
        other: in the other one.
        columns: further ones, by name.
    """

    person: Integer[Array, "*rows"]
    kind: Int[Array, "*rows"]
    time: Float[Array, "*rows"]
    subject: Float[Array, "*rows ratios"]
    q: Float[Array, "*rows free"]
    qd: Float[Array, "*rows free"]
    qdd: Float[Array, "*rows free"]
    gravity: Float[Array, "*rows 3"]
    generalized_force: Float[Array, "*rows free"]
    muscle_length: Float[Array, "*rows muscles"] | None
    solution: Solution
    other: Solution | None
    columns: dict[str, Array] = eqx.field(default_factory=dict)

    @property
    def motion(self) -> MotionSample:
        """`q, qd, qdd` together."""
        return MotionSample(self.q, self.qd, self.qdd)

    @property
    def activation(self) -> Float[Array | np.ndarray, "*rows muscles"]:
        """Of the main solution, without unit."""
        return self.solution.activation

    @property
    def muscle_force(self) -> Float[Array | np.ndarray, "*rows muscles"]:
        """N, of the main solution."""
        return self.solution.muscle_force

    @property
    def reserve_force(self) -> Float[Array | np.ndarray, "*rows reserves"]:
        """N m, of the main solution."""
        return self.solution.reserve_force

    @property
    def certificate(self) -> Certificate:
        """Of the main solution."""
        return self.solution.certificate


class RowOrigin(NamedTuple):
    """Whose row it is, and of which moment; see `LabelBatch`."""

    person: Integer[Array, ""]
    kind: Int[Array, ""]
    time: Float[Array, ""]
    subject: Float[Array, " ratios"]


def label_row(
    model: Model,
    motion: MotionSample,
    gravity: Float[Array, " 3"],
    options: RowOptions,
    origin: RowOrigin,
) -> LabelBatch:
    """Solve one frame of the person `model` under `gravity` (m/s^2); vmap for many."""
    model = eqx.tree_at(lambda m: m.gravity, model, gravity)
    frame = evaluate_frame(model, *motion)
    solution = solve_frame(model, frame.mechanics, options.settings)
    other = None
    if options.compare:
        # Moment arms and inverse dynamics are shared.
        again = solve_frame(model, frame.mechanics, _other(options.settings))
        other = _judged(frame, options, again)
    return LabelBatch(
        *origin,
        *motion,
        gravity,
        frame.generalized_force[: model.topology.num_free],
        frame.length if options.muscle_lengths else None,
        _judged(frame, options, solution),
        other,
        {name: COLUMNS[name](frame, solution) for name in options.columns},
    )


def _other(settings: StaticOptimizationSettings) -> StaticOptimizationSettings:
    convention = "physical" if settings.convention == "opensim" else "opensim"
    return StaticOptimizationSettings(
        convention, settings.exponent, settings.weighting, settings.max_steps
    )


def _judged(
    frame: FrameEvaluation, options: RowOptions, solution: StaticOptimizationSolution
) -> Solution:
    force = moment = None
    if options.joint_loads:
        force, moment = frame.joint_loads(solution.muscle_force)
    needed = jnp.max(jnp.abs(solution.reserve_force), initial=0.0)
    status = jnp.where(needed > options.reserve_limit, int(RowStatus.RESERVE_EXCEEDED), 0)
    converged = solution.certificate.converged
    bound_multiplier = solution.upper_bound_multiplier
    return Solution(
        activation=solution.activation,
        muscle_force=solution.muscle_force,
        reserve_force=solution.reserve_force,
        joint_force=force,
        joint_moment=moment,
        certificate=solution.certificate,
        status=jnp.where(converged, status, int(RowStatus.NOT_CONVERGED)),
        limiting_muscle=jnp.where(jnp.max(bound_multiplier) > 0, jnp.argmax(bound_multiplier), -1),
    )


def level_names(topology: Topology) -> list[str]:
    """Names of the moving joints, lowest first: `C7-T1`, `C6-C7`, ..., or those of the bodies."""
    titles = dict(topology.anatomy.levels)
    names = [titles.get(body, body) for body in topology.bodies]
    return [
        f"{names[topology.joint_child[k]]}-{names[topology.joint_parent[k]]}"
        for k in topology.moving_joints
    ]
