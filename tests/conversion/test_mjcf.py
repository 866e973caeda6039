import dataclasses

import mujoco
import numpy as np
import pytest

from cervjax.spec import CoordinateCoupler, SimmSpline, shipped_neck
from conversion import load_mjcf, write_mjcf


def test_the_shipped_neck_loads_in_mujoco(tmp_path):
    write_mjcf(shipped_neck(), tmp_path / "neck.xml")
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "neck.xml"))
    assert (model.ntendon, model.njnt, model.neq) == (72, 24, 18)


def test_published_inertia_is_refused_or_put_back(tmp_path):
    spec = shipped_neck("hyoid")
    with pytest.raises(ValueError, match="no rigid body has"):
        write_mjcf(spec, tmp_path / "neck.xml")
    assert not (tmp_path / "neck.xml").exists()
    write_mjcf(spec, tmp_path / "neck.xml", impossible_inertia="after_compilation")
    model = load_mjcf(tmp_path / "neck.xml")
    moments = np.sort(model.body_inertia[model.body("cerv4").id])
    np.testing.assert_allclose(moments, [0.02, 0.02, 0.08])


def test_couplers_hold_in_mujocos_own_terms(tmp_path):
    """The equality polynomials are zero on the coupled motion of the published shares."""
    write_mjcf(shipped_neck(), tmp_path / "neck.xml")
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "neck.xml"))
    data = mujoco.MjData(model)
    shares = {"auxt1jnt_r1": 0.099, "aux7jnt_r1": 0.187, "aux6jnt_r1": 0.22,
              "aux5jnt_r1": 0.22, "aux4jnt_r1": 0.165, "aux3jnt_r1": 0.11}  # fmt: skip
    for name, share in shares.items():
        data.joint(name).qpos = 0.3 * share
    mujoco.mj_forward(model, data)
    residual = data.efc_pos[data.efc_type == mujoco.mjtConstraint.mjCNSTR_EQUALITY]
    # The published shares have three digits.
    assert np.abs(residual).max() < 3e-4


def test_what_mjcf_cannot_say_is_refused(tmp_path):
    spec = shipped_neck()
    spline = SimmSpline((-1.0, 0.0, 1.0), (-0.2, 0.0, 0.3))
    first = spec.couplers[0]
    bent = CoordinateCoupler(first.name, first.dependent, first.independent, spline)
    spec = dataclasses.replace(spec, couplers=(bent, *spec.couplers[1:]))
    with pytest.raises(ValueError, match="cannot say a SimmSpline"):
        write_mjcf(spec, tmp_path / "neck.xml")
