"""Write a trained network as one file that runs without this package."""

from pathlib import Path
from typing import Annotated

import tyro

from cervjax.learning.export import write_onnx, write_portable
from cervjax.learning.predict import Predictor


def run(
    network: Annotated[Path, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
) -> None:
    """Write a trained network as one file that runs without this package.

    Args:
        network: folder of a training run, or of an ensemble.
        out: a .zip (any network; needs JAX to run), or an .onnx (a single feed-forward network).
    """
    predictor = Predictor.load(network)
    if out.suffix == ".onnx":
        print(write_onnx(predictor, out))
    else:
        print(write_portable(predictor, out))
