"""Pictures of trainings."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from .run_folder import RunFolder


def draw_training(folder: Path) -> None:
    """Write `training.png` into a run's folder: every term of the loss over the steps.

    Args:
        folder: of the run; nothing is drawn before the second validation.
    """
    metrics = RunFolder(folder).metrics()
    if len(metrics) < 2:
        return
    steps = np.array([line["step"] for line in metrics])
    terms = [k.removeprefix("validation_") for k in metrics[0] if k.startswith("validation_")]
    curves = {term: np.array([line[f"validation_{term}"] for line in metrics]) for term in terms}
    training = {term: np.array([line[f"train_{term}"] for line in metrics]) for term in terms}
    _losses(folder / "training.png", steps, curves, training)


def _losses(
    path: Path, steps: np.ndarray, curves: dict[str, np.ndarray], dashed: dict[str, np.ndarray]
) -> None:
    """Terms of a loss over the steps, on unseen people (solid) and in training (dashed)."""
    plt.switch_backend("Agg")
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, values in curves.items():
        if not np.any(values > 0):
            continue
        (line,) = axis.plot(steps, values, label=name)
        if np.any(dashed[name] > 0):
            axis.plot(steps, dashed[name], "--", color=line.get_color(), linewidth=0.8)
    axis.set(
        xlabel="step",
        ylabel="mean square over spread (1)",
        yscale="log",
        title="validation (solid) and training (dashed)",
    )
    figure.legend(fontsize=8, ncols=6, loc="outside lower center")
    figure.savefig(path, dpi=120)
    plt.close(figure)
