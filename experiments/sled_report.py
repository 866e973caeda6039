"""Tables and figures of `sled_volunteers.py`."""

import csv
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from objective_rating_metrics.rating import ISO18571
from sled_tests import SIGNALS, Corridor, SledTest

from cervjax.execution.provenance import environment

matplotlib.use("Agg")
import matplotlib.pyplot as plt

_RATE = 1e4
"""Hz, that the ratings are defined at."""
_LABELS = {
    "pitch": "head pitch (deg)",
    "x": "head forwards of T1 (mm)",
    "z": "head upwards, from T1 (mm)",
}


@dataclass(frozen=True)
class Neck:
    """A neck on all sleds.

    Attributes:
        name: what it is.
        values: of its parameters.
        head: response to each test's torso motion, and to their mean; deg, mm, mm.
    """

    name: str
    values: dict[str, float]
    head: np.ndarray


@dataclass(frozen=True)
class Peak:
    """Largest pitch of the head (deg), and when (s)."""

    angle: float
    time: float


def write_report(
    out: Path,
    tune_on: int,
    time: np.ndarray,
    tests: tuple[SledTest, ...],
    measured: np.ndarray,
    corridors: dict[str, Corridor],
    necks: list[Neck],
) -> str:
    """README, tables and figures into `out`.

    Args:
        tune_on: the first tests, that necks were tuned on.
        time: s, of the responses.
        measured: heads, as the necks' `head`.

    Returns:
        The README's text.
    """
    ratings = {
        neck.name: np.array(
            [
                [_rating(time, measured[k, :, s], neck.head[k, :, s]) for s in range(len(SIGNALS))]
                for k in range(len(tests))
            ]
        )
        for neck in necks
    }
    _write_ratings(out / "ratings.csv", tests, tune_on, ratings)
    _figure(out / "responses.png", time, tests, corridors, necks)
    about = environment()
    text = "\n".join(
        [
            "# Heads of volunteers on a sled",
            "",
            f"{about['date']}, commit {about['commit']}. {len(tests)} frontal tests at 15 g; the "
            "torso moves as measured. Parameters were tuned on the first "
            f"{tune_on} and tried on the others. One nominal neck stands for all volunteers, whose "
            "size is not known. Measured displacements of the head are twice integrated "
            "accelerations and drift beyond some 170 ms. What is tuned makes up for what the model "
            "leaves out, and is no measurement of the parameters it is called by.",
            "",
            *_peak_lines(time, tests, measured, corridors, necks),
            "",
            *_rating_lines(tests, tune_on, ratings),
            "",
            *_value_lines(necks),
        ]
    )
    (out / "README.md").write_text(text + "\n")
    return text


def peak(time: np.ndarray, pitch: np.ndarray) -> Peak:
    """The largest of `pitch` (deg)."""
    at = int(np.argmax(pitch))
    return Peak(float(pitch[at]), float(time[at]))


def _rating(time: np.ndarray, measured: np.ndarray, found: np.ndarray) -> float:
    if not np.isfinite(found).all():
        return 0.0
    fine = np.arange(round(time[-1] * _RATE)) / _RATE
    one, other = (
        np.column_stack([fine, np.interp(fine, time, values)]) for values in (measured, found)
    )
    return float(ISO18571(reference_curve=one, comparison_curve=other).overall_rating())


def _peak_lines(
    time: np.ndarray,
    tests: tuple[SledTest, ...],
    measured: np.ndarray,
    corridors: dict[str, Corridor],
    necks: list[Neck],
) -> list[str]:
    corridor, full = corridors["pitch"], tests[0].time
    top = int(np.argmax(corridor.mean))
    low, high = corridor.low.max(), corridor.high.max()
    peaks = [peak(time, measured[k, :, 0]) for k in range(len(tests))]
    times = 1e3 * np.array([p.time for p in peaks])
    lines = [
        "## Peak of head pitch",
        "",
        f"Measured, mean of the tests: {corridor.mean[top]:.1f} deg at {1e3 * full[top]:.0f} ms; "
        f"the peaks of the corridor's bounds (1 SD): {low:.1f} and {high:.1f} deg; the tests' own "
        f"peaks come at {times.mean():.0f} ms, SD {times.std(ddof=1):.0f} ms.",
        "",
        "| neck, under the mean torso motion | peak (deg) | at (ms) | angle in the corridor "
        "| time within 1 SD |",
        "|---|---|---|---|---|",
    ]
    for neck in necks:
        own = peak(time, neck.head[-1, :, 0])
        inside = "yes" if low <= own.angle <= high else f"no, {own.angle - corridor.mean[top]:+.1f}"
        late = 1e3 * own.time - times.mean()
        on_time = "yes" if abs(late) <= times.std(ddof=1) else f"no, {late:+.0f} ms"
        lines.append(
            f"| {neck.name} | {own.angle:.1f} | {1e3 * own.time:.0f} | {inside} | {on_time} |"
        )
    return lines


def _rating_lines(
    tests: tuple[SledTest, ...], tune_on: int, ratings: dict[str, np.ndarray]
) -> list[str]:
    groups = {"tuned on": slice(0, tune_on), "tried on": slice(tune_on, len(tests))}
    lines = [
        "## ISO/TS 18571 ratings",
        "",
        "Mean over tests (1 is perfect; above 0.94 excellent, 0.80 good, 0.58 fair), each test "
        "against its own measurement. Untuned necks saw neither group. `ratings.csv` has each "
        "test.",
        "",
        "| neck | tests | " + " | ".join(SIGNALS) + " | mean |",
        "|---|---|" + "---|" * (len(SIGNALS) + 1),
    ]
    for name, table in ratings.items():
        for group, rows in groups.items():
            means = table[rows].mean(axis=0)
            cells = " | ".join(f"{m:.3f}" for m in (*means, means.mean()))
            count = len(table[rows])
            lines.append(f"| {name} | {count} {group} | {cells} |")
    return lines


def _value_lines(necks: list[Neck]) -> list[str]:
    names = max((list(n.values) for n in necks), key=len)
    lines = [
        "## Parameters",
        "",
        "| parameter | " + " | ".join(n.name for n in necks) + " |",
        "|---|" + "---|" * len(necks),
    ]
    for name in names:
        cells = (f"{n.values[name]:.3g}" if name in n.values else "-" for n in necks)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _write_ratings(
    path: Path, tests: tuple[SledTest, ...], tune_on: int, ratings: dict[str, np.ndarray]
) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["neck", "test", "tuned_on", *SIGNALS])
        for name, table in ratings.items():
            for k, test in enumerate(tests):
                rows.writerow([name, test.name, int(k < tune_on), *table[k].round(3)])


def _figure(
    path: Path,
    time: np.ndarray,
    tests: tuple[SledTest, ...],
    corridors: dict[str, Corridor],
    necks: list[Neck],
) -> None:
    figure, axes = plt.subplots(1, len(SIGNALS), figsize=(14, 4.4), layout="constrained")
    full = 1e3 * tests[0].time
    for s, (axis, signal) in enumerate(zip(axes, SIGNALS, strict=True)):
        corridor = corridors[signal]
        axis.fill_between(full, corridor.low, corridor.high, color="0.85", label="volunteers, 1 SD")
        for test in tests:
            axis.plot(full, test.head[signal], color="0.6", linewidth=0.5)
        axis.plot(full, corridor.mean, "k", label="volunteers, mean")
        for k, neck in enumerate(necks):
            style = "--" if "untuned" in neck.name else "-"
            color = f"C{k // 2}"
            axis.plot(1e3 * time, neck.head[-1, :, s], style, color=color, label=neck.name)
        axis.set(xlabel="time (ms)", ylabel=_LABELS[signal], xlim=(0, 1e3 * time[-1]))
    axes[0].legend(fontsize=8)
    figure.suptitle("Frontal sled tests, 15 g: necks under the volunteers' mean torso motion")
    figure.savefig(path, dpi=110)
    plt.close(figure)
