"""Paths as polynomials, with what these are worth printed as a table."""

from typing import Literal

from jaxtyping import Float
from numpy import ndarray
from rich.console import Console
from rich.table import Table

from cervjax.kinematics import fit_paths
from cervjax.spec import ModelSpec

FitPaths = Literal["none", "good", "all"]


def fitted(
    spec: ModelSpec,
    which: Literal["good", "all"],
    around: Float[ndarray, "frames q"] | None = None,
    wrapping: Literal["consistent", "opensim"] = "consistent",
) -> ModelSpec:
    """`spec` with polynomials for paths; their errors are printed.

    Args:
        spec: in SI units.
        which: those within tolerance, or all.
        around: rad or m, of the motion to fit about; over the whole ranges if None.
        wrapping: of the paths that are fitted.

    Returns:
        In SI units.
    """
    found = fit_paths(
        spec,
        around=around,
        only_within_tolerance=which == "good",
        wrapping=wrapping,
        progress=True,
    )
    table = Table(title="Polynomials for muscle paths, at poses they were not fitted to (mm)")
    for heading in ("muscle", "of", "order", "length rms", "max", "moment arm rms", "max"):
        table.add_column(heading, justify="left" if heading in ("muscle", "of") else "right")
    for fit in found.fits:
        numbers = (fit.length_rms, fit.length_max, fit.moment_arm_rms, fit.moment_arm_max)
        told = (f"{1000 * value:.3g}" for value in numbers)
        style = None if fit.within_tolerance else "yellow"
        table.add_row(fit.muscle, " ".join(fit.coordinates), str(fit.order), *told, style=style)
    console = Console(stderr=True)
    console.print(table)
    beyond = [fit.muscle for fit in found.fits if not fit.within_tolerance]
    if beyond:
        told = "their paths were kept" if which == "good" else "they were put in all the same"
        console.print(
            f"not within tolerance: {', '.join(beyond)}; {told}. No polynomial follows a path that "
            "jumps or bends sharply"
        )
    return found.spec
