"""Maximum isometric moments of a neck: all free coordinates in balance, upright and still.

The head pushes against a pad, or twists against a brace: the largest load that muscles can hold is
a linear program in the activations. Rigid tendons; passive forces, gravity and bushings included.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import linprog

from cervjax.dynamics import evaluate_frame
from cervjax.math.rotation import cross, rotate
from cervjax.model import Model
from cervjax.muscle import rigid_tendon_state
from cervjax.people import Personalizer, Subject

PAD_HEIGHT = 0.063
"""m, of the pad above the head's origin: HYOID's mass center of the head."""
_ANGLES = {
    "flexion": 0.0,
    "extension": np.pi,
    "left bending": 1.5 * np.pi,
    "right bending": 0.5 * np.pi,
}


class Isometric(NamedTuple):
    """The balance of an upright, still neck, in the free coordinates; N m.

    Attributes:
        active: of each muscle at full activation.
        passive: of all passive forces.
        needed: what gravity and bushings ask for.
        low, high: bounds of activation.
        loads: of a unit force on the pad along x, along z, and a unit couple about y.
        height: m, of the pad above the C7-T1 joint.
    """

    active: Float[Array, "6 muscles"]
    passive: Float[Array, " 6"]
    needed: Float[Array, " 6"]
    low: Float[Array, " muscles"]
    high: Float[Array, " muscles"]
    loads: Float[Array, "6 3"]
    height: Float[Array, ""]


def isometric(model: Model, pad_height: float) -> Isometric:
    """The balance of `model`, with a pad `pad_height` (m) above the head's origin."""
    q = jnp.zeros_like(model.default_q)
    still = jnp.zeros_like(q)
    frame = evaluate_frame(model, q, still, still)
    state = rigid_tendon_state(model.muscles, frame.length, still @ frame.moment_arm)
    topology = model.topology
    skull = model.body_index(topology.anatomy.skull)
    mover = topology.anchor[skull]
    above = rotate(frame.rest.rotation[skull], jnp.array([0.0, pad_height, 0.0], model.dtype))
    above = frame.rest.position[skull] + above
    pad = frame.state.position[mover] + rotate(frame.state.rotation[mover], above)
    twist = frame.twist[mover + 1]
    along = twist[:, 3:] + cross(twist[:, :3], pad)
    active = frame.moment_arm * (state.active_fiber_force * state.cos_pennation)
    passive = frame.moment_arm @ (jnp.maximum(state.passive_fiber_force, 0.0) * state.cos_pennation)
    loads = jnp.stack([along[:, 0], along[:, 2], twist[:, 1]], axis=1)
    height = pad[1] - frame.state.center[0, 1]
    muscles = model.muscles
    return Isometric(
        active,
        passive,
        frame.generalized_force,
        muscles.min_control,
        muscles.max_control,
        loads,
        height,
    )


def strongest(problem: Isometric, load: Float[np.ndarray, " 6"], off: Sequence[int] = ()) -> float:
    """Largest factor of `load` (generalized forces on the head) that the muscles can hold.

    Returns:
        N for the load of a unit force, N m for that of a unit couple.

    Raises:
        ValueError: not even the head itself can be held.
    """
    active = np.asarray(problem.active)
    low, high = np.array(problem.low), np.array(problem.high)
    if len(off):
        low[list(off)] = high[list(off)] = 0.0
    count = active.shape[1]
    result = linprog(
        np.concatenate([np.zeros(count), [-1.0]]),
        A_eq=np.concatenate([active, load[:, None]], axis=1),
        b_eq=problem.needed - problem.passive,
        bounds=[*zip(low, high, strict=True), (0.0, None)],
        method="highs",
    )
    if not result.success:
        raise ValueError(f"no activations balance this neck: {result.message}")
    return float(result.x[-1])


def pushed(
    problem: Isometric, angles: Float[np.ndarray, " n"], off: Sequence[int] = ()
) -> Float[np.ndarray, " n"]:
    """Moment (N m) about C7-T1 of pushing the pad towards `angles`: 0 forwards, pi/2 right."""
    loads, height = np.asarray(problem.loads), float(problem.height)
    moments = []
    for angle in angles:
        # The pad pushes back, against the direction in which the head pushes.
        load = -(np.cos(angle) * loads[:, 0] + np.sin(angle) * loads[:, 1])
        moments.append(strongest(problem, load, off) * height)
    return np.array(moments)


def torque_capacity(
    personalizer: Personalizer, subjects: Float[np.ndarray, "people ratios"]
) -> Float[np.ndarray, "people 6"]:
    """Largest isometric moment of each person about C7-T1 (rotation: about the vertical).

    Returns:
        N m, in the order of `assessment.directions.MAIN`. NaN where not even the head can be held.
    """
    problems = _isometric(personalizer, jnp.asarray(subjects, personalizer.model.dtype))
    result = np.full((len(subjects), 6), np.nan)
    for person in range(len(subjects)):
        problem = jax.tree.map(lambda x, k=person: np.asarray(x[k], float), problems)
        couple = problem.loads[:, 2]
        try:
            result[person, :4] = pushed(problem, np.array(list(_ANGLES.values())))
            # The brace twists back: to the left is about the upward axis.
            result[person, 4:] = strongest(problem, -couple), strongest(problem, couple)
        except ValueError:
            continue
    return result


# It runs once: compiling it well would take longer than it saves.
@partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
def _isometric(personalizer: Personalizer, subjects: Float[Array, "people ratios"]) -> Isometric:
    def one(vector: Array) -> Isometric:
        return isometric(personalizer(Subject.from_vector(vector)), PAD_HEIGHT)

    return jax.lax.map(one, subjects)
