import dataclasses

import numpy as np
import pytest

from cervjax.spec import (
    Body,
    CoordinateCoupler,
    LinearFunction,
    SimmSpline,
    shipped_neck,
)


@pytest.fixture(scope="module")
def spec():
    return shipped_neck()


def _changed(spec, field, index, **changes):
    items = list(getattr(spec, field))
    items[index] = dataclasses.replace(items[index], **changes)
    return dataclasses.replace(spec, **{field: tuple(items)})


@pytest.mark.parametrize(
    ("field", "changes", "message"),
    [
        ("bodies", {"mass": -1.0}, "mass -1.0 kg"),
        ("bodies", {"mass": float("nan")}, "not finite"),
        ("bodies", {"name": "cerv1"}, "two bodys are named 'cerv1'"),
        ("muscles", {"max_isometric_force": 0.0}, "max_isometric_force is 0.0"),
        ("muscles", {"path": ()}, "0 path points"),
        ("muscles", {"pennation_angle_at_optimal": 1.5}, "pennation_angle_at_optimal"),
        ("muscles", {"min_control": 1.0}, "controls"),
        ("markers", {"body": "nowhere"}, "unknown body 'nowhere'"),
        ("couplers", {"independent": "nothing"}, "unknown coordinate 'nothing'"),
        ("couplers", {"function": SimmSpline((0.0, 0.0), (0.0, 1.0))}, "does not increase"),
        ("couplers", {"function": SimmSpline((0.0,), (0.0,))}, "two or more"),
    ],
)
def test_a_malformed_part_is_named(spec, field, changes, message):
    with pytest.raises(ValueError, match=message):
        _changed(spec, field, 0, **changes)


def test_a_body_without_a_joint_is_named(spec):
    stray = Body("stray", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="stray"):
        dataclasses.replace(spec, bodies=(*spec.bodies, stray))


def test_couplers_in_a_loop_are_refused(spec):
    loop = CoordinateCoupler("loop", "pitch2", "aux7jnt_r3", LinearFunction((1.0, 0.0)))
    with pytest.raises(ValueError, match="loop"):
        dataclasses.replace(spec, couplers=(*spec.couplers, loop))


def test_joints_are_put_parents_first(spec):
    shuffled = dataclasses.replace(spec, joints=spec.joints[::-1])
    known = {"ground"}
    for joint in shuffled.joints:
        assert joint.parent.body in known
        known.add(joint.child.body)


def test_the_shipped_necks_differ_in_vertebral_inertia_only():
    published, repaired = shipped_neck("hyoid"), shipped_neck("hyoid-repaired")
    differing = {a.name for a, b in zip(published.bodies, repaired.bodies, strict=True) if a != b}
    assert differing == set(shipped_neck().anatomy.vertebrae)
    same = dataclasses.replace(repaired, name=published.name, bodies=published.bodies)
    assert same == published


def test_repaired_inertia_belongs_to_a_rigid_body_and_published_does_not():
    def possible(body):
        least, middle, most = np.sort(body.inertia[:3])
        return least + middle >= most

    assert all(possible(shipped_neck().body(v)) for v in shipped_neck().anatomy.vertebrae)
    assert not any(
        possible(shipped_neck("hyoid").body(v)) for v in shipped_neck().anatomy.vertebrae
    )


def test_the_shipped_neck_is_the_published_file(data):
    from conversion import read_osim

    path = data / "hyoid" / "HYOID_1.2_ScaledStrenght_UpdatedInertia.osim"
    read = read_osim(path, allow_unsupported=True)
    assert dataclasses.replace(read, name="hyoid") == shipped_neck("hyoid")


def test_reserves_and_names(spec):
    assert spec.free_coordinates == ("pitch2", "roll2", "yaw2", "pitch1", "roll1", "yaw1")
    reserves = spec.with_reserves(0.5).actuators
    assert [a.coordinate for a in reserves] == list(spec.free_coordinates)
    with pytest.raises(ValueError, match="positive"):
        spec.with_reserves(0.0)
    with pytest.raises(ValueError, match="no shipped neck 'hyod'"):
        shipped_neck("hyod")
    with pytest.raises(ValueError, match="no muscle 'biceps'"):
        spec.muscle("biceps")
