import dataclasses
import json

import pytest
from hypothesis import given, settings, strategies as st

from cervjax.spec import (
    Constant,
    LinearFunction,
    MultiplierFunction,
    PiecewiseLinearFunction,
    PolynomialFunction,
    SimmSpline,
    ThelenCurves,
    affine_form,
    read_tables,
    shipped_neck,
    write_tables,
)
from cervjax.spec.functions import function_from_dict, function_to_dict

number = st.floats(-1e6, 1e6, allow_nan=False)
knots = st.lists(number, min_size=2, max_size=5, unique=True).map(sorted)


@st.composite
def splines(draw, kind):
    x = draw(knots)
    return kind(tuple(x), tuple(draw(number) for _ in x))


plain = st.one_of(
    st.builds(Constant, number),
    st.builds(LinearFunction, st.tuples(number, number)),
    st.builds(PolynomialFunction, st.lists(number, min_size=1, max_size=5).map(tuple)),
    splines(SimmSpline),
    splines(PiecewiseLinearFunction),
)
functions = st.one_of(plain, st.builds(MultiplierFunction, plain, number))


@given(functions)
def test_functions_survive_json_exactly(function):
    text = json.dumps(function_to_dict(function))
    assert function_from_dict(json.loads(text)) == function


def test_an_unknown_function_is_named():
    with pytest.raises(ValueError, match="GCVSpline"):
        function_from_dict({"type": "GCVSpline"})


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (Constant(3.0), (0.0, 3.0)),
        (LinearFunction((2.0, 1.0)), (2.0, 1.0)),
        (PolynomialFunction((4.0,)), (0.0, 4.0)),
        (PolynomialFunction((2.0, 4.0)), (2.0, 4.0)),
        (PolynomialFunction((1.0, 2.0, 4.0)), None),
        (SimmSpline((0.0, 2.0), (1.0, 5.0)), (2.0, 1.0)),
        (SimmSpline((0.0, 1.0, 2.0), (0.0, 1.0, 2.0)), None),
        (MultiplierFunction(LinearFunction((2.0, 1.0)), -0.5), (-1.0, -0.5)),
    ],
)
def test_affine_form(function, expected):
    assert affine_form(function) == expected


def test_a_shipped_neck_survives_its_tables_exactly(tmp_path, neck):
    write_tables(neck, tmp_path)
    assert read_tables(tmp_path) == neck


def test_thelen_muscles_survive_their_tables(tmp_path):
    spec = shipped_neck()
    thelen = dataclasses.replace(spec.muscles[0], curves=ThelenCurves(Flen=1.5))
    spec = dataclasses.replace(spec, muscles=(thelen, *spec.muscles[1:]))
    write_tables(spec, tmp_path)
    assert read_tables(tmp_path) == spec


@settings(max_examples=8, deadline=None)
@given(mass=st.floats(0, 1e3), x=st.floats(-1, 1, allow_subnormal=True))
def test_numbers_survive_tables_exactly(tmp_path_factory, mass, x):
    spec = shipped_neck()
    body = dataclasses.replace(spec.bodies[0], mass=mass, mass_center=(x, -x, 0.0))
    spec = dataclasses.replace(spec, bodies=(body, *spec.bodies[1:]))
    folder = tmp_path_factory.mktemp("tables")
    write_tables(spec, folder)
    assert read_tables(folder) == spec


def test_missing_tables_are_named(tmp_path):
    (tmp_path / "neck.toml").write_text('name = "x"\ngravity = [0, 0, 0]\n')
    with pytest.raises(FileNotFoundError, match=r"bodies\.csv"):
        read_tables(tmp_path)
