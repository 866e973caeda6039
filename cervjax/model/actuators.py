"""Actuators on bodies: the lines along which they push, in whatever pose."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.math.rotation import cross, rotate
from cervjax.spec import GROUND, ModelSpec, PointActuator, TorqueActuator


class _Place(NamedTuple):
    """Attributes: `actuator`: index among all; `body`, `other`: on which it acts, and on which the
    opposite acts (ground for none); `turns`: whether it is a torque; `point_global`,
    `direction_global`: whether these are given in ground."""

    actuator: int
    body: int
    other: int
    turns: bool
    point_global: bool
    direction_global: bool


class BodyActuators(eqx.Module):
    """All actuators of a model that act on bodies.

    Attributes:
        point: m, where each pushes.
        direction: unit vectors, along or about which.
        place: what each acts on.
    """

    point: Float[Array, "actuators 3"]
    direction: Float[Array, "actuators 3"]
    place: tuple[_Place, ...] = eqx.field(static=True)

    @classmethod
    def of(cls, spec: ModelSpec) -> "BodyActuators":
        """Those of a model.

        Args:
            spec: the model.

        Returns:
            m.

        Raises:
            ValueError: a class of actuators on bodies is unknown here.
        """
        bodies = (GROUND, *(b.name for b in spec.bodies))
        points, directions, places = [], [], []
        for k, actuator in enumerate(spec.actuators):
            match actuator:
                case PointActuator():
                    body, other = bodies.index(actuator.body), 0
                    points.append(actuator.point)
                    directions.append(actuator.direction)
                    within = actuator.point_is_global, actuator.force_is_global
                    places.append(_Place(k, body, other, False, *within))
                case TorqueActuator():
                    body, other = bodies.index(actuator.bodyA), bodies.index(actuator.bodyB)
                    points.append((0.0, 0.0, 0.0))
                    directions.append(actuator.axis)
                    places.append(_Place(k, body, other, True, True, actuator.torque_is_global))
                case _ if actuator.acts_along() is None:
                    kind = type(actuator).__name__
                    raise ValueError(f"actuator {actuator.name!r} is a {kind}, unknown here")
        lines = np.array(directions, float).reshape(-1, 3)
        lines = lines / np.linalg.norm(lines, axis=1, keepdims=True)
        return cls(
            jnp.asarray(np.array(points, float).reshape(-1, 3)), jnp.asarray(lines), tuple(places)
        )

    def wrenches(
        self, rotation: Float[Array, "bodies 3 3"], position: Float[Array, "bodies 3"]
    ) -> tuple[Float[Array, "actuators 3"], Float[Array, "actuators 3"]]:
        """What a unit of each does to its body, in ground; its other body gets the opposite.

        Args:
            rotation: of each body, to ground.
            position: m, of each body's origin in ground.

        Returns:
            Force (no unit, or per m), and moment about ground's origin (m, or no unit).
        """
        body = np.array([p.body for p in self.place])
        turned = np.array([p.direction_global for p in self.place])[:, None]
        placed = np.array([p.point_global for p in self.place])[:, None]
        torque = np.array([p.turns for p in self.place])[:, None]
        line = jnp.where(turned, self.direction, rotate(rotation[body], self.direction))
        carried = position[body] + rotate(rotation[body], self.point)
        point = jnp.where(placed, self.point, carried)
        force = jnp.where(torque, 0.0, line)
        return force, jnp.where(torque, line, cross(point, line))
