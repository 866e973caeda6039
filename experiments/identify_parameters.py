"""Muscle and bone parameters of a simulated neck, identified from its motion and activations.

    python experiments/identify_parameters.py
    python experiments/identify_parameters.py --studies exact baselines --starts 3

A neck with other parameters than the nominal one moves under known activations; all its parameters
are sought at once. Studies: `exact` data from many starts; `robust`: people of a population that
the prior knows, from starts 30 to 50 % off, with noise in angles and activations, and tendons that
stretch where identification holds them rigid; `profiles` of the likelihood; `baselines`: other
optimizers, the same data and time.
The results folder gets a README, tables and figures.
"""

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cma
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from identify_report import Baseline, Exact, Robust, write_report
from rich.console import Console
from rich.progress import track
from scipy.optimize import least_squares

from cervjax.dynamics import JointLimits
from cervjax.execution.provenance import write_provenance
from cervjax.identification import (
    Estimate,
    Identifiability,
    Identification,
    IdentificationSettings,
    Impulses,
    ParameterSpace,
    ParametricDynamics,
    Prior,
    Profile,
    Recording,
    Shooting,
    Windows,
    fisher_information,
    fit_impulses,
    identifiability,
    identify,
    impulse_errors,
    impulse_errors_and_derivatives,
    linearised,
    profile_likelihood,
    random_activations,
    random_poses,
    recorded,
)
from cervjax.model import Model
from cervjax.simulation import Dynamics, Tendon
from cervjax.spec import ModelSpec, shipped_neck

Study = Literal["exact", "robust", "profiles", "baselines"]


@dataclass(frozen=True)
class Config:
    """What to identify.

    Attributes:
        studies: which.
        movements: of the neck; each starts at rest.
        duration, step: s, of a movement, and between samples.
        settle: s, that exact data leave out at the beginning of each movement.
        samples: of a window.
        starts: of the search in exact data.
        start_sd: relative, of the starts and of the neck's parameters about the nominal ones.
        named_deg: an error of the angles; parameters that it would leave uncertain by 1 % or less
            count as identifiable in exact data.
        angle_noise_deg, emg_noise: of the robust study; deg, and relative to each activation.
        emg_seconds: over which errors of activations last.
        people: of the robust study.
        people_sd: relative, of their parameters about the nominal ones; the prior's, too.
        far_starts: of the search for each of them.
        off: least and largest part that these are away from the person.
        rounds: of each search in imperfect data, at most.
        out: results folder.
    """

    studies: tuple[Study, ...] = ("exact", "robust", "profiles", "baselines")
    movements: int = 16
    duration: float = 1.0
    step: float = 0.01
    settle: float = 0.05
    samples: int = 20
    starts: int = 20
    start_sd: float = 0.1
    named_deg: float = 1e-3
    angle_noise_deg: float = 0.5
    emg_noise: float = 0.05
    emg_seconds: float = 0.2
    people: int = 2
    people_sd: float = 0.1
    far_starts: int = 2
    off: tuple[float, float] = (0.3, 0.5)
    rounds: int = 8
    seed: int = 0
    out: Path = field(default=Path("results/identify_parameters"))


@dataclass(frozen=True)
class Lab:
    """What all studies share."""

    config: Config
    spec: ModelSpec
    neck: ParametricDynamics
    scale: np.ndarray
    """What an error of each parameter is relative to: one for factors, the distance of the head's
    mass center from its body's origin for shifts (m)."""

    @property
    def space(self) -> ParameterSpace:
        """The parameters."""
        return self.neck.space

    def inside(self, values: np.ndarray) -> np.ndarray:
        """Values no nearer to a bound than a twentieth of the way between them."""
        low, high = np.asarray(self.space.low), np.asarray(self.space.high)
        margin = 0.05 * (high - low)
        return np.clip(values, low + margin, high - margin)

    def spread(self, values: np.ndarray, relative: np.ndarray) -> np.ndarray:
        """Values changed by `relative` parts of themselves; a tenth of that for mass centers."""
        shifted = values + 0.1 * relative * self.scale
        factor = np.where(self.space.shifts, shifted, values * (1 + relative))
        return self.inside(factor)

    def far(self, rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
        """Values changed either way by parts of themselves between those of `off`."""
        sign = rng.choice([-1.0, 1.0], len(values))
        return self.spread(values, sign * rng.uniform(*self.config.off, len(values)))

    def error(self, values: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Relative."""
        return np.abs(values - truth) / self.scale

    def record(self, truth: np.ndarray, tendon: Tendon, seed: int) -> Recording:
        """Movements of a neck with parameters `truth`."""
        config, rng = self.config, np.random.default_rng(seed)
        samples = round(config.duration / config.step) + 1
        ranges = np.array([self.spec.coordinate(c).range for c in self.spec.free_coordinates])
        activation = random_activations(
            rng, config.movements, samples, len(self.spec.muscles), config.step
        )
        pose = random_poses(rng, config.movements, ranges)
        dynamics = dataclasses.replace(self.neck.at(jnp.asarray(truth)), tendon=tendon)
        tolerance = 1e-9 if tendon == "rigid" else 1e-6
        return recorded(dynamics, pose, activation, config.step, tolerance=tolerance)

    def settings(self) -> IdentificationSettings:
        """Of every search in imperfect data."""
        shooting = Shooting(coarse=True)
        return IdentificationSettings(rounds=self.config.rounds, tolerance=3e-3, shooting=shooting)


@dataclass(frozen=True)
class Searched:
    """A search in imperfect data, and what the data can tell."""

    found: Identification
    judged: Identifiability


def run(config: Config) -> None:
    """Run the studies and write what they found."""
    jax.config.update("jax_enable_x64", True)
    write_provenance(config.out, config)
    console = Console()
    spec = shipped_neck()
    model = Model.from_spec(spec)
    space = ParameterSpace.of(model)
    far = float(
        np.linalg.norm(model.body_mass_center[model.body_index(model.topology.anatomy.skull)])
    )
    scale = np.where(space.shifts, far, 1.0)
    neck = ParametricDynamics(space, Dynamics(model, "rigid", JointLimits.of(model)))
    lab = Lab(config, spec, neck, scale)

    exact = robust = profiles = baselines = None
    if {"exact", "baselines"} & set(config.studies):
        exact, impulses = _exact(lab, console)
        if "baselines" in config.studies:
            baselines = _baselines(lab, exact, impulses, console)
    if {"robust", "profiles"} & set(config.studies):
        robust, first = _robust(
            lab,
            console,
            # Searches take minutes each: what is known already can be looked at.
            lambda so_far: write_report(config.out, space, scale, exact, so_far, None, baselines),
        )
        if "profiles" in config.studies:
            profiles = _profiles(lab, first, console)
    text = write_report(config.out, space, scale, exact, robust, profiles, baselines)
    console.print(text)


def _exact(lab: Lab, console: Console) -> tuple[Exact, Impulses]:
    """Angles and speeds without error, from several starts."""
    config, nominal = lab.config, np.asarray(lab.space.nominal_values)
    rng = np.random.default_rng(config.seed)
    truth = lab.spread(nominal, config.start_sd * rng.normal(size=len(nominal)))
    record = lab.record(truth, "rigid", config.seed)
    impulses = Impulses.of(
        record.q, record.qd, record.activation, config.step, settle=config.settle
    )
    # Compiled ahead, as it is for the other optimizers; a step of the search is not.
    impulse_errors_and_derivatives(lab.neck, impulses, nominal)
    guesses, found, seconds = [], [], []
    for start in track(range(config.starts), "starts", console=console):
        guesses.append(lab.spread(truth, config.start_sd * rng.normal(size=len(truth))))
        begun, times = time.perf_counter(), [0.0]
        found.append(
            fit_impulses(
                lab.neck,
                impulses,
                guesses[-1],
                progress=lambda done, rms, begun=begun, times=times: times.append(
                    time.perf_counter() - begun
                ),
            )
        )
        seconds.append(times)
        error = [100 * lab.error(v, truth).mean() for v in found[-1].history]
        other = ", ".join(found[-1].other_limbs) or "none"
        console.print(
            f"start {start}: {error[0]:.2f} % to {error[-1]:.4f} % in {times[-1]:.0f} s, left "
            f"{found[-1].rms:.2g} rad/s; put on their other limb: {other}"
        )
    histories = [[lab.error(v, truth) for v in one.history] for one in found]
    windows = Windows.cut(
        record.q, record.activation, config.step, samples=config.samples, qd=record.qd
    )
    # At the truth: what can be known of it, not of where a search ended.
    known = Estimate(jnp.asarray(truth), windows.start, jnp.zeros(()))
    angle_sd = float(np.radians(config.named_deg))
    linear = linearised(lab.neck, windows, known, angle_sd, Shooting(solver="tsit5"))
    judged = identifiability(fisher_information(linear), lab.space.names, 0.01 * lab.scale)
    limbs = [one.other_limbs for one in found]
    return Exact(truth, judged, np.stack(guesses), histories, seconds, limbs), impulses


def _robust(
    lab: Lab, console: Console, progress: Callable[[list[Robust]], object]
) -> tuple[list[Robust], Searched]:
    """People about the nominal neck, measured with errors, sought from far starts."""
    config, nominal = lab.config, lab.space.nominal_values
    results, first = [], None
    angle_sd = float(np.radians(config.angle_noise_deg))
    usual = config.people_sd * np.where(lab.space.shifts, 0.1 * lab.scale, 1.0)
    prior = Prior(nominal, jnp.asarray(usual))
    cases: tuple[tuple[str, float, Tendon], ...] = (
        ("angles", 0.0, "rigid"),
        ("angles and activations", config.emg_noise, "rigid"),
        ("angles, activations and tendons that stretch", config.emg_noise, "compliant"),
    )
    for person in range(config.people):
        rng = np.random.default_rng([config.seed, person, 1])
        truth = lab.spread(np.asarray(nominal), config.people_sd * rng.normal(size=len(nominal)))
        guesses = [lab.far(rng, truth) for _ in range(config.far_starts)]
        for name, emg, tendon in cases:
            record = lab.record(truth, tendon, config.seed + 100 * person)
            angles = record.q + angle_sd * rng.normal(size=record.q.shape)
            measured = record.activation * (1 + emg * _slow_noise(rng, record.activation, config))
            windows = Windows.cut(
                angles,
                np.clip(measured, 0.0, 1.0),
                config.step,
                samples=config.samples,
                activation_sd=emg * measured,
            )
            for start, guess in enumerate(guesses):
                begun = time.perf_counter()
                found = identify(
                    lab.neck,
                    windows,
                    jnp.asarray(guess),
                    angle_sd=angle_sd,
                    prior=prior,
                    settings=lab.settings(),
                )
                seconds = time.perf_counter() - begun
                judged = identifiability(
                    fisher_information(found.linearised), lab.space.names, 0.5 * usual, prior
                )
                values = np.asarray(found.estimate.values)
                results.append(
                    Robust(person, start, name, truth, guess, values, judged, found.misfit, seconds)
                )
                error = [100 * lab.error(v, truth).mean() for v in (guess, values)]
                console.print(
                    f"person {person}, start {start}, {name}: {error[0]:.1f} % to "
                    f"{error[1]:.1f} %, misfit {found.misfit:.3f}, {seconds:.0f} s"
                )
                progress(results)
                if first is None:
                    first = Searched(found, judged)
    if first is None:
        raise ValueError(f"people = {config.people}, far_starts = {config.far_starts}: no search")
    return results, first


def _slow_noise(rng: np.random.Generator, like: np.ndarray, config: Config) -> np.ndarray:
    """Of unit variance, with a correlation that fades over `emg_seconds`."""
    kept = np.exp(-config.step / config.emg_seconds)
    noise = rng.normal(size=like.shape)
    for k in range(1, like.shape[1]):
        noise[:, k] = kept * noise[:, k - 1] + np.sqrt(1 - kept**2) * noise[:, k]
    return noise


def _profiles(lab: Lab, searched: Searched, console: Console) -> list[tuple[Profile, float, float]]:
    """Of the best, a middling and the worst determined max isometric force; with the estimate and
    its standard error."""
    found, judged = searched.found, searched.judged
    kinds = np.array(lab.space.kinds)
    forces = np.flatnonzero(kinds == "max_isometric_force")
    forces = forces[np.isfinite(judged.standard_error[forces])]
    order = forces[np.argsort(judged.standard_error[forces])]
    profiles = []
    for k in (order[0], order[len(order) // 2], order[-1]):
        value, error = float(found.estimate.values[k]), float(judged.standard_error[k])
        at = value + error * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
        low, high = float(lab.space.low[k]), float(lab.space.high[k])
        at = at[(at > low) & (at < high)]
        profile = profile_likelihood(found, lab.space.names[k], at, rounds=2)
        profiles.append((profile, value, error))
        console.print(f"profile of {profile.name}: {profile.rise.round(2)}")
    return profiles


def _baselines(lab: Lab, exact: Exact, impulses: Impulses, console: Console) -> list[Baseline]:
    """Optimizers without derivatives: the same errors, for as long as ours took from the first
    start."""
    space, config = lab.space, lab.config
    budget = exact.seconds[0][-1]
    low, high = np.asarray(space.low), np.asarray(space.high)
    guess = exact.guesses[0]
    impulse_errors(lab.neck, impulses, guess)

    def attempt(name: str, search) -> Baseline:
        begun, steps, best = time.perf_counter(), [], [np.inf, guess]

        def value(x: np.ndarray) -> np.ndarray:
            spent = time.perf_counter() - begun
            if spent > budget:
                raise TimeoutError
            r = np.nan_to_num(np.asarray(impulse_errors(lab.neck, impulses, x)), nan=1e8)
            cost = float(r @ r)
            if cost < best[0]:
                best[:] = cost, np.array(x)
                steps.append((spent, lab.error(best[1], exact.truth).mean()))
            return r

        with contextlib.suppress(TimeoutError):
            search(value)
        console.print(f"{name}: mean error {100 * steps[-1][1]:.2f} % after {budget:.0f} s")
        return Baseline(name, np.array(steps), best[1])

    def scipy_search(value) -> None:
        least_squares(value, guess, bounds=(low, high), x_scale="jac")

    def cma_search(value) -> None:
        options = {"bounds": [low, high], "seed": config.seed + 1, "verbose": -9}
        search = cma.CMAEvolutionStrategy(guess, 0.05, options)
        while not search.stop():
            points = search.ask()
            search.tell(points, [float(np.sum(value(x) ** 2)) for x in points])

    return [
        attempt("SciPy least_squares, finite differences", scipy_search),
        attempt("CMA-ES", cma_search),
    ]


if __name__ == "__main__":
    sys.exit(run(tyro.cli(Config)))
