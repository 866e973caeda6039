import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.model import Model
from cervjax.motion import Motion
from cervjax.motion.synthesis import sample_motion
from cervjax.optimization import StaticOptimizationSettings
from cervjax.optimization.motion_solution import solve_motion, write_solution


@pytest.fixture(scope="module")
def motion(neck):
    return sample_motion(neck, 5, duration=1.0)


@pytest.fixture(scope="module")
def solved(neck, model, motion):
    return solve_motion(model, motion, step=3)


def test_every_step_th_frame(solved, motion):
    np.testing.assert_array_equal(solved.time, motion.time[::3])
    assert solved.converged
    assert solved.failures() == []
    assert len(solved.solution.activation) == len(solved.time)


def test_a_chunk_boundary_changes_nothing(neck, model, motion, solved, monkeypatch):
    import cervjax.optimization.motion_solution

    monkeypatch.setattr(cervjax.optimization.motion_solution, "_CALL", 7)
    again = solve_motion(model, motion, step=3)
    np.testing.assert_allclose(again.solution.activation, solved.solution.activation, atol=1e-12)


def test_the_reported_torques_are_inverse_dynamics(solved, motion, model):
    from cervjax.dynamics import inverse_dynamics

    frames = [jnp.asarray(x[30]) for x in motion.inverse_dynamics_derivatives()]
    expected = jax.jit(inverse_dynamics)(model, *frames)
    np.testing.assert_allclose(solved.generalized_force[10], expected, atol=1e-10)


def test_failures_are_told(neck, model, motion):
    hopeless = solve_motion(model, motion, StaticOptimizationSettings(max_steps=1), step=50)
    assert not hopeless.converged
    assert "step limit" in hopeless.failures()[0]


def test_nothing_is_written_when_writing_fails(solved, tmp_path, monkeypatch):
    import cervjax.motion.storage

    def broken(path, *_, **__):
        if path.name.startswith("certificate"):
            raise OSError("disk full")
        path.write_text("x")

    monkeypatch.setattr(cervjax.motion.storage, "write_storage", broken)
    with pytest.raises(OSError, match="disk full"):
        write_solution(solved, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_bad_input_is_named(neck, model, motion):
    no_muscles = dataclasses.replace(neck, muscles=(), groups=())
    with pytest.raises(ValueError, match="has no muscles"):
        solve_motion(Model.from_spec(no_muscles), motion)
    other = Motion("x", ("a",), motion.time, motion.q[:, :1])
    with pytest.raises(ValueError, match="has the coordinates"):
        solve_motion(model, other)
    short = dataclasses.replace(motion, time=motion.time[:5], q=motion.q[:5])
    with pytest.raises(ValueError, match="5 frames"):
        solve_motion(model, short)
