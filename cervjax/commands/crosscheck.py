"""Random rows of a dataset, rebuilt as OpenSim models and solved by OpenSim.

    cervjax crosscheck results/dataset --rows 200

Each row's person is written as an `.osim` with the row's gravity; OpenSim's StaticOptimization
gets a motion with the row's position, speed and acceleration. Joint loads are what OpenSim's
JointReaction computes from the row's own forces.
"""

import csv
import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import tyro
from jaxtyping import Array, Float
from rich.console import Console
from rich.progress import track
from rich.table import Table

from cervjax.dynamics import mechanics
from cervjax.execution.provenance import write_provenance
from cervjax.labels import LabelBatch, LabelDataset, RowStatus
from cervjax.labels.any_model import plan_personalizer, plan_spec
from cervjax.model import Model
from cervjax.motion import Motion
from cervjax.muscle import rigid_tendon_state
from cervjax.optimization import StaticOptimizationSettings, solve_frame
from cervjax.spec import ModelSpec
from conversion import load_model
from conversion.opensim_engine import OpensimNeck, opensim_static_optimization

_STEP, _HALF = 0.005, 6
"""s, and frames on either side of the row's in the motion that OpenSim differentiates."""


@dataclass(frozen=True)
class CrosscheckConfig:
    """Which rows.

    Attributes:
        dataset: its folder.
        model: its neck, an `.osim` file or a shipped neck; what the manifest names if None.
        rows: how many, of those certified.
        convergence: of OpenSim's optimizer; its tool's usual 1e-5 leaves activations 6e-3 off.
        out: results folder.
    """

    dataset: Annotated[Path, tyro.conf.Positional]
    model: str | None = None
    rows: int = 200
    convergence: float = 1e-7
    seed: int = 0
    out: Path = field(default=Path("results/crosscheck_dataset"))


@dataclass(frozen=True)
class Comparison:
    """One row against OpenSim.

    Attributes:
        row: its number.
        activation_difference: largest over the muscles.
        objective_ratio: ours over OpenSim's, both as they are.
        objective_ratio_balanced: the same at equal balance: what each one's imbalance saves it is
            added, at the price that the exact solution's multipliers put on it. By duality no
            controls get below the optimum.
        opensim_imbalance: N m, largest, of OpenSim's.
        imbalance: N m, largest, of ours.
        joint_force_difference, joint_moment_difference: N, N m, largest.
        acceleration_difference: rad/s^2, of what OpenSim says the row's forces lead to.
    """

    row: int
    activation_difference: float
    objective_ratio: float
    objective_ratio_balanced: float
    opensim_imbalance: float
    imbalance: float
    joint_force_difference: float
    joint_moment_difference: float
    acceleration_difference: float


def crosscheck(config: CrosscheckConfig) -> list[Comparison]:
    """Compare, print the table, write `rows.csv`, `summary.json` and a figure.

    Returns:
        One comparison of each row.

    Raises:
        ValueError: the dataset is of another convention, without joint loads, or of another neck.
    """
    dataset = LabelDataset(config.dataset)
    plan = dataset.plan
    if plan.convention != "opensim" or not plan.joint_loads:
        raise ValueError("the dataset must be of convention 'opensim', with joint loads")
    spec = load_model(config.model or dataset.manifest["neck"]["name"])
    dataset.check_neck(spec)
    write_provenance(config.out, config)
    spec = plan_spec(plan, spec)
    personalizer = plan_personalizer(plan, spec)
    certified = np.flatnonzero(dataset.array("status") == RowStatus.CERTIFIED)
    rng = np.random.default_rng(config.seed)
    index = np.sort(rng.choice(certified, min(config.rows, len(certified)), replace=False))
    rows = dataset.rows(index)
    personalize = eqx.filter_jit(personalizer.of_vector)
    results = []
    for k in track(range(len(index)), "rows against OpenSim"):
        row = jax.tree.map(lambda x, k=k: np.asarray(x[k], float), rows)
        model = personalize(jnp.asarray(row.subject))
        person = dataclasses.replace(
            model.to_spec(spec, "person"), gravity=tuple(float(g) for g in row.gravity)
        )
        model = eqx.tree_at(lambda m: m.gravity, model, jnp.asarray(row.gravity))
        results.append(_compare(int(index[k]), row, person, model, config))
    _write(config, results)
    return results


@eqx.filter_jit
def _exact(
    model: Model, row: LabelBatch, controls: Float[Array, "n controls"]
) -> tuple[Float[Array, " free"], Float[Array, "n free"]]:
    """Multipliers of the optimum in float64, and the imbalance (N m) of some controls."""
    q, qd, qdd = (jnp.asarray(x) for x in row.motion)
    frame = mechanics(model, q, qd, qdd)
    state = rigid_tendon_state(model.muscles, frame.length, frame.lengthening_speed)
    muscles = len(model.topology.muscles)
    supplied = (controls[:, :muscles] * state.opensim_active_force) @ frame.moment_arm.T
    reserves = controls[:, muscles:] * model.reserves.optimal_force
    supplied = supplied + reserves @ frame.reserve_arm.T
    solution = solve_frame(model, frame, StaticOptimizationSettings())
    return solution.multipliers, frame.generalized_force - supplied


def _compare(
    number: int, row: LabelBatch, person: ModelSpec, model: Model, config: CrosscheckConfig
) -> Comparison:
    time = _STEP * np.arange(-_HALF, _HALF + 1)
    t = time[:, None]
    # A parabola: the splines through it, and through its speeds, are exact.
    q = np.asarray(row.q + row.qd * t + 0.5 * row.qdd * t**2)
    motion = Motion("row", person.free_coordinates, time + 1.0, q)
    controls, _ = opensim_static_optimization(
        person, motion, start=1.0, end=1.0 + 1e-6, convergence=config.convergence
    )
    theirs = controls.data[0]
    muscles = len(person.muscles)
    optimal = np.array([a.optimal_force for a in person.actuators])
    ours = np.concatenate([row.activation, np.asarray(row.reserve_force) / optimal])
    both = np.stack([ours, theirs])
    multipliers, imbalance = (np.asarray(x) for x in _exact(model, row, jnp.asarray(both)))
    balanced = np.sum(both**2, axis=1) + imbalance @ multipliers
    engine = OpensimNeck(person, model)
    given = (row.q, row.qd, row.muscle_force, row.reserve_force)
    reaction = engine.joint_reactions(*(np.asarray(x) for x in given))
    solution = row.solution
    assert solution.joint_force is not None
    assert solution.joint_moment is not None
    return Comparison(
        number,
        float(np.abs(ours - theirs)[:muscles].max()),
        float(np.sum(ours**2) / np.sum(theirs**2)),
        float(balanced[0] / balanced[1]),
        float(np.abs(imbalance[1]).max()),
        float(row.certificate.primal_residual),
        float(np.abs(reaction.force - solution.joint_force).max()),
        float(np.abs(reaction.moment - solution.joint_moment).max()),
        float(np.abs(reaction.acceleration - row.qdd).max()),
    )


def _write(config: CrosscheckConfig, results: list[Comparison]) -> None:
    columns = {
        f.name: np.array([getattr(r, f.name) for r in results])
        for f in dataclasses.fields(Comparison)
    }
    with (config.out / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([f"{x:.6g}" for x in row] for row in zip(*columns.values(), strict=True))
    summary: dict[str, Any] = {
        name: {"median": float(np.median(x)), "largest": float(np.max(x))}
        for name, x in columns.items()
        if name != "row"
    }
    summary["rows"] = len(results)
    (config.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    table = Table("figure", "median", "largest", title=f"{len(results)} rows against OpenSim")
    for name, values in summary.items():
        if isinstance(values, dict):
            table.add_row(name, f"{values['median']:.3g}", f"{values['largest']:.8g}")
    Console().print(table)

    plt.switch_backend("Agg")
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    panels = (
        ("activation_difference", "log10 largest activation difference", 0.01),
        ("joint_force_difference", "log10 joint force difference (N)", 0.5),
        ("joint_moment_difference", "log10 joint moment difference (N m)", 0.02),
    )
    for axis, (name, label, limit) in zip(axes, panels, strict=True):
        axis.hist(np.log10(np.maximum(columns[name], 1e-12)), 40)
        axis.axvline(np.log10(limit), color="black", linestyle="--")
        axis.set(xlabel=f"{label}; dashed: limit", ylabel="rows")
    figure.savefig(config.out / "differences.png", dpi=110)
    plt.close(figure)


def run(config: Annotated[CrosscheckConfig, tyro.conf.arg(name="")]) -> None:
    """Compare the rows that `config` says."""
    jax.config.update("jax_enable_x64", True)
    crosscheck(config)
