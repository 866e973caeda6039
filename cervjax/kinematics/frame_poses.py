"""Poses of many frames on the host: one compiled function, whatever markers a model has."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.execution.rows import CPU_CHUNK, in_chunks
from cervjax.model import Model

from .poses import BodyPoses, body_poses


def frame_poses(model: Model, q: Float[np.ndarray, "frames q"]) -> BodyPoses:
    """Poses of all bodies in many frames.

    Args:
        model: of the person.
        q: rad or m, in the order of `model.topology.coordinates`.

    Returns:
        Rotations (no unit) and positions (m) with a leading axis of frames, in memory of the host.
    """
    # A person's markers are not the model's; with them, everybody's poses would be compiled anew.
    topology = dataclasses.replace(model.topology, markers=(), marker_body=())
    bare = dataclasses.replace(
        model, topology=topology, marker_location=jnp.zeros((0, 3), model.dtype)
    )
    return in_chunks(partial(_poses, bare), CPU_CHUNK, np.asarray(q, model.dtype))


def upright_pose(model: Model) -> tuple[BodyPoses, Float[np.ndarray, "markers 3"]]:
    """Bodies and markers at coordinates of zero, on the host.

    Args:
        model: of the person.

    Returns:
        Rotations (no unit) and positions (m) of the bodies; positions of the markers, m.
    """
    poses = frame_poses(model, np.zeros((1, len(model.topology.coordinates))))
    rotation, position = poses.rotation[0], poses.position[0]
    body = np.array(model.topology.marker_body, dtype=int)
    location = np.asarray(model.marker_location)
    markers = position[body] + np.einsum("mij,mj->mi", rotation[body], location)
    return BodyPoses(rotation, position), markers


@eqx.filter_jit
def _poses(model: Model, q: Float[Array, "frames q"]) -> BodyPoses:
    return jax.vmap(lambda row: body_poses(model, row))(q)
