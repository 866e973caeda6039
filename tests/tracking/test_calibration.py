import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cervjax import Model, Personalizer, Subject
from cervjax.kinematics import marker_positions
from cervjax.motion.recordings import MarkerRecording
from cervjax.spec import Marker
from cervjax.tracking import calibrate
from tests.helpers import TRACKED_TRUNK

RATIOS = {"neck_length": 0.9, "shoulder_width": 0.8, "head_size": 1.1}


@pytest.fixture(scope="module")
def static(neck):
    """A person of known size, standing still in a laboratory, wearing the model's markers and more
    on the trunk; millimeters of noise."""
    more = [Marker(n, "ribcage", at) for n, at in TRACKED_TRUNK.items() if n != "SJN"]
    dressed = dataclasses.replace(neck, markers=(*neck.markers, *more))
    person = Personalizer(dressed)(Subject.of(None, **RATIOS))
    still = np.asarray(marker_positions(person, jnp.zeros(6)))
    turn = Rotation.from_euler("y", 70.0, degrees=True).as_matrix()
    place = still @ turn.T + np.array([0.3, 1.1, -2.0])
    noise = np.random.default_rng(0).normal(scale=1e-3, size=(200, *place.shape))
    names = tuple(m.name for m in dressed.markers)
    return MarkerRecording("static", names, np.arange(200) / 100, place + noise)


def test_size_and_markers_of_a_known_person(neck, static):
    """A millimeter of noise in the mean of 200 frames: 2e-3 of the ratios but shoulder width,
    which moves acromia by a tenth of itself in the model, and so is the distance of the markers,
    not the ratio that made them."""
    found = calibrate(static, neck)
    assert found.subject.neck_length == pytest.approx(0.9, abs=5e-3)
    assert found.subject.head_size == pytest.approx(1.1, abs=5e-3)
    used = static.between(*found.used).position
    places = dict(zip(static.markers, used.mean(axis=0), strict=True))
    model = Model.from_spec(found.spec)
    names = model.topology.markers
    still = np.asarray(marker_positions(model, jnp.zeros(6)))
    still = still[[names.index(name) for name in found.markers]]
    seen = np.array([places[name] for name in found.markers])
    apart = [np.linalg.norm(x[:, None] - x[None], axis=2) for x in (still, seen)]
    np.testing.assert_allclose(apart[0], apart[1], atol=1e-9)
    assert found.markers[-4:] == ("LAH", "RAH", "LPH", "RPH")
    assert max(found.stillness.values()) < 0.003
    given = calibrate(static, neck, ratios={"neck_length": 1.2, "strength": 0.7})
    assert given.subject.neck_length == 1.2
    assert given.subject.strength == 0.7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.upright("z"), "the torso leans by 9"),
        (
            lambda r: dataclasses.replace(r, position=1e3 * r.position),
            "apart|move by more|LIMITS|outside",
        ),
        (
            lambda r: r.chosen([m for m in r.markers if m not in ("LAH", "RPH")]),
            "three markers of the head",
        ),
        (lambda r: r.chosen([m for m in r.markers if m != "RCAJ"]), "RCAJ"),
        (
            lambda r: dataclasses.replace(
                r,
                markers=tuple(
                    {"LAH": "RAH", "RAH": "LAH", "LPH": "RPH", "RPH": "LPH"}.get(m, m)
                    for m in r.markers
                ),
            ),
            "LAH is to the right of RAH",
        ),
        (
            lambda r: dataclasses.replace(
                r, position=r.position + 0.1 * r.time[:, None, None] * np.ones(3)
            ),
            "move by more than 10 mm",
        ),
        (
            lambda r: dataclasses.replace(
                r, position=np.where(np.array(r.markers)[:, None] == "LAH", np.nan, r.position)
            ),
            "LAH are never seen",
        ),
    ],
)
def test_bad_trials_are_refused(neck, static, change, message):
    with pytest.raises(ValueError, match=message):
        calibrate(change(static), neck)
