"""OpenSim's scale sets."""

from pathlib import Path

import opensim

from .opensim_support import quiet_opensim


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
    if not path.is_file():
        raise FileNotFoundError(f"no scale set at {path}")
    quiet_opensim()
    try:
        scales = opensim.ScaleSet(str(path))
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{path} is not a ScaleSet: {reason}") from error
    found = {}
    for scale in map(scales.get, range(scales.getSize())):
        if scale.getApply():
            factors = scale.getScaleFactors()
            found[scale.getSegmentName()] = (factors.get(0), factors.get(1), factors.get(2))
    if not found:
        raise ValueError(f"{path} has no scale factor that is applied; it is not a ScaleSet")
    return found
