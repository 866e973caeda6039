"""Tables and the page of figures of `evaluate_force_network.py`."""

import csv
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from cervjax.labels import DatasetPlan
from cervjax.learning import LEAST_VARIATION, Evaluation

matplotlib.use("Agg")
import matplotlib.pyplot as plt

CAVEAT = (
    "These are forces of static optimization, a hypothesis about how muscles share load, not "
    "measurements: preferred EMG directions differ from mechanical action by 23° "
    "(sternocleidomastoid), 39° (splenius) and 21° (semispinalis; Fice 2018)."
)
_HEAD = ("worst muscle", "R²", "median R²", "mean R²", "median RMSE (% of max)", "torque residual")


def write_report(out: Path, findings: Any, plan: DatasetPlan) -> None:
    """`README.md`, `page.png`, and every table as CSV."""
    sections = [_heading(findings, plan)]
    for what, scores in findings.scores.items():
        sections.append(_scores(out, f"On {what}", what, scores))
    sections.append(_grouped(out, findings.grouped))
    if findings.opensim:
        sections.append(_opensim(out, findings))
    sections += [
        _newton(out, findings.newton),
        _bounds(out, findings),
        _unknown(out, findings.unknown),
        _noise(out, findings.noise),
        _covered(out, findings.covered),
        _scores(out, "Without each term of the loss", "ablation", findings.ablation),
    ]
    (out / "README.md").write_text("\n\n".join(sections) + "\n")
    folder = out / "per_muscle"
    folder.mkdir(exist_ok=True)
    for what, scores in findings.scores.items():
        for name, score in scores.items():
            score.write_table(folder / f"{_slug(what)}--{_slug(name)}.csv")
    draw_page(out / "page.png", findings)


def _heading(findings: Any, plan: DatasetPlan) -> str:
    people = findings.scores["unseen people"]["physics"]
    rest = [n for n, j in zip(people.muscles, people.judged, strict=True) if not j]
    return f"""# Force networks on people and movements they never saw

{CAVEAT}

Trained on {plan.persons:,} people of ANSUR II x {plan.rows_per_person} frames, up to
{plan.fastest_deg:.0f} deg/s and {plan.extent:.0%} of each person's range, upper and lower neck sharing each movement at
random, to the same side; torso upright or leaning up to {plan.inclination_deg:.0f}°. In the population `tied` they share in
proportion; in `wide` each goes its own way to the ends of the model's range, as in recorded movements
(`physics, wide` and `dual` learned there).
There is a tenth of the people for validation and a tenth for testing, and
{", ".join(plan.splits.held_out_movements)} only for testing: the unseen movements, of unseen people as
well. Labels: convention `{plan.convention}`, reserves of
optimal force {plan.reserve} N m, certified rows. R² is judged for muscles whose force varies by more than
{LEAST_VARIATION:g} N between its 0.5th and 99.5th percentile; listed apart on unseen people: {", ".join(rest) or "none"}.
The torque residual is the RMS of R F + reserves - tau over the RMS of tau. `solver` rows use the
direct solver of this package. Baselines learn from {findings.baseline_rows[0]:,} rows, gradient boosting from
{findings.baseline_rows[1]:,}; networks from all.

![one page](page.png)"""


def _scores(out: Path, title: str, file: str, scores: dict[str, Evaluation]) -> str:
    rows = [(name, *_row(score)) for name, score in scores.items()]
    header = ("method", *_HEAD, "out of bounds")
    return _table(out / f"{_slug(file)}.csv", title, header, rows)


def _row(score: Evaluation) -> tuple[str, ...]:
    worst, r2 = score.worst
    return (
        worst,
        f"{r2:.4f}",
        f"{score.median_r2:.4f}",
        f"{score.mean_r2:.4f}",
        f"{np.median(score.rmse_percent[score.judged]):.2f}",
        f"{100 * score.relative_residual:.2f} %, {score.residual_rms:.4f} N m",
        f"{100 * score.bounds_violated:.2f} %",
    )


def _grouped(out: Path, grouped: dict[str, dict[str, Evaluation]]) -> str:
    names = list(grouped)
    rows = [
        (
            group,
            *(
                f"{grouped[n][group].worst[1]:.3f} / {grouped[n][group].median_r2:.4f}"
                for n in names
            ),
        )
        for group in grouped[names[0]]
    ]
    title = "Unseen people by kind of movement and head speed: worst / median R²"
    return _table(out / "by_movement.csv", title, ("rows", *names), rows)


def _opensim(out: Path, findings: Any) -> str:
    title = (
        f"Against OpenSim's own StaticOptimization: {findings.opensim_rows} frames of "
        f"{', '.join(findings.opensim_movements)}, unseen people "
        f"({findings.opensim_rows / findings.opensim_seconds:.1f} frames/s)"
    )
    return _scores(out, title, "opensim", findings.opensim)


def _newton(out: Path, steps: Sequence[tuple[int, Evaluation, Evaluation]]) -> str:
    rows = [
        (
            str(k),
            f"{ours.worst[1]:.4f}",
            f"{100 * ours.relative_residual:.3f} %",
            f"{plain.worst[1]:.4f}",
            f"{100 * plain.relative_residual:.3f} %",
        )
        for k, ours, plain in steps
    ]
    header = (
        "Newton steps",
        "dual: worst R²",
        "residual",
        "from least squares: worst R²",
        "residual",
    )
    title = (
        "The dual network, on unseen people of the wide population: Newton steps from where it points, and from "
        "least squares"
    )
    return _table(out / "newton_steps.csv", title, header, rows)


def _bounds(out: Path, findings: Any) -> str:
    rows = []
    for share, found in findings.bounds.items():
        shares = "in proportion" if share == 1 else f"at random, each {share:g} of it or more"
        rows.append((shares, f"{np.nanmin(found):.3f}", f"{np.nanmedian(found):.4f}"))
    title = "R² that head orientation allows, whatever the network"
    text = _table(
        out / "what_sensors_allow.csv",
        title,
        ("lower and upper neck share a movement", "worst muscle", "median"),
        rows,
    )
    return (
        f"{text}\n\nTwo sensors see how the head is turned against the torso, not how much of it the "
        "lower neck does and how much the upper; where people may share it as they like, forces differ."
    )


def _unknown(out: Path, unknown: dict[str, Evaluation]) -> str:
    rows = [
        (known, f"{score.worst[1]:.3f}", f"{score.median_r2:.4f}", f"{score.mean_r2:.4f}")
        for known, score in unknown.items()
    ]
    header = ("known of the person", "worst R²", "median R²", "mean R²")
    return _table(out / "person_unknown.csv", "What is not known of the person", header, rows)


def _noise(out: Path, noise: Iterable[Any]) -> str:
    noise = list(noise)
    ways = list(noise[0].scores)
    rows = [
        (f"{n.orientation_deg:g}", *(f"{n.scores[w][1]:.3f} / {n.scores[w][0]:.3f}" for w in ways))
        for n in noise
    ]
    title = "Noisy orientations, unseen people, tied neck: worst / median R²"
    text = _table(out / "noise.csv", title, ("error per frame (deg)", *ways), rows)
    return (
        f"{text}\n\nThe network with memory also gets gyroscopes with three times the error per second, "
        "an offset of the same size, and loses a tenth of the frames; the other two see all frames "
        "behind a 6 Hz low-pass."
    )


def _covered(out: Path, covered: dict[str, tuple[np.ndarray, float, np.ndarray]]) -> str:
    rows = [
        (
            what,
            f"{100 * np.mean(share):.1f} %",
            f"{100 * np.min(share):.1f} to {100 * np.max(share):.1f} %",
            f"{np.median(width):.2f}",
            f"{100 * novel:.1f} %",
        )
        for what, (share, novel, width) in covered.items()
    ]
    header = (
        "rows",
        "coverage of 90 % intervals",
        "muscles, least to most",
        "median width (N)",
        "flagged",
    )
    title = "Three `physics` networks with conformal intervals; rows flagged as unlike training"
    return _table(out / "coverage.csv", title, header, rows)


def _table(path: Path, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    lines = [f"## {title}", "", f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)


def draw_page(path: Path, findings: Any) -> None:
    """Six panels: muscles, residuals, Newton steps, noise, coverage, the terms of the loss."""
    figure, axes = plt.subplots(3, 2, figsize=(13, 14), layout="constrained")
    _draw_muscles(axes[0, 0], findings.scores["unseen people"])
    _draw_residuals(axes[0, 1], findings.scores["unseen people"])
    _draw_newton(axes[1, 0], findings.newton)
    _draw_noise(axes[1, 1], findings.noise)
    _draw_coverage(axes[2, 0], findings.covered)
    _draw_ablation(axes[2, 1], findings.ablation)
    figure.suptitle(
        "Forces of static optimization (not measured ones), people never seen", fontsize=12
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_muscles(axis: Any, scores: dict[str, Evaluation]) -> None:
    for name in ("direct", "physics", "label-free", "dual", "sensor", "gradient boosting"):
        if name in scores:
            score = scores[name]
            lost = np.sort(1 - score.r2[score.judged])[::-1]
            axis.plot(np.arange(1, len(lost) + 1), np.maximum(lost, 1e-7), label=name)
    for line in (0.01, 0.05):
        axis.axhline(line, color="black", linewidth=0.6, linestyle=":")
    axis.set(xlabel="muscle, worst first", ylabel="1 - R² (1)", yscale="log", title="Every muscle")
    axis.legend(fontsize=8)


def _draw_residuals(axis: Any, scores: dict[str, Evaluation]) -> None:
    names = [n for n in scores if n != "mean"]
    values = [100 * max(scores[n].relative_residual, 1e-6) for n in names]
    axis.barh(names, values)
    axis.invert_yaxis()
    axis.set(xlabel="RMS of R F - tau over RMS of tau (%)", xscale="log", title="Torque residual")
    axis.tick_params(axis="y", labelsize=8)


def _draw_newton(axis: Any, steps: Sequence[tuple[int, Evaluation, Evaluation]]) -> None:
    k = [s[0] for s in steps]
    for label, at in (("from the dual network", 1), ("from least squares", 2)):
        axis.plot(k, [max(100 * s[at].relative_residual, 1e-5) for s in steps], "o-", label=label)
    axis.axhline(1.0, color="black", linewidth=0.6, linestyle=":")
    axis.set(
        xlabel="Newton steps",
        ylabel="torque residual (%)",
        yscale="log",
        title="Polishing the dual, wide population",
    )
    axis.legend(fontsize=8)


def _draw_noise(axis: Any, noise: Iterable[Any]) -> None:
    noise = list(noise)
    for way in noise[0].scores:
        sizes = [n.orientation_deg for n in noise]
        (line,) = axis.plot(sizes, [n.scores[way][0] for n in noise], "o-", label=f"{way}, median")
        worst = [n.scores[way][1] for n in noise]
        axis.plot(sizes, worst, "o--", color=line.get_color(), linewidth=0.8, label="worst muscle")
    axis.set(
        xlabel="orientation error per frame (deg)",
        ylabel="R² (1)",
        ylim=(-0.5, 1.02),
        title="Noisy sensors",
    )
    axis.legend(fontsize=7)


def _draw_coverage(axis: Any, covered: dict[str, tuple[np.ndarray, float, np.ndarray]]) -> None:
    names = list(covered)
    axis.barh(names, [100 * float(np.mean(covered[n][0])) for n in names], label="covered")
    axis.plot([100 * covered[n][1] for n in names], names, "kx", label="flagged as novel")
    axis.axvspan(88, 92, color="green", alpha=0.15)
    axis.invert_yaxis()
    axis.set(xlabel="rows (%)", title="90 % intervals, and novelty")
    axis.tick_params(axis="y", labelsize=8)
    axis.legend(fontsize=8)


def _draw_ablation(axis: Any, ablation: dict[str, Evaluation]) -> None:
    for marker, (name, score) in zip(itertools.cycle("oXsD^v<>P*"), ablation.items(), strict=False):
        at = 100 * score.relative_residual, 1 - score.median_r2
        axis.scatter(*at, marker=marker, label=name)
    axis.set(
        xlabel="torque residual (%)",
        ylabel="1 - median R² (1)",
        xscale="log",
        yscale="log",
        title="Without one term of the loss (short trainings)",
    )
    axis.legend(fontsize=8)


def _slug(name: str) -> str:
    kept = "".join(c if c.isalnum() else "-" for c in name.lower())
    return "-".join(part for part in kept.split("-") if part)
