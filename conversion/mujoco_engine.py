"""MuJoCo's C engine as a second opinion on a neck, in a `Model`'s own coordinates."""

from pathlib import Path
from tempfile import TemporaryDirectory

import equinox as eqx
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Float

from cervjax.model import Model
from cervjax.spec import ModelSpec

from .engine_result import EngineResult
from .mjcf_writer import load_mjcf, mujoco_joints, write_mjcf


class MujocoNeck:
    """The MJCF of a neck, driven by the coordinates of its `Model`."""

    def __init__(self, spec: ModelSpec, model: Model) -> None:
        """Write `spec` as MJCF, compile it, and keep the coordinate map of `model`."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "neck.xml"
            write_mjcf(spec, path, impossible_inertia="after_compilation")
            self._mujoco = load_mjcf(path)
        # Positions are set exactly on the couplers; soft constraints must not add to them.
        self._mujoco.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
        self._data = mujoco.MjData(self._mujoco)
        moving = {spec.joints[k].name: i for i, k in enumerate(model.topology.moving_joints)}
        self._axes = tuple(
            np.array(rows)
            for rows in zip(*((moving[j], i) for _, j, i in mujoco_joints(spec)), strict=True)
        )
        self._bodies = [self._mujoco.body(b.name).id for b in spec.bodies]
        self._motion = eqx.filter_jit(model.coordinates.motion)
        self._jacobian = eqx.filter_jit(model.coordinates.jacobian)

    def __call__(
        self,
        q: Float[np.ndarray, " q"],
        qd: Float[np.ndarray, " q"],
        qdd: Float[np.ndarray, " q"],
    ) -> EngineResult:
        """Evaluate one frame."""
        engine, data = self._mujoco, self._data
        motion = self._motion(*(jnp.asarray(x) for x in (q, qd, qdd)))
        jacobian = np.asarray(self._jacobian(jnp.asarray(q)))[self._axes]
        data.qpos[:], data.qvel[:], data.qacc[:] = (np.asarray(x)[self._axes] for x in motion)
        mujoco.mj_forward(engine, data)
        data.qacc[:] = np.asarray(motion.acceleration)[self._axes]
        mujoco.mj_inverse(engine, data)
        return EngineResult(
            data.xmat.reshape(-1, 3, 3)[self._bodies].copy(),
            data.xpos[self._bodies].copy(),
            data.ten_length.copy(),
            -(_tendon_jacobian(engine, data) @ jacobian).T,
            jacobian.T @ data.qfrc_inverse,
        )

    def mass_matrix(self, q: Float[np.ndarray, " q"]) -> Float[np.ndarray, "q q"]:
        """MuJoCo's mass matrix (kg m^2) of the joints, in the coordinates `q`."""
        engine, data = self._mujoco, self._data
        still = jnp.zeros(len(q))
        motion = self._motion(jnp.asarray(q), still, still)
        data.qpos[:] = np.asarray(motion.displacement)[self._axes]
        mujoco.mj_forward(engine, data)
        full = np.zeros((engine.nv, engine.nv))
        mujoco.mj_fullM(engine, data, full)
        jacobian = np.asarray(self._jacobian(jnp.asarray(q)))[self._axes]
        return jacobian.T @ full @ jacobian


def _tendon_jacobian(
    engine: mujoco.MjModel, data: mujoco.MjData
) -> Float[np.ndarray, "muscles joints"]:
    """MuJoCo's sparse tendon Jacobian, made dense."""
    dense = np.zeros((engine.ntendon, engine.nv))
    for row, (start, count) in enumerate(
        zip(engine.ten_J_rowadr, engine.ten_J_rownnz, strict=True)
    ):
        stored = slice(start, start + count)
        dense[row, engine.ten_J_colind[stored]] = data.ten_J[stored]
    return dense
