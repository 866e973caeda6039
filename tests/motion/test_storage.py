import numpy as np
import opensim
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from cervjax.motion import Storage, read_storage, write_storage

names = st.lists(
    st.text("abcdefghijklmnopqrstuvwxyz_/|0123456789", min_size=1, max_size=12),
    min_size=1,
    max_size=5,
    unique=True,
).filter(lambda columns: "time" not in columns)


@st.composite
def tables(draw):
    columns = tuple(draw(names))
    rows = draw(st.integers(1, 6))
    values = st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False)
    data = draw(hnp.arrays(float, (rows, len(columns)), elements=values))
    start = draw(st.floats(-10, 10))
    step = draw(st.floats(1e-3, 10))
    return Storage("table", columns, start + step * np.arange(rows), data, draw(st.booleans()))


@settings(deadline=None, max_examples=50)
@given(tables())
def test_a_table_survives_its_file(tmp_path_factory, table):
    """To the twelve digits that are written."""
    path = tmp_path_factory.mktemp("sto") / "table.sto"
    write_storage(path, table)
    read = read_storage(path)
    assert (read.columns, read.in_degrees) == (table.columns, table.in_degrees)
    np.testing.assert_allclose(read.time, table.time, rtol=1e-11)
    np.testing.assert_allclose(read.data, table.data, rtol=1e-11)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_clear_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("sto") / "junk.sto"
    path.write_bytes(b"junk\nendheader\ntime\ta\n" + content)
    try:
        table = read_storage(path)
    except ValueError as error:
        assert "junk.sto" in str(error)  # noqa: PT017
    else:
        assert np.all(np.isfinite(table.data))


def test_opensim_reads_what_is_written(tmp_path):
    path = tmp_path / "table.sto"
    data = np.array([[1.5, -2.25], [1e-9, 3.0]])
    write_storage(path, Storage("my table", ("a", "b"), np.array([0.0, 0.5]), data))
    table = opensim.TimeSeriesTable(str(path))
    assert tuple(table.getColumnLabels()) == ("a", "b")
    np.testing.assert_allclose(table.getDependentColumn("a").to_numpy(), data[:, 0])
    storage = opensim.Storage(str(path))
    assert storage.getSize() == 2


def _write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("name\nnRows=1\ntime\ta\n0\t1\n", "endheader"),
        ("name\nendheader\ntime\ta\n", "no rows"),
        ("name\nendheader\nt\ta\n0\t1\n", "first column is 't'"),
        ("name\nendheader\ntime\ta\ta\n0\t1\t1\n", r"two columns named \['a'\]"),
        ("name\nendheader\ntime\ta\n0\t1\n1\n", "data row 2 has 1 values"),
        ("name\nendheader\ntime\ta\n0\tx\n", "not a number"),
        ("name\nendheader\ntime\ta\n0\t1\n1\tnan\n", "column 'a' is nan in data row 2"),
        ("name\nendheader\ntime\ta\n0\tinf\n", "column 'a' is inf in data row 1"),
        ("name\nendheader\ntime\ta\n0\t1\n0\t2\n", "does not increase at data row 2"),
    ],
)
def test_a_bad_file_is_a_clear_error(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_storage(_write(tmp_path / "bad.sto", text))


@pytest.mark.parametrize(
    ("header", "degrees"),
    [
        ("version=1\ninDegrees=yes", True),
        ("version=1\ninDegrees=y", True),
        ("version=1\ninDegrees=no", False),
        ("version=1", False),
        ("", True),
    ],
)
def test_units_are_those_opensim_takes(tmp_path, header, degrees):
    """Before OpenSim's versioned tables (SIMM's .mot) angles are in degrees."""
    path = _write(
        tmp_path / "x.mot", f"x\n{header}\nnRows=2\nnColumns=2\nendheader\ntime\ta\n0\t1\n1\t2\n"
    )
    assert read_storage(path).in_degrees is degrees
    assert opensim.Storage(str(path)).isInDegrees() is degrees


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.mot"):
        read_storage(tmp_path / "none.mot")


def test_nothing_half_written(tmp_path):
    table = Storage("x", ("a",), np.arange(2.0), np.ones((2, 1)))
    with pytest.raises(FileNotFoundError):
        write_storage(tmp_path / "no folder" / "x.sto", table)
    assert list(tmp_path.iterdir()) == []
