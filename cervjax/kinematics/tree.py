"""Poses and motion of the bodies: one scan along the moving joints, everything else at once.

The scan matters: unrolled, XLA's CPU fusion recomputes the whole chain for each of its outputs.
"""

from typing import NamedTuple

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
    """Compose the joints that do not move."""
    topology = model.topology
    eye, zero = jnp.eye(3, dtype=model.dtype), jnp.zeros(3, model.dtype)
    rotation: list[Array] = [eye] * len(topology.bodies)
    position: list[Array] = [zero] * len(topology.bodies)
    joint_rotation, joint_position = [], []
    for k, (parent, child) in enumerate(
        zip(topology.joint_parent, topology.joint_child, strict=True)
    ):
        outer = multiply(rotation[parent], model.joint_parent_rotation[k])
        where = rotate(rotation[parent], model.joint_parent_translation[k]) + position[parent]
        if k in topology.moving_joints:
            joint_rotation.append(outer)
            joint_position.append(where)
            continue
        turned = multiply(outer, model.joint_rest_rotation[k])
        rotation[child] = multiply(turned, transpose(model.joint_child_rotation[k]))
        position[child] = (
            where
            + rotate(outer, model.joint_rest_translation[k])
            - rotate(rotation[child], model.joint_child_translation[k])
        )
    moving = np.array(topology.moving_joints)
    turns, places = jnp.stack(rotation), jnp.stack(position)
    body = np.array(topology.point_body, dtype=int)
    return RestFrames(
        turns,
        places,
        jnp.stack(joint_rotation),
        jnp.stack(joint_position),
        model.joint_child_rotation[moving],
        model.joint_child_translation[moving],
        places[body] + rotate(turns[body], model.path_point_location),
        places + rotate(turns, model.body_mass_center),
    )


def still_state(model: Model, q: Float[Array, " q"]) -> tuple[RestFrames, TreeState]:
    """The bodies standing still at `q`."""
    rest = rest_frames(model)
    still = jnp.zeros_like(q)
    return rest, tree_state(model, rest, model.coordinates.motion(q, still, still))


def tree_state(model: Model, rest: RestFrames, motion: AxisMotion) -> TreeState:
    """Propagate the motion of the joint axes from ground to the tips."""
    inputs = _joint_inputs(model, rest, motion)
    eye, zero = jnp.eye(3, dtype=model.dtype), jnp.zeros(3, model.dtype)
    # The scan's carry must have its type from the start, also where only `motion` is batched.
    ground = jax.tree.map(lambda x: x + 0 * inputs["turn"][0, 0, 0], (eye, *[zero] * 5))

    if model.topology.is_chain:
        _, states = jax.lax.scan(_step, ground, inputs)
        return TreeState(*states)

    count = len(model.topology.moving_joints)
    stack = jax.tree.map(lambda x: jnp.tile(x, (count + 1, *[1] * x.ndim)), ground)

    def step(stack: tuple, entry: tuple) -> tuple:
        k, parent, joint = entry
        state, output = _step(jax.tree.map(lambda x: x[parent], stack), joint)
        return jax.tree.map(lambda x, new: x.at[k + 1].set(new), stack, state), output

    parents = jnp.asarray(model.topology.moving_parent) + 1
    _, states = jax.lax.scan(step, stack, (jnp.arange(count), parents, inputs))
    return TreeState(*states)


def _joint_inputs(model: Model, rest: RestFrames, motion: AxisMotion) -> dict[str, Array]:
    """What each joint does in its own parent frame, for all joints at once."""
    turns, rates, changes = motion.displacement[:, :3], motion.velocity, motion.acceleration
    first, second, third = (model.joint_axis[:, i] for i in range(3))
    turn1 = axis_rotation(first, turns[:, 0])
    turn12 = multiply(turn1, axis_rotation(second, turns[:, 1]))
    turn = multiply(turn12, axis_rotation(third, turns[:, 2]))
    axes = jnp.stack([first, rotate(turn1, second), rotate(turn12, third)], axis=1)

    spin = rates[:, :3, None] * axes
    spin12 = spin[:, 0] + spin[:, 1]
    swing = _combine(changes[:, :3], axes)
    swing = swing + cross(spin[:, 0], spin[:, 1]) + cross(spin12, spin[:, 2])
    inputs = {
        "frame_rotation": rest.joint_rotation,
        "frame_position": rest.joint_position,
        "turn": multiply(turn, transpose(rest.child_rotation)),
        "child": rest.child_position,
        "axes": jnp.concatenate([axes, model.joint_axis[:, 3:]], axis=1),
        "spin": spin12 + spin[:, 2],
        "swing": swing,
    }
    if model.topology.slides:
        slide = model.joint_axis[:, 3:]
        for name, values in zip(("slide", "slide_rate", "slide_change"), motion, strict=True):
            inputs[name] = _combine(values[:, 3:], slide)
    return inputs


def _combine(amounts: Float[Array, "moving 3"], axes: Float[Array, "moving 3 3"]) -> Array:
    """The sum of the three `axes` of each joint times `amounts`."""
    a = amounts[..., None] * axes
    return a[:, 0] + a[:, 1] + a[:, 2]


def _step(parent: tuple, joint: dict[str, Array]) -> tuple:
    """Motion of one child body from its parent's and the joint's."""
    rotation, position, omega, alpha, velocity, acceleration = parent
    frame = multiply(rotation, joint["frame_rotation"])
    arm = rotate(rotation, joint["frame_position"])
    center_velocity, center_acceleration = velocity, acceleration
    if "slide" in joint:
        arm = arm + rotate(frame, joint["slide"])
        rate = rotate(frame, joint["slide_rate"])
        center_velocity = center_velocity + rate
        center_acceleration = (
            center_acceleration + rotate(frame, joint["slide_change"]) + 2 * cross(omega, rate)
        )
    center = position + arm
    sweep = cross(omega, arm)
    center_velocity = center_velocity + sweep
    center_acceleration = center_acceleration + cross(alpha, arm) + cross(omega, sweep)

    spin = rotate(frame, joint["spin"])
    child_alpha = alpha + rotate(frame, joint["swing"]) + cross(omega, spin)
    child_omega = omega + spin
    child_rotation = multiply(frame, joint["turn"])
    back = -rotate(child_rotation, joint["child"])
    sweep = cross(child_omega, back)
    state = (
        child_rotation,
        center + back,
        child_omega,
        child_alpha,
        center_velocity + sweep,
        center_acceleration + cross(child_alpha, back) + cross(child_omega, sweep),
    )
    axis = rotate(frame, joint["axes"])
    return state, (*state, axis, center)
