"""Tables and figures of `identify_parameters.py`."""

import csv
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np

from cervjax.execution.provenance import environment
from cervjax.identification import Identifiability, ParameterSpace, Profile

matplotlib.use("Agg")
import matplotlib.pyplot as plt


@dataclass(frozen=True)
class Exact:
    """Searches in exact data.

    Attributes:
        truth: of the parameters.
        judged: how well these data determine them.
        guesses: first, of each start.
        histories: relative errors after each search, of each start; the guess's first.
        seconds: after each search, of each start.
        limbs: muscles put on their other limb, of each start.
    """

    truth: np.ndarray
    judged: Identifiability
    guesses: np.ndarray
    histories: list[list[np.ndarray]]
    seconds: list[list[float]]
    limbs: list[tuple[str, ...]]

    def mean(self, start: int, round_: int = -1) -> float:
        """Mean relative error over the identifiable parameters."""
        return float(self.histories[start][round_][self.judged.determined].mean())


@dataclass(frozen=True)
class Robust:
    """A search for one person in imperfect data.

    Attributes:
        person, start: numbers.
        case: what has errors.
        truth, guess, found: parameters of the person, where the search starts, and where it ends.
        judged: how well these data determine them.
        misfit: of `Identification`.
        seconds: taken.
    """

    person: int
    start: int
    case: str
    truth: np.ndarray
    guess: np.ndarray
    found: np.ndarray
    judged: Identifiability
    misfit: float
    seconds: float

    def covered(self, which: np.ndarray) -> float:
        """Part of the parameters inside their 90 % intervals."""
        error = np.abs(self.found - self.truth)[which]
        return float(np.mean(error <= 1.645 * self.judged.standard_error[which]))


@dataclass(frozen=True)
class Baseline:
    """Another optimizer.

    Attributes:
        track: seconds, and mean relative error of the best point so far.
        found: best values.
    """

    name: str
    track: np.ndarray
    found: np.ndarray


def write_report(
    out: Path,
    space: ParameterSpace,
    scale: np.ndarray,
    exact: Exact | None,
    robust: list[Robust] | None,
    profiles: list[tuple[Profile, float, float]] | None,
    baselines: list[Baseline] | None,
) -> str:
    """README, tables and figures into `out`; what the README says."""
    about = environment()
    lines = [
        "# Muscle and bone parameters from motion",
        "",
        f"{about['date']}, commit {about['commit']}, {about['machine']}; {len(space.names)} "
        "parameters at once: factors on max isometric force, optimal fiber length, tendon slack "
        "length and pennation angle of each muscle (where it has one), mass, inertia and mass "
        "center of the head. Errors are relative; those of the mass center to its distance from "
        "the origin of the head's body. Simulated data: what is found is how well the method can "
        "do, not how well it does for people.",
    ]
    if exact is not None:
        lines += _exact_lines(exact)
        _parameters(out / "identifiability.csv", space, exact)
        _exact_figures(out, space, scale, exact)
    if baselines is not None and exact is not None:
        lines += _baseline_lines(exact, baselines)
        _baseline_figure(out, exact, baselines)
    if robust:
        lines += _robust_lines(space, scale, robust)
        _robust_figure(out, space, robust)
    if profiles:
        lines += _profile_lines(profiles)
        _profile_figure(out, profiles)
    text = "\n".join(lines) + "\n"
    (out / "README.md").write_text(text)
    return text


def _exact_lines(exact: Exact) -> list[str]:
    determined = exact.judged.determined
    means = [exact.mean(k) for k in range(len(exact.histories))]
    rows = [
        f"| {k} | {100 * exact.mean(k, 0):.2f} | {100 * m:.2g} "
        f"| {100 * h[-1][determined].max():.2g} | {100 * h[-1].mean():.2g} "
        f"| {', '.join(limbs) or '-'} | {s[-1]:.0f} |"
        for k, (m, h, s, limbs) in enumerate(
            zip(means, exact.histories, exact.seconds, exact.limbs, strict=True)
        )
    ]
    return [
        "",
        "## Exact data",
        "",
        f"{int(determined.sum())} parameters count as identifiable: an error of the angles of "
        "0.001 deg (or what `named_deg` says) would leave them uncertain by 1 % or less "
        "(Cramer-Rao bound). `identifiability.csv` names the others, and with what each is "
        "confounded.",
        "",
        f"Mean error over the identifiable ones: {100 * np.mean(means):.2g} % over all starts, "
        f"{100 * np.max(means):.2g} % from the worst.",
        "",
        "| start | before (%) | after (%) | worst of them (%) | all, after (%) "
        "| put on the other limb of its force-length curve | s |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]


def _parameters(path: Path, space: ParameterSpace, exact: Exact) -> None:
    judged = exact.judged
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["parameter", "standard_error", "identifiable", "confounded_with", "r"])
        for k, name in enumerate(space.names):
            partner, r = judged.partners.get(name, ("", np.nan))
            rows.writerow(
                [
                    name,
                    f"{judged.standard_error[k]:.3g}",
                    int(judged.determined[k]),
                    partner,
                    "" if np.isnan(r) else f"{r:.3f}",
                ]
            )


def _exact_figures(out: Path, space: ParameterSpace, scale: np.ndarray, exact: Exact) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for k, history in enumerate(exact.histories):
        means = [100 * h[exact.judged.determined].mean() for h in history]
        label = "starts, after each search" if k == 0 else None
        axes[0].semilogy(exact.seconds[k], means, "o-", color="C0", alpha=0.5, label=label)
    axes[0].axhline(0.05, color="k", linestyle=":", label="0.05 %")
    axes[0].set(xlabel="time (s)", ylabel="mean error of identifiable parameters (%)")
    axes[0].legend()
    kinds = list(dict.fromkeys(space.kinds))
    for k, kind in enumerate(kinds):
        at = [i for i, own in enumerate(space.kinds) if own == kind]
        error = np.sort(100 * (exact.judged.standard_error / scale)[at])
        label = kind.replace("_", " ")
        if len(at) > 1:
            axes[1].semilogy(np.linspace(0, 100, len(at)), error, color=f"C{k}", label=label)
        else:
            axes[1].semilogy([50], error, "o", color=f"C{k}", label=f"head {label}")
    axes[1].axhline(1.0, color="k", linestyle=":")
    axes[1].set(
        xlabel="muscles, the best determined first (%)",
        ylabel="standard error of a parameter (%)",
        title="what angles with 0.001 deg of error would leave uncertain",
    )
    axes[1].legend(fontsize=7)
    figure.savefig(out / "exact.png", dpi=110)
    plt.close(figure)


def _baseline_lines(exact: Exact, baselines: list[Baseline]) -> list[str]:
    ours = 100 * float(exact.histories[0][-1].mean())
    rows = [f"| {b.name} | {100 * b.track[-1, 1]:.3g} |" for b in baselines]
    return [
        "",
        "## Other optimizers",
        "",
        f"The same data and first guess (mean error {100 * exact.histories[0][0].mean():.2f} %), "
        f"the {exact.seconds[0][-1]:.0f} s that ours took; error over all parameters. All see the "
        "same errors of the changes of speed.",
        "",
        "| optimizer | mean error (%) |",
        "|---|---|",
        f"| cervjax | {ours:.3g} |",
        *rows,
    ]


def _baseline_figure(out: Path, exact: Exact, baselines: list[Baseline]) -> None:
    figure, axis = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    ours = [100 * h.mean() for h in exact.histories[0]]
    axis.semilogy(exact.seconds[0], ours, "o-", label="cervjax")
    for b in baselines:
        track = np.vstack([[0.0, exact.histories[0][0].mean()], b.track])
        axis.semilogy(track[:, 0], 100 * track[:, 1], drawstyle="steps-post", label=b.name)
    axis.set(xlabel="time (s)", ylabel="mean error of all parameters (%)")
    axis.legend()
    figure.savefig(out / "baselines.png", dpi=110)
    plt.close(figure)


def _robust_lines(space: ParameterSpace, scale: np.ndarray, robust: list[Robust]) -> list[str]:
    kinds = list(dict.fromkeys(space.kinds))
    of_kind = [np.array(space.kinds) == kind for kind in kinds]
    nominal = np.asarray(space.nominal_values)
    everything = np.ones(len(nominal), bool)

    def percent(values: np.ndarray, r: Robust, which: np.ndarray) -> str:
        return f"{100 * np.abs((values - r.truth) / scale)[which].mean():.1f}"

    lines = [
        "",
        "## Imperfect data",
        "",
        "People of a population about the nominal neck, which is the prior; searches from far "
        "starts. Mean error (%): of the start, of the nominal neck, which is what the prior alone "
        "would say, of what is found, and of its kinds. A misfit well above 1 tells a false "
        "minimum. Determined: parameters whose standard error is at most half the prior's; "
        "covered: the part of 90 % intervals that hold the truth, of these and of all parameters.",
        "",
        "| errors in | person | start | its error | nominal | found | "
        + " | ".join(k.replace("_", " ") for k in kinds)
        + " | misfit | determined | covered | covered of all | s |",
        "|---|---|---|" + "---|" * (len(kinds) + 8),
    ]
    for r in robust:
        good = r.judged.determined
        cells = [
            r.case,
            str(r.person),
            str(r.start),
            *(percent(values, r, everything) for values in (r.guess, nominal, r.found)),
            *(percent(r.found, r, which) for which in of_kind),
            f"{r.misfit:.3f}",
            str(int(good.sum())),
            f"{100 * r.covered(good):.0f} %",
            f"{100 * r.covered(everything):.0f} %",
            f"{r.seconds:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _robust_figure(out: Path, space: ParameterSpace, robust: list[Robust]) -> None:
    cases = list(dict.fromkeys(r.case for r in robust))
    kinds = [k for k in dict.fromkeys(space.kinds) if space.kinds.count(k) > 1]
    figure, axes = plt.subplots(
        len(cases), len(kinds), figsize=(12, 3.0 * len(cases)), layout="constrained", squeeze=False
    )
    for row, case in zip(axes, cases, strict=True):
        for axis, kind in zip(row, kinds, strict=True):
            at = np.array(space.kinds) == kind
            for r in (r for r in robust if r.case == case):
                sure = r.judged.determined[at]
                bars = 1.645 * r.judged.standard_error[at]
                axis.plot(r.truth[at], r.guess[at], "x", markersize=2.5, color="C1", zorder=0)
                for which, color in ((sure, "C0"), (~sure, "0.75")):
                    axis.errorbar(
                        r.truth[at][which],
                        r.found[at][which],
                        yerr=bars[which],
                        fmt="o",
                        markersize=3,
                        linewidth=0.8,
                        color=color,
                    )
            ends = [0.4, 1.8]
            axis.plot(ends, ends, "k:", linewidth=0.8)
            axis.set(xlim=ends, ylim=ends, title=f"{kind.replace('_', ' ')}", xlabel="true factor")
        row[0].set_ylabel(f"errors in {case}\nidentified factor", fontsize=8)
    figure.suptitle(
        "crosses: where searches start; bars: 90 % intervals; "
        "grey: standard error more than half of the prior's"
    )
    figure.savefig(out / "imperfect_data.png", dpi=110)
    plt.close(figure)


def _profile_lines(profiles: list[tuple[Profile, float, float]]) -> list[str]:
    return [
        "",
        "## Profile likelihood",
        "",
        "`profiles.png`: three max isometric forces, the best, a middling and the worst "
        "determined, of person 0 with errors in angles. A parabola is what the standard error "
        "says, which knows the prior of the parameter that the profile leaves out; where the curve "
        "is flat below 3.84 the data do not bound the parameter.",
        "",
        "| parameter | estimate | standard error | rise of -2 log L at -2 to +2 standard errors |",
        "|---|---|---|---|",
        *(
            f"| {p.name} | {value:.3f} | {error:.3f} | {', '.join(f'{x:.2f}' for x in p.rise)} |"
            for p, value, error in profiles
        ),
    ]


def _profile_figure(out: Path, profiles: list[tuple[Profile, float, float]]) -> None:
    figure, axes = plt.subplots(1, len(profiles), figsize=(11, 3.6), layout="constrained")
    for axis, (profile, value, error) in zip(axes, profiles, strict=True):
        fine = np.linspace(profile.at.min(), profile.at.max(), 50)
        axis.plot(fine, ((fine - value) / error) ** 2, "--", label="from the standard error")
        axis.plot(profile.at, profile.rise, "o-", label="profile")
        axis.axhline(3.84, color="k", linestyle=":", label="95 %")
        axis.set(xlabel="factor", ylabel="rise of -2 log L", title=profile.name)
        axis.legend(fontsize=7)
    figure.savefig(out / "profiles.png", dpi=110)
    plt.close(figure)
