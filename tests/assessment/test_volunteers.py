"""Recordings of people of another laboratory, who are not ill as far as is known."""

import numpy as np
import pytest

from cervjax import shipped_neck
from cervjax.assessment import MEASURES, AssessmentOptions, assess_markers
from cervjax.motion.recordings import MarkerRecording, read_markers
from cervjax.people import AssessedPerson, Sex, SizeNorms

BENDING = {1: (1.4, 4.4), 2: (5.2, 7.8), 3: (9.3, 8.1)}
"""Degrees at full left and right rotation, by rigid clusters: the README of the data."""


@pytest.mark.parametrize("person", [1, 2, 3])
def test_volunteers(data, person):
    """All five trials as one examination: sizes that people have, markers to 6 mm (root mean
    square), the model's head to 2 degrees of the clusters', bending at full rotation to 2 degrees,
    and no deficit, whatever their sex, which is not known."""
    folder = data / "head_motion_volunteers"
    static = read_markers(folder / f"volunteer{person}_static.trc", up="z").named()
    trials = [
        read_markers(folder / f"volunteer{person}_t{k}.trc", up="z").named() for k in range(1, 6)
    ]
    position = np.concatenate([t.position for t in trials])
    # The laboratory's frames follow one another; a jump between trials is smoothed over.
    time = np.arange(len(position)) / 100
    whole = MarkerRecording("whole", trials[0].markers, time, position)
    for sex in ("female", "male"):
        known = AssessedPerson.described({"sex": sex, "age": 30.0})
        found = assess_markers(
            whole, static, known, shipped_neck(), AssessmentOptions(forces=False)
        )
        assert not found.findings.deficits
        norms = SizeNorms.of(Sex[sex.upper()])
        for name in norms.mean:
            assert 1 < norms.percentile(name, found.subject.ratios()[name]) < 99
        error = np.array(list(found.quality.marker_error.values()))
        assert np.sqrt(np.mean(error**2)) < 0.006
        rms, largest = np.degrees(found.quality.model_apart)
        assert rms < 2
        assert largest < 4
        coupling = [
            np.degrees(v)
            for m, v in zip(MEASURES, found.findings.values, strict=True)
            if m.kind == "coupling" and "rotation" in m.region
        ]
        # Coupling holds flexion beside bending: no less than bending, and little more here.
        for value, bending in zip(coupling, BENDING[person], strict=True):
            assert value > bending - 2
            assert value < bending + 8


def test_another_subject_of_another_laboratory(data):
    folder = data / "head_motion"
    found = assess_markers(
        read_markers(folder / "Head_movements.c3d").named(),
        read_markers(folder / "Static.c3d").named(),
        AssessedPerson.described({"sex": "male", "age": 30.0}),
        shipped_neck(),
        AssessmentOptions(forces=False),
    )
    assert not found.findings.deficits
    assert np.degrees(found.quality.model_apart[1]) < 4
