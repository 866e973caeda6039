"""What the repair of HYOID's vertebral inertia changes in the generalized forces.

    python experiments/inertia_repair_effect.py

The published inertia of each vertebra, (0.02, 0.08, 0.02) kg m^2, belongs to no rigid body.
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import figures
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from cervjax.dynamics import inverse_dynamics
from cervjax.execution.provenance import write_provenance
from cervjax.model import Model
from cervjax.motion import Motion, read_storage
from cervjax.motion.synthesis import MovementSampler
from cervjax.spec import shipped_neck


@dataclass(frozen=True)
class Config:
    """What to compare on.

    Attributes:
        motion: a recorded `.mot` or `.sto`; random movements if None.
        movements: random movements.
        out: results folder.
    """

    motion: Path | None = None
    movements: int = 200
    seed: int = 0
    out: Path = field(default=Path("results/inertia_repair_effect"))


def run(config: Config) -> np.ndarray:
    """Write a table and a figure; returns the effective inertia of both necks, kg m^2."""
    jax.config.update("jax_enable_x64", True)
    write_provenance(config.out, config)
    specs = [shipped_neck(name) for name in ("hyoid", "hyoid-repaired")]
    models = [Model.from_spec(spec) for spec in specs]
    q, qd, qdd = (jnp.asarray(x) for x in _motion(config, specs[0]))
    forces = [
        np.asarray(jax.jit(jax.vmap(lambda *f, m=m: inverse_dynamics(m, *f)))(q, qd, qdd))
        for m in models
    ]
    inertia = np.array([_effective_inertia(m) for m in models])
    names = models[0].topology.free_coordinates
    table = Table(
        "coordinate",
        "published inertia (kg m²)",
        "repaired",
        "RMS tau published (N m)",
        "RMS difference",
        "largest difference",
        title=f"Effect of the repair on {len(q)} frames",
    )
    difference = forces[1] - forces[0]
    rows = []
    for k, name in enumerate(names):
        values = (
            inertia[0, k],
            inertia[1, k],
            np.sqrt(np.mean(forces[0][:, k] ** 2)),
            np.sqrt(np.mean(difference[:, k] ** 2)),
            np.abs(difference[:, k]).max(),
        )
        rows.append((name, *values))
        table.add_row(name, *(f"{v:.4f}" for v in values))
    with (config.out / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["coordinate", "inertia_published", "inertia_repaired", "rms_published_Nm",
             "rms_difference_Nm", "largest_difference_Nm"]
        )  # fmt: skip
        writer.writerows(rows)
    rms = {
        "generalized force, published": np.sqrt(np.mean(forces[0] ** 2, axis=0)),
        "difference of the repair": np.sqrt(np.mean(difference**2, axis=0)),
    }
    figures.torque_residuals(config.out / "effect.png", names, rms)
    Console().print(table)
    return inertia


def _effective_inertia(model: Model) -> np.ndarray:
    """Diagonal of the mass matrix in the free coordinates, upright."""
    zero = jnp.zeros_like(model.default_q)
    matrix = jax.jacfwd(lambda qdd: inverse_dynamics(model, zero, zero, qdd))(zero)
    return np.diag(np.asarray(matrix))


def _motion(config: Config, spec) -> tuple[np.ndarray, ...]:
    if config.motion is not None:
        motion = Motion.from_storage(read_storage(config.motion), spec)
        return tuple(motion.analyze_derivatives())
    sampler = MovementSampler.of(spec)
    time = jnp.linspace(0.0, 4.0, 100)
    keys = jax.random.split(jax.random.key(config.seed), config.movements)
    sample = jax.vmap(lambda key: sampler(key, time))(keys)
    return tuple(np.asarray(x).reshape(-1, x.shape[-1]) for x in sample)


if __name__ == "__main__":
    run(tyro.cli(Config, description=__doc__))
