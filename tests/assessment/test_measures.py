import numpy as np
import pytest
from scipy.integrate import trapezoid

from cervjax.assessment import DIRECTION_VECTORS, DIRECTIONS, MAIN, MEASURES, measure
from cervjax.assessment.directions import rotation_of, turns_of
from cervjax.assessment.measures import excursions
from cervjax.assessment.smoothing import residual_cutoff
from cervjax.assessment.smoothness import spectral_arc_length

RATE = 100.0


def bell(amplitude, duration):
    """Position and speed of a movement of minimum jerk."""
    s = np.linspace(0, 1, round(duration * RATE) + 1)
    place = 10 * s**3 - 15 * s**4 + 6 * s**5
    return amplitude * place, amplitude / duration * (30 * s**2 - 60 * s**3 + 30 * s**4)


def examined(ends, duration=1.0):
    """Out to each end (deg) and back."""
    rest = np.zeros((60, 3))
    parts = [rest]
    for end in np.radians(ends):
        way = bell(1.0, duration)[0][:, None] * end
        parts += [way, np.tile(end, (20, 1)), way[::-1], rest]
    turn = np.concatenate(parts)
    return np.arange(len(turn)) / RATE, turn


def value(values, name):
    return values[[m.name for m in MEASURES].index(name)]


def test_signs_of_turns():
    """Torso: x forwards, y up, z to the right. Extension lifts the nose, bending to the right takes
    the crown to the right, rotation to the left takes the nose to the left."""
    nose, crown = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
    extension, bending, rotation = (rotation_of(np.eye(3)[[k]] * 0.5) for k in range(3))
    assert extension.apply(nose)[0, 1] > 0.4
    assert bending.apply(crown)[0, 2] > 0.4
    assert rotation.apply(nose)[0, 2] < -0.4
    turn = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    np.testing.assert_allclose(turns_of(rotation_of(turn)), turn, atol=1e-12)


def test_directions_are_named_for_what_they_are():
    assert DIRECTIONS[:6] == MAIN
    assert len(set(DIRECTIONS)) == 26
    np.testing.assert_allclose(np.linalg.norm(DIRECTION_VECTORS, axis=1), 1.0)
    at = DIRECTIONS.index("flexion with left bending and right rotation")
    np.testing.assert_array_equal(np.sign(DIRECTION_VECTORS[at]), [-1, -1, -1])


@pytest.mark.parametrize("size", [0.1, 7.0])
def test_spectral_arc_length_is_the_outline_of_the_spectrum(size):
    """The transform written out as integrals on a fine grid: 1 %, the grid of the FFT."""
    _, speed = bell(size, 1.2)
    time = np.arange(len(speed)) / RATE
    frequency = np.linspace(0, 10, 8001)
    wave = np.exp(-2j * np.pi * frequency[:, None] * time)
    magnitude = np.abs(trapezoid(speed * wave, time, axis=1))
    magnitude /= magnitude[0]
    above = np.flatnonzero(magnitude >= 0.05)
    outline, at = magnitude[: above[-1] + 1], frequency[: above[-1] + 1]
    length = np.sum(np.hypot(np.diff(at) / at[-1], np.diff(outline)))
    assert spectral_arc_length(speed, RATE) == pytest.approx(-length, rel=0.01)


def test_jerky_movements_are_less_smooth():
    _, speed = bell(1.0, 1.2)
    time = np.arange(len(speed)) / RATE
    jerky = speed * (1 + 0.5 * np.sin(2 * np.pi * 4 * time))
    assert spectral_arc_length(jerky, RATE) < spectral_arc_length(speed, RATE) - 0.3
    with pytest.raises(ValueError, match="3 frames"):
        spectral_arc_length(speed[:3], RATE)


def test_range_speed_and_coupling_of_a_known_examination():
    """Ends to 0.1 deg; peak speed 1.875 times amplitude over duration, to 0.5 %."""
    ends = [[-50, 0, 0], [60, 0, 0], [0, -40, 20], [0, 35, 0], [0, 0, 70], [0, 0, -55]]
    time, turn = examined(ends)
    values = measure(time, turn)
    ranges = np.degrees([value(values, f"range: {d}") for d in MAIN])
    np.testing.assert_allclose(ranges, [50, 60, 40, 35, 70, 55], atol=0.1)
    speed = np.degrees(value(values, "speed: flexion"))
    assert speed == pytest.approx(1.875 * 50, rel=0.005)
    assert np.degrees(value(values, "range asymmetry: rotation")) == pytest.approx(15, abs=0.1)
    assert value(values, "speed asymmetry: rotation") == pytest.approx(np.log(70 / 55), rel=0.01)
    coupling = np.degrees(value(values, "coupling: left bending"))
    assert coupling == pytest.approx(np.degrees(np.arctan2(20, 40)), abs=0.1)
    between = [k for k, m in enumerate(MEASURES) if m.kind == "range" and m.region not in MAIN]
    assert np.isnan(values[between]).sum() >= 19


def test_directions_between_count_where_they_were_tried():
    main = [[-50, 0, 0], [60, 0, 0], [0, 0, 70], [0, 0, -70]]
    time, turn = examined([*main, [35, 0, 40]])
    values = measure(time, turn)
    assert np.degrees(value(values, "range: extension with left rotation")) == pytest.approx(
        np.hypot(35, 40), abs=0.2
    )
    time, turn = examined([*main, [12, 0, 13]])
    assert np.isnan(value(measure(time, turn), "range: extension with left rotation"))


def test_frames_that_do_not_count_tell_nothing():
    time, turn = examined([[0, 0, 70], [0, 0, -60]])
    assert len(excursions(time, turn)) == 2
    valid = time < 3.5
    values = measure(time, turn, valid)
    assert np.isfinite(value(values, "range: left rotation"))
    assert np.isnan(value(values, "range: right rotation"))


def test_the_cutoff_follows_the_noise():
    """Little noise keeps more of the movement."""
    time, turn = examined([[0, 0, 70], [0, 0, -60]], duration=0.5)
    rng = np.random.default_rng(0)
    quiet, loud = (
        residual_cutoff(turn + s * rng.normal(size=turn.shape), RATE) for s in (1e-4, 1e-2)
    )
    assert 3.0 <= loud < quiet <= 10.0
    assert len(time) == len(turn)


def test_a_sweep_through_the_middle_tells_no_speed_of_one_side():
    """To the left from rest, straight through to the right, back: as far and as smoothly on both
    sides, yet the way to the right begins in full movement. Its speed is not compared."""

    def way(begin, end, duration):
        part = np.linspace(0.0, 1.0, round(100 * duration))
        return begin + (end - begin) * part**3 * (10 - 15 * part + 6 * part**2)

    rest = np.zeros(80)
    left = [rest, way(0, 70, 1.2), way(70, -70, 1.6), way(-70, 0, 1.2), rest]
    for sign in (1, -1):
        rotation = sign * np.radians(np.concatenate(left))
        turn = np.column_stack([np.zeros_like(rotation), np.zeros_like(rotation), rotation])
        values = measure(np.arange(len(turn)) / 100, turn)
        begun, swept = ("left", "right") if sign > 0 else ("right", "left")
        assert value(values, f"range: {begun} rotation") == pytest.approx(np.radians(70), abs=1e-2)
        assert value(values, f"range: {swept} rotation") == pytest.approx(np.radians(70), abs=1e-2)
        # The peak of a minimum-jerk movement is 1.875 times its mean.
        fastest = 1.875 * np.radians(70) / 1.2
        assert value(values, f"speed: {begun} rotation") == pytest.approx(fastest, rel=0.02)
        assert np.isnan(value(values, f"speed: {swept} rotation"))
        assert np.isnan(value(values, "speed asymmetry: rotation"))
