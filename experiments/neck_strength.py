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
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from cervjax.execution.provenance import write_provenance
from cervjax.model import Model
from cervjax.motion.synthesis import MovementSampler
from cervjax.optimization.isometric_strength import Isometric, isometric, pushed, strongest
from cervjax.people import AnsurPopulation, Personalizer, Subject
from cervjax.spec import ModelSpec, shipped_neck

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
    model = Model.from_spec(spec)
    personalizer = Personalizer(model)
    angles = 2 * np.pi * np.arange(config.directions) / config.directions
    evaluate = jax.jit(lambda subject: isometric(personalizer(subject), config.pad_height))

    def strengths(subject: Subject, off: Sequence[int] = ()) -> tuple[np.ndarray, np.ndarray]:
        problem = jax.tree.map(np.asarray, evaluate(subject))
        return _four(problem, off), pushed(problem, angles, off)

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


def hyoid_muscles(spec: ModelSpec) -> list[int]:
    """The ten pairs of muscles of the group `hyoid`, both sides."""
    listed = {name.removesuffix("_L") for name in spec.group("hyoid")}
    return [k for k, m in enumerate(spec.muscles) if m.name.removesuffix("_L") in listed]


def _four(problem: Isometric, off: Sequence[int]) -> np.ndarray:
    """Flexion, extension, lateral bending (mean of both sides), axial rotation (mean); N m."""
    around = pushed(problem, np.array([0.0, np.pi, 0.5 * np.pi, 1.5 * np.pi]), off)
    couple = np.asarray(problem.loads)[:, 2]
    axial = 0.5 * (strongest(problem, couple, off) + strongest(problem, -couple, off))
    return np.array([around[0], around[1], 0.5 * (around[2] + around[3]), axial])


def _people(model: Model, spec: ModelSpec, config: Config, women: float) -> list[Subject]:
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
