"""What damaged files once did, each as small as it can be."""

import numpy as np
import pytest

from cervjax.assessment import Envelope
from cervjax.learning.export import read_portable
from cervjax.learning.novelty import Novelty
from cervjax.motion.recordings import read_markers
from cervjax.people import Sex
from cervjax.spec import Body, shipped_neck
from cervjax.spec.tables import read_tables
from cervjax.spec.validation import validate
from conversion import read_osim


def test_osim_files_nested_without_end(tmp_path):
    """OpenSim's XML parser recurses: it took the whole program with it."""
    path = tmp_path / "deep.osim"
    depth = 100_000
    path.write_text("<OpenSimDocument>" + "<a>" * depth + "</a>" * depth + "</OpenSimDocument>")
    with pytest.raises(ValueError, match=r"deep\.osim"):
        read_osim(path)
    # And the next file is read all the same.
    (tmp_path / "empty.osim").write_text("")
    with pytest.raises(ValueError, match=r"empty\.osim"):
        read_osim(tmp_path / "empty.osim")


def test_osim_functions_without_coefficients(tmp_path):
    from conversion import write_osim

    write_osim(shipped_neck(), tmp_path / "neck.osim")
    text = (tmp_path / "neck.osim").read_text()
    start = text.index("<coefficients>")
    end = text.index("</coefficients>")
    (tmp_path / "neck.osim").write_text(text[:start] + "<coefficients>" + text[end:])
    with pytest.raises(ValueError, match=r"neck\.osim"):
        read_osim(tmp_path / "neck.osim")


@pytest.mark.parametrize("at", [0, 1, 3, 8, 20])
def test_c3d_headers_that_are_cut_or_wrong(tmp_path, at):
    """Its reader crashed, or asked for all memory."""
    path = tmp_path / "bad.c3d"
    content = bytearray(b"\x02\x50" + b"\xff" * 1022)
    content[at] = 0
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"bad\.c3d"):
        read_markers(path)


def test_archives_whose_directory_points_before_the_file(good, copied):
    """`zipfile` seeks to a negative place, an OSError without a file."""
    path = copied(good / "novelty.npz")
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\x05\x06")
    data[end + 16 : end + 20] = b"\xff\xff\xff\x7f"
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"novelty\.npz"):
        Novelty.read(path)


def test_tables_cut_inside_quotes(good, copied):
    folder = copied(good / "neck")
    path = folder / "axes.csv"
    path.write_text(path.read_text()[: path.read_text().index('"') + 5])
    with pytest.raises(ValueError, match=r"axes\.csv"):
        read_tables(folder)


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "envelope.npz", measured=np.array([{}], object), about=np.array("{}"))
    with pytest.raises(ValueError, match=r"envelope\.npz"):
        Envelope.load(tmp_path / "envelope.npz")


def test_what_is_no_exported_network(tmp_path):
    import zipfile

    for name, content in (("network.jax", b"none"), ("about.json", b"[]")):
        with zipfile.ZipFile(tmp_path / "net.zip", "w") as file:
            file.writestr("about.json", content if name == "about.json" else b"{}")
            file.writestr("network.jax", b"\x00" * 40)
        with pytest.raises(ValueError, match=r"net\.zip"):
            read_portable(tmp_path / "net.zip")


def test_an_envelope_with_a_changed_number(tmp_path):
    envelope = Envelope.of(40.0, Sex.FEMALE)
    envelope.save(tmp_path / "envelope.npz")
    with np.load(tmp_path / "envelope.npz") as stored:
        arrays = dict(stored.items())
    arrays["measured"][0, 0, 0] *= 0.5
    np.savez(tmp_path / "envelope.npz", **arrays)
    with pytest.raises(ValueError, match="edited after it was written"):
        Envelope.load(tmp_path / "envelope.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: {"mass": -1.0}, "mass"),
        (lambda b: {"mass": 1e308}, "mass"),
        (lambda b: {"inertia": (-1.0, 1.0, 1.0, 0.0, 0.0, 0.0)}, "which no body has"),
        (lambda b: {"inertia": (0.1, 0.1, 0.1, 0.5, 0.0, 0.0)}, "which no body has"),
        (lambda b: {"mass_center": (0.0, 1e6, 0.0)}, "beyond"),
    ],
)
def test_bodies_that_cannot_be(change, message):
    import dataclasses

    neck = shipped_neck()
    skull = next(b for b in neck.bodies if b.name == "skull")
    others = tuple(b for b in neck.bodies if b.name != "skull")
    wrong = dataclasses.replace(skull, **change(skull))
    with pytest.raises(ValueError, match=message):
        validate(dataclasses.replace(neck, bodies=(*others, wrong)))


def test_models_without_mass_and_muscles_of_any_strength():
    import dataclasses

    neck = shipped_neck()
    light = tuple(Body(b.name, 0.0, b.mass_center, b.inertia) for b in neck.bodies)
    with pytest.raises(ValueError, match="no body has a mass"):
        validate(dataclasses.replace(neck, bodies=light))
    strong = dataclasses.replace(neck.muscles[0], max_isometric_force=1e308)
    with pytest.raises(ValueError, match="max_isometric_force"):
        validate(dataclasses.replace(neck, muscles=(strong, *neck.muscles[1:])))
