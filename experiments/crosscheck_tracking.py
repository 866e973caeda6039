"""Inverse kinematics against OpenSim's InverseKinematicsTool, and against published solutions.

    python experiments/crosscheck_tracking.py FOLDER

FOLDER holds `Static.c3d`, `Head_movements.c3d` and the `IK_*.mot` of their author, whose windows
are solved by both: same neck, markers, weights and weak task for every coordinate. Leaves a README,
`angles.csv` and `angles.png`.
"""

import csv
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import tyro
from rich.console import Console

from cervjax.assessment import head_turns
from cervjax.execution.provenance import write_provenance
from cervjax.model import Model
from cervjax.motion.recordings import read_markers
from cervjax.motion.synthesis import read_motions
from cervjax.spec import shipped_neck
from cervjax.tracking import InverseKinematics, Pose, calibrate
from conversion.opensim_tracking import opensim_inverse_kinematics

matplotlib.use("Agg")
import matplotlib.pyplot as plt

TASK = 1e-4
"""m^2/rad^2, of each coordinate's task to be zero: without one, markers that slide on skin leave
open how upper and lower neck are turned against each other, and both tools answer with noise."""
BATCH = 128


@dataclass(frozen=True)
class Config:
    """What to compare.

    Attributes:
        folder: of the recordings.
        accuracy: of OpenSim's tool; its default is 1e-5.
        out: results folder.
    """

    folder: Annotated[Path, tyro.conf.Positional]
    accuracy: float = 1e-7
    out: Path = field(default=Path("results/crosscheck_tracking"))


def run(config: Config) -> dict[str, Any]:
    """Solve, compare, and write."""
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    write_provenance(config.out, config)
    neck = shipped_neck()
    person = calibrate(read_markers(config.folder / "Static.c3d"), neck)
    whole = read_markers(config.folder / "Head_movements.c3d").chosen(person.markers)
    spec = replace(
        person.spec, markers=tuple(m for m in person.spec.markers if m.name in person.markers)
    )
    model = Model.from_spec(spec)
    task = InverseKinematics.of(
        model, person.markers, coordinate_weight=TASK, share_weight=0.0, orientation_weight=1.0
    )
    started = time.perf_counter()
    everything = _solve(task, model, whole.position)
    first = time.perf_counter() - started
    rates = []
    for _ in range(3):
        started = time.perf_counter()
        _solve(task, model, whole.position)
        rates.append(len(whole.time) / (time.perf_counter() - started))
    shared = _solve(InverseKinematics.of(model, person.markers), model, whole.position)

    rows, curves, differences, errors, seconds, frames = [], [], [], [], 0.0, 0
    for published in read_motions(config.folder, neck, 6.0):
        start, end = published.time[0], published.time[-1]
        part = whole.between(float(start), float(end))
        theirs = opensim_inverse_kinematics(
            spec, part, coordinate_weight=TASK, accuracy=config.accuracy
        )
        seconds, frames = seconds + theirs.seconds, frames + len(part.time)
        at = np.flatnonzero((whole.time >= start - 1e-9) & (whole.time <= end + 1e-9))
        ours_q = np.asarray(everything.q)[at]
        differences.append(np.degrees(ours_q - theirs.motion.q))
        ours_error = np.sqrt(np.mean(everything.marker_error[at] ** 2, axis=1))
        errors.append(np.column_stack([ours_error, theirs.marker_error]))
        ours = np.degrees(head_turns(model, np.asarray(shared.q)[at]))
        same = np.column_stack([np.interp(part.time, published.time, c) for c in published.q.T])
        author = np.degrees(head_turns(Model.from_spec(neck), same))
        main = int(np.argmax(np.ptp(author, axis=0)))
        correlation = float(np.corrcoef(ours[:, main], author[:, main])[0, 1])
        ranges = float(np.ptp(ours[:, main])), float(np.ptp(author[:, main]))
        rows.append((published.name, ("pitch", "roll", "yaw")[main], *ranges, correlation))
        curves.append((published.name, part.time, ours[:, main], author[:, main]))

    rms = np.sqrt(np.mean(np.concatenate(differences) ** 2, axis=0))
    error = np.concatenate(errors)
    found = {
        "coordinate_rms_deg": dict(zip(spec.free_coordinates, rms.tolist(), strict=True)),
        "marker_error_mm": (1e3 * error.mean(axis=0)).tolist(),
        "frames_per_second": float(np.median(rates)),
        "opensim_frames_per_second": frames / seconds,
        "first_run_s": first,
        "frames": len(whole.time),
    }
    _write(config, found, rows, curves)
    return found


def _solve(task: InverseKinematics, model: Model, position: np.ndarray) -> Pose:
    """All frames, shared among all devices."""
    devices = jax.devices()
    more = -len(position) % (len(devices) * BATCH)
    filled = np.concatenate([position, np.repeat(position[-1:], more, axis=0)])
    mesh = jax.make_mesh((len(devices),), ("frames",), axis_types=(jax.sharding.AxisType.Auto,))
    pose = _all_frames(task, model, jnp.asarray(filled), mesh)
    return jax.tree.map(lambda x: np.asarray(x)[: len(position)], pose)


@eqx.filter_jit
def _all_frames(
    task: InverseKinematics, model: Model, seen: jax.Array, mesh: jax.sharding.Mesh
) -> Pose:
    across = jax.sharding.PartitionSpec("frames")

    def part(seen: jax.Array) -> Pose:
        return jax.lax.map(lambda frame: task(model, frame), seen, batch_size=BATCH)

    return jax.shard_map(part, mesh=mesh, in_specs=across, out_specs=across, check_vma=False)(seen)


def _write(config: Config, found: dict[str, Any], rows: list, curves: list) -> None:
    ratio = found["frames_per_second"] / found["opensim_frames_per_second"]
    ours, theirs = found["marker_error_mm"]
    lines = [
        "# Inverse kinematics",
        "",
        "| coordinate | RMS difference from OpenSim's tool (deg) |",
        "|---|---|",
        *(f"| {n} | {x:.4f} |" for n, x in found["coordinate_rms_deg"].items()),
        "",
        f"Marker error, mean of each frame's RMS: {ours:.4f} mm, OpenSim {theirs:.4f} mm.",
        "",
        f"{found['frames_per_second']:.0f} frames/s, "
        f"OpenSim {found['opensim_frames_per_second']:.1f}: "
        f"{ratio:.0f} times; compilation and {found['frames']} frames "
        f"{found['first_run_s']:.1f} s.",
        "",
        "Head against torso, with the natural share between lower and upper neck, against the "
        "solution its author published (another scaled model without a weak task, of which only "
        "the head's whole turn can be compared):",
        "",
        "| movement | main component | range (deg) | published (deg) | correlation |",
        "|---|---|---|---|---|",
        *(f"| {n} | {a} | {x:.1f} | {y:.1f} | {c:.4f} |" for n, a, x, y, c in rows),
    ]
    (config.out / "README.md").write_text("\n".join(lines) + "\n")
    Console().print("\n".join(lines))
    with (config.out / "angles.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["movement", "time_s", "ours_deg", "published_deg"])
        for name, times, a, b in curves:
            writer.writerows([name, *row] for row in np.column_stack([times, a, b]).tolist())
    figure, axes = plt.subplots(2, 2, figsize=(10, 6), layout="constrained")
    for axis, (name, times, a, b) in zip(axes.flat, curves, strict=False):
        axis.plot(times, a, label="cervjax")
        axis.plot(times, b, "--", label="published")
        axis.set(title=name, xlabel="time (s)", ylabel="turn of the head (deg)")
    axes.flat[0].legend()
    figure.savefig(config.out / "angles.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    run(tyro.cli(Config))
