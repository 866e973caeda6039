"""The report's pictures, as SVG text or PNG."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from mpl_toolkits.mplot3d.art3d import Line3DCollection

from cervjax.assessment import DIRECTION_VECTORS, DIRECTIONS, MAIN, Assessment
from cervjax.assessment.directions import MAIN_AXIS, MAIN_SIGN
from cervjax.kinematics import frame_poses
from cervjax.model import Model

PERSON, HEALTHY = "#b2182b", "#4393c3"
SIDES = {"left": "#1b7837", "right": "#762a83"}
"""Colours of the two sides; lines of the right side are dashed as well."""
_PLANES = (
    ("nodding and bending", 1, ("left bending", "right bending")),
    ("nodding and turning", 2, ("left rotation", "right rotation")),
)
"""Title, component across, names of its two ends."""


def svg(figure: Figure) -> str:
    """The figure as an element that can stand in HTML."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "cervjax"}):
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]


def png(figure: Figure) -> str:
    """The figure as a data URI."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, bbox_inches="tight")
    return _uri(file.getvalue(), "png")


def draw_ranges(assessment: Assessment) -> Figure:
    """Range in every direction in polar form, with the healthy band."""
    findings = assessment.findings
    low, middle, high = (np.degrees(findings.envelope.percentiles[k]) for k in (1, 3, 5))
    values = np.degrees(findings.values)
    figure = Figure(figsize=(9.5, 4.6), layout="constrained")
    for column, (title, across, _) in enumerate(_PLANES):
        axis: Any = figure.add_subplot(1, 2, column + 1, projection="polar")
        index, angle = _spokes(across)
        around = np.r_[angle, angle[:1] + 2 * np.pi]
        closed = np.r_[index, index[:1]]
        axis.fill_between(
            around, low[closed], high[closed], color=HEALTHY, alpha=0.25, label="healthy, 5 to 95 %"
        )
        axis.plot(around, middle[closed], color=HEALTHY, label="healthy, median")
        axis.plot(around, values[closed], "o-", color=PERSON, label="this person", zorder=3)
        axis.set_xticks(angle[::2], _spoke_names(across))
        axis.set_theta_zero_location("N")
        axis.set_theta_direction(-1)
        axis.set_rlim(0, 100)
        axis.set_rticks([30, 60, 90], ["30°", "60°", "90°"], fontsize=7, color="gray")
        axis.set_title(title, fontsize=10)
        axis.tick_params(labelsize=8)
    figure.axes[0].legend(loc="lower left", bbox_to_anchor=(-0.25, -0.16), fontsize=7)
    return figure


def draw_trajectory(assessment: Assessment) -> Figure:
    """The head's path inside the envelope."""
    findings = assessment.findings
    low, middle, high = (np.degrees(findings.envelope.percentiles[k]) for k in (1, 3, 5))
    turn = np.degrees(assessment.turn)
    turn = np.where(assessment.valid[:, None], turn, np.nan)
    figure = Figure(figsize=(9.5, 4.4), layout="constrained")
    for column, (title, across, ends) in enumerate(_PLANES):
        axis = figure.add_subplot(1, 2, column + 1)
        index, angle = _spokes(across)
        closed, around = np.r_[index, index[:1]], np.r_[angle, angle[:1]]
        for edge, style in ((low, ":"), (middle, "-"), (high, ":")):
            axis.plot(
                edge[closed] * np.sin(around),
                edge[closed] * np.cos(around),
                style,
                color=HEALTHY,
                linewidth=1.2,
            )
        side = -1 if across == 2 else 1
        axis.plot(side * turn[:, across], turn[:, 0], color=PERSON, linewidth=0.5)
        axis.set(
            xlabel=f"{ends[0]}  —  {ends[1]} (deg)",
            ylabel="flexion  —  extension (deg)",
            title=title,
            aspect="equal",
        )
        axis.axhline(0, color="gray", linewidth=0.4)
        axis.axvline(0, color="gray", linewidth=0.4)
    handles = [
        Line2D([], [], color=PERSON, label="this person"),
        Line2D([], [], color=HEALTHY, label="healthy, median"),
        Line2D([], [], color=HEALTHY, linestyle=":", label="healthy, 5 and 95 %"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def draw_forces(assessment: Assessment, groups: Sequence[str] | None = None) -> Figure:
    """Forces of muscle groups over time, against those of healthy people alike."""
    forces = assessment.forces
    assert forces is not None
    network = assessment.network
    anatomy = assessment.spec.anatomy
    titles = dict(anatomy.titles)
    groups = anatomy.muscle_groups if groups is None else groups
    shown = [g for g in groups if (g, "left") in forces.groups]
    rows = (len(shown) + 1) // 2
    figure = Figure(figsize=(10, 1.7 * rows + 0.6), layout="constrained")
    for k, name in enumerate(shown):
        axis = figure.add_subplot(rows, 2, k + 1)
        for side, color in SIDES.items():
            column = forces.groups.index((name, side))
            # Between these frames the band is interpolated.
            low, high = forces.band[:, forces.compared, column]
            axis.fill_between(
                forces.time[forces.compared],
                low,
                high,
                color=color,
                alpha=0.2,
                linewidth=0,
            )
            axis.plot(
                forces.time,
                forces.group_force[:, column],
                "-" if side == "left" else "--",
                color=color,
                linewidth=0.9,
                label=side,
            )
            if network is not None:
                said = network.group_force[:, column]
                axis.plot(network.time, said, ":", color=color, linewidth=0.9)
        axis.set_title(titles.get(name, name), fontsize=9)
        axis.set_ylim(bottom=0)
        axis.tick_params(labelsize=7)
        if k % 2 == 0:
            axis.set_ylabel("force (N)", fontsize=8)
        if k >= len(shown) - 2:
            axis.set_xlabel("time (s)", fontsize=8)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    labels = [f"{label}; band: healthy people alike, 5 to 95 %" for label in labels]
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    return figure


def draw_actions(assessment: Assessment) -> Figure:
    """Forces of muscles by action."""
    return draw_forces(assessment, assessment.spec.anatomy.actions)


def draw_joint_loads(assessment: Assessment) -> Figure:
    """Compression and shear of every level over time, and their peaks."""
    forces = assessment.forces
    assert forces is not None
    names = forces.levels
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    colors = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(names)))
    for column, (title, values) in enumerate(
        (("compression", forces.compression), ("shear", forces.shear))
    ):
        axis = figure.add_subplot(1, 3, column + 1)
        for level, color in enumerate(colors):
            axis.plot(forces.time, values[:, level], color=color, linewidth=0.8, label=names[level])
        axis.set(xlabel="time (s)", ylabel=f"{title} (N)", title=title)
    axis = figure.add_subplot(1, 3, 3)
    at = np.arange(len(names))
    for k, (shift, label, color, own) in enumerate(
        (
            (-0.2, "compression", "#525252", forces.compression),
            (0.2, "shear", "#bdbdbd", forces.shear),
        )
    ):
        peaks = np.nanmax(own[forces.compared], axis=0)
        axis.barh(at + shift, peaks, 0.4, label=label, color=color)
        low, high = forces.joint_band[:, k, forces.compared].max(axis=1)
        axis.hlines(at + shift, low, high, color=HEALTHY, linewidth=2.5)
    axis.set_yticks(at, names, fontsize=8)
    axis.set(xlabel="peak (N)", title="peaks by level")
    axis.legend(fontsize=7)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=8, fontsize=7)
    return figure


def draw_quality(assessment: Assessment) -> Figure | None:
    """Marker errors; None where there are no markers."""
    errors = assessment.quality.marker_error
    if not errors:
        return None
    figure = Figure(figsize=(6, 2.6), layout="constrained")
    axis = figure.add_subplot()
    axis.bar(list(errors), [1e3 * e for e in errors.values()], color="#525252")
    axis.set(ylabel="error (mm, RMS)", title="distance of markers from the fitted model")
    return figure


def draw_necks(assessment: Assessment) -> Figure | None:
    """The neck at rest and where it was farthest in each main direction, muscles coloured by
    force.

    Returns:
        One picture; None without forces.
    """
    forces = assessment.forces
    if forces is None:
        return None
    frames = characteristic_frames(assessment)
    paths = _paths(assessment, [at for _, at in frames])
    highest = max(float(np.nanmax(forces.force)), 1.0)
    norm = matplotlib.colors.Normalize(0.0, highest)
    figure = Figure(figsize=(11, 7), layout="constrained")
    rows, columns = 2, (len(frames) + 1) // 2
    for k, (title, at) in enumerate(frames):
        axis: Any = figure.add_subplot(rows, columns, k + 1, projection="3d")
        nearest = int(np.argmin(np.abs(forces.time - assessment.motion.time[at])))
        _draw_neck(axis, paths[k], forces.force[nearest], norm)
        axis.set_title(f"{title}\n{assessment.motion.time[at]:.2f} s", fontsize=9)
        axis.view_init(elev=12, azim=-35)
    figure.colorbar(
        matplotlib.cm.ScalarMappable(norm, _FORCE_COLORS),
        ax=figure.axes,
        shrink=0.6,
        label="muscle force (N)",
    )
    return figure


def rotating_neck(assessment: Assessment, views: int = 24) -> str | None:
    """The neck at the frame of the largest forces, turning once, as a data URI of a GIF."""
    forces = assessment.forces
    if forces is None:
        return None
    from PIL import Image

    best = int(np.nanargmax(forces.force.sum(axis=1)))
    at = int(np.argmin(np.abs(assessment.motion.time - forces.time[best])))
    path = _paths(assessment, [at])[0]
    norm = matplotlib.colors.Normalize(0.0, max(float(np.nanmax(forces.force)), 1.0))
    figure = Figure(figsize=(4, 4), layout="constrained")
    axis: Any = figure.add_subplot(projection="3d")
    _draw_neck(axis, path, forces.force[best], norm)
    images = []
    for view in range(views):
        axis.view_init(elev=12, azim=360 * view / views)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=80)
        images.append(Image.open(file).convert("P", palette=Image.Palette.ADAPTIVE))
    file = io.BytesIO()
    images[0].save(file, "gif", save_all=True, append_images=images[1:], duration=120, loop=0)
    return _uri(file.getvalue(), "gif")


def characteristic_frames(assessment: Assessment) -> list[tuple[str, int]]:
    """Nearest to neutral, and farthest in each main direction that was examined."""
    turn = np.where(assessment.valid[:, None], assessment.turn, 0.0)
    size = np.where(assessment.valid, np.linalg.norm(turn, axis=1), np.inf)
    frames = [("neutral", int(np.argmin(size)))]
    for k, name in enumerate(MAIN):
        if np.isfinite(assessment.findings.values[DIRECTIONS.index(name)]):
            frames.append((name, int(np.argmax(MAIN_SIGN[k] * turn[:, MAIN_AXIS[k]]))))
    return frames


_FORCE_COLORS = matplotlib.colormaps["inferno_r"]


class _Paths:
    """Where muscles and bodies are in one frame, m."""

    def __init__(self, model: Model, rotation: np.ndarray, position: np.ndarray) -> None:
        topology = model.topology
        body = np.array(topology.point_body, dtype=int)
        location = np.asarray(model.path_point_location)
        points = position[body] + np.einsum("nij,nj->ni", rotation[body], location)
        self.muscles = [points[a:b] for a, b in topology.muscle_points]
        self.moving = position[[k for k, a in enumerate(topology.anchor) if a >= 0]]
        head = model.body_index(topology.anatomy.skull)
        self.head = position[head], rotation[head]


def _paths(assessment: Assessment, frames: Sequence[int]) -> list[_Paths]:
    model = Model.from_spec(assessment.spec)
    poses = frame_poses(model, assessment.motion.q[list(frames)])
    pairs = zip(np.asarray(poses.rotation), np.asarray(poses.position), strict=True)
    return [_Paths(model, rotation, position) for rotation, position in pairs]


def _draw_neck(axis: Any, paths: _Paths, force: Float[np.ndarray, " m"], norm: Any) -> None:
    """Axes of the plot: forwards, right, up."""

    def turned(points: np.ndarray) -> np.ndarray:
        return points[:, [0, 2, 1]]

    order = np.argsort(force)
    lines = Line3DCollection(
        [turned(paths.muscles[k]) for k in order],
        colors=_FORCE_COLORS(norm(force[order])),
        linewidths=0.8 + 2.5 * norm(force[order]),
    )
    axis.add_collection3d(lines)
    spine = turned(paths.moving)
    axis.plot(*spine.T, "o", color="#969696", markersize=4)
    center, rotation = paths.head
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 19), np.linspace(0, np.pi, 10))
    ball = np.stack([np.cos(u) * np.sin(v), np.cos(v), np.sin(u) * np.sin(v)], axis=-1)
    # A head of HYOID's size: 19 cm long, 22 cm high, 15 cm wide, above the joint with the atlas.
    shell = ball * np.array([0.095, 0.11, 0.075]) + np.array([0.01, 0.075, 0.0])
    shell = shell @ rotation.T + center
    flat = turned(shell.reshape(-1, 3)).reshape(shell.shape)
    axis.plot_wireframe(flat[..., 0], flat[..., 1], flat[..., 2], color="#bdbdbd", linewidth=0.4)
    nose = turned((np.array([[0.105, 0.06, 0.0], [0.13, 0.05, 0.0]])) @ rotation.T + center)
    axis.plot(*nose.T, color="#636363", linewidth=3)
    every = np.concatenate([flat.reshape(-1, 3), *(turned(m) for m in paths.muscles)])
    middle, half = (every.max(axis=0) + every.min(axis=0)) / 2, np.ptp(every, axis=0).max() / 2
    axis.set(
        xlim=(middle[0] - half, middle[0] + half),
        ylim=(middle[1] + half, middle[1] - half),
        zlim=(middle[2] - half, middle[2] + half),
    )
    axis.set_box_aspect((1, 1, 1), zoom=1.5)
    axis.set_axis_off()


def _spokes(across: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions of a plane of nodding and another component, and their angles: extension at the
    top, right to the right."""
    other = 3 - across
    flat = np.flatnonzero(np.abs(DIRECTION_VECTORS[:, other]) < 1e-9)
    side = -1 if across == 2 else 1
    vectors = DIRECTION_VECTORS[flat]
    angle = np.arctan2(side * vectors[:, across], vectors[:, 0]) % (2 * np.pi)
    order = np.argsort(angle)
    return flat[order], angle[order]


def _spoke_names(across: int) -> list[str]:
    index, _ = _spokes(across)
    return [DIRECTIONS[k] for k in index[::2]]


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
