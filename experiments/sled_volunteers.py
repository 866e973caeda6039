"""Heads of volunteers on a sled, predicted from the motion of their torsos.

    python experiments/sled_volunteers.py --folder <folder of the sled tests>

Seven frontal tests (15 g): the torso (T1) moves as measured, the nominal neck carries the head,
and head pitch and displacement are compared with those measured (ISO/TS 18571 ratings, corridors of
one standard deviation). Necks: `passive` (no muscle is active), `reflex` (muscles that hold the
head and answer stretch), both as they are and with a few parameters tuned on three tests and tried
on the other four. The results folder gets a README, tables and figures.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import cma
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array, Float
from rich.console import Console
from rich.progress import track
from sled_report import Neck, write_report
from sled_tests import SIGNALS, Corridor, SledTest, read_sled

from cervjax.dynamics import JointLimits
from cervjax.execution.provenance import write_provenance
from cervjax.kinematics import body_poses
from cervjax.math import Trajectory
from cervjax.model import Model
from cervjax.simulation import (
    ComputedMuscleControl,
    Dynamics,
    SimulationSettings,
    StretchReflex,
    simulate,
)
from cervjax.spec import ModelSpec, shipped_neck

PRESCRIBED = ("gndpitch", "spine_tx", "spine_ty")
"""Backwards pitch of the torso (rad), its place forwards and upwards (m)."""


@dataclass(frozen=True)
class Config:
    """What to simulate.

    Attributes:
        folder: of the sled tests.
        duration, step: s, of a simulation, and between samples.
        cutoff: Hz, of the torso's motion.
        tune_on: the first tests, that parameters are tuned on.
        delay: s, of the reflex; activation takes its own time besides.
        evaluations: of each tuning.
        out: results folder.
    """

    folder: Path
    duration: float = 0.24
    step: float = 0.002
    cutoff: float = 40.0
    tune_on: int = 3
    delay: float = 0.02
    evaluations: int = 600
    seed: int = 0
    out: Path = field(default=Path("results/sled_volunteers"))


@dataclass(frozen=True)
class Tuned:
    """A parameter that is tuned.

    Attributes:
        name: what it is, with its unit.
        start: where it is untuned.
        low, high: bounds.
    """

    name: str
    start: float
    low: float
    high: float


PASSIVE = (
    Tuned("bushing stiffness, factor", 1.0, 0.1, 20.0),
    Tuned("bushing damping, factor", 1.0, 0.1, 50.0),
    Tuned("passive muscle force, factor on max isometric force", 1.0, 0.5, 4.0),
    Tuned("joint limit stiffness, N m/rad", 50.0, 5.0, 500.0),
    Tuned("joint limit damping, N m s/rad", 0.5, 0.02, 10.0),
    Tuned("range of flexion, factor", 1.0, 0.8, 1.5),
)
REFLEX = (
    *PASSIVE,
    Tuned("reflex, excitation per optimal fiber length", 1.0, 0.01, 20.0),
    Tuned("reflex, excitation per optimal fiber length and s", 0.1, 0.001, 2.0),
)


class Sled(eqx.Module):
    """Necks on sleds.

    Attributes:
        model: of the neck, the torso prescribed.
        limits: of its joints.
        tone: excitations that hold the head.
        anchor: m, the lowest joint of the neck in the torso.
        head: index of the head's body.
        pitches: which free coordinates flex the neck.
    """

    model: Model
    limits: JointLimits
    tone: Float[Array, " muscles"]
    anchor: Float[Array, " 3"]
    head: int = eqx.field(static=True)
    pitches: tuple[bool, ...] = eqx.field(static=True)

    @classmethod
    def of(cls, spec: ModelSpec) -> "Sled":
        """With a neck of `spec`."""
        model = Model.from_spec(spec, prescribed=PRESCRIBED)
        limits = JointLimits.of(model)
        joint = next(j for j in spec.joints if j.parent.body == "spine" and "pitch2" in _names(j))
        standing = Dynamics(Model.from_spec(spec), "rigid", limits)
        rest = jnp.zeros(len(spec.free_coordinates))
        state = standing.at_rest(rest, jnp.zeros(len(spec.muscles)))
        hold = ComputedMuscleControl(
            0.01, Trajectory.through(np.linspace(0.0, 1.0, 11), np.zeros((11, len(rest))))
        )
        tone = hold.begin(standing, jnp.zeros(1), state)
        return cls(
            model,
            limits,
            tone,
            jnp.asarray(joint.parent.translation),
            model.body_index("skull"),
            tuple(name.startswith("pitch") for name in spec.free_coordinates),
        )

    def torso(self, test: SledTest, duration: float, step: float) -> Trajectory:
        """The torso's coordinates, under which the neck's lowest joint moves as T1 did."""
        time = np.arange(0.0, duration + 4 * step, step)
        pitch, x, z = (
            np.interp(time, test.time, column) for column in (test.torso_pitch, *test.torso.T)
        )
        ahead, up = float(self.anchor[0]), float(self.anchor[1])
        # Forwards pitch turns from up to forwards.
        turned = np.column_stack(
            [
                np.cos(pitch) * ahead + np.sin(pitch) * up - ahead,
                np.cos(pitch) * up - np.sin(pitch) * ahead - up,
            ]
        )
        place = np.column_stack([x, z]) - turned
        return Trajectory.through(time, np.column_stack([-pitch, place]))

    def respond(
        self,
        torso: Trajectory,
        carried: Float[Array, "n 2"],
        values: Float[Array, " p"],
        reflex: bool,
        duration: float,
        step: float,
        delay: float,
    ) -> Float[Array, "n 3"]:
        """Pitch (deg, forwards), and place forwards and upwards (mm, relative to T1) of the head's
        mass center, each from where it began; what is not finite where it explodes.

        Args:
            carried: m, of T1 at each sample.
            values: of `REFLEX`, or of `PASSIVE`.
        """
        stiff, damped, passive, limit, resist, range_ = values[:6]
        model: Model = eqx.tree_at(
            lambda m: (
                m.bushings.rotational_stiffness,
                m.bushings.rotational_damping,
                m.muscles.max_isometric_force,
            ),
            self.model,
            (
                stiff * self.model.bushings.rotational_stiffness,
                damped * self.model.bushings.rotational_damping,
                passive * self.model.muscles.max_isometric_force,
            ),
        )
        bends = np.array(self.pitches)
        limits = dataclasses.replace(
            self.limits,
            lower=jnp.where(bends, range_, 1.0) * self.limits.lower,
            stiffness=limit * jnp.ones(len(bends)),
            damping=resist * jnp.ones(len(bends)),
        )
        dynamics = Dynamics(model, "rigid", limits, torso=torso)
        tone = self.tone if reflex else jnp.zeros_like(self.tone)
        gains = values[6:] if reflex else jnp.zeros(2)
        ones = jnp.ones_like(tone)
        controller = StretchReflex(delay, tone, gains[0] * ones, gains[1] * ones)
        start = dynamics.at_rest(jnp.zeros(len(bends)), tone)
        settings = SimulationSettings(rtol=1e-5, atol=1e-5, adjoint="forward", max_steps=400)
        found = simulate(
            dynamics, start, controller, duration=duration, step=step, settings=settings
        )

        def head(time: Array, q: Array) -> Array:
            poses = body_poses(model, jnp.concatenate([q, torso(time)[0]]))
            turn = poses.rotation[self.head]
            place = poses.position[self.head] + turn @ model.body_mass_center[self.head]
            # Backwards pitch turns the head's forward axis up.
            return jnp.stack([-jnp.arctan2(turn[1, 0], turn[0, 0]), place[0], place[1]])

        moved = jax.vmap(head)(found.time, found.states.q)
        moved = moved - moved[0]
        relative = moved.at[:, 1:].add(-carried)
        return relative * jnp.array([180 / jnp.pi, 1e3, 1e3])


def run(config: Config) -> None:
    """Simulate, tune, compare, and write what was found."""
    jax.config.update("jax_enable_x64", True)
    console = Console()
    tests, mean, corridors = read_sled(config.folder, config.cutoff)
    write_provenance(config.out, config)
    sled = Sled.of(shipped_neck())
    time = config.step * np.arange(round(config.duration / config.step) + 1)
    every = (*tests, mean)
    torsos = jax.tree.map(
        lambda *x: jnp.stack(x), *(sled.torso(t, config.duration, config.step) for t in every)
    )
    carried = jnp.asarray(
        np.stack([np.column_stack([np.interp(time, t.time, c) for c in t.torso.T]) for t in every])
    )
    measured = np.stack(
        [np.column_stack([np.interp(time, t.time, t.head[s]) for s in SIGNALS]) for t in every]
    )
    width = np.array([_width(corridors[s]) for s in SIGNALS])

    necks = []
    for name, parameters in (("passive", PASSIVE), ("reflex", REFLEX)):
        reflex = name == "reflex"

        @eqx.filter_jit
        def respond(values, torsos, carried, reflex=reflex):
            return jax.vmap(
                lambda torso, own: sled.respond(
                    torso, own, values, reflex, config.duration, config.step, config.delay
                )
            )(torsos, carried)

        known = jax.tree.map(lambda x: x[: config.tune_on], (torsos, carried))

        def misfit(values: np.ndarray, known=known, respond=respond) -> float:
            error = np.asarray(respond(jnp.asarray(values), *known)) - measured[: config.tune_on]
            return float(np.nan_to_num(np.mean((error / width) ** 2), nan=1e6, posinf=1e6))

        start = np.array([p.start for p in parameters])
        tuned = _tune(parameters, misfit, config, console, name)
        for label, values in ((f"{name}, untuned", start), (f"{name}, tuned", tuned)):
            found = np.asarray(respond(jnp.asarray(values), torsos, carried))
            necks.append(
                Neck(label, dict(zip((p.name for p in parameters), values, strict=True)), found)
            )
    text = write_report(config.out, config.tune_on, time, tests, measured, corridors, necks)
    console.print(text)


def _tune(parameters: tuple[Tuned, ...], misfit, config: Config, console: Console, name: str):
    """Values of least misfit, sought on a logarithmic scale from where they are untuned."""
    low, high, start = (
        np.log([getattr(p, key) for p in parameters]) for key in ("low", "high", "start")
    )
    options = {
        "bounds": [0.0, 1.0],
        "seed": config.seed + 1,
        "maxfevals": config.evaluations,
        "verbose": -9,
    }
    search = cma.CMAEvolutionStrategy((start - low) / (high - low), 0.15, options)
    rounds = config.evaluations // search.popsize
    for _ in track(range(rounds), f"tuning {name}", console=console):
        points = search.ask()
        search.tell(points, [misfit(np.exp(low + x * (high - low))) for x in points])
    console.print(
        f"{name}: mean squared error {misfit(np.exp(start)):.3g} to "
        f"{search.result.fbest:.3g} (corridor widths)"
    )
    return np.exp(low + search.result.xbest * (high - low))


def _width(corridor: Corridor) -> float:
    """The largest standard deviation of a corridor."""
    return float(np.max(corridor.high - corridor.low)) / 2


def _names(joint) -> tuple[str, ...]:
    return tuple(c.name for c in joint.coordinates)


if __name__ == "__main__":
    run(tyro.cli(Config))
