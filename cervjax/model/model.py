"""`Model`: the neck as arrays. Numbers are leaves; names and connections are static."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float
from scipy.spatial.transform import Rotation

from cervjax.muscle import MuscleParameters, muscle_parameters
from cervjax.spec import (
    GROUND,
    Body,
    ModelSpec,
    OffsetFrame,
)

from .actuators import BodyActuators
from .coordinate_forces import CoordinateForces
from .coordinates import CoordinateMap, coordinate_map
from .path_element import AbstractPathElement
from .path_forces import PathForces
from .rest import rest_transform
from .topology import Topology, fixed_points, path_elements, topology_of
from .write_back import written_back


class BushingParameters(eqx.Module):
    """Bushings: two frames in two bodies, and stiffness and damping between them.

    Attributes:
        translation1, translation2: m, of the frames in their bodies.
        rotation1, rotation2: rotation matrices of the frames in their bodies.
        rotational_stiffness, rotational_damping: N m/rad, N m s/rad, on body-fixed XYZ angles.
        translational_stiffness, translational_damping: N/m, N s/m.
    """

    translation1: Float[Array, "bushings 3"]
    rotation1: Float[Array, "bushings 3 3"]
    translation2: Float[Array, "bushings 3"]
    rotation2: Float[Array, "bushings 3 3"]
    rotational_stiffness: Float[Array, "bushings 3"]
    rotational_damping: Float[Array, "bushings 3"]
    translational_stiffness: Float[Array, "bushings 3"]
    translational_damping: Float[Array, "bushings 3"]


class ReserveParameters(eqx.Module):
    """Actuators beside the muscles: `control * optimal_force` (N m or N)."""

    optimal_force: Float[Array, " reserves"]
    min_control: Float[Array, " reserves"]
    max_control: Float[Array, " reserves"]


class Model(eqx.Module):
    """A neck as arrays; SI units. Bodies are indexed with ground as body 0.

    Attributes:
        body_mass: kg.
        body_mass_center: m, in the body frame.
        body_inertia: kg m^2 about the mass center, in the body frame.
        joint_parent_translation, joint_parent_rotation: the joint's frame in its parent body.
        joint_child_translation, joint_child_rotation: the joint's frame in its child body.
        joint_rest_rotation, joint_rest_translation: transform of the joint with its coordinates
            at their default values; what joints that do not move stay at.
        joint_axis: directions of the six axes of each moving joint.
        path_point_location, marker_location: m, in the frame of the point's body.
        path_elements: what muscle paths do where they are not straight.
        body_actuators: those reserves that act on bodies instead of along a coordinate.
        coordinate_forces: passive forces along coordinates.
        path_forces: passive forces along paths.
        gravity: m/s^2, in ground.
        default_q: default values of `topology.coordinates`.
    """

    body_mass: Float[Array, " bodies"]
    body_mass_center: Float[Array, "bodies 3"]
    body_inertia: Float[Array, "bodies 3 3"]
    joint_parent_translation: Float[Array, "joints 3"]
    joint_parent_rotation: Float[Array, "joints 3 3"]
    joint_child_translation: Float[Array, "joints 3"]
    joint_child_rotation: Float[Array, "joints 3 3"]
    joint_rest_rotation: Float[Array, "joints 3 3"]
    joint_rest_translation: Float[Array, "joints 3"]
    joint_axis: Float[Array, "moving 6 3"]
    path_point_location: Float[Array, "points 3"]
    marker_location: Float[Array, "markers 3"]
    path_elements: tuple[AbstractPathElement, ...]
    muscles: MuscleParameters
    bushings: BushingParameters
    reserves: ReserveParameters
    body_actuators: BodyActuators
    coordinate_forces: CoordinateForces
    path_forces: PathForces
    gravity: Float[Array, " 3"]
    default_q: Float[Array, " q"]
    coordinates: CoordinateMap
    topology: Topology = eqx.field(static=True)

    @classmethod
    def from_spec(
        cls,
        spec: ModelSpec,
        *,
        prescribed: tuple[str, ...] = (),
        dtype: DTypeLike | None = None,
        wrapping: Literal["consistent", "opensim"] = "consistent",
    ) -> "Model":
        """The arrays of `spec`.

        Args:
            prescribed: locked coordinates (e.g. of the torso) that a motion gives; they follow
                the free coordinates in `q` and no muscle balances them.
            dtype: float32 or float64; JAX's default float if None.
            wrapping: of paths over surfaces. `consistent`: moment arms are minus the derivative of
                the lengths. `opensim`: both repeat what OpenSim 4.6 computes, also where they do
                not fit together; see `cervjax.model.wrapping.route`.

        Returns:
            A neck in SI units, as `spec` is.

        Raises:
            ValueError: the spec has no coordinate that can move, a prescribed coordinate is
                unknown or not locked, or `wrapping` is another word.
        """
        if wrapping not in ("consistent", "opensim"):
            raise ValueError(f"wrapping {wrapping!r} is not 'consistent' or 'opensim'")
        topology = topology_of(spec, tuple(prescribed))
        if not topology.moving_joints:
            raise ValueError(f"{spec.name!r} has no free coordinate; nothing can move")
        ground = Body(GROUND, 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
        bodies = (ground, *spec.bodies)
        rest = [rest_transform(spec, joint.axes) for joint in spec.joints]
        moving = [spec.joints[k] for k in topology.moving_joints]
        points = [p.location for p in fixed_points(spec)]
        values = {c.name: c.default_value for c in spec.coordinates}
        path_forces = PathForces.of(spec)
        model = cls(
            body_mass=_array([b.mass for b in bodies]),
            body_mass_center=_array([b.mass_center for b in bodies], 3),
            body_inertia=_array([_inertia_matrix(b) for b in bodies], 3, 3),
            joint_parent_translation=_array([j.parent.translation for j in spec.joints], 3),
            joint_parent_rotation=_rotations([j.parent for j in spec.joints]),
            joint_child_translation=_array([j.child.translation for j in spec.joints], 3),
            joint_child_rotation=_rotations([j.child for j in spec.joints]),
            joint_rest_rotation=_array([r for r, _ in rest], 3, 3),
            joint_rest_translation=_array([t for _, t in rest], 3),
            joint_axis=_array([[a.axis for a in j.axes] for j in moving], 6, 3),
            path_point_location=_array(points, 3),
            marker_location=_array([m.location for m in spec.markers], 3),
            path_elements=tuple(
                element.reproducing_opensim() if wrapping == "opensim" else element
                for element in path_elements(spec)
            ),
            muscles=muscle_parameters(spec.muscles),
            bushings=BushingParameters(
                _array([b.frame1.translation for b in spec.bushings], 3),
                _rotations([b.frame1 for b in spec.bushings]),
                _array([b.frame2.translation for b in spec.bushings], 3),
                _rotations([b.frame2 for b in spec.bushings]),
                _array([b.rotational_stiffness for b in spec.bushings], 3),
                _array([b.rotational_damping for b in spec.bushings], 3),
                _array([b.translational_stiffness for b in spec.bushings], 3),
                _array([b.translational_damping for b in spec.bushings], 3),
            ),
            reserves=ReserveParameters(
                _array([a.optimal_force for a in spec.actuators]),
                _array([a.min_control for a in spec.actuators]),
                _array([a.max_control for a in spec.actuators]),
            ),
            body_actuators=BodyActuators.of(spec),
            coordinate_forces=CoordinateForces.of(spec),
            path_forces=path_forces.reproducing_opensim() if wrapping == "opensim" else path_forces,
            gravity=_array(spec.gravity),
            default_q=_array([values[name] for name in topology.coordinates]),
            coordinates=coordinate_map(spec, topology.coordinates, topology.moving_joints),
            topology=topology,
        )
        return model if dtype is None else model.astype(dtype)

    def astype(self, dtype: DTypeLike) -> "Model":
        """The same neck with every number in `dtype`.

        Returns:
            A copy, in the same units.

        Raises:
            ValueError: float64 is asked for while JAX has 64-bit numbers switched off.
        """
        if jnp.dtype(dtype) == jnp.float64 and not jax.config.read("jax_enable_x64"):
            raise ValueError(
                "float64 needs JAX's 64-bit mode: jax.config.update('jax_enable_x64', True) "
                "in your script, before any array is made"
            )
        return jax.tree.map(lambda x: x.astype(dtype) if eqx.is_array(x) else x, self)

    @property
    def dtype(self) -> jnp.dtype:
        """float32 or float64."""
        return self.gravity.dtype

    def body_index(self, name: str) -> int:
        """Index of body `name` into the body arrays."""
        return _index(self.topology.bodies, name, "body")

    def muscle_index(self, name: str) -> int:
        """Index of muscle `name` into the muscle arrays."""
        return _index(self.topology.muscles, name, "muscle")

    def to_spec(self, spec: ModelSpec, name: str | None = None) -> ModelSpec:
        """`spec`, from which this model was made, with this model's numbers.

        Gravity, masses, mass centers, inertia, translations of joint frames, path points, markers,
        muscle parameters, bushing frames' translations, stiffness and damping, forces along
        coordinates and paths, and reserves are written back.

        Args:
            name: name of the result; that of `spec` if None.

        Returns:
            A changed copy, in SI units.

        Raises:
            ValueError: `spec` has other components than this model.
        """
        if topology_of(spec, self.topology.coordinates[self.topology.num_free :]) != self.topology:
            raise ValueError(f"{spec.name!r} is not the spec this model was made from")
        return written_back(self, spec, name or spec.name)


def _array(rows: Any, *shape: int) -> Array:
    values = np.asarray(rows, dtype=float)
    return jnp.asarray(values.reshape(-1, *shape) if shape else values)


def _rotation_matrix(frame: OffsetFrame) -> np.ndarray:
    return Rotation.from_euler("XYZ", frame.orientation).as_matrix()


def _rotations(frames: list[OffsetFrame]) -> Array:
    return _array([_rotation_matrix(f) for f in frames], 3, 3)


def _inertia_matrix(body: Body) -> np.ndarray:
    xx, yy, zz, xy, xz, yz = body.inertia
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def _index(names: tuple[str, ...], name: str, kind: str) -> int:
    if name not in names:
        raise ValueError(f"no {kind} {name!r}; there are {', '.join(names)}")
    return names.index(name)
