"""Fingerprints of models: of names and numbers, not of how a version prints them."""

import dataclasses
import hashlib
import json
from typing import Any

from .model_spec import ModelSpec

_VERSION = "2:"
_FORMAT_1_FIELDS: dict[str, tuple[str, ...]] = {
    "ModelSpec": (
        "name", "bodies", "joints", "couplers", "muscles", "bushings", "markers", "actuators",
        "groups", "gravity", "credits", "publications", "omitted",
    ),
    "TransformAxis": ("axis", "coordinate", "function"),
    "CoordinateCoupler": ("name", "dependent", "independent", "function"),
    "Muscle": (
        "name", "path", "max_isometric_force", "optimal_fiber_length", "tendon_slack_length",
        "pennation_angle_at_optimal", "max_contraction_velocity", "fiber_damping", "min_control",
        "max_control", "activation_time_constant", "deactivation_time_constant",
        "minimum_activation", "default_activation", "ignore_tendon_compliance", "curves",
    ),
}  # fmt: skip
"""Of classes that have gained fields since."""
_FORMAT_1_NAMES = {"ModelSpec": "NeckSpec"}
"""Of classes that have another name since."""


def spec_fingerprint(spec: ModelSpec) -> str:
    """SHA-256 of every name and number of `spec`, with the version of the way it is taken.

    Values at their default do not enter, so that a new field changes no fingerprint.

    Args:
        spec: a model.

    Returns:
        `2:` and 64 hexadecimal digits.
    """
    text = json.dumps(_plain(spec), sort_keys=True, separators=(",", ":"))
    return _VERSION + hashlib.sha256(text.encode()).hexdigest()


def same_fingerprint(spec: ModelSpec, stored: str) -> bool:
    """Whether a stored fingerprint, of this version or an older one, is that of `spec`.

    Args:
        spec: a model.
        stored: what a file holds.

    Returns:
        True where names and numbers are the same.
    """
    if stored.startswith(_VERSION):
        return stored == spec_fingerprint(spec)
    return stored == hashlib.sha256(_format_1(spec).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    plain: dict[str, Any] = {"": type(value).__name__}
    for field in dataclasses.fields(value):
        own, default = getattr(value, field.name), field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if default is dataclasses.MISSING or own != default:
            plain[field.name] = _plain(own)
    return plain


def _format_1(value: Any) -> str:
    """What `repr` gave when fingerprints were of it."""
    if isinstance(value, tuple):
        inner = ", ".join(_format_1(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if not dataclasses.is_dataclass(value):
        return repr(value)
    name = type(value).__name__
    names = _FORMAT_1_FIELDS.get(name, tuple(f.name for f in dataclasses.fields(value)))
    fields = ", ".join(f"{n}={_format_1(getattr(value, n))}" for n in names)
    return f"{_FORMAT_1_NAMES.get(name, name)}({fields})"
