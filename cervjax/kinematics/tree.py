"""Poses and motion of the bodies: one scan along the moving joints, everything else at once.

The scan matters: unrolled, XLA's CPU fusion recomputes the whole chain for each of its outputs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.math.rotation import axis_rotation, cross, multiply, rotate, transpose
from cervjax.model import AxisMotion, Model


class RestFrames(NamedTuple):
    """Where the bodies and moving joints are in their anchors: what does not depend on `q`.

    Attributes:
        rotation, position: pose of each body in its anchor.
        joint_rotation, joint_position: pose of each moving joint's parent frame in its anchor.
        child_rotation, child_position: pose of each moving joint's frame in the child body.
        path_point: m, of the muscles, in the anchors of their bodies.
        mass_center: m, of each body, in its anchor.
    """

    rotation: Float[Array, "bodies 3 3"]
    position: Float[Array, "bodies 3"]
    joint_rotation: Float[Array, "moving 3 3"]
    joint_position: Float[Array, "moving 3"]
    child_rotation: Float[Array, "moving 3 3"]
    child_position: Float[Array, "moving 3"]
    path_point: Float[Array, "points 3"]
    mass_center: Float[Array, "bodies 3"]


class TreeState(NamedTuple):
    """Motion of the moving bodies in ground, per moving joint; `m, rad, s`.

    Attributes:
        rotation, position: pose of the body the joint moves.
        angular_velocity, angular_acceleration, acceleration: of that body; the last of its origin.
        axis: directions of the joint's six axes, in ground.
        center: the point the joint turns about.
    """

    rotation: Float[Array, "moving 3 3"]
    position: Float[Array, "moving 3"]
    angular_velocity: Float[Array, "moving 3"]
    angular_acceleration: Float[Array, "moving 3"]
    velocity: Float[Array, "moving 3"]
    acceleration: Float[Array, "moving 3"]
    axis: Float[Array, "moving 6 3"]
    center: Float[Array, "moving 3"]


def rest_frames(model: Model) -> RestFrames:
    """Compose the joints that do not move, a generation at once: one by one they would be most of
    what XLA has to compile.

    Args:
        model: of the person.

    Returns:
        Rotations (no unit) and positions (m).
    """
    topology = model.topology
    parent, child = np.array(topology.joint_parent), np.array(topology.joint_child)
    moving = np.array(topology.moving_joints, dtype=int)
    anchors = np.array([0, *child[moving]])
    place = np.zeros(len(topology.bodies), dtype=int)
    place[anchors] = np.arange(len(anchors))
    eye = jnp.eye(3, dtype=model.dtype)
    rotation = jnp.broadcast_to(eye, (len(anchors), 3, 3))
    position = jnp.zeros((len(anchors), 3), model.dtype)

    def parent_frames(joints: np.ndarray) -> tuple[Array, Array]:
        turn, shift = model.joint_parent_rotation[joints], model.joint_parent_translation[joints]
        at = place[parent[joints]]
        if np.all(at < len(anchors)):
            return turn, shift
        return multiply(rotation[at], turn), rotate(rotation[at], shift) + position[at]

    for generation in topology.rest_generations:
        joints = np.array(generation)
        outer, where = parent_frames(joints)
        turned = multiply(outer, model.joint_rest_rotation[joints])
        turned = multiply(turned, transpose(model.joint_child_rotation[joints]))
        shifted = where + rotate(outer, model.joint_rest_translation[joints])
        shifted = shifted - rotate(turned, model.joint_child_translation[joints])
        place[child[joints]] = len(rotation) + np.arange(len(joints))
        rotation = jnp.concatenate([rotation, turned])
        position = jnp.concatenate([position, shifted])
    joint_rotation, joint_position = parent_frames(moving)
    turns, places = rotation[place], position[place]
    body = np.array(topology.point_body, dtype=int)
    return RestFrames(
        turns,
        places,
        joint_rotation,
        joint_position,
        model.joint_child_rotation[moving],
        model.joint_child_translation[moving],
        places[body] + rotate(turns[body], model.path_point_location),
        places + rotate(turns, model.body_mass_center),
    )


def still_state(model: Model, q: Float[Array, " q"]) -> tuple[RestFrames, TreeState]:
    """The bodies standing still at `q`."""
    rest = rest_frames(model)
    inputs, _ = _joint_turns(model, rest, model.coordinates.displacement(q))
    rotation, position, axis, center = _along_tree(model, _place, 2, inputs)
    zero = jnp.zeros_like(position)
    return rest, TreeState(rotation, position, zero, zero, zero, zero, axis, center)


def tree_state(model: Model, rest: RestFrames, motion: AxisMotion) -> TreeState:
    """Propagate the motion of the joint axes from ground to the tips."""
    inputs, turning = _joint_turns(model, rest, motion.displacement)
    inputs |= _joint_rates(model, motion, turning)
    return TreeState(*_along_tree(model, _step, 6, inputs))


def _along_tree(
    model: Model, step: Callable[[tuple, Any], tuple], carried: int, inputs: dict[str, Array]
) -> tuple:
    """`step` from each joint's parent to its child, over all moving joints.

    Args:
        carried: how many of a body's arrays its children need, its rotation first.
    """
    eye, zero = jnp.eye(3, dtype=model.dtype), jnp.zeros(3, model.dtype)
    # The scan's carry must have its type from the start, also where only `motion` is batched.
    start = (eye, *[zero] * (carried - 1))
    ground = jax.tree.map(lambda x: x + 0 * inputs["turn"][0, 0, 0], start)

    if model.topology.is_chain:
        _, states = jax.lax.scan(step, ground, inputs)
        return states

    count = len(model.topology.moving_joints)
    stack = jax.tree.map(lambda x: jnp.tile(x, (count + 1, *[1] * x.ndim)), ground)

    def from_parent(stack: tuple, entry: tuple) -> tuple:
        k, parent, joint = entry
        state, output = step(jax.tree.map(lambda x: x[parent], stack), joint)
        return jax.tree.map(lambda x, new: x.at[k + 1].set(new), stack, state), output

    parents = jnp.asarray(model.topology.moving_parent) + 1
    _, states = jax.lax.scan(from_parent, stack, (jnp.arange(count), parents, inputs))
    return states


def _joint_turns(
    model: Model, rest: RestFrames, displacement: Float[Array, "moving 6"]
) -> tuple[dict[str, Array], Float[Array, "moving 3 3"]]:
    """Where each joint is in its own parent frame, for all joints at once; and the axes it turns
    about, each turned by those before."""
    turns = displacement[:, :3]
    first, second, third = (model.joint_axis[:, i] for i in range(3))
    # All turns at once: written three times, they are compiled three times.
    turn1, turn2, turn3 = jnp.moveaxis(axis_rotation(model.joint_axis[:, :3], turns), 1, 0)
    turn12 = multiply(turn1, turn2)
    turn = multiply(turn12, turn3)
    axes = jnp.stack([first, rotate(turn1, second), rotate(turn12, third)], axis=1)
    inputs = {
        "frame_rotation": rest.joint_rotation,
        "frame_position": rest.joint_position,
        "turn": multiply(turn, transpose(rest.child_rotation)),
        "child": rest.child_position,
        "axes": jnp.concatenate([axes, model.joint_axis[:, 3:]], axis=1),
    }
    if model.topology.slides:
        inputs["slide"] = _combine(displacement[:, 3:], model.joint_axis[:, 3:])
    return inputs, axes


def _joint_rates(
    model: Model, motion: AxisMotion, axes: Float[Array, "moving 3 3"]
) -> dict[str, Array]:
    """How each joint moves in its own parent frame, for all joints at once."""
    rates, changes = motion.velocity, motion.acceleration
    spin = rates[:, :3, None] * axes
    spin12 = spin[:, 0] + spin[:, 1]
    swing = _combine(changes[:, :3], axes)
    swing = swing + cross(spin[:, 0], spin[:, 1]) + cross(spin12, spin[:, 2])
    inputs = {"spin": spin12 + spin[:, 2], "swing": swing}
    if model.topology.slides:
        slide = model.joint_axis[:, 3:]
        inputs["slide_rate"] = _combine(rates[:, 3:], slide)
        inputs["slide_change"] = _combine(changes[:, 3:], slide)
    return inputs


def _combine(amounts: Float[Array, "moving 3"], axes: Float[Array, "moving 3 3"]) -> Array:
    """The sum of the three `axes` of each joint times `amounts`."""
    a = amounts[..., None] * axes
    return a[:, 0] + a[:, 1] + a[:, 2]


class _Joint(NamedTuple):
    """One joint in ground.

    Attributes:
        frame: its parent frame.
        arm: m, from the parent's origin to the joint.
        rotation: of the child.
        back: m, from the joint to the child's origin.
        axis: directions of its axes.
    """

    frame: Array
    arm: Array
    rotation: Array
    back: Array
    axis: Array

    @classmethod
    def of(cls, rotation: Array, joint: dict[str, Array]) -> "_Joint":
        """The joint on a parent of this rotation."""
        frame = multiply(rotation, joint["frame_rotation"])
        arm = rotate(rotation, joint["frame_position"])
        if "slide" in joint:
            arm = arm + rotate(frame, joint["slide"])
        child = multiply(frame, joint["turn"])
        return cls(frame, arm, child, -rotate(child, joint["child"]), rotate(frame, joint["axes"]))


def _place(parent: tuple, joint: dict[str, Array]) -> tuple:
    """Pose of one child body from its parent's and the joint's."""
    rotation, position = parent
    here = _Joint.of(rotation, joint)
    center = position + here.arm
    pose = (here.rotation, center + here.back)
    return pose, (*pose, here.axis, center)


def _step(parent: tuple, joint: dict[str, Array]) -> tuple:
    """Motion of one child body from its parent's and the joint's."""
    rotation, position, omega, alpha, velocity, acceleration = parent
    frame, arm, child_rotation, back, axis = _Joint.of(rotation, joint)
    center = position + arm
    if "slide_rate" in joint:
        rate = rotate(frame, joint["slide_rate"])
        velocity = velocity + rate
        acceleration = acceleration + rotate(frame, joint["slide_change"]) + 2 * cross(omega, rate)
    sweep = cross(omega, arm)
    center_velocity = velocity + sweep
    center_acceleration = acceleration + cross(alpha, arm) + cross(omega, sweep)

    spin = rotate(frame, joint["spin"])
    child_alpha = alpha + rotate(frame, joint["swing"]) + cross(omega, spin)
    child_omega = omega + spin
    sweep = cross(child_omega, back)
    state = (
        child_rotation,
        center + back,
        child_omega,
        child_alpha,
        center_velocity + sweep,
        center_acceleration + cross(child_alpha, back) + cross(child_omega, sweep),
    )
    return state, (*state, axis, center)
