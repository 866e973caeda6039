"""Force networks judged on people and movements never seen: labels, training, judgement, one page.

    python experiments/evaluate_force_network.py                   # more than an hour on two cores
    python experiments/evaluate_force_network.py --persons 4000 --steps 300 --ablation-steps 100
    python experiments/evaluate_force_network.py --recorded FOLDER # .mot files, OpenSim's truth

Labels and trained networks that are there already are used again; stopped at any moment, the same
command goes on. Needs `pip install -e ".[study]"`. The results folder gets a README with every
table, `page.png`, and the tables as CSV.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from force_baselines import baselines
from force_judgement import (
    Judge,
    JudgedRows,
    coverage,
    groups,
    information_bound,
    newton_steps,
    opensim_rows,
    solver_prediction,
    tails,
    unknown_people,
)
from force_networks import folder_name, make_dataset, networks, plans, progress_bar, train_network
from force_noise import Movements, NoisyScores, noise_robustness
from force_report import write_report
from rich.console import Console
from rich.progress import Progress

from cervjax.execution.provenance import write_provenance
from cervjax.labels import DatasetPlan, LabelDataset
from cervjax.learning import (
    AbstractForceNetwork,
    DualNetwork,
    Evaluation,
    ForceEnsemble,
    person_inputs,
)
from cervjax.learning.predict import save_ensemble
from cervjax.model import Model
from cervjax.motion import Motion
from cervjax.motion.synthesis import MovementKind, read_motions, sample_motion
from cervjax.people import Personalizer, Subject
from cervjax.spec import ModelSpec, shipped_neck

COVERAGE = 0.9
ENSEMBLE = ("physics", "physics, seed 1", "physics, seed 2")
NOISE_SIZES = (0.0, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Config:
    """The size of the study.

    Attributes:
        persons: of each population.
        steps: of each training; the dual network takes half.
        ablation_steps: of each network that lacks a term.
        judged_rows: rows of each set to judge on.
        reserve: N m, optimal force of the reserves.
        boosting_rows, boosting_iterations: of gradient boosting, a model for every muscle.
        recorded: folder of `.mot` files; random movements if None.
        opensim_people, opensim_frames: people, and frames of each of their movements, that OpenSim
            solves; no people leaves OpenSim out.
        out: results folder.
    """

    persons: int = 250_000
    steps: int = 6000
    ablation_steps: int = 1200
    judged_rows: int = 40_000
    reserve: float = 0.1
    boosting_rows: int = 20_000
    boosting_iterations: int = 100
    recorded: Path | None = None
    opensim_people: int = 10
    opensim_frames: int = 8
    seed: int = 0
    out: Path = field(default=Path("results/force_networks"))


@dataclass
class Findings:
    """All that the report tells.

    Attributes:
        baseline_rows: that baselines learned from, and gradient boosting.
        scores: by set of rows, then by method.
        grouped: by method, then by kind of movement and by speed.
        bounds: R^2 per muscle that orientation alone allows (NaN where its force hardly varies),
            by the least share of its range that a coordinate uses.
        newton: of the dual network.
        unknown: by what is known of the person.
        covered: coverage per muscle, part flagged novel, width per muscle, by set.
        noise: by size of errors.
        opensim: by method; and by movement of the best.
        ablation: by network.
    """

    baseline_rows: tuple[int, int] = (0, 0)
    scores: dict[str, dict[str, Evaluation]] = field(default_factory=dict)
    grouped: dict[str, dict[str, Evaluation]] = field(default_factory=dict)
    bounds: dict[float, np.ndarray] = field(default_factory=dict)
    newton: list[tuple[int, Evaluation, Evaluation]] = field(default_factory=list)
    unknown: dict[str, Evaluation] = field(default_factory=dict)
    covered: dict[str, tuple[np.ndarray, float, np.ndarray]] = field(default_factory=dict)
    noise: list[NoisyScores] = field(default_factory=list)
    opensim: dict[str, Evaluation] = field(default_factory=dict)
    opensim_movements: list[str] = field(default_factory=list)
    opensim_rows: int = 0
    opensim_seconds: float = 0.0
    ablation: dict[str, Evaluation] = field(default_factory=dict)


def run(config: Config) -> Findings:
    """Make what is missing, judge, and write the report."""
    console = Console()
    bare = shipped_neck()
    spec = bare.with_reserves(config.reserve)
    motions = _motions(config, spec)
    write_provenance(config.out, config)
    with progress_bar(console) as progress:
        trained = _trained(config, bare, spec, progress)
        findings = _judged(config, bare, trained, motions, progress)
    write_report(config.out, findings, trained.datasets["free"].plan)
    console.print((config.out / "README.md").read_text())
    return findings


def _motions(config: Config, spec: ModelSpec) -> list[Motion]:
    if config.recorded is None:
        return [sample_motion(spec, config.seed + k) for k in range(3)]
    return read_motions(config.recorded, spec, 6.0)


class Trained(NamedTuple):
    """Networks of the model `spec`, the datasets, and some of the sources they learned from."""

    spec: ModelSpec
    networks: dict[str, AbstractForceNetwork]
    datasets: dict[str, LabelDataset]
    sources: dict[str, Any]


def _trained(config: Config, bare: ModelSpec, spec: ModelSpec, progress: Progress) -> Trained:
    datasets = {
        name: make_dataset(config.out / "labels" / name, plan, bare, progress, name)
        for name, plan in plans(config.persons, config.reserve).items()
    }
    personalizer = Personalizer(Model.from_spec(spec, dtype=jnp.float32))
    found, sources = {}, {}
    for name, named in networks(config.steps, config.ablation_steps).items():
        folder = config.out / "networks" / folder_name(name)
        found[name], source = train_network(
            folder, named, datasets[named.data], spec, personalizer, progress, name
        )
        if name in ("physics", "sensor, tied"):
            sources[name] = source
    return Trained(spec, found, datasets, sources)


def _judged(
    config: Config,
    bare: ModelSpec,
    learned: Trained,
    motions: Sequence[Motion],
    progress: Progress,
) -> Findings:
    spec, trained, datasets, sources = learned
    judge, findings = Judge(spec), Findings()
    task = progress.add_task("judge", total=9, note="unseen people and movements")

    def next_step(note: str) -> None:
        progress.update(task, advance=1, note=note)

    free, wide, tied = (
        {
            "unseen people" + suffix: _test_rows(judge, datasets[name], config.judged_rows),
            "unseen movements" + suffix: _test_rows(
                judge, datasets[name], config.judged_rows, movements_seen=False
            ),
        }
        for name, suffix in (("free", ""), ("wide", ", wide"), ("tied", ", tied"))
    )
    extreme = DatasetPlan(joint_loads=False, reserve=config.reserve, seed=11)
    harder = {
        "beyond training: twice as fast": judge.population(
            extreme, max(16, config.judged_rows // 8), bare
        )
    }
    for what, judged in (free | wide | tied | harder).items():
        findings.scores[what] = {
            name: judge.score(judge.predict(trained[name], judged), judged)
            for name in _compared(config, what)
        }

    next_step("baselines")
    seen = sources["physics"].rows("train", config.judged_rows)
    findings.baseline_rows = len(seen), min(len(seen), config.boosting_rows)
    plain = baselines(
        seen,
        {what: judged.rows for what, judged in free.items()},
        judge.personalizer,
        progress,
        boosting_rows=config.boosting_rows,
        boosting_iterations=config.boosting_iterations,
    )
    for name, forces in plain.items():
        for what, force in forces.items():
            findings.scores[what][name] = judge.score(force, free[what])

    next_step("by movement and speed")
    people = free["unseen people"]
    for name in ("direct", "physics", "dual", "label-free", "sensor"):
        said = judge.predict(trained[name], people)
        findings.grouped[name] = {
            group: judge.score(said, people, chosen) for group, chosen in groups(people).items()
        }

    next_step("Newton steps, ablation")
    dual = trained["dual"]
    assert isinstance(dual, DualNetwork)
    findings.newton = newton_steps(dual, wide["unseen people, wide"], judge.score, range(7))
    for name in _ablations(config):
        findings.ablation[name] = judge.score(judge.predict(trained[name], people), people)

    next_step("what sensors cannot see")
    what = "unseen people, tied"
    varies = next(iter(findings.scores[what].values())).judged
    for share in (DatasetPlan().least_share, 0.6, 0.9, 1.0):
        assert share is not None
        allowed = information_bound(judge, tied[what], share, rows=config.judged_rows // 4, twins=8)
        findings.bounds[share] = np.where(varies, allowed, np.nan)

    next_step("people half known")
    findings.unknown = unknown_people(judge, trained["physics, person unknown"], people)

    next_step("intervals and novelty")
    others = _test_rows(judge, datasets["free"], config.judged_rows // 2, to_calibrate=True)
    ensemble = ForceEnsemble.calibrated(
        [trained[name] for name in ENSEMBLE], others.rows, None, seen.inputs, coverage=COVERAGE
    )
    runs = [config.out / "networks" / folder_name(name) for name in ENSEMBLE]
    save_ensemble(ensemble, runs, config.out / "networks")
    sets = {**free, **harder, **tails(judge, datasets["free"].plan, bare, 2000)}
    findings.covered = {what: coverage(ensemble, judged) for what, judged in sets.items()}

    next_step("noise")
    movements = _movements(datasets["frames"], max(4, config.judged_rows // 200))
    findings.noise = noise_robustness(judge, trained, movements, NOISE_SIZES)

    next_step("OpenSim")
    if config.opensim_people:
        _against_opensim(config, judge, trained, datasets["free"], motions, findings, progress)
    progress.update(task, completed=9, note="")
    return findings


def _compared(config: Config, what: str) -> list[str]:
    """Names of the long trainings of single frames, one of each, that a set of rows is for.

    Rows of the tied or wide population are for networks that learned from it, others for all but
    the tied ones.
    """
    apart = "tied" if what.endswith(", tied") else "wide" if what.endswith(", wide") else None
    short = _ablations(config)
    return [
        name
        for name, named in networks(config.steps, config.ablation_steps).items()
        if named.config.network.window == 1
        and "seed" not in name
        and name not in short
        and (named.data == apart if apart else named.data != "tied")
    ]


def _ablations(config: Config) -> list[str]:
    """Names of the short trainings, the one with all terms first."""
    named = networks(config.steps, config.ablation_steps)
    return [n for n in named if n.startswith(("all terms", "without", "linear head"))]


def _test_rows(
    judge: Judge,
    dataset: LabelDataset,
    limit: int,
    *,
    movements_seen: bool = True,
    to_calibrate: bool = False,
) -> JudgedRows:
    """The first certified rows of people held out.

    Args:
        movements_seen: whether their kinds of movement were trained on; otherwise none was.
        to_calibrate: of the fourth of these people that nothing is judged on.
    """
    plan = dataset.plan
    held_out = [MovementKind[name.upper()] for name in plan.splits.held_out_movements]
    found, count = [], 0
    for batch in dataset.batches("test", plan.shard_persons * plan.rows_per_person):
        person, unseen = np.asarray(batch.person), np.isin(np.asarray(batch.kind), held_out)
        wanted = (unseen != movements_seen) & ((person % 4 == 3) == to_calibrate)
        found.append(jax.tree.map(lambda x, chosen=wanted: np.asarray(x)[chosen], batch))
        count += int(wanted.sum())
        if count >= limit:
            break
    labels = jax.tree.map(lambda *x: np.concatenate(x)[:limit], *found)
    last = int(np.max(labels.person)) + 1
    known = np.asarray(person_inputs(dataset.people(slice(0, last))))
    return judge.rows(labels, known[labels.person])


def _movements(dataset: LabelDataset, limit: int) -> Movements:
    """Of people held out."""
    plan = dataset.plan
    held_out = np.flatnonzero(plan.split_of(np.arange(plan.persons)) == 2)[:limit]
    frames = plan.frames
    index = (held_out[:, None] * plan.rows_per_person + np.arange(frames)).ravel()
    labels = jax.tree.map(np.asarray, dataset.rows(index))
    known = np.asarray(person_inputs(dataset.people(slice(0, int(held_out.max()) + 1))))
    return Movements(labels, known[held_out], plan.rate or 0.0, frames)


def _against_opensim(
    config: Config,
    judge: Judge,
    trained: dict[str, AbstractForceNetwork],
    dataset: LabelDataset,
    motions: Sequence[Motion],
    findings: Findings,
    progress: Progress,
) -> None:
    plan = dataset.plan
    held_out = np.flatnonzero(plan.split_of(np.arange(plan.persons)) == 2)
    held_out = held_out[: config.opensim_people]
    people = dataset.people(slice(0, int(held_out.max()) + 1))
    subjects = np.asarray(people.subject.as_vector())[held_out]
    known = np.asarray(person_inputs(people))[held_out]
    task = progress.add_task("OpenSim", total=len(held_out) * len(motions), note="movements")
    theirs = opensim_rows(
        judge, motions, subjects, known, config.opensim_frames, lambda: progress.advance(task)
    )
    findings.opensim_rows, findings.opensim_seconds = len(theirs.judged), theirs.seconds
    findings.opensim_movements = [motion.name for motion in motions]
    for name in _compared(config, "recorded"):
        said = judge.predict(trained[name], theirs.judged)
        findings.opensim[name] = judge.score(said, theirs.judged)
    ours = judge.labeler(
        jnp.arange(len(theirs.judged)),
        _subject(theirs.judged),
        theirs.judged.rows.frame.motion,
        jnp.asarray(theirs.judged.rows.frame.gravity),
    )
    said = solver_prediction(ours, judge.model.topology)
    findings.opensim["solver"] = judge.score(said, theirs.judged)


def _subject(judged: JudgedRows) -> Subject:
    return Subject.from_vector(jnp.asarray(judged.rows.frame.subject))


if __name__ == "__main__":
    run(tyro.cli(Config))
