"""The part of a neck that is not numbers: names, and which piece hangs on which.

`Topology` is hashable and static under `jax.jit`: two necks with the same topology share one
compiled function.
"""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cervjax.spec import (
    GROUND,
    AbstractPathComponent,
    Anatomy,
    Constant,
    FunctionBasedPath,
    Joint,
    LinearFunction,
    ModelSpec,
    MotionType,
    Muscle,
    PathPoint,
    affine_form,
)

from .path_element import PATH_ELEMENTS, AbstractPathElement, Line, Stretch
from .wrapping import WholePaths


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
        curved: path points after which the path is not straight: a path element goes on from there.
        lines: of all path elements, along which they pull bodies together.
        bushing_bodies: the two body indices of each bushing.
        reserve_coordinates: index into `coordinates` per reserve; -1 for one on a body, or along
            a coordinate that is coupled or locked.
        reserve_followers: reserves along such a coordinate, and its index into `all_coordinates`.
        slides: whether any moving joint translates.
        scaled_slides: whether the translation along each axis of each joint grows with its parent
            body: not where a coordinate is the translation.
        coupled_slides: translations that couplers drive: index into `all_coordinates`, joint, and
            axis in the joint's parent frame.
        ranges: rad or m, of each of `coordinates`.
        clamped: whether each of them is.
        motion_types: of each of them, as OpenSim has them.
        groups: muscle groups by name.
        omitted: paths of components of the source that the model does not carry.
        anatomy: what bodies, coordinates, markers and groups stand for.
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
    curved: tuple[int, ...]
    lines: tuple[Line, ...]
    bushing_bodies: tuple[tuple[int, int], ...]
    reserve_coordinates: tuple[int, ...]
    reserve_followers: tuple[tuple[int, int], ...]
    slides: bool
    scaled_slides: tuple[tuple[bool, bool, bool], ...]
    coupled_slides: tuple[tuple[int, int, tuple[float, float, float]], ...]
    ranges: tuple[tuple[float, float], ...]
    clamped: tuple[bool, ...]
    motion_types: tuple[MotionType, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    omitted: tuple[str, ...]
    anatomy: Anatomy

    @property
    def free_coordinates(self) -> tuple[str, ...]:
        """Names of the free coordinates."""
        return self.coordinates[: self.num_free]

    @property
    def is_chain(self) -> bool:
        """Whether each moving joint hangs on the one before it, as in a neck."""
        return self.moving_parent == tuple(range(-1, len(self.moving_joints) - 1))

    @property
    def free_ranges(self) -> Float[np.ndarray, "free 2"]:
        """Rad or m, of the free coordinates."""
        return np.array(self.ranges[: self.num_free]).reshape(-1, 2)

    @property
    def free_limits(self) -> Float[np.ndarray, "free 2"]:
        """Rad or m, limits of the free coordinates; infinite where they are not clamped."""
        clamped = np.array(self.clamped[: self.num_free], bool)[:, None]
        return np.where(clamped, self.free_ranges, [-np.inf, np.inf])

    def group(self, name: str) -> tuple[str, ...]:
        """The muscles of a group.

        Args:
            name: of the group.

        Returns:
            Names of muscles.

        Raises:
            ValueError: there is no such group.
        """
        groups = dict(self.groups)
        if name not in groups:
            raise ValueError(f"no muscle group {name!r}; there are {sorted(groups)}")
        return groups[name]

    @functools.cached_property
    def rest_generations(self) -> tuple[tuple[int, ...], ...]:
        """The joints that do not move, by how many of them are between their parent and its anchor.

        Returns:
            Indices of joints: first those on ground or on a body that a joint moves, then those on
            the children of these, and so on.
        """
        moved = {0, *(self.joint_child[k] for k in self.moving_joints)}
        depth = dict.fromkeys(moved, 0)
        generations: list[list[int]] = []
        for k, (parent, child) in enumerate(zip(self.joint_parent, self.joint_child, strict=True)):
            if k in self.moving_joints:
                continue
            if depth[parent] == len(generations):
                generations.append([])
            generations[depth[parent]].append(k)
            depth[child] = depth[parent] + 1
        return tuple(tuple(joints) for joints in generations)

    @functools.cached_property
    def descendants(self) -> Float[np.ndarray, "joints bodies"]:
        """Which moving bodies are distal to which moving joints.

        Returns:
            `[j, b]`, no unit, is 1 if moving body `b` is distal to moving joint `j`, else 0; the
            last column, that of ground, is 0.
        """
        count = len(self.moving_joints)
        table = np.eye(count, count + 1)
        for body, parent in enumerate(self.moving_parent):
            table[:, body] += table[:, parent]
        return table


def topology_of(spec: ModelSpec, prescribed: tuple[str, ...] = ()) -> Topology:
    """The topology of `spec`, with the locked coordinates `prescribed` as inputs.

    Returns:
        Names and connections; ranges in rad or m.

    Raises:
        ValueError: a prescribed coordinate is unknown or not locked, or is not among the
            coordinates of a path that is a function, or an actuator acts on a coordinate that is
            not free.
    """
    for name in prescribed:
        if not spec.coordinate(name).locked:
            raise ValueError(f"prescribed coordinate {name!r} is not locked in {spec.name!r}")
    functions = [p for m in spec.muscles for p in m.path if isinstance(p, FunctionBasedPath)]
    blind = [p.name for p in functions if not set(prescribed) <= set(p.coordinates)]
    if blind:
        raise ValueError(
            f"{blind[0]!r} and {len(blind) - 1} other path(s) of {spec.name!r} are functions of "
            f"other coordinates than {', '.join(prescribed)}, and may not follow them as "
            "prescribed; use the paths themselves"
        )
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

    starts, lines = _muscle_points(spec), element_lines(spec)
    everywhere = tuple(c.name for c in spec.coordinates)
    for actuator in spec.actuators:
        along = actuator.acts_along()
        if along is not None and along not in everywhere:
            raise ValueError(
                f"actuator {actuator.name!r} acts on {along!r}, which is no coordinate of "
                f"{spec.name!r}; there are {list(everywhere)}"
            )
    return Topology(
        name=spec.name,
        bodies=bodies,
        joints=tuple(j.name for j in spec.joints),
        all_coordinates=everywhere,
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
        point_body=tuple(index[p.body] for p in fixed_points(spec)),
        marker_body=tuple(index[m.body] for m in spec.markers),
        muscle_points=tuple(itertools.pairwise(starts)),
        curved=tuple(s.first for s in stretches_of(spec) if s.first >= 0),
        lines=lines,
        bushing_bodies=tuple((index[b.frame1.body], index[b.frame2.body]) for b in spec.bushings),
        reserve_coordinates=tuple(
            coordinates.index(along) if along in coordinates else -1
            for along in (a.acts_along() for a in spec.actuators)
        ),
        reserve_followers=tuple(
            (k, everywhere.index(along))
            for k, along in enumerate(a.acts_along() for a in spec.actuators)
            if along is not None and along not in coordinates
        ),
        slides=any(
            affine_form(spec.joints[k].axes[i].function) != (0.0, 0.0)
            or bool(spec.joints[k].axes[i].products)
            for k in moving_joints
            for i in (3, 4, 5)
        ),
        scaled_slides=tuple(map(_scaled_slides, spec.joints)),
        coupled_slides=_coupled_slides(spec, everywhere),
        ranges=tuple(spec.coordinate(name).range for name in coordinates),
        clamped=tuple(spec.coordinate(name).clamped for name in coordinates),
        motion_types=tuple(spec.coordinate(name).motion_type for name in coordinates),
        groups=spec.groups,
        omitted=spec.omitted,
        anatomy=spec.anatomy,
    )


def _coupled_slides(
    spec: ModelSpec, names: Sequence[str]
) -> tuple[tuple[int, int, tuple[float, float, float]], ...]:
    """Translations that couplers drive: index among all coordinates, joint, and axis."""
    tied = {c.dependent for c in spec.couplers}
    sliding = {c.name for c in spec.coordinates if c.motion_type == "translational"}
    return tuple(
        (names.index(axis.coordinate), k, axis.axis)
        for k, joint in enumerate(spec.joints)
        for axis in joint.axes[3:]
        if axis.coordinate in tied & sliding
    )


def _scaled_slides(joint: Joint) -> tuple[bool, bool, bool]:
    """As OpenSim's `SpatialTransform::scale` decides it."""
    if not joint.axes:
        return False, False, False
    itself, nothing = LinearFunction((1.0, 0.0)), Constant(0.0)
    scales = [
        axis.function not in (itself, nothing) or bool(axis.products) for axis in joint.axes[3:]
    ]
    return scales[0], scales[1], scales[2]


def fixed_points(spec: ModelSpec) -> list[PathPoint]:
    """The points of all muscles that are fixed in a body, muscle by muscle.

    Args:
        spec: a model.

    Returns:
        Path points, in the order of `Model.path_point_location`.
    """
    straight = [m for m in spec.muscles if not _is_whole(m)]
    return [p for m in straight for p in m.path if isinstance(p, PathPoint)]


def _is_whole(muscle: Muscle) -> bool:
    """Whether a path element evaluates the whole path."""
    kinds = [PATH_ELEMENTS[type(p)] for p in muscle.path if type(p) in PATH_ELEMENTS]
    return bool(muscle.wraps) or any(kind.whole for kind in kinds)


def _muscle_points(spec: ModelSpec) -> list[int]:
    starts = [0]
    for muscle in spec.muscles:
        fixed = 0 if _is_whole(muscle) else sum(isinstance(p, PathPoint) for p in muscle.path)
        starts.append(starts[-1] + fixed)
    return starts


def stretches_of(spec: ModelSpec) -> list[Stretch]:
    """The parts of muscle paths that are not straight between two fixed points.

    Args:
        spec: a model.

    Returns:
        Stretches, muscle by muscle.

    Raises:
        ValueError: a path that is evaluated piece by piece does not begin and end in a PathPoint.
    """
    index = {name: i for i, name in enumerate((GROUND, *(b.name for b in spec.bodies)))}
    points, found, point = fixed_points(spec), [], -1
    for number, muscle in enumerate(spec.muscles):
        if _is_whole(muscle):
            found.append(Stretch(number, -1, -1, 0, 0, muscle.path, muscle.wraps))
            continue
        for end in (muscle.path[0], muscle.path[-1]):
            if not isinstance(end, PathPoint):
                raise ValueError(
                    f"muscle {muscle.name!r}: its path ends in {end.name!r}, a "
                    f"{type(end).__name__}; it must begin and end in a PathPoint"
                )
        between: list[AbstractPathComponent] = []
        for part in muscle.path:
            if not isinstance(part, PathPoint):
                between.append(part)
                continue
            point += 1
            if between:
                first, last = (index[points[k].body] for k in (point - 1, point))
                parts = tuple(between)
                found.append(Stretch(number, point - 1, point, first, last, parts))
                between = []
    return found


def path_elements(spec: ModelSpec) -> tuple[AbstractPathElement, ...]:
    """The elements of all stretches, one for each class that is registered.

    Args:
        spec: a model.

    Returns:
        Elements, in the order in which they were registered.

    Raises:
        ValueError: a path component has no element, or a stretch has components of two elements.
    """
    grouped: dict[type[AbstractPathElement], list[Stretch]] = {}
    for stretch in stretches_of(spec):
        kinds: set[type[AbstractPathElement]] = set()
        if stretch.first < 0:
            grouped.setdefault(_whole_kind(stretch), []).append(stretch)
            continue
        for part in stretch.components:
            if type(part) not in PATH_ELEMENTS:
                raise ValueError(
                    f"path component {part.name!r} of {spec.muscles[stretch.muscle].name!r} is a "
                    f"{type(part).__name__}, which no path element evaluates"
                )
            kinds.add(PATH_ELEMENTS[type(part)])
        if len(kinds) > 1:
            raise ValueError(
                f"{', '.join(p.name for p in stretch.components)} of "
                f"{spec.muscles[stretch.muscle].name!r} lie between the same two fixed points and "
                "belong to different path elements"
            )
        grouped.setdefault(kinds.pop(), []).append(stretch)
    return tuple(kind.build(stretches, spec) for kind, stretches in grouped.items())


def _whole_kind(stretch: Stretch) -> type[AbstractPathElement]:
    """The element of a whole path: that of its own component, or the one of points and wraps."""
    kinds = (PATH_ELEMENTS.get(type(p), WholePaths) for p in stretch.components)
    return next((kind for kind in kinds if kind.whole and kind is not WholePaths), WholePaths)


def element_lines(spec: ModelSpec) -> tuple[Line, ...]:
    """The lines of all path elements.

    Args:
        spec: a model.

    Returns:
        Lines, element by element.
    """
    return tuple(line for element in path_elements(spec) for line in element.lines())
