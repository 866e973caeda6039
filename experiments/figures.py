"""Figures that several experiments draw: labelled axes, units, no state."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def agreement(
    path: Path, ours: np.ndarray, theirs: np.ndarray, quantity: str, unit: str, other: str
) -> None:
    """Scatter of `ours` over `theirs`, with the identity line and the distribution of errors."""
    ours, theirs = np.ravel(ours), np.ravel(theirs)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    left.scatter(theirs, ours, s=4, alpha=0.4, rasterized=True)
    ends = [float(theirs.min()), float(theirs.max())]
    left.plot(ends, ends, color="black", linewidth=0.8)
    left.set(xlabel=f"{other} ({unit})", ylabel=f"cervjax ({unit})", title=quantity)
    error = np.abs(ours - theirs)
    right.hist(np.log10(np.maximum(error, 1e-18)), bins=50)
    right.set(
        xlabel=f"log10 |difference| ({unit})",
        ylabel="count",
        title=f"largest {error.max():.1e} {unit}",
    )
    figure.savefig(path, dpi=120)
    plt.close(figure)


def predicted_over_labels(
    path: Path,
    label: np.ndarray,
    prediction: np.ndarray,
    muscles: Sequence[str],
    r2: np.ndarray,
    shown: Sequence[int],
) -> None:
    """Predicted over label force for the muscles `shown`."""
    columns = 4
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3 * columns, 2.8 * rows), layout="constrained", squeeze=False
    )
    for axis, k in zip(axes.ravel(), shown, strict=False):
        axis.scatter(label[:, k], prediction[:, k], s=2, alpha=0.2, rasterized=True)
        ends = [float(label[:, k].min()), float(label[:, k].max())]
        axis.plot(ends, ends, color="black", linewidth=0.8)
        axis.set_title(f"{muscles[k]}, R² {r2[k]:.3f}", fontsize=9)
    for axis in axes.ravel()[len(shown) :]:
        axis.set_visible(False)
    figure.supxlabel("label: static optimization (N)")
    figure.supylabel("network (N)")
    figure.suptitle("Force on persons never seen")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def bars(
    path: Path, names: Sequence[str], values: np.ndarray, label: str, line: float | None = None
) -> None:
    """A bar per name, sorted."""
    order = np.argsort(values)
    figure, axis = plt.subplots(figsize=(12, 4.5), layout="constrained")
    axis.bar(np.arange(len(values)), values[order])
    axis.set_xticks(np.arange(len(values)))
    axis.set_xticklabels([str(names[i]) for i in order], rotation=90, fontsize=7)
    axis.set_ylabel(label)
    if line is not None:
        axis.axhline(line, color="black", linewidth=0.8, linestyle="--")
        axis.set_ylim(min(0.9 * line, float(values.min()) - 0.02), 1.005)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def forces_over_time(
    path: Path,
    time: np.ndarray,
    curves: dict[str, np.ndarray],
    title: str,
    dashed: dict[str, np.ndarray] | None = None,
) -> None:
    """Forces over time; `dashed` is another estimate of the same muscles."""
    figure, axis = plt.subplots(figsize=(9, 4.5), layout="constrained")
    for name, force in curves.items():
        (line,) = axis.plot(time, force, label=name)
        if dashed is not None:
            axis.plot(time, dashed[name], "--", color=line.get_color(), linewidth=1)
    axis.set(xlabel="time (s)", ylabel="muscle force (N)", title=title)
    figure.legend(fontsize=8, ncols=3, loc="outside lower center")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def torque_residuals(
    path: Path, coordinates: Sequence[str], groups: dict[str, np.ndarray], unit: str = "N m"
) -> None:
    """Root-mean-square bars per coordinate, one bar for each of `groups`."""
    figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
    width = 0.8 / len(groups)
    at = np.arange(len(coordinates))
    for k, (name, values) in enumerate(groups.items()):
        axis.bar(at + k * width, values, width, label=name)
    axis.set_xticks(at + 0.4 - width / 2, list(coordinates))
    axis.set(ylabel=f"RMS ({unit})", yscale="log")
    figure.legend(fontsize=8, ncols=3, loc="outside lower center")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def movement(path: Path, time: np.ndarray, q: np.ndarray, coordinates: Sequence[str]) -> None:
    """Coordinates over time, degrees."""
    figure, axis = plt.subplots(figsize=(9, 4), layout="constrained")
    for k, name in enumerate(coordinates):
        axis.plot(time, np.rad2deg(q[:, k]), label=name)
    axis.set(xlabel="time (s)", ylabel="coordinate (deg)")
    figure.legend(fontsize=8, ncols=6, loc="outside lower center")
    figure.savefig(path, dpi=120)
    plt.close(figure)
