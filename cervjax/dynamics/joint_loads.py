"""Loads that the joints carry between neighbouring vertebrae: OpenSim's JointReaction."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.kinematics.paths import CrossingSegments, crossing_of
from cervjax.kinematics.poses import anchor_poses
from cervjax.kinematics.tree import RestFrames, TreeState
from cervjax.math.contraction import contract
from cervjax.math.rotation import cross, multiply, rotate, transpose
from cervjax.model import Model, Topology


class JointLoads(NamedTuple):
    """What each moving joint does to its child body, at the joint, in the joint's parent frame.

    OpenSim's `JointReaction` on the child, expressed in the parent frame. Bushings act beside the
    joint and are not part of it; reserves and couplers act through it and are.

    Attributes:
        force: N, on the upper vertebra. Axes of HYOID's vertebrae point forwards, up and right, so
            that the components are anteroposterior shear, compression (positive where the joint
            presses), lateral shear. A head that hangs forwards is held back: what is called
            anterior shear load elsewhere is negative here.
        moment: N m.
    """

    force: Float[Array, "moving 3"]
    moment: Float[Array, "moving 3"]


class JointStatics(NamedTuple):
    """What `joint_loads` needs of a frame besides the muscles' forces.

    Attributes:
        wrench: what has to act on everything beyond a joint, about ground's origin; N, N m.
        center: m, of the joint, in ground.
        rotation: of the joint's parent frame in ground.
        segments: lines along which muscles pull.
    """

    wrench: Float[Array, "moving 6"]
    center: Float[Array, "moving 3"]
    rotation: Float[Array, "moving 3 3"]
    segments: CrossingSegments


def joint_statics(
    model: Model,
    rest: RestFrames,
    state: TreeState,
    wrench: Float[Array, "moving 6"],
    segments: CrossingSegments,
) -> JointStatics:
    """`JointStatics` of a frame.

    Returns:
        N, N m, m.

    Raises:
        ValueError: paths of muscles are functions of coordinates, without lines of action.
    """
    unseen = [
        model.topology.muscles[stretch.muscle]
        for element in model.path_elements
        if not element.has_lines
        for stretch in element.stretches
    ]
    if unseen:
        raise ValueError(
            f"{', '.join(unseen)} of {model.topology.name!r} have function-based paths, which do "
            "not say where they pull: loads of joints need the paths themselves"
        )
    rotation, _ = anchor_poses(state)
    parent = np.array(model.topology.moving_parent) + 1
    frames = multiply(rotation[parent], rest.joint_rotation)
    return JointStatics(wrench, state.center, frames, segments)


def joint_loads(
    topology: Topology, statics: JointStatics, muscle_force: Float[Array, " muscles"]
) -> JointLoads:
    """Loads of every moving joint of `topology` under `muscle_force` (N, along the tendons)."""
    crossing = crossing_of(topology)
    beyond = topology.descendants
    share = beyond[:, crossing.first_anchor] - beyond[:, crossing.last_anchor]
    tension = muscle_force[crossing.muscle][:, None]
    pulls = tension * statics.segments.wrench
    carried = statics.wrench - contract("ks,sc->kc", jnp.asarray(share, pulls.dtype), pulls)
    force = carried[:, :3]
    moment = carried[:, 3:] - cross(statics.center, force)
    into = transpose(statics.rotation)
    return JointLoads(rotate(into, force), rotate(into, moment))
