"""OpenSim's scale sets."""

from pathlib import Path

import opensim

from .opensim_functions import vec3
from .opensim_values import open_as


def read_scale_set(path: str | Path) -> dict[str, tuple[float, float, float]]:
    """Read the scale factors of a ScaleSet `.xml`, as OpenSim's ScaleTool writes it.

    Args:
        path: of the file.

    Returns:
        Factors along the axes of each body, by its name; those that are not applied are left out.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no ScaleSet, or has no factor.
    """
    path = Path(path)
    scales = open_as(path, opensim.ScaleSet, "a ScaleSet")
    found = {}
    for scale in map(scales.get, range(scales.getSize())):
        if scale.getApply():
            found[scale.getSegmentName()] = vec3(scale.getScaleFactors())
    if not found:
        raise ValueError(f"{path} has no scale factor that is applied; it is not a ScaleSet")
    return found
