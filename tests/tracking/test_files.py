import dataclasses
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import opensim
import pytest

from cervjax.motion.recordings import MARKER_MAPS, MarkerRecording, read_markers, write_trc


@pytest.fixture
def recording():
    rng = np.random.default_rng(0)
    position = rng.normal(size=(40, 3, 3))
    position[5:8, 1] = np.nan
    return MarkerRecording("r", ("LAH", "RAH", "SJN"), 0.5 + np.arange(40) / 100, position)


def test_trc_files_are_read_by_opensim_and_read_back(recording, tmp_path):
    """To the nine digits of millimeters that are written."""
    path = tmp_path / "one.trc"
    write_trc(path, recording)
    back = read_markers(path)
    assert back.markers == recording.markers
    np.testing.assert_allclose(back.time, recording.time, atol=1e-12)
    np.testing.assert_allclose(back.position, recording.position, atol=1e-8)
    theirs = opensim.TimeSeriesTableVec3(str(path))
    assert theirs.getColumnLabels() == recording.markers
    for row in (0, 6, 39):
        values = theirs.getRowAtIndex(row)
        for k in range(3):
            at = [1e-3 * values[k][i] for i in range(3)]
            np.testing.assert_allclose(at, recording.position[row, k], atol=1e-8)


def _write_c3d(path: Path, position: np.ndarray) -> None:
    import ezc3d

    content = ezc3d.c3d()
    content["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    content["parameters"]["POINT"]["RATE"]["value"] = [100]
    content["parameters"]["POINT"]["LABELS"]["value"] = ["A:LAH", "A:RAH", "*101"]
    points = np.ones((4, 3, 40))
    # As programs write what cameras did not see: zeros, with a negative residual.
    points[:3] = np.nan_to_num(1e3 * np.moveaxis(position, 0, 2).swapaxes(0, 1))
    content["data"]["points"] = points
    residuals = np.zeros((1, 3, 40))
    residuals[0, 1, 5:8] = -1
    content["data"]["meta_points"]["residuals"] = residuals
    content.write(str(path))


def test_c3d_files_turn_upright_and_keep_their_gaps(recording, tmp_path):
    """Laboratory z is up: a marker straight above another is so in y. float32 of the file: 1e-6."""
    path = tmp_path / "one.c3d"
    # In a process of its own: after the writer (not the reader) of ezc3d has run, OpenSim refuses
    # a StdVectorInt, as both are made by SWIG and share its table of types.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        pool.submit(_write_c3d, path, recording.position).result()
    read = read_markers(path)
    assert read.markers == ("LAH", "RAH")
    assert read.rate == pytest.approx(100)
    x, y, z = np.moveaxis(recording.position[:, :2], 2, 0)
    np.testing.assert_allclose(read.position, np.stack([x, z, -y], axis=2), atol=1e-6)
    assert np.array_equal(read.seen[:, 1], recording.seen[:, 1])
    sideways = read_markers(path, up="y")
    np.testing.assert_allclose(sideways.position, recording.position[:, :2], atol=1e-6)


def test_short_gaps_are_bridged_and_long_ones_left(recording):
    position = np.stack([np.sin(recording.time + k) for k in range(9)], axis=1).reshape(40, 3, 3)
    whole = dataclasses.replace(recording, position=position)
    gappy = position.copy()
    gappy[5:8, 1] = np.nan
    gappy[20:35, 2] = np.nan
    filled = dataclasses.replace(recording, position=gappy).filled(0.05)
    np.testing.assert_allclose(filled.position[5:8, 1], position[5:8, 1], atol=2e-4)
    assert np.array_equal(np.isnan(filled.position[:, 2, 0]), np.isnan(gappy[:, 2, 0]))
    shaking = 0.01 * np.sin(2 * np.pi * 40 * recording.time)[:, None, None]
    smooth = dataclasses.replace(filled, position=filled.position + shaking).lowpass(10.0)
    np.testing.assert_allclose(smooth.position[10:18], whole.position[10:18], atol=2e-3)
    assert np.array_equal(smooth.seen, filled.seen)


def test_names_of_other_protocols(recording):
    named = dataclasses.replace(recording, markers=("LFHD", "C7", "ELBOW"))
    mapped = named.mapped(MARKER_MAPS["plug-in-gait"])
    assert mapped.markers == ("LAH", "CV7")
    np.testing.assert_array_equal(mapped.position, recording.position[:, :2])
    with pytest.raises(ValueError, match="has none of the markers LFHD"):
        recording.mapped(MARKER_MAPS["plug-in-gait"])
    with pytest.raises(ValueError, match="has no marker NOSE"):
        recording.chosen(["NOSE"])
    with pytest.raises(ValueError, match="no frame between 9 and 10 s"):
        recording.between(9, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("PathFileType", "Path"), "does not begin as a .trc"),
        (lambda t: t.replace("\tmm\t", "\tfeet\t"), "units are 'feet'"),
        (lambda t: "\n".join(t.splitlines()[:5]) + "\n", "does not begin"),
        (lambda t: "\n".join(t.splitlines()[:6]) + "\n", "no frames"),
        (lambda t: t.replace("\n2\t0.51\t", "\n2\tsoon\t"), "line 8"),
        (lambda t: t.replace("\n2\t0.51\t", "\n2\t0.5\t"), "times do not increase"),
        (lambda t: t.replace("LAH", "RAH"), "two markers are named RAH"),
    ],
)
def test_damaged_trc_files_are_refused(recording, tmp_path, change, message):
    path = tmp_path / "one.trc"
    write_trc(path, recording)
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=message):
        read_markers(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no marker file"):
        read_markers(tmp_path / "none.trc")
    (tmp_path / "one.csv").write_text("a")
    with pytest.raises(ValueError, match=r"no \.trc or \.c3d"):
        read_markers(tmp_path / "one.csv")
    (tmp_path / "one.c3d").write_text("no such thing")
    with pytest.raises(ValueError, match=r"can't be read as \.c3d"):
        read_markers(tmp_path / "one.c3d")
