"""Loads that act on bodies from outside in one frame: OpenSim's ExternalForce."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.math.rotation import cross, rotate
from cervjax.model import Model
from cervjax.motion import ExternalLoadsTable


class ExternalLoads(eqx.Module):
    """All external forces in one frame; with leading axes in all arrays, vmap over frames.

    `ExternalLoads.of` makes it from a file's table.

    Attributes:
        force: N, in the frame of the body that it is expressed in.
        point: m, where the force acts, in the frame of the body that it is expressed in.
        torque: N m, in the frame that `force` is in.
        applied_to_body: index of the body that each acts on, ground being 0.
        force_expressed_in_body: index of the body in whose frame force and torque are.
        point_expressed_in_body: index of the body in whose frame the point is.
    """

    force: Float[Array, "loads 3"]
    point: Float[Array, "loads 3"]
    torque: Float[Array, "loads 3"]
    applied_to_body: tuple[int, ...] = eqx.field(static=True)
    force_expressed_in_body: tuple[int, ...] = eqx.field(static=True)
    point_expressed_in_body: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def of(
        cls, table: ExternalLoadsTable, model: Model, time: Float[np.ndarray, " frames"]
    ) -> "ExternalLoads":
        """The loads of a table on a model, frame by frame.

        Args:
            table: of a file.
            model: whose bodies it names.
            time: s.

        Returns:
            With a leading axis of frames, in the model's precision; N, m, N m.

        Raises:
            ValueError: the model has no such body, or a time is outside the table.
        """
        unknown = sorted(
            {
                body
                for f in table.forces
                for body in (
                    f.applied_to_body,
                    f.force_expressed_in_body,
                    f.point_expressed_in_body,
                )
                if body not in model.topology.bodies
            }
        )
        if unknown:
            raise ValueError(
                f"{table.name} names {', '.join(map(repr, unknown))}; the bodies of "
                f"{model.topology.name!r} are {', '.join(model.topology.bodies)}"
            )
        index = model.body_index
        sampled = table.at(time)
        # Without a point of its own a force acts at the body's origin.
        places = [
            f.point_expressed_in_body if f.point_identifier else f.applied_to_body
            for f in table.forces
        ]
        force, point, torque = (jnp.asarray(x, model.dtype) for x in sampled)
        return cls(
            force,
            point,
            torque,
            applied_to_body=tuple(index(f.applied_to_body) for f in table.forces),
            force_expressed_in_body=tuple(index(f.force_expressed_in_body) for f in table.forces),
            point_expressed_in_body=tuple(index(place) for place in places),
        )

    def wrenches(
        self, rotation: Float[Array, "bodies 3 3"], position: Float[Array, "bodies 3"]
    ) -> tuple[Float[Array, "loads 3"], Float[Array, "loads 3"]]:
        """What each does to its body, in ground.

        Args:
            rotation: of each body, to ground.
            position: m, of each body's origin in ground.

        Returns:
            Force, N, and moment about ground's origin, N m.
        """
        turn = rotation[np.array(self.force_expressed_in_body, dtype=int)]
        place = np.array(self.point_expressed_in_body, dtype=int)
        force = rotate(turn, self.force)
        point = position[place] + rotate(rotation[place], self.point)
        return force, rotate(turn, self.torque) + cross(point, force)
