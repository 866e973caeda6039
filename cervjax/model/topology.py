"""The part of a neck that is not numbers: names, and which piece hangs on which.

`Topology` is hashable and static under `jax.jit`: two necks with the same topology share one
compiled function.
"""

import functools
import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cervjax.spec import GROUND, ModelSpec, affine_form


@dataclass(frozen=True)
class Topology:
    """Names and connections. Bodies are indexed with ground as body 0.

    A body that no free or prescribed coordinate moves against another is carried by that other's
    *anchor*: a moving body (index into `moving_joints`), or ground (-1).

    Attributes:
        coordinates: names of the entries of `q`: the free ones, then the prescribed ones.
        num_free: number of free coordinates, those whose torques muscles must balance.
        joint_parent, joint_child: body index per joint.
        moving_joints: joint indices, parents first.
        moving_parent: per moving joint, the anchor of its parent body.
        anchor: per body, its anchor.
        point_body, marker_body: body index of each path point, marker.
        muscle_points: `(first, last + 1)` path point of each muscle.
        bushing_bodies: the two body indices of each bushing.
        reserve_coordinates: index into `coordinates` per reserve.
        slides: whether any moving joint translates.
    """

    name: str
    bodies: tuple[str, ...]
    joints: tuple[str, ...]
    all_coordinates: tuple[str, ...]
    coordinates: tuple[str, ...]
    num_free: int
    muscles: tuple[str, ...]
    markers: tuple[str, ...]
    bushings: tuple[str, ...]
    reserves: tuple[str, ...]
    joint_parent: tuple[int, ...]
    joint_child: tuple[int, ...]
    moving_joints: tuple[int, ...]
    moving_parent: tuple[int, ...]
    anchor: tuple[int, ...]
    point_body: tuple[int, ...]
    marker_body: tuple[int, ...]
    muscle_points: tuple[tuple[int, int], ...]
    bushing_bodies: tuple[tuple[int, int], ...]
    reserve_coordinates: tuple[int, ...]
    slides: bool

    @property
    def free_coordinates(self) -> tuple[str, ...]:
        """Names of the free coordinates."""
        return self.coordinates[: self.num_free]

    @property
    def is_chain(self) -> bool:
        """Whether each moving joint hangs on the one before it, as in a neck."""
        return self.moving_parent == tuple(range(-1, len(self.moving_joints) - 1))

    @functools.cached_property
    def beyond(self) -> Float[np.ndarray, "joints bodies"]:
        """One where a moving body (column) hangs on a moving joint (row), zero elsewhere; a column
        more for ground, number -1, which hangs on none."""
        count = len(self.moving_joints)
        table = np.eye(count, count + 1)
        for body, parent in enumerate(self.moving_parent):
            table[:, body] += table[:, parent]
        return table


def topology_of(spec: ModelSpec, prescribed: tuple[str, ...] = ()) -> Topology:
    """The topology of `spec`, with the locked coordinates `prescribed` as inputs.

    Raises:
        ValueError: a prescribed coordinate is unknown or not locked, or an actuator acts on a
            coordinate that is not free.
    """
    for name in prescribed:
        if not spec.coordinate(name).locked:
            raise ValueError(f"prescribed coordinate {name!r} is not locked in {spec.name!r}")
    coordinates = (*spec.free_coordinates, *prescribed)
    bodies = (GROUND, *(b.name for b in spec.bodies))
    index = {name: i for i, name in enumerate(bodies)}
    tied = {c.dependent for c in spec.couplers}
    moves = {*coordinates, *tied}

    joint_parent = tuple(index[j.parent.body] for j in spec.joints)
    joint_child = tuple(index[j.child.body] for j in spec.joints)
    anchor = [-1] * len(bodies)
    moving_joints: list[int] = []
    moving_parent: list[int] = []
    for k, joint in enumerate(spec.joints):
        if any(c.name in moves for c in joint.coordinates):
            moving_parent.append(anchor[joint_parent[k]])
            anchor[joint_child[k]] = len(moving_joints)
            moving_joints.append(k)
        else:
            anchor[joint_child[k]] = anchor[joint_parent[k]]

    starts = [0]
    for muscle in spec.muscles:
        starts.append(starts[-1] + len(muscle.path))
    for actuator in spec.actuators:
        if actuator.coordinate not in spec.free_coordinates:
            raise ValueError(
                f"actuator {actuator.name!r} acts on {actuator.coordinate!r}, which is not free; "
                f"free coordinates are {list(spec.free_coordinates)}"
            )
    return Topology(
        name=spec.name,
        bodies=bodies,
        joints=tuple(j.name for j in spec.joints),
        all_coordinates=tuple(c.name for c in spec.coordinates),
        coordinates=coordinates,
        num_free=len(spec.free_coordinates),
        muscles=tuple(m.name for m in spec.muscles),
        markers=tuple(m.name for m in spec.markers),
        bushings=tuple(b.name for b in spec.bushings),
        reserves=tuple(a.name for a in spec.actuators),
        joint_parent=joint_parent,
        joint_child=joint_child,
        moving_joints=tuple(moving_joints),
        moving_parent=tuple(moving_parent),
        anchor=tuple(anchor),
        point_body=tuple(index[p.body] for m in spec.muscles for p in m.path),
        marker_body=tuple(index[m.body] for m in spec.markers),
        muscle_points=tuple(itertools.pairwise(starts)),
        bushing_bodies=tuple((index[b.frame1.body], index[b.frame2.body]) for b in spec.bushings),
        reserve_coordinates=tuple(coordinates.index(a.coordinate) for a in spec.actuators),
        slides=any(
            affine_form(spec.joints[k].axes[i].function) != (0.0, 0.0)
            for k in moving_joints
            for i in (3, 4, 5)
        ),
    )
