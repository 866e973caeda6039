"""Rotation matrices: axis-angle, body-fixed X-Y-Z angles, and small products.

Sums over three components are written out: XLA's CPU backend takes ten times longer over a
reduction along a short axis, and a GPU's matrix units would round float32 products to 10 bits.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def cross(a: Float[Array, "*#n 3"], b: Float[Array, "*#n 3"]) -> Float[Array, "... 3"]:
    """`a x b` along the last axis; in the unit of the product."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return jnp.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def rotate(matrix: Float[Array, "*#n 3 3"], vector: Float[Array, "*#n 3"]) -> Float[Array, "... 3"]:
    """`matrix @ vector`; in the unit of the product."""
    m, v = matrix, vector[..., None, :]
    return m[..., 0] * v[..., 0] + m[..., 1] * v[..., 1] + m[..., 2] * v[..., 2]


def multiply(a: Float[Array, "*#n 3 3"], b: Float[Array, "*#n 3 3"]) -> Float[Array, "... 3 3"]:
    """`a @ b`; in the unit of the product."""
    a, b = a[..., :, :, None], b[..., None, :, :]
    return a[..., 0, :] * b[..., 0, :] + a[..., 1, :] * b[..., 1, :] + a[..., 2, :] * b[..., 2, :]


def dot(a: Float[Array, "*#n 3"], b: Float[Array, "*#n 3"]) -> Float[Array, "..."]:
    """`a . b` along the last axis; in the unit of the product."""
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def transpose(matrix: Float[Array, "*n 3 3"]) -> Float[Array, "*n 3 3"]:
    """The inverse rotation."""
    return jnp.swapaxes(matrix, -1, -2)


def axis_rotation(axis: Float[Array, "*n 3"], angle: Float[Array, "*n"]) -> Float[Array, "*n 3 3"]:
    """Rotation by `angle` (rad) about the unit vector `axis` (Rodrigues)."""
    x, y, z = axis[..., 0], axis[..., 1], axis[..., 2]
    zero = jnp.zeros_like(x)
    skew = jnp.stack(
        [
            jnp.stack([zero, -z, y], -1),
            jnp.stack([z, zero, -x], -1),
            jnp.stack([-y, x, zero], -1),
        ],
        -2,
    )
    sine, cosine = jnp.sin(angle)[..., None, None], jnp.cos(angle)[..., None, None]
    dyad = axis[..., :, None] * axis[..., None, :]
    return cosine * (jnp.eye(3, dtype=angle.dtype) - dyad) + sine * skew + dyad


def body_fixed_xyz_angles(matrix: Float[Array, "*n 3 3"]) -> Float[Array, "*n 3"]:
    """Body-fixed X-Y-Z angles (rad) of a rotation, the middle one in (-pi/2, pi/2)."""
    x = jnp.arctan2(-matrix[..., 1, 2], matrix[..., 2, 2])
    y = jnp.arctan2(matrix[..., 0, 2], jnp.sqrt(matrix[..., 1, 2] ** 2 + matrix[..., 2, 2] ** 2))
    z = jnp.arctan2(-matrix[..., 0, 1], matrix[..., 0, 0])
    return jnp.stack([x, y, z], axis=-1)


def body_fixed_xyz_rates(angles: Float[Array, "*n 3"]) -> Float[Array, "*n 3 3"]:
    """How body-fixed X-Y-Z `angles` (rad) change with angular velocity.

    Returns:
        The matrix E, no unit, with `angle rates = E @ angular velocity in the base frame`; singular
        where the middle angle is +-pi/2.
    """
    sx, cx = jnp.sin(angles[..., 0]), jnp.cos(angles[..., 0])
    tan_y = jnp.tan(angles[..., 1])
    sec_y = 1 / jnp.cos(angles[..., 1])
    one, zero = jnp.ones_like(sx), jnp.zeros_like(sx)
    return jnp.stack(
        [
            jnp.stack([one, sx * tan_y, -cx * tan_y], -1),
            jnp.stack([zero, cx, sx], -1),
            jnp.stack([zero, -sx * sec_y, cx * sec_y], -1),
        ],
        -2,
    )


def rotation_vector(rotation: Float[Array, "3 3"]) -> Float[Array, " 3"]:
    """Axis times angle (rad), to well below a half turn."""
    twice = jnp.stack(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )
    size = jnp.sqrt(dot(twice, twice) + jnp.finfo(rotation.dtype).tiny)
    angle = jnp.arctan2(size, jnp.trace(rotation) - 1)
    return twice / size * angle
