"""Paths that are no chain of fixed points: moving and conditional points, and wrapping."""

from . import cylinder as cylinder, ellipsoid as ellipsoid, sphere as sphere, torus as torus
from .surface import (
    WRAP_SURFACES as WRAP_SURFACES,
    AbstractWrapSurface as AbstractWrapSurface,
    WrapOutcome as WrapOutcome,
    Wrapped as Wrapped,
    WrapTask as WrapTask,
    register_wrap_surface as register_wrap_surface,
)
from .whole_paths import WholePaths as WholePaths
