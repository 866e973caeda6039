"""The card of a label dataset: a page of figures of what went in and what came out.

Written beside the dataset as `card/README.md`, so that a bad population is seen before training.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from cervjax.motion.synthesis import MovementKind
from cervjax.spec import PLANES, shipped_neck

from .dataset import LabelDataset
from .row import RowStatus

_COLORS = ("tab:red", "tab:blue")
_KINDS = [kind.name.lower() for kind in MovementKind]


@dataclass(frozen=True)
class Sample:
    """Rows and people that the figures show; names along the dimensions."""

    rows: dict[str, np.ndarray]
    people: dict[str, np.ndarray]
    names: dict[str, Any]
    of_any_model: bool = False


def write_card(path: Path, rows: int = 100_000) -> Path:
    """Draw the figures and write the page.

    Args:
        path: folder of a finished dataset.
        rows: how many, in contiguous parts spread over the dataset, the figures show.

    Returns:
        Path of the page.
    """
    plt.switch_backend("Agg")
    dataset = LabelDataset(path)
    sample = _sample(dataset, rows)
    folder = path / "card"
    folder.mkdir(exist_ok=True)
    _people(folder / "people.png", sample)
    _movements(folder / "movements.png", sample)
    _forces(folder / "forces.png", sample)
    _certificates(folder / "certificates.png", dataset, sample)
    loads = "joint_force" in sample.rows
    if loads:
        _joint_loads(folder / "joint_loads.png", sample)
    page = folder / "README.md"
    page.write_text(_page(dataset, sample, loads))
    return page


def _sample(dataset: LabelDataset, count: int) -> Sample:
    parts = 16
    size = max(1, min(count, len(dataset)) // parts)
    starts = np.unique(np.linspace(0, len(dataset) - size, parts).astype(int))
    names = [n for n in dataset.row_names if not n.endswith(("_opensim", "_physical"))]
    rows = {
        name: np.concatenate([dataset.array(name, slice(s, s + size)) for s in starts])
        for name in names
    }
    person = np.unique(rows["person_index"])
    people = {}
    for name in ("sex", "stature", "weight", "neck_link", "biacromial_breadth", "head_mass"):
        people[name] = dataset.array(name)[person]
    people["age"] = dataset.array("age")[person]
    people["subject"] = dataset.array("subject")[person]
    people["range_of_motion"] = dataset.array("range_of_motion")[person]
    return Sample(rows, people, dataset.attributes, bool(dataset.plan.people))


def _people(path: Path, sample: Sample) -> None:
    people, ratios = sample.people, sample.names["ratio"]
    panels: list[tuple[str, np.ndarray]] = []
    if not sample.of_any_model:
        panels = [
            ("age (years)", people["age"]),
            ("stature (m)", people["stature"]),
            ("weight (kg)", people["weight"]),
            ("head mass (kg)", people["head_mass"]),
        ]
    panels += [
        (f"{r.replace('_', ' ')} (ratio)", people["subject"][:, k]) for k, r in enumerate(ratios)
    ]
    if not sample.of_any_model:
        panels += [
            (f"range of motion, {plane} (part of model's)", people["range_of_motion"][:, k])
            for k, plane in enumerate(sample.names["plane"])
        ]
    lines = -(-len(panels) // 4)
    figure, axes = plt.subplots(
        lines, 4, figsize=(14, 2.75 * lines), layout="constrained", squeeze=False
    )
    for axis, (title, values) in zip(axes.ravel(), panels, strict=False):
        known = np.isfinite(values)
        if not known.any():
            axis.text(0.5, 0.5, "not in this population", ha="center", transform=axis.transAxes)
        else:
            edges = np.histogram_bin_edges(values[known], 40)
            groups = [(-1, "people", "gray"), (0, "women", _COLORS[0]), (1, "men", _COLORS[1])]
            for code, name, color in groups:
                chosen = values[known & (people["sex"] == code)]
                if len(chosen):
                    axis.hist(chosen, edges, alpha=0.5, color=color, label=name)
        axis.set(xlabel=title, ylabel="people")
    for axis in axes.ravel()[len(panels) :]:
        axis.set_visible(False)
    axes[min(1, lines - 1), 0].legend()
    figure.suptitle(f"{len(people['sex']):,} people of the dataset")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _movements(path: Path, sample: Sample) -> None:
    rows, coordinates = sample.rows, sample.names["coordinate"]
    figure, axes = plt.subplots(2, 3, figsize=(14, 8), layout="constrained")
    figure.suptitle("Movements")
    any_model = sample.of_any_model
    for k, name in enumerate(coordinates):
        q = rows["q"][:, k] if any_model else np.rad2deg(rows["q"][:, k])
        axes[0, 0].hist(q, 80, histtype="step", label=name)
        axes[0, 1].hist(
            np.clip(rows["qdd"][:, k], -60, 60), 80, histtype="step", label=name, log=True
        )
    axes[0, 0].set(xlabel=f"coordinate ({'rad, m' if any_model else 'deg'})", ylabel="rows")
    unit = "rad/s², m/s²" if any_model else "rad/s²"
    axes[0, 1].set(xlabel=f"acceleration ({unit}, clipped at 60)", ylabel="rows")
    axes[0, 0].legend(fontsize=8)

    _kinds(axes[1, 0], rows)
    if any_model:
        axes[1, 1].set_visible(False)
    else:
        _inclination(axes[1, 1], rows)
    if sample.of_any_model:
        _any_speeds(axes[0, 2], axes[1, 2], sample)
    else:
        _head_speeds(axes[0, 2], axes[1, 2], sample)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _any_speeds(speeds: Axes, pairs: Axes, sample: Sample) -> None:
    rows, coordinates = sample.rows, sample.names["coordinate"]
    for k, name in enumerate(coordinates):
        speeds.hist(np.abs(rows["qd"][:, k]), 80, histtype="step", label=name, log=True)
    speeds.set(xlabel="speed of a coordinate (rad/s, m/s)", ylabel="rows")
    last = min(1, len(coordinates) - 1)
    x, y = rows["q"][:20_000, 0], rows["q"][:20_000, last]
    pairs.scatter(x, y, s=1, alpha=0.2, rasterized=True)
    pairs.set(xlabel=f"{coordinates[0]} (rad, m)", ylabel=f"{coordinates[last]} (rad, m)")


def _kinds(kinds: Axes, rows: dict[str, np.ndarray]) -> None:
    counts = [int(np.sum(rows["kind"] == k)) for k in range(len(_KINDS))]
    kinds.barh(_KINDS, counts)
    kinds.set(xlabel="rows", ylabel="kind of movement")


def _inclination(lean: Axes, rows: dict[str, np.ndarray]) -> None:
    gravity = rows["gravity"] / np.maximum(
        np.linalg.norm(rows["gravity"], axis=1, keepdims=True), 1e-12
    )
    lean.hist(np.rad2deg(np.arccos(np.clip(-gravity[:, 1], -1, 1))), 60, log=True)
    lean.set(xlabel="inclination of the torso (deg)", ylabel="rows")


def _head_speeds(speeds: Axes, turns: Axes, sample: Sample) -> None:
    rows, coordinates = sample.rows, sample.names["coordinate"]
    planes_of = sample.names.get("plane_coordinates") or shipped_neck("hyoid").anatomy.planes
    planes = [[coordinates.index(c) for c in planes_of[p] if c in coordinates] for p in PLANES]
    speed = np.rad2deg(np.sqrt(sum(rows["qd"][:, i].sum(axis=1) ** 2 for i in planes)))
    for kind, name in enumerate(_KINDS):
        chosen = speed[rows["kind"] == kind]
        if len(chosen):
            speeds.hist(
                chosen, np.linspace(0, 360, 73).tolist(), histtype="step", label=name, log=True
            )
    speeds.set(xlabel="head speed against the torso (deg/s)", ylabel="rows")
    speeds.legend(fontsize=8)
    part = slice(0, 20_000)
    pitch, yaw = (np.rad2deg(rows["q"][part][:, i].sum(axis=1)) for i in (planes[0], planes[2]))
    turns.scatter(yaw, pitch, s=1, alpha=0.2, rasterized=True)
    turns.set(xlabel="yaw of the head (deg)", ylabel="pitch of the head (deg), extension > 0")


def _forces(path: Path, sample: Sample) -> None:
    rows, muscles = sample.rows, sample.names["muscle"]
    figure, axes = plt.subplots(3, 1, figsize=(15, 13), layout="constrained")
    at = np.arange(len(muscles))
    for axis, name, unit in ((axes[0], "activation", "1"), (axes[1], "muscle_force", "N")):
        low, middle, high = np.percentile(rows[name], [50, 90, 99.9], axis=0)
        axis.bar(at, high, color="lightsteelblue", label="99.9 %")
        axis.bar(at, middle, color="steelblue", label="90 %")
        axis.bar(at, low, color="navy", label="median")
        axis.set_xticks(at, muscles, rotation=90, fontsize=6)
        axis.set(ylabel=f"{name.replace('_', ' ')} ({unit})")
        axis.legend()
    for k, name in enumerate(sample.names["coordinate"]):
        values = rows["generalized_force"][:, k]
        axes[2].hist(values, 200, histtype="step", label=name, log=True)
    axes[2].set(xlabel="generalized force (N m)", ylabel="rows")
    axes[2].legend()
    figure.suptitle(
        "Static optimization: a hypothesis about how muscles share load, not a measurement"
    )
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _certificates(path: Path, dataset: LabelDataset, sample: Sample) -> None:
    rows, plan = sample.rows, dataset.plan
    figure, axes = plt.subplots(2, 2, figsize=(13, 9), layout="constrained")
    figure.suptitle("Certificates and reserves")
    kkt = np.log10(np.maximum(rows["kkt_residual"], 1e-18))
    axes[0, 0].hist(kkt, 80, log=True)
    axes[0, 0].set(xlabel="log10 KKT residual", ylabel="rows")
    reserve = np.log10(np.maximum(np.abs(rows["reserve_force"]).max(axis=1), 1e-9))
    for kind, name in enumerate(_KINDS):
        chosen = reserve[rows["kind"] == kind]
        if len(chosen):
            axes[0, 1].hist(chosen, np.linspace(-5, 2, 71), histtype="step", label=name, log=True)
    axes[0, 1].axvline(np.log10(plan.reserve_limit), color="black", linestyle="--")
    axes[0, 1].set(xlabel="log10 largest reserve (N m); dashed: the limit", ylabel="rows")
    axes[0, 1].legend(fontsize=8)
    counts = dataset.manifest["counts"]
    table = {k: v for k, v in counts["status_by_kind"].items() if sum(v)}
    share = np.array([np.array(v[1:]) / sum(v) for v in table.values()])
    at = np.arange(len(table))
    for k, status in enumerate(list(RowStatus)[1:]):
        axes[1, 0].bar(at + 0.4 * k, 100 * share[:, k], 0.4, label=status.name.lower())
    axes[1, 0].set_xticks(at + 0.2, list(table))
    axes[1, 0].set(ylabel="rows of this kind (%)", title="all rows of the dataset")
    axes[1, 0].legend()
    limiting = list(counts["limiting_muscle"].items())[:15]
    axes[1, 1].barh([name for name, _ in limiting][::-1], [n for _, n in limiting][::-1])
    axes[1, 1].set(xlabel="rows not certified that it limits", ylabel="muscle")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _joint_loads(path: Path, sample: Sample) -> None:
    rows, names = sample.rows, sample.names
    figure, axes = plt.subplots(2, 3, figsize=(14, 8), layout="constrained")
    joints = "joints" if sample.of_any_model else "intervertebral joints"
    figure.suptitle(f"Loads of the {joints} (1, 50, 99 % of rows)")
    forces, axes_of = names["force_component"], names["axis"]
    panels = [
        *[("joint_force", k, f"{c.replace('_', ' ')} (N)") for k, c in enumerate(forces)],
        *[("joint_moment", k, f"moment about {a} (N m)") for k, a in enumerate(axes_of)],
    ]
    levels = np.arange(len(names["level"]))
    for axis, (array, component, title) in zip(axes.ravel(), panels, strict=True):
        low, middle, high = np.percentile(rows[array][:, :, component], [1, 50, 99], axis=0)
        axis.fill_betweenx(levels, low, high, alpha=0.3)
        axis.plot(middle, levels, "o-")
        axis.set_yticks(levels, names["level"])
        axis.set(xlabel=title, ylabel="joint")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _page(dataset: LabelDataset, sample: Sample, loads: bool) -> str:
    manifest, plan = dataset.manifest, dataset.plan
    counts = manifest["counts"]
    total = len(dataset)
    status = "\n".join(
        f"| rows {name.replace('_', ' ')} | {n:,} ({n / total:.3%}) |"
        for name, n in counts["status"].items()
    )
    limiting = ", ".join(f"{n} ({c:,})" for n, c in list(counts["limiting_muscle"].items())[:5])
    largest = np.abs(sample.rows["reserve_force"]).max(axis=1)
    speed, speed_unit = np.abs(sample.rows["qd"]).max(), "rad/s or m/s"
    if not sample.of_any_model:
        speed, speed_unit = np.rad2deg(speed), "deg/s"
    images = ["people", "movements", "forces", "certificates", *(["joint_loads"] if loads else [])]
    pictures = "\n\n".join(f"![{name}]({name}.png)" for name in images)
    return f"""# Dataset card

{total:,} rows: {plan.persons:,} people of the population `{plan.population}`, {plan.movements} movements each,
{plan.frames} frames of each. Figures of {len(largest):,} rows spread over the dataset, counts of all.

| | |
|---|---|
| model | `{manifest["neck"]["name"]}`, sha256 {manifest["neck"]["sha256"][:16]} |
| optimization | convention `{plan.convention}`{", the other one beside it" if plan.compare else ""}; reserves of optimal force {plan.reserve} N m |
| precision, platform | {plan.precision}, {manifest["platform"]} |
{status}
| largest KKT residual of converged rows | {counts["largest_kkt_residual"]:.1e} |
| largest reserve: median, 99 %, 99.9 % of rows | {", ".join(f"{x:.2g}" for x in np.percentile(largest, [50, 99, 99.9]))} N m |
| muscles that limit rows not certified | {limiting or "none"} |
| fastest coordinate | {speed:.0f} {speed_unit} |
| splits | people: {plan.splits.validation:.0%} validation, {plan.splits.test:.0%} test; movements for testing only: {", ".join(plan.splits.held_out_movements) or "none"} |
| seed | {plan.seed} |
| versions | {", ".join(f"{k} {v}" for k, v in manifest["versions"].items())} |

Static optimization is a hypothesis about how muscles share load: preferred EMG directions differ from
mechanical action by 20 to 40 degrees (Fice 2018). Joint loads follow from it.

{pictures}
"""
