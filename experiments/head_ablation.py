"""Why a model's head is not where the markers say, one cause at a time.

    python experiments/head_ablation.py --data DIR     # minutes

`DIR` holds `volunteerK_static.trc` and `volunteerK_t1.trc` (axial rotation) to `_t5.trc`, z up,
with Plug-in-Gait's labels. The head's angles are those of rigid clusters of head and trunk (Kabsch
1976), about the laboratory's vertical and the line of the shoulders in the static trial; a model's
are of its skull in its torso. The results folder gets a README, `heads.csv` and `heads.png`.
"""

import csv
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import jax
import matplotlib
import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from scipy.spatial.transform import Rotation

from cervjax.assessment import head_turns, healthy_limits, with_limits
from cervjax.assessment.directions import rotation_of, turns_of
from cervjax.assessment.poses import SHARE_WEIGHT, limits_for
from cervjax.kinematics import upright_pose
from cervjax.model import Model
from cervjax.motion.recordings import MarkerRecording, read_markers
from cervjax.people import Sex, SizeNorms
from cervjax.spec import ModelSpec, shipped_neck
from cervjax.tracking import (
    Calibration,
    InverseKinematics,
    calibrate,
    cluster_turns,
    place_neck,
    solve_frames,
)

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HEAD = ("LAH", "RAH", "LPH", "RPH")
ANCHORS = ("SJN", "LCAJ", "RCAJ")
TRIALS = 5


@dataclass(frozen=True)
class Variant:
    """One way from markers to a pose.

    Attributes:
        name: for tables.
        laid: whether the torso is laid onto the three markers of breastbone and shoulders, its lean
            included, and not stood upright.
        orientation_weight, share_weight: of inverse kinematics.
        wide: limits of the coordinates: healthy people's, or as far as the person turns; else the
            model's.
        placed: whether the neck is placed by movement.
        weighed: whether sizes are weighed against those of people.
        without: markers that weigh nothing.
    """

    name: str
    laid: bool = False
    orientation_weight: float = 100.0
    share_weight: float = SHARE_WEIGHT
    wide: bool = True
    placed: bool = True
    weighed: bool = True
    without: tuple[str, ...] = ()


NOW = Variant("as it is now")
BEFORE = Variant(
    "before: torso laid onto three markers, no weight of orientation, sizes of markers alone",
    laid=True, orientation_weight=1.0, wide=False, placed=False, weighed=False,
)  # fmt: skip
VARIANTS = (
    BEFORE,
    dataclasses.replace(BEFORE, name="before, torso upright", laid=False),
    dataclasses.replace(BEFORE, name="before, weight of orientation 100", orientation_weight=100.0),
    dataclasses.replace(BEFORE, name="before, wider limits", wide=True),
    dataclasses.replace(BEFORE, name="before, sizes weighed against people's", weighed=True),
    dataclasses.replace(BEFORE, name="before, neck placed by movement", placed=True),
    dataclasses.replace(BEFORE, name="before, C7 weighs nothing", without=("CV7",)),
    dataclasses.replace(BEFORE, name="before, no natural share", share_weight=0.0),
    NOW,
    dataclasses.replace(NOW, name="now, torso laid onto three markers", laid=True),
    dataclasses.replace(NOW, name="now, no weight of orientation", orientation_weight=1.0),
    dataclasses.replace(NOW, name="now, the model's limits", wide=False),
    dataclasses.replace(NOW, name="now, neck not placed", placed=False),
    dataclasses.replace(NOW, name="now, sizes of markers alone", weighed=False),
)


@dataclass(frozen=True)
class Config:
    """What to try.

    Attributes:
        data: folder of the recordings.
        every: frames are taken.
        out: results folder.
    """

    data: Path = Path("../shared/data/head_motion_volunteers")
    every: int = 5
    out: Path = field(default=Path("results/heads"))


@dataclass(frozen=True)
class Found:
    """How far heads are off with one variant.

    Attributes:
        variant: which.
        rms, largest: deg, of the head's orientation, the worst trial.
        bending: deg, at full left and right rotation of each person.
        marker_error: mm, root mean square over all trials.
    """

    variant: Variant
    rms: float
    largest: float
    bending: tuple[tuple[float, float], ...]
    marker_error: float


def run(config: Config) -> list[Found]:
    """Every variant on every trial.

    Returns:
        One result a variant.

    Raises:
        FileNotFoundError: the recordings are not there.
    """
    people = sorted(config.data.glob("volunteer*_static.trc"))
    if not people:
        raise FileNotFoundError(f"no volunteerK_static.trc in {config.data}; give --data")
    recordings = [_read(static, config.every) for static in people]
    spec = shipped_neck()
    reference = [_clusters(static, trials) for static, trials in recordings]
    found = [_tried(v, spec, recordings, reference) for v in track(VARIANTS, "variants")]
    clusters = tuple(_bending(turns[0]) for turns in reference)
    config.out.mkdir(parents=True, exist_ok=True)
    _write(config, found, clusters)
    return found


def _read(static: Path, every: int) -> tuple[MarkerRecording, list[MarkerRecording]]:
    trials = []
    for k in range(1, TRIALS + 1):
        name = static.name.replace("static", f"t{k}")
        trial = read_markers(static.with_name(name), up="z").named().filled()
        thin = dataclasses.replace(
            trial, time=trial.time[::every], position=trial.position[::every]
        )
        trials.append(thin)
    return read_markers(static, up="z").named(), trials


def _clusters(static: MarkerRecording, trials: list[MarkerRecording]) -> list[np.ndarray]:
    """rad, turns of each trial, by clusters about the axes of the upright static trial."""
    place = dict(zip(static.markers, np.nanmean(static.position, axis=0), strict=True))
    right = (place["RCAJ"] - place["LCAJ"]) * [1.0, 0.0, 1.0]
    right /= np.linalg.norm(right)
    axes = Rotation.from_matrix(
        np.stack([np.cross([0.0, 1.0, 0.0], right), [0.0, 1.0, 0.0], right], axis=1)
    )
    found = []
    for trial in trials:
        turned = []
        for names in (("SJN", "SXS", "CV7", "TV10"), HEAD):
            own = np.array([place[m] for m in names])
            own = own - own.mean(axis=0)
            rotations = []
            for frame in trial.chosen(names).position:
                here = np.isfinite(frame).all(axis=1)
                if here.sum() < 3:
                    rotations.append(np.full(4, np.nan))
                    continue
                at = frame[here] - frame[here].mean(axis=0)
                mine = own[here] - own[here].mean(axis=0)
                rotations.append(Rotation.align_vectors(at, mine)[0].as_quat())
            turned.append(np.array(rotations))
        known: np.ndarray = np.all(np.isfinite(np.hstack(turned)), axis=1)
        torso, head = (Rotation.from_quat(x[known]) for x in turned)
        turn = np.full((len(known), 3), np.nan)
        turn[known] = turns_of(axes.inv() * torso.inv() * head * axes)
        found.append(turn)
    return found


def _tried(
    variant: Variant,
    spec: ModelSpec,
    recordings: list[tuple[MarkerRecording, list[MarkerRecording]]],
    reference: list[list[np.ndarray]],
) -> Found:
    rms, largest, bending, errors = [], [], [], []
    for (static, trials), turns in zip(recordings, reference, strict=True):
        lean = _lean(static, spec) if variant.laid else Rotation.identity()
        sizes = SizeNorms.of(Sex.MALE) if variant.weighed else None
        calibration = calibrate(_turned(static, lean), spec, sizes=sizes)
        for k, (trial, wanted) in enumerate(zip(trials, turns, strict=True)):
            seen = _turned(trial, lean).chosen(calibration.markers)
            own, error = _posed(variant, calibration, seen)
            known = np.isfinite(wanted).all(axis=1) & np.isfinite(own).all(axis=1)
            off = (rotation_of(own[known]).inv() * rotation_of(wanted[known])).magnitude()
            rms.append(np.degrees(np.sqrt(np.mean(off**2))))
            largest.append(np.degrees(off.max()))
            errors.append(error[np.isfinite(error)])
            if k == 0:
                bending.append(_bending(own, wanted))
    marker_error = 1e3 * float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))
    return Found(variant, float(max(rms)), float(max(largest)), tuple(bending), marker_error)


def _posed(
    variant: Variant, calibration: Calibration, seen: MarkerRecording
) -> tuple[np.ndarray, np.ndarray]:
    model = Model.from_spec(calibration.spec)
    limits = healthy_limits(model.topology)
    if variant.placed:
        calibration = place_neck(calibration, seen, limits, share_weight=variant.share_weight)
        model = Model.from_spec(calibration.spec)
    task = InverseKinematics.of(
        model,
        calibration.markers,
        weights=dict.fromkeys(variant.without, 0.0),
        share_weight=variant.share_weight,
        orientation_weight=variant.orientation_weight,
    )
    if variant.wide:
        turn = turns_of(cluster_turns(model, seen).relative)
        task = with_limits(task, *limits_for(model.topology, turn))
    pose = solve_frames(task, model, seen.position)
    return head_turns(model, pose.q), pose.marker_error


def _lean(static: MarkerRecording, spec: ModelSpec) -> Rotation:
    """What turns the laboratory so that the torso, laid onto three markers, is upright."""
    model = Model.from_spec(spec)
    own = dict(zip(model.topology.markers, np.asarray(upright_pose(model)[1]), strict=True))
    place = dict(zip(static.markers, np.nanmean(static.position, axis=0), strict=True))
    mine, there = (np.array([p[m] for m in ANCHORS]) for p in (own, place))
    turn = Rotation.align_vectors(there - there.mean(axis=0), mine - mine.mean(axis=0))[0]
    up = turn.apply([0.0, 1.0, 0.0])
    return Rotation.align_vectors([[0.0, 1.0, 0.0]], [up])[0]


def _turned(recording: MarkerRecording, turn: Rotation) -> MarkerRecording:
    flat = turn.apply(recording.position.reshape(-1, 3))
    return dataclasses.replace(recording, position=flat.reshape(recording.position.shape))


def _bending(turn: np.ndarray, by: np.ndarray | None = None) -> tuple[float, float]:
    """deg, to the side of the turn, where a head (by the clusters) is turned farthest."""
    rotation = (turn if by is None else by)[:, 2]
    ends = int(np.nanargmax(rotation)), int(np.nanargmin(rotation))
    return float(-np.degrees(turn[ends[0], 1])), float(np.degrees(turn[ends[1], 1]))


def _write(config: Config, found: list[Found], clusters: tuple[tuple[float, float], ...]) -> None:
    count = len(clusters)
    header = (
        "variant", "head, RMS (deg), worst trial", "largest (deg)", "markers, RMS (mm)",
        *(f"bending at full left, right rotation (deg), {k + 1}" for k in range(count)),
    )  # fmt: skip

    def both(pair: tuple[float, float]) -> str:
        return f"{pair[0]:.1f}, {pair[1]:.1f}"

    rows = [("clusters", "", "", "", *map(both, clusters))]
    rows += [
        (
            f.variant.name,
            f"{f.rms:.2f}",
            f"{f.largest:.1f}",
            f"{f.marker_error:.1f}",
            *map(both, f.bending),
        )
        for f in found
    ]
    with (config.out / "heads.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    text = (
        f"# Heads of {count} people: where the model has them, and where their markers say\n\n"
        f"{TRIALS} trials each, every {config.every}th frame. Bending is to the side of the turn.\n"
        "\n" + "\n".join(lines) + "\n"
    )
    (config.out / "README.md").write_text(text)
    Console().print(text)
    figure, axes = plt.subplots(1, 2, figsize=(12, 5), layout="constrained", sharey=True)
    names = [f.variant.name.split(":")[0] for f in found]
    panels: tuple[tuple[str, Callable[[Found], float], float], ...] = (
        ("head against the clusters, worst trial: RMS (deg)", lambda f: f.rms, 2.0),
        ("markers from the model's, all trials: RMS (mm)", lambda f: f.marker_error, 6.0),
    )
    for axis, (label, value, asked) in zip(axes, panels, strict=True):
        axis.barh(names, [value(f) for f in found], color="#4393c3")
        axis.axvline(asked, color="black", linewidth=0.7, linestyle=":")
        axis.set(xlabel=label)
    axes[0].invert_yaxis()
    figure.savefig(config.out / "heads.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    run(tyro.cli(Config, description=__doc__))
