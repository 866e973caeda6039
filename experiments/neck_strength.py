"""Maximum isometric neck moments against measured ones: all six coordinates in balance.

    python experiments/neck_strength.py

The head pushes against a pad, or twists against a brace, with the neck upright and still: the
largest load that muscles can hold while every free coordinate is in balance is a linear program in
the activations. Moments are about the C7-T1 joint. Rigid tendons; passive forces, gravity and
bushings included (convention `physical`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import tyro
from jaxtyping import Array, Float
from provenance import write_provenance
from rich.console import Console
from rich.table import Table
from scipy.optimize import linprog

from cervjax.dynamics import mechanics
from cervjax.kinematics import body_poses
from cervjax.model import NeckModel
from cervjax.motion import MovementSampler
from cervjax.muscle import rigid_tendon_state
from cervjax.personalization import Personalizer, Subject
from cervjax.population import AnsurPopulation
from cervjax.spec import NeckSpec, shipped_neck

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DIRECTIONS = ("flexion", "extension", "lateral", "axial")
MEASURED = {
    "flexion": (30.0, 5.0),
    "extension": (52.0, 11.0),
    "lateral": (36.0, 8.0),
    "axial": (15.0, 4.0),
}
"""N m about C7-T1, mean and SD, men: Vasavada 2001, as given in Mortensen 2018."""
COMPLIANT = {"flexion": 30.7, "extension": 48.4, "lateral": 40.4, "axial": 14.5}
COMPLIANT_WITHOUT_HYOIDS = {"flexion": 4.9, "extension": 45.7, "lateral": 24.6, "axial": 4.3}
"""N m, computed from the HYOID file with compliant tendons by the authors of the design notes."""


@dataclass(frozen=True)
class Config:
    """What to compute.

    Attributes:
        neck: a shipped neck.
        people: women and men drawn, each.
        directions: of the polar plot.
        pad_height: m, of the pad above the head's origin; HYOID's mass center of the head is 0.063.
        out: results folder.
    """

    neck: str = "hyoid-repaired"
    people: int = 40
    directions: int = 24
    pad_height: float = 0.063
    seed: int = 0
    out: Path = field(default=Path("results/neck_strength"))


def run(config: Config) -> dict[str, Any]:
    """Compute, and write tables and figures."""
    write_provenance(config.out, config)
    spec = shipped_neck(config.neck).with_reserves(1.0)
    model = NeckModel.from_spec(spec)
    personalizer = Personalizer(spec, model)
    angles = 2 * np.pi * np.arange(config.directions) / config.directions
    evaluate = jax.jit(lambda subject: isometric(personalizer(subject), config.pad_height))

    def strengths(subject: Subject, off: Sequence[int] = ()) -> tuple[np.ndarray, np.ndarray]:
        problem = jax.tree.map(np.asarray, evaluate(subject))
        return _four(problem, off), _around(problem, angles, off)

    hyoids = hyoid_muscles(spec)
    generic, generic_around = strengths(Subject.of())
    without, without_around = strengths(Subject.of(), hyoids)
    groups = {
        name: [strengths(s) for s in _people(model, spec, config, women)]
        for name, women in (("women", 1.0), ("men", 0.0))
    }
    summary: dict[str, Any] = {
        "generic_Nm": dict(zip(DIRECTIONS, generic.tolist(), strict=True)),
        "without_hyoid_muscles_Nm": dict(zip(DIRECTIONS, without.tolist(), strict=True)),
        "hyoid_muscles": [spec.muscles[k].name for k in hyoids],
    }
    for name, results in groups.items():
        four = np.array([r[0] for r in results])
        summary[f"{name}_mean_Nm"] = dict(zip(DIRECTIONS, four.mean(axis=0).tolist(), strict=True))
        summary[f"{name}_sd_Nm"] = dict(zip(DIRECTIONS, four.std(axis=0).tolist(), strict=True))
    _write(config, angles, summary, generic_around, without_around, groups)
    return summary


def hyoid_muscles(spec: NeckSpec) -> list[int]:
    """The ten pairs of muscles of the group `hyoid`, both sides."""
    listed = {name.removesuffix("_L") for name in spec.group("hyoid")}
    return [k for k, m in enumerate(spec.muscles) if m.name.removesuffix("_L") in listed]


class Isometric(NamedTuple):
    """The balance of an upright, still neck, in the free coordinates; N m.

    Attributes:
        active: of each muscle at full activation.
        passive: of all passive forces.
        needed: what gravity and bushings ask for.
        low, high: bounds of activation.
        loads: of a unit force on the pad along x, along z, and a unit couple about y.
        height: m, of the pad above the C7-T1 joint.
    """

    active: Float[Array, "6 muscles"]
    passive: Float[Array, " 6"]
    needed: Float[Array, " 6"]
    low: Float[Array, " muscles"]
    high: Float[Array, " muscles"]
    loads: Float[Array, "6 3"]
    height: Float[Array, ""]


def isometric(model: NeckModel, pad_height: float) -> Isometric:
    """The balance of `model`, with a pad `pad_height` (m) above the head's origin."""
    q = jnp.zeros_like(model.default_q)
    still = jnp.zeros_like(q)
    frame = mechanics(model, q, still, still)
    state = rigid_tendon_state(model.muscles, frame.length, frame.lengthening_speed)
    skull = model.body_index("skull")

    def pad(q: Array) -> Array:
        poses = body_poses(model, q)
        return poses.position[skull] + poses.rotation[skull] @ jnp.array([0.0, pad_height, 0.0])

    def turned(q: Array) -> Array:
        rotation = body_poses(model, q).rotation[skull]
        return rotation @ body_poses(model, still).rotation[skull].T

    along = jax.jacfwd(pad)(q)
    # Angular velocity of the head about y per unit speed: the skew part of the turn.
    about = jax.jacfwd(turned)(q)[0, 2]
    joint = model.topology.joints[model.topology.moving_joints[0]]
    base = _joint_center(model, joint)
    active = frame.moment_arm * (state.active_fiber_force * state.cos_pennation)
    passive = frame.moment_arm @ (jnp.maximum(state.passive_fiber_force, 0.0) * state.cos_pennation)
    loads = jnp.stack([along[0], along[2], about], axis=1)
    height = pad(q)[1] - base[1]
    muscles = model.muscles
    return Isometric(
        active,
        passive,
        frame.generalized_force,
        muscles.min_control,
        muscles.max_control,
        loads,
        height,
    )


def _joint_center(model: NeckModel, joint: str) -> Float[Array, " 3"]:
    k = model.topology.joints.index(joint)
    poses = body_poses(model, jnp.zeros_like(model.default_q))
    parent = model.topology.joint_parent[k]
    return poses.position[parent] + poses.rotation[parent] @ model.joint_parent_translation[k]


def strongest(problem: Isometric, load: Float[np.ndarray, " 6"], off: Sequence[int] = ()) -> float:
    """Largest factor of `load` (generalized forces on the head) that the muscles can hold.

    Raises:
        ValueError: not even the head itself can be held.
    """
    active = np.asarray(problem.active)
    low, high = np.array(problem.low), np.array(problem.high)
    if len(off):
        low[list(off)] = high[list(off)] = 0.0
    count = active.shape[1]
    result = linprog(
        np.concatenate([np.zeros(count), [-1.0]]),
        A_eq=np.concatenate([active, load[:, None]], axis=1),
        b_eq=problem.needed - problem.passive,
        bounds=[*zip(low, high, strict=True), (0.0, None)],
        method="highs",
    )
    if not result.success:
        raise ValueError(f"no activations balance this neck: {result.message}")
    return float(result.x[-1])


def _four(problem: Isometric, off: Sequence[int]) -> np.ndarray:
    """Flexion, extension, lateral bending (mean of both sides), axial rotation (mean); N m."""
    around = _around(problem, np.array([0.0, np.pi, 0.5 * np.pi, 1.5 * np.pi]), off)
    couple = np.asarray(problem.loads)[:, 2]
    axial = 0.5 * (strongest(problem, couple, off) + strongest(problem, -couple, off))
    return np.array([around[0], around[1], 0.5 * (around[2] + around[3]), axial])


def _around(problem: Isometric, angles: np.ndarray, off: Sequence[int]) -> np.ndarray:
    """Moment (N m) about C7-T1 of pushing the pad towards `angles`: 0 forwards, pi/2 right."""
    loads, height = np.asarray(problem.loads), float(problem.height)
    moments = []
    for angle in angles:
        # The pad pushes back, against the direction in which the head pushes.
        load = -(np.cos(angle) * loads[:, 0] + np.sin(angle) * loads[:, 1])
        moments.append(strongest(problem, load, off) * height)
    return np.array(moments)


def _people(model: NeckModel, spec: NeckSpec, config: Config, women: float) -> list[Subject]:
    reach = MovementSampler.of(spec).plane_range
    population = AnsurPopulation.of(model, reach, women=women)
    key = jax.random.key(config.seed)
    people = jax.jit(jax.vmap(lambda k: population(k, key).subject))(jnp.arange(config.people))
    return [jax.tree.map(lambda x, k=k: x[k], people) for k in range(config.people)]


def _write(
    config: Config,
    angles: np.ndarray,
    summary: dict[str, Any],
    generic: np.ndarray,
    without: np.ndarray,
    groups: dict[str, list[tuple[np.ndarray, np.ndarray]]],
) -> None:
    (config.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    table = Table(title="Maximum isometric moment about C7-T1 (N m)")
    for column in ("", *DIRECTIONS):
        table.add_column(column)

    def row(name: str, values: dict[str, float], sd: dict[str, float] | None = None) -> None:
        cells = [f"{values[d]:.1f}" + (f" ± {sd[d]:.1f}" if sd else "") for d in DIRECTIONS]
        table.add_row(name, *cells)

    row(
        "measured, men (Vasavada 2001)",
        {d: m for d, (m, _) in MEASURED.items()},
        {d: s for d, (_, s) in MEASURED.items()},
    )
    row("generic neck", summary["generic_Nm"])
    row("... compliant tendons (reference)", COMPLIANT)
    row("without hyoid muscles", summary["without_hyoid_muscles_Nm"])
    row("... compliant tendons (reference)", COMPLIANT_WITHOUT_HYOIDS)
    for name in ("men", "women"):
        row(f"{name} of the population", summary[f"{name}_mean_Nm"], summary[f"{name}_sd_Nm"])
    Console().print(table)
    lines = ["| N m about C7-T1 | " + " | ".join(DIRECTIONS) + " |", "|---" * 5 + "|"]
    for k in range(table.row_count):
        cells = [str(list(c.cells)[k]) for c in table.columns]
        lines.append("| " + " | ".join(cells) + " |")
    (config.out / "strength.md").write_text("\n".join(lines) + "\n")

    figure, axis = plt.subplots(figsize=(8, 8), layout="constrained", subplot_kw={"polar": True})
    axis.set_theta_zero_location("N")
    axis.set_theta_direction(-1)
    closed = np.append(angles, angles[0])

    def line(values: np.ndarray, **style: Any) -> None:
        axis.plot(closed, np.append(values, values[0]), **style)

    for name, color in (("men", "tab:blue"), ("women", "tab:red")):
        around = np.array([r[1] for r in groups[name]])
        line(
            around.mean(axis=0), color=color, label=f"{name} of the population, mean and 10 to 90 %"
        )
        low, high = (np.percentile(around, p, axis=0) for p in (10, 90))
        axis.fill_between(
            closed, np.append(low, low[0]), np.append(high, high[0]), color=color, alpha=0.15
        )
    line(generic, color="black", label="generic neck")
    line(without, color="black", linestyle="--", label="generic neck without hyoid muscles")
    sides = {0.0: "flexion", np.pi: "extension", np.pi / 2: "lateral", -np.pi / 2: "lateral"}
    for angle, name in sides.items():
        mean, sd = MEASURED[name]
        axis.errorbar(angle, mean, yerr=sd, color="tab:green", fmt="o", capsize=4)
    axis.plot([], [], "o", color="tab:green", label="measured, men ± SD (Vasavada 2001)")
    axis.set_xticks(angles[:: max(1, len(angles) // 8)])
    axis.set_title("Largest isometric moment about C7-T1 (N m): up forwards, right to the right")
    figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    figure.savefig(config.out / "strength.png", dpi=110)
    plt.close(figure)


def main() -> None:
    """Command line."""
    config = tyro.cli(Config, description=__doc__)
    jax.config.update("jax_enable_x64", True)
    run(config)


if __name__ == "__main__":
    main()
