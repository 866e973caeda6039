"""Damaged bytes in every file that is read: refused in one line that names the file, or read; never
a traceback of another kind, a crash, half a minute, or a gigabyte.

Damage is drawn by Hypothesis from a fixed seed: bytes changed, cut, doubled, put in, numbers and
names replaced. What once went wrong is kept in `test_found.py`.
"""

import time
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st

from cervjax.assessment import Envelope
from cervjax.learning.novelty import Novelty
from cervjax.learning.run_folder import RunFolder
from cervjax.learning.weights import read_weights
from cervjax.motion import Motion, read_storage
from cervjax.motion.recordings import (
    ReadOptions,
    find_reader,
    read_markers,
    read_orientations_csv,
)
from cervjax.people import read_anthropometry
from cervjax.spec import shipped_neck
from cervjax.spec.tables import read_tables

NECK = shipped_neck()
TOKENS = (
    b"nan", b"inf", b"-inf", b"1e308", b"-1e308", b"1e999", b"0", b"-1", b"", b"\x00", b"\xff\xfe",
    b'"', b"'", b"{", b"[", b"]]", b"null", b"true", b"\t\t\t", b"\n\n", b"9" * 40, b"\xf0\x9f\x92",
    b"../../x", b"%s%n", b"<", b"__class__", b"1,2", b"1;2", b"0x10", b"--", b"e", b".", b"1_000",
)  # fmt: skip

places = st.floats(0.0, 1.0, exclude_max=True)
damage = st.lists(
    st.one_of(
        st.tuples(st.just("byte"), places, st.integers(0, 255)),
        st.tuples(st.just("cut"), places, st.integers(1, 400)),
        st.tuples(st.just("end"), places, st.just(0)),
        st.tuples(st.just("double"), places, st.integers(1, 400)),
        st.tuples(st.just("token"), places, st.integers(0, len(TOKENS) - 1)),
        st.tuples(st.just("field"), places, st.integers(0, len(TOKENS) - 1)),
        st.tuples(st.just("lines"), places, places),
    ),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, changes) -> bytes:
    """`data` after changes."""
    for kind, place, how in changes:
        at = int(place * max(len(data), 1))
        if kind == "byte":
            data = data[:at] + bytes([how]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at] + data[at + how :]
        elif kind == "end":
            data = data[:at]
        elif kind == "double":
            data = data[: at + how] + data[at:]
        elif kind == "token":
            data = data[:at] + TOKENS[how] + data[at:]
        elif kind == "field":
            end = at
            while end < len(data) and data[end : end + 1] not in b",\t\n =:":
                end += 1
            data = data[:at] + TOKENS[how] + data[end:]
        else:
            lines = data.split(b"\n")
            one, other = int(place * len(lines)), int(how * len(lines))
            lines[one], lines[other] = lines[other], lines[one]
            data = b"\n".join(lines)
    return data


def _sto(path):
    reader = find_reader(path)
    if reader is not None:
        reader.read(path, ReadOptions())
    else:
        read_storage(path)


READERS = {
    "markers.trc": read_markers,
    "motion.mot": lambda p: Motion.from_storage(read_storage(p), NECK),
    "sensors.csv": read_orientations_csv,
    "sensors.sto": _sto,
    "people.csv": read_anthropometry,
    "envelope.npz": Envelope.load,
    "novelty.npz": Novelty.read,
    "weights.npz": None,
    "neck/neck.toml": lambda p: read_tables(p.parent),
    "neck/muscles.csv": lambda p: read_tables(p.parent),
    "neck/joints.csv": lambda p: read_tables(p.parent),
    "neck/axes.csv": lambda p: read_tables(p.parent),
    "neck/bodies.csv": lambda p: read_tables(p.parent),
    "neck/anatomy.json": lambda p: read_tables(p.parent),
}


def survives(read, path, name):
    """Reads a damaged file; what is raised names the file."""
    held = memory_kib("VmRSS")
    forget_peak()
    began = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except (ValueError, FileNotFoundError) as error:
        said = str(error)
        assert path.name in said or path.parent.name in said, f"{name}: {said}"
        assert "\n" not in said.strip() or "component(s)" in said, said
    assert time.monotonic() - began < 30
    # Growth, not the process's own peak: other tests in it may have compiled something large.
    assert memory_kib("VmHWM") - held < 2**20


STATUS = Path("/proc/self/status")


def memory_kib(name):
    """A figure of this process's memory, KiB; 0 where the system does not say (not Linux)."""
    if not STATUS.exists():
        return 0
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def forget_peak():
    """Begins the process's peak memory (VmHWM) anew."""
    if STATUS.exists():
        STATUS.with_name("clear_refs").write_text("5")


def drawn(examples):
    """So many examples, the same every time, without shrinking."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def _fuzz(good, tmp_path_factory, like, name, examples):
    read = READERS[name] or (lambda p: read_weights(p, like, "run"))
    folder = tmp_path_factory.mktemp("fuzz")
    data = (good / name).read_bytes()
    path = folder / name.rpartition("/")[2]
    if "/" in name:
        for other in (good / "neck").iterdir():
            (folder / other.name).write_bytes(other.read_bytes())

    @seed(20261128)
    @drawn(examples)
    @given(damage)
    def run(changes):
        path.write_bytes(damaged(data, changes))
        survives(read, path, name)

    run()


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_refused_or_read(good, tmp_path_factory, like, name):
    """A few of each: 14 kinds, 210 inputs."""
    _fuzz(good, tmp_path_factory, like, name, 15)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_many_damaged_files_are_refused_or_read(good, tmp_path_factory, like, name):
    """With those below 10,000 inputs."""
    _fuzz(good, tmp_path_factory, like, name, 650)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["Static.c3d"])
def test_damaged_c3d_files(data, tmp_path, file):
    """600 damaged files, half of them in the header, where sizes are."""
    content = (data / "head_motion" / file).read_bytes()
    _native(content, tmp_path / "damaged.c3d", read_markers, 600, 4096)


@pytest.mark.slow
def test_damaged_osim_files(data, tmp_path):
    """400 damaged files of the published neck."""
    from conversion import read_osim

    name = "HYOID_1.2_ScaledStrenght_UpdatedInertia.osim"
    content = (data / "hyoid" / name).read_bytes()
    _native(content, tmp_path / "damaged.osim", read_osim, 400, len(content))


def _native(content, path, read, examples, header):
    @seed(20261128)
    @drawn(examples)
    @given(st.booleans(), damage)
    def run(near, changes):
        part = header / len(content) if near else 1.0
        path.write_bytes(damaged(content, [(k, p * part, h) for k, p, h in changes]))
        survives(read, path, path.name)

    run()


def test_stored_runs_survive_damage(good, tmp_path):
    """A run.json cut at 40 places."""
    run = next((good / "stored").rglob("run.json"))
    data = run.read_bytes()
    for k in range(40):
        (tmp_path / "run.json").write_bytes(data[: k * len(data) // 40])
        with pytest.raises(ValueError, match=r"run\.json"):
            RunFolder(tmp_path).config()
