"""Joints at rest: with their coordinates at the default values."""

import math

import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from cervjax.spec import Function, ModelSpec, TransformAxis, affine_form

from .functions import jax_function


def rest_transform(
    spec: ModelSpec, axes: tuple[TransformAxis, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and translation of a joint with its coordinates at their default values.

    Args:
        spec: of the model.
        axes: of the joint.

    Returns:
        A matrix, and m.
    """
    rotation, translation = Rotation.identity(), np.zeros(3)
    for i, axis in enumerate(axes):
        at = spec.coordinate(axis.coordinate).default_value if axis.coordinate else 0.0
        value = _value(axis.function, at)
        for product in axis.products:
            defaults = (spec.coordinate(name).default_value for name, _ in product)
            parts = (_value(f, x) for (_, f), x in zip(product, defaults, strict=True))
            value += math.prod(parts)
        if i < 3:
            rotation = rotation * Rotation.from_rotvec(value * np.array(axis.axis))
        else:
            translation += value * np.array(axis.axis)
    return rotation.as_matrix(), translation


def _value(function: Function, x: float) -> float:
    form = affine_form(function)
    if form is not None:
        return form[0] * x + form[1]
    return float(jax_function(function)(jnp.asarray(x)))
