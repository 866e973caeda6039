"""Generate a dataset: resumable, on all local devices, alone or with other processes."""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from cervjax.execution import Hosts, reading
from cervjax.execution.source_hash import source_hash
from cervjax.model import Topology
from cervjax.motion import Motion
from cervjax.motion.synthesis import MovementKind
from cervjax.spec import ModelSpec, spec_fingerprint

from .arrays import labels_of, person_arrays, row_arrays
from .block_runner import BlockRunner
from .factory import LabelFactory
from .fields import SPLIT
from .plan import DatasetPlan, build_factory, motions_hash
from .row import RowStatus
from .store import DatasetError, DatasetFolder

_PACKAGES = ("cervjax", "jax", "jaxlib", "equinox", "numpy", "scipy", "zarr", "numcodecs")
_ABOVE = (
    "assessment",
    "commands",
    "identification",
    "learning",
    "report",
    "simulation",
    "tracking",
)
"""Rooms that nothing of a row comes from: they are above labels, or beside them. All other sources
enter the hash that guards a dataset that is taken up again."""
_FIXED = ("plan", "neck", "recorded", "versions", "code", "platform")
"""What must not differ when a run is taken up again."""

Progress = Callable[[int], None]
"""Told how many more rows are done."""


def generate_dataset(
    path: str | Path,
    plan: DatasetPlan,
    spec: ModelSpec,
    *,
    recorded: Sequence[Motion] = (),
    hosts: Hosts = Hosts(),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Generate the dataset of `plan` for the neck `spec` at `path`, or go on where a run stopped.

    Stopped at any moment and called again, it leaves the same bytes as a run that was not.

    Args:
        recorded: motions for the plan's `recorded_share` of movements.
        hosts: the processes that share the work over one file system; each writes its own shards.
        progress: called after every shard of this process, and at once with the rows there are.

    Returns:
        The finished manifest; in processes other than the first, an unfinished one.

    Raises:
        DatasetError: the folder holds another dataset, or cannot be written; finished shards stay.
        ValueError: the plan or the neck is not possible.
    """
    folder = DatasetFolder(path)
    factory = build_factory(plan, spec, recorded)
    facts = manifest_facts(plan, spec, recorded)
    runner = BlockRunner(factory, plan.shard_blocks)
    if runner.wasted > 0.25 and plan.shards > 1:
        warnings.warn(
            f"{runner.wasted:.0%} of the work is thrown away: a shard of {plan.shard_blocks} "
            "blocks does not fill the devices; raise shard_rows, or lower block",
            stacklevel=2,
        )
    if hosts.is_first:
        folder.check_free()
    with folder.locked() if hosts.is_first else nullcontext():
        if hosts.is_first:
            _open(folder, facts, plan, runner, factory)
        hosts.wait("dataset open")
        # Every process, because another one may have been started with other options.
        _check_same(folder, facts)
        todo = [s for s in range(plan.shards) if s % hosts.count == hosts.process]
        finished = [s for s in todo if folder.is_finished(s)]
        if progress is not None and finished:
            progress(sum(_rows_of(plan, s) for s in finished))
        _write_all(folder, plan, runner, [s for s in todo if s not in set(finished)], progress)
        hosts.wait("dataset written")
        if not hosts.is_first:
            return facts
        return _finish(folder, plan, factory.personalizer.model.topology)


def manifest_facts(
    plan: DatasetPlan, spec: ModelSpec, recorded: Sequence[Motion] = ()
) -> dict[str, Any]:
    """What a manifest says before the first shard is there."""
    return {
        "finished": False,
        "plan": plan.to_json(),
        "neck": {"name": spec.name, "sha256": spec_fingerprint(spec)},
        "recorded": motions_hash(recorded),
        "versions": {name: version(name) for name in _PACKAGES},
        "code": source_hash(_ABOVE),
        "platform": jax.devices()[0].platform,
        "rows": plan.rows,
        "shards": plan.shards,
        "splits": "person: array `split`; movements of kinds in plan.splits.held_out_movements "
        "are for testing only",
    }


def _open(
    folder: DatasetFolder,
    facts: Mapping[str, Any],
    plan: DatasetPlan,
    runner: BlockRunner,
    factory: LabelFactory,
) -> None:
    if not folder.exists:
        arrays = jax.eval_shape(
            lambda people, rows: person_arrays(people) | row_arrays(rows, plan.other_suffix),
            *runner.shapes(),
        )
        arrays = {**arrays, SPLIT: arrays["sex"]}
        folder.create(
            facts,
            arrays,
            plan.rows,
            plan.shard_persons * plan.rows_per_person,
            plan.persons,
            plan.shard_persons,
            {"neck": factory.personalizer.model.topology.name, "convention": plan.convention}
            | {"reserve_optimal_force": plan.reserve}
            | labels_of(factory),
        )
        return
    _check_same(folder, facts)
    folder.remove_leftovers()


def _check_same(folder: DatasetFolder, facts: Mapping[str, Any]) -> None:
    found = folder.manifest()
    # As text: the order of a plan's ratios is that of people's numbers.
    different = [n for n in _FIXED if json.dumps(found.get(n)) != json.dumps(facts[n])]
    if different:
        changes = "; ".join(_difference(name, found.get(name), facts[name]) for name in different)
        raise DatasetError(
            f"{folder.path} holds another dataset ({changes}). Nothing was changed; choose "
            "another folder, or go on with what it was begun with"
        )
    folder.check_arrays(found)


def _difference(name: str, found: Any, wanted: Any) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = [k for k in {**found, **wanted} if found.get(k) != wanted.get(k)]
        changes = (f"{name}.{k}: {found.get(k)!r} there, {wanted.get(k)!r} now" for k in keys)
        return ", ".join(changes) or f"{name}: the same in another order"
    return f"{name}: {found!r} there, {wanted!r} now"


def _rows_of(plan: DatasetPlan, shard: int) -> int:
    first, end = plan.persons_of(shard)
    return (end - first) * plan.rows_per_person


def _write_all(
    folder: DatasetFolder,
    plan: DatasetPlan,
    runner: BlockRunner,
    shards: Sequence[int],
    progress: Progress | None,
) -> None:
    """Compute and write `shards`; the devices compute the next while one is written."""

    def finish(shard: int, written: Future[None]) -> None:
        written.result()
        if progress is not None:
            progress(_rows_of(plan, shard))

    with ThreadPoolExecutor(1) as writer:
        pending: tuple[int, Future[None]] | None = None
        for shard in shards:
            computed = runner(shard * plan.shard_blocks)
            if pending is not None:
                finish(*pending)
            pending = shard, writer.submit(_write, folder, plan, shard, computed)
        if pending is not None:
            finish(*pending)


def _write(folder: DatasetFolder, plan: DatasetPlan, shard: int, computed: Any) -> None:
    people, rows = computed
    first, end = plan.persons_of(shard)
    per_person = plan.rows_per_person
    count = end - first

    def host(arrays: Mapping[str, Any], length: int) -> dict[str, np.ndarray]:
        return {name: np.asarray(x)[:length] for name, x in arrays.items()}

    row = host(row_arrays(rows, plan.other_suffix), count * per_person)
    person = host(person_arrays(people), count)
    person[SPLIT] = plan.split_of(np.arange(first, end))
    folder.write_shard(shard, (first * per_person, row), (first, person), _facts_of(plan, row))


def _facts_of(plan: DatasetPlan, rows: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What the record of a shard counts."""
    facts: dict[str, Any] = {"rows": len(rows["status"])}
    for suffix in plan.suffixes:
        status, kind = rows[f"status{suffix}"], rows["kind"]
        table = {
            k.name.lower(): [int(np.sum((kind == k) & (status == s))) for s in RowStatus]
            for k in MovementKind
        }
        muscle = rows[f"limiting_muscle{suffix}"][status != RowStatus.CERTIFIED]
        names, counts = np.unique(muscle, return_counts=True)
        converged = status != RowStatus.NOT_CONVERGED
        largest = np.where(converged, rows[f"kkt_residual{suffix}"], 0.0)
        facts[f"counts{suffix}"] = {
            "status_by_kind": table,
            "limiting_muscle": {str(n): int(c) for n, c in zip(names, counts, strict=True)},
            "largest_kkt_residual": float(np.max(largest)),
        }
    return facts


def _finish(folder: DatasetFolder, plan: DatasetPlan, topology: Topology) -> dict[str, Any]:
    """Add up the records and close the manifest."""
    manifest = folder.manifest()
    missing = [s for s in range(plan.shards) if not folder.is_finished(s)]
    if missing:
        raise DatasetError(
            f"{len(missing)} of {plan.shards} shards of {folder.path} are missing "
            f"(first {missing[0]}); run again"
        )
    records = [folder.record(s) for s in range(plan.shards)]
    keys = [f"counts{suffix}" for suffix in plan.suffixes]
    with reading(folder.path / "shards", "a folder of records", "remove it and generate again"):
        counts = {key: _added(topology, [r[key] for r in records]) for key in keys}
    folder.write_manifest({**manifest, "finished": True, **counts})
    return folder.manifest()


def _added(topology: Topology, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kinds = parts[0]["status_by_kind"]
    table = {
        kind: np.sum([p["status_by_kind"][kind] for p in parts], axis=0).tolist() for kind in kinds
    }
    total = np.sum(list(table.values()), axis=0)
    limiting: dict[str, int] = {}
    for part in parts:
        for index, count in part["limiting_muscle"].items():
            name = topology.muscles[int(index)] if int(index) >= 0 else "none"
            limiting[name] = limiting.get(name, 0) + count
    return {
        "status": {s.name.lower(): int(total[s]) for s in RowStatus},
        "status_by_kind": table,
        "limiting_muscle": dict(sorted(limiting.items(), key=lambda x: (-x[1], x[0]))),
        "largest_kkt_residual": max(p["largest_kkt_residual"] for p in parts),
    }
