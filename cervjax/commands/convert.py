"""Convert a model: to an OpenSim model (.osim), a MuJoCo model (.xml), or a folder of tables."""

import sys
from pathlib import Path
from typing import Annotated

import jax
import tyro

from cervjax.spec import write_tables
from conversion import load_model

from ._fitting import FitPaths, fitted


def run(
    model: Annotated[str, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
    fit_paths: FitPaths = "none",
    allow_unsupported: bool = False,
) -> None:
    """Convert a neck: to an OpenSim model (.osim), a MuJoCo model (.xml), or a folder of tables.

    Args:
        model: an .osim file, or a shipped neck: hyoid-repaired, hyoid.
        out: a path that ends in .osim or .xml, or a folder.
        fit_paths: put polynomials of the coordinates (OpenSim's FunctionBasedPath) in place of the
            muscles' paths, fitted over the ranges of all free coordinates; their errors are told.
            good: of those that are within 0.1 mm; all: of all.
        allow_unsupported: leave out model components that cannot be converted, and list them.
    """
    spec = load_model(model, allow_unsupported=allow_unsupported)
    if fit_paths != "none":
        if out.suffix == ".xml":
            raise SystemExit(
                "MuJoCo has no function-based paths: leave out --fit-paths, or write .osim"
            )
        jax.config.update("jax_enable_x64", True)
        spec = fitted(spec, fit_paths)
    if out.suffix == ".osim":
        from conversion import write_osim

        write_osim(spec, out)
    elif out.suffix == ".xml":
        from conversion import write_mjcf

        write_mjcf(spec, out)
        left = "not in MJCF: bushings, ligaments, springs, muscle force models, reserves"
        print(left, file=sys.stderr)
    else:
        write_tables(spec, out)
    print(out)
