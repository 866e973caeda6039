"""A recording to a report of where movement falls short of healthy people's."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import jax
import tyro
from rich.console import Console

from cervjax.assessment import MAIN, Instruction
from cervjax.motion.recordings import SensorProtocol
from cervjax.report.session import Session, assess_file
from conversion import load_model

from ._arguments import assignments
from ._compilation import keep_compiled


def run(
    recording: Annotated[Path, tyro.conf.Positional],
    person: tuple[str, ...],
    out: Path,
    static: Path | None = None,
    earlier: Path | None = None,
    neck: str = "hyoid-repaired",
    marker_map: Path | None = None,
    up: Literal["x", "y", "z"] | None = None,
    start: float | None = None,
    end: float | None = None,
    sensors: Annotated[SensorProtocol, tyro.conf.arg(name="")] = SensorProtocol(),
    lowpass: float | None = None,
    forces: bool = True,
    network: Path | None = None,
    rotating: bool = False,
    instructed: Literal["fast", "comfortable", "unknown"] = "unknown",
) -> None:
    """A recording to a report of where movement falls short of healthy people's.

    A research tool, not a medical device.

    Args:
        recording: markers (.trc, .c3d), two sensors' quaternions (.csv with the columns time,
            torso_w, torso_x, torso_y, torso_z, head_w, head_x, head_y, head_z), or coordinates
            (.mot, .sto).
        person: what is known, as name=value: sex=female age=34, and stature (m), weight (kg),
            neck_length and other ratios to the model.
        out: folder for report.html, report.json, motion.sto and StaticOptimization_force.sto.
        static: recording of the person standing or sitting still, for markers; the stillest second
            of the first ten if not given.
        earlier: report.json of an earlier session of the same person.
        neck: a shipped neck, or an .osim file with the same markers and groups.
        marker_map: CSV of two columns, the recording's label and the name used here; HYOID's and
            Plug-in-Gait's labels are known.
        up: axis of the laboratory that points up; y for .trc, z for .c3d and .csv.
        start, end: s, the part to assess.
        sensors: for a recording of sensors.
        lowpass: cutoff (Hz); chosen by residual analysis if not given.
        forces: whether to solve for muscle forces.
        network: a trained network; its forces are written beside the solver's.
        rotating: whether the page gets a view of the neck that turns.
        instructed: how fast the person was asked to move. Speed and smoothness are judged only
            where it is known.
    """

    keep_compiled()
    jax.config.update("jax_enable_x64", True)
    described = assignments(person)
    session = Session(
        recording,
        static=static,
        earlier=earlier,
        marker_map=marker_map,
        up=up,
        start=start,
        end=end,
        sensors=sensors,
        lowpass=lowpass,
        forces=forces,
        network=network,
        rotating=rotating,
        instructed=Instruction(instructed),
        own_process=True,
    )
    with Console(stderr=True).status("reading") as status:
        written, assessment = assess_file(
            session, described, load_model(neck), out, lambda note: status.update(note)
        )
    for path in written:
        print(path)
    for warning in assessment.quality.warnings:
        print(f"cervjax: {warning}", file=sys.stderr)
    for deficit in assessment.findings.deficits:
        print(deficit.sentence)
    if not assessment.findings.deficits:
        missing = len(assessment.findings.missing)
        if missing == len(MAIN):
            print("nothing was examined: no movement went straight out from the middle")
        else:
            print(
                f"nothing passes the thresholds; {len(MAIN) - missing} of the six main directions "
                "were examined"
            )
