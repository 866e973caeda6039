import dataclasses
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from cervjax import commands
from cervjax.assessment import MEASURES, changes
from cervjax.assessment.directions import rotation_of
from cervjax.assessment.forces import NetworkForces
from cervjax.motion import read_storage, write_storage
from cervjax.motion.recordings import SensorProtocol, write_trc
from cervjax.motion.recordings.orientation_csv import COLUMNS
from cervjax.report.page import REPORT_FORMAT, write_report
from cervjax.report.session import Session, assess_file
from tests.assessment.conftest import RATE

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def written(assessment, tmp_path_factory):
    """Of a recording whose name is an attack, with changes since an earlier session, and what a
    network said."""
    forces = assessment.forces
    network = NetworkForces("net<1>", forces.time, 1.1 * forces.group_force, 0.25)
    evil = dataclasses.replace(
        assessment, source='<script>alert("x")</script>.trc', network=network
    )
    values = assessment.findings.values
    found = changes(0.7 * values, values, assessment.findings.envelope)
    page, data = write_report(evil, tmp_path_factory.mktemp("report"), changes=found, rotating=True)
    return page, page.read_text(encoding="utf-8"), json.loads(data.read_text(encoding="utf-8"))


def test_the_page_stands_alone(written):
    """Nothing is loaded from elsewhere; names are escaped; no script."""
    _, text, _ = written
    assert "<script" not in text
    assert "&lt;script&gt;alert" in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]+"', text)
    assert not re.findall(r"url\((?!#)", text)
    assert text.count("research tool, not a medical device") == 2
    assert text.count("<svg") >= 5
    for sentence in ("Static optimization", "Left rotation ends", "Christensen"):
        assert sentence.lower() in text.lower()


def test_the_json_says_the_same(written, assessment):
    _, text, data = written
    assert data["not_a_medical_device"] is True
    assert data["regions"][0] == "left rotation"
    worst = data["deficits"][0]
    assert worst["sentence"] in text.replace("&#39;", "'")
    assert worst["interval"][0] <= worst["value"] <= worst["interval"][1]
    index = [m.name for m in MEASURES].index("range: flexion")
    stored = next(m for m in data["measures"] if (m["kind"], m["region"]) == ("range", "flexion"))
    assert stored["value"] == pytest.approx(np.degrees(assessment.findings.values[index]), rel=1e-3)
    assert stored["healthy"]["5 %"] < stored["healthy"]["50 %"] < stored["healthy"]["95 %"]
    assert any(c["beyond_day_to_day"] for c in data["changes"])
    forces = data["forces"]
    assert forces["joints"]["C7-T1"]["compression"]["peak"] > 40
    group = forces["groups"]["splenius, left"]
    assert len(group["force"]) == len(forces["time"]) == forces["frames_compared"]
    assert max(group["force"]) == group["peak"]
    assert group["network_peak"] == pytest.approx(1.1 * group["peak"], rel=1e-3)
    assert forces["network"] == {"name": "net<1>", "novel_frames": 0.25}
    assert "net&lt;1&gt;" in text
    assert min(data["trajectory"]["left_rotation_deg"]) < -50


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_it(written, tmp_path):
    """A screenshot has text, colours and pictures: not a blank page, nor one of errors."""
    page, _, _ = written
    shot = tmp_path / "page.png"
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run")
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
    subprocess.run(
        [
            str(CHROMIUM),
            *flags,
            *quiet,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1050,4000",
            f"--screenshot={shot}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    from PIL import Image

    image = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    assert image.shape == (4000, 1050, 3)
    dark = (image.max(axis=2) < 100).mean(axis=1)
    assert (dark > 0).mean() > 0.4
    colourful = (image.max(axis=2) - image.min(axis=2)) > 60
    # Every part of the page has its picture: ranges, path, necks, forces.
    for part in np.array_split(colourful, 4):
        assert part.mean() > 0.0002


def test_a_file_to_a_report_and_a_second_session(recording, worn, tmp_path):
    """Without a static trial the stillest second of the beginning is taken."""
    write_trc(tmp_path / "exam.trc", recording)
    session = Session(tmp_path / "exam.trc", forces=False)
    person = {"sex": "female", "age": 40.0}
    files, first = assess_file(session, person, worn, tmp_path / "one")
    assert {f.name for f in files} == {"report.html", "report.json", "motion.sto"}
    assert first.findings.regions[0] == "left rotation"
    motion = read_storage(tmp_path / "one" / "motion.sto")
    np.testing.assert_allclose(motion.data, first.motion.q, atol=1e-9)
    again = dataclasses.replace(session, earlier=tmp_path / "one" / "report.json")
    assess_file(again, person, worn, tmp_path / "two")
    data = json.loads((tmp_path / "two" / "report.json").read_text())
    assert len(data["changes"]) > 7
    assert not any(c["beyond_day_to_day"] for c in data["changes"])
    assert "No static trial was given" in " ".join(data["quality"]["warnings"])


def test_coordinates_and_sensors_get_a_page_too(assessment, examination, worn, tmp_path):
    """The same restriction from a .sto and from a CSV of quaternions; old results do not stay."""
    person = {"sex": "female", "age": 40.0}
    write_storage(tmp_path / "motion.sto", assessment.motion.to_storage())
    head = rotation_of(examination).as_quat(scalar_first=True)
    torso = np.tile([1.0, 0.0, 0.0, 0.0], (len(head), 1))
    rows = np.column_stack([np.arange(len(head)) / RATE, torso, head])
    np.savetxt(
        tmp_path / "imu.csv", rows, delimiter=",", header=",".join(COLUMNS), comments="", fmt="%.9g"
    )
    for name, up in (("motion.sto", None), ("imu.csv", "y")):
        out = tmp_path / name.partition(".")[0]
        out.mkdir()
        (out / "StaticOptimization_force.sto").write_text("of another run")
        sensors = SensorProtocol()
        if up is not None:
            sensors = SensorProtocol(convention="sensor-to-ground", mounting="x")
        session = Session(tmp_path / name, up=up, sensors=sensors, forces=False)
        _, found = assess_file(session, person, worn, out)
        assert found.findings.regions[0] == "left rotation"
        assert "Left rotation ends" in (out / "report.html").read_text(encoding="utf-8")
        assert not (out / "StaticOptimization_force.sto").exists()


def test_bad_files_leave_nothing_behind(recording, worn, tmp_path):
    write_trc(tmp_path / "exam.trc", recording)
    out = tmp_path / "out"
    person = {"sex": "female", "age": 40.0}
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty.c3d").write_bytes(b"")
    (tmp_path / "wrong.json").write_text("{}")
    other = {"sex": "male", "age": 30.0}
    earlier = {
        "format": REPORT_FORMAT,
        "measures": [],
        "person": other,
        "envelope": {"identity": ""},
    }
    (tmp_path / "other.json").write_text(json.dumps(earlier))
    with (tmp_path / "huge.trc").open("wb") as file:
        file.truncate(5 * 2**30)
    for session, text in (
        (Session(tmp_path / "none.trc"), "no recording"),
        (Session(tmp_path / "notes.txt"), "is none of"),
        (Session(tmp_path / "empty.c3d"), "can't be read"),
        (Session(tmp_path / "huge.trc"), r"5\.0 GiB"),
        (Session(tmp_path / "exam.trc", earlier=tmp_path / "wrong.json"), "not a report.json"),
        (Session(tmp_path / "exam.trc", start=1e3, end=2e3), "no frame between"),
        (
            Session(tmp_path / "exam.trc", sensors=SensorProtocol(neutral=(0.0, 1.0))),
            "neutral: of sensors",
        ),
        (Session(tmp_path / "exam.trc", earlier=tmp_path / "other.json"), "of somebody male"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=text):
            assess_file(session, person, worn, out)
    assert not out.exists()


def test_the_command(capsys, tmp_path):
    """Errors are one line and exit code 2."""
    arguments = ["assess", "none.trc", "--person", "sex=male", "age=30", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as stopped:
        commands.main(arguments)
    assert stopped.value.code == 2
    assert "no recording at none.trc" in capsys.readouterr().err


def test_the_recorded_trial_is_within_the_healthy_band(data, tmp_path):
    """One healthy subject of unknown age, from whom norms of speed and coupling were chosen:
    nothing is called limited, nothing is lost."""
    from cervjax import shipped_neck

    folder = data / "head_motion"
    session = Session(folder / "Head_movements.c3d", static=folder / "Static.c3d", forces=False)
    _, found = assess_file(session, {"sex": "male", "age": 30.0}, shipped_neck(), tmp_path)
    assert found.quality.lost < 0.01
    assert max(found.quality.marker_error.values()) < 0.008
    assert not found.findings.deficits
    assert not found.findings.missing
