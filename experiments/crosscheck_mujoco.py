"""Check cervjax against MuJoCo's C engine on the MJCF it writes; exit code 1 outside tolerance.

    python experiments/crosscheck_mujoco.py --persons 3 --poses 500

Bushings, which MuJoCo does not have, are left out on both sides.
"""

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from crosscheck_report import Checked, report
from rich.progress import track

from cervjax.dynamics import mechanics
from cervjax.execution.provenance import write_provenance
from cervjax.kinematics import body_poses
from cervjax.model import Model
from cervjax.people import Personalizer, PopulationBox, subject_at
from cervjax.spec import shipped_neck
from conversion.mujoco_engine import MujocoNeck


@dataclass(frozen=True)
class Config:
    """What to check.

    Attributes:
        neck: a shipped neck.
        persons: random persons; the first is the model itself.
        poses: random poses over the full range, over all persons.
        out: results folder.
    """

    neck: str = "hyoid"
    persons: int = 3
    poses: int = 500
    seed: int = 0
    out: Path = field(default=Path("results/crosscheck_mujoco"))


ALLOWED = {
    "body position": (1e-9, "m"),
    "body rotation": (1e-9, "1"),
    "path length": (1e-9, "m"),
    "moment arm": (1e-9, "m"),
    "generalized force": (1e-8, "N m"),
}


def run(config: Config) -> bool:
    """Run all checks, write the results, and say whether all are within tolerance."""
    jax.config.update("jax_enable_x64", True)
    write_provenance(config.out, config)
    spec = dataclasses.replace(shipped_neck(config.neck), bushings=())
    personalizer = Personalizer(spec)
    subjects = PopulationBox().sample(max(config.persons, 1), config.seed)
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in ALLOWED}
    rng = np.random.default_rng(config.seed)
    low, high = np.array([spec.coordinate(c).range for c in spec.free_coordinates]).T
    for i in range(config.persons):
        person = spec if i == 0 else personalizer(subject_at(subjects, i)).to_spec(spec)
        model = Model.from_spec(person)
        engine = MujocoNeck(person, model)

        @jax.jit
        def ours(q, qd, qdd, model=model):
            return mechanics(model, q, qd, qdd), body_poses(model, q)

        for _ in track(range(i, config.poses, config.persons), f"person {i}", transient=True):
            motion = rng.uniform(low, high), 3 * rng.normal(size=6), 30 * rng.normal(size=6)
            frame, poses = ours(*(jnp.asarray(x) for x in motion))
            theirs = engine(*motion)
            for name, mine, other in (
                ("body position", poses.position[1:], theirs.position),
                ("body rotation", poses.rotation[1:], theirs.rotation),
                ("path length", frame.length, theirs.length),
                ("moment arm", frame.moment_arm, theirs.moment_arm),
                ("generalized force", frame.generalized_force, theirs.generalized_force),
            ):
                found[name].append((np.ravel(mine), np.ravel(np.asarray(other))))
    checked = []
    for name, pairs in found.items():
        mine, other = (np.concatenate(x) for x in zip(*pairs, strict=True))
        allowed, unit = ALLOWED[name]
        checked.append(Checked(name, unit, mine, other, allowed))
    return report(f"cervjax against MuJoCo, {config.neck}", "MuJoCo", checked, config.out)


if __name__ == "__main__":
    sys.exit(0 if run(tyro.cli(Config, description=__doc__)) else 1)
