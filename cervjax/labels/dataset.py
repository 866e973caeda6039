"""`LabelDataset`: a stored dataset to read from."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from cervjax.execution import reading
from cervjax.motion.synthesis import MovementKind
from cervjax.people import Person
from cervjax.spec import ModelSpec, same_fingerprint

from .arrays import people_from, rows_from
from .fields import PERSON_FIELDS, PERSON_INDEX, SPLIT, SPLITS
from .plan import DatasetPlan
from .row import LabelBatch, RowStatus
from .store import DamagedDatasetError, DatasetError, DatasetFolder


def plan_of(folder: DatasetFolder, manifest: Mapping[str, Any]) -> DatasetPlan:
    """The plan in a manifest, where it agrees with the rest of it.

    Args:
        folder: of the dataset.
        manifest: its own.

    Returns:
        The plan.

    Raises:
        DatasetError: a value lacks, is of another type, or contradicts another one.
    """
    file = folder.path / "manifest.json"
    try:
        with reading(file, "the manifest of a label dataset", "generate the dataset again"):
            plan = DatasetPlan.from_json(manifest["plan"])
            rows = plan.persons * plan.rows_per_person
            if manifest["rows"] != rows:
                raise ValueError(f"rows = {manifest['rows']!r}, by its plan there are {rows}")
            neck, versions = manifest["neck"], manifest["versions"]
            if not isinstance(neck["name"], str) or not isinstance(neck["sha256"], str):
                raise ValueError("neck has no name and fingerprint")
            counts = manifest.get("counts", {})
            if not isinstance(versions, dict) or not isinstance(counts, dict):
                raise ValueError("versions and counts are no objects")
            total = sum(counts.get("status", {}).values()) if counts.get("status") else rows
            if total != rows:
                raise ValueError(f"its counts add up to {total}, not to {rows} rows")
    except ValueError as error:
        raise DatasetError(str(error)) from error
    return plan


class LabelDataset:
    """A finished dataset. Arrays are read when asked for, memory does not grow with its size.

    Labels to train on are rows of status CERTIFIED.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the dataset at `path`.

        Raises:
            FileNotFoundError: there is none.
            DatasetError: it is unfinished, or of another schema.
            DamagedDatasetError: a file is missing or cut.
        """
        self.folder = DatasetFolder(path)
        self.manifest = self.folder.manifest()
        if self.manifest.get("finished") is not True:
            raise DatasetError(
                f"{self.folder.path} is unfinished; generate it to the end with its own plan"
            )
        self.plan = plan_of(self.folder, self.manifest)
        self.folder.check_arrays(self.manifest)
        damaged = self.folder.damaged_files(range(self.plan.shards))
        if damaged:
            raise DamagedDatasetError(
                f"{len(damaged)} files of {self.folder.path} are missing or cut ({damaged[0]}, "
                "...); generating it again with its plan makes them anew"
            )
        self._group = self.folder.group()
        for name in self._group.array_keys():
            array: Any = self._group[name]
            wanted = self.plan.persons if name in PERSON_FIELDS else len(self)
            if array.shape[:1] != (wanted,):
                raise DatasetError(
                    f"array {name!r} of {self.folder.path} has {array.shape[:1]} entries, not "
                    f"{wanted}; generate the dataset again"
                )

    def __len__(self) -> int:
        """Rows."""
        return self.plan.persons * self.plan.rows_per_person

    @property
    def attributes(self) -> dict[str, Any]:
        """Names along the dimensions (`muscle`, ...) and of the codes (`kind_codes`, ...)."""
        return dict(self._group.attrs)

    @property
    def row_names(self) -> list[str]:
        """Names of the arrays with one entry per row."""
        return sorted(set(self._group.array_keys()) - set(PERSON_FIELDS))

    def array(self, name: str, rows: slice | Int[np.ndarray, " n"] = slice(None)) -> np.ndarray:
        """The array `name` (its `rows`, or those persons).

        Returns:
            `[n, ...]`, in the unit that its attribute `units` names.

        Raises:
            DatasetError: there is no such array, or a chunk's checksum is wrong.
        """
        if name not in self._group:
            raise DatasetError(f"no array {name!r}; there are {sorted(self._group.array_keys())}")
        array: Any = self._group[name]
        try:
            return np.asarray(array.oindex[rows])
        except (ValueError, RuntimeError, OSError) as error:
            raise DatasetError(f"array {name!r} of {self.folder.path}: {error}") from error

    def rows(self, index: slice | Int[np.ndarray, " n"]) -> LabelBatch:
        """Rows by number.

        Returns:
            In SI units and rad; see `LabelBatch`.

        Raises:
            DatasetError: there are none, or a chunk's checksum is wrong.
        """
        arrays = self._arrays(index)
        person = arrays[PERSON_INDEX]
        if len(person) == 0:
            raise DatasetError(f"rows {index} of {len(self)} are none")
        subject = self._in_one_read("subject", person)
        return rows_from(arrays, subject, self.plan.other_suffix)

    def check_neck(self, spec: ModelSpec) -> None:
        """Whether the labels are of the neck `spec` (without reserves).

        Raises:
            DatasetError: they are of another one.
        """
        neck = self.manifest["neck"]
        if not same_fingerprint(spec, neck["sha256"]):
            raise DatasetError(
                f"{self.folder.path} is of the neck {neck['name']!r}, not of {spec.name!r} as "
                "given (their numbers differ)"
            )

    def people(self, persons: slice | Int[np.ndarray, " n"]) -> Person:
        """People by number."""
        names = set(PERSON_FIELDS) - {SPLIT}
        return people_from(
            {name: self.array(name, persons) for name in names}, bool(self.plan.people)
        )

    def _arrays(self, index: slice | Int[np.ndarray, " n"]) -> dict[str, np.ndarray]:
        """All arrays of rows. Those of one shard are read as one piece: one by one takes long."""
        if not isinstance(index, slice) and len(index):
            first, last = int(np.min(index)), int(np.max(index))
            if first >= 0 and last - first < self.plan.shard_rows:
                return {name: self._in_one_read(name, index) for name in self.row_names}
        return {name: self.array(name, index) for name in self.row_names}

    def _in_one_read(self, name: str, index: Int[np.ndarray, " n"]) -> np.ndarray:
        """The array `name` at these indices, which are near one another."""
        first, last = int(index.min()), int(index.max())
        return self.array(name, slice(first, last + 1))[index - first]

    def rows_in(self, split: str) -> LabelBatch:
        """All certified rows of a split.

        Returns:
            Rows in order, in memory.

        Raises:
            DatasetError: there are none.
        """
        keep = np.flatnonzero(self.in_split(split, slice(0, len(self))))
        if len(keep) == 0:
            raise DatasetError(f"no certified row of {self.folder.path} is in {split!r}")
        return self.rows(keep)

    def batches(
        self,
        split: str,
        rows: int,
        *,
        statuses: Sequence[RowStatus] = (RowStatus.CERTIFIED,),
    ) -> Iterator[LabelBatch]:
        """The rows of a split, about `rows` read at a time, in order.

        `train` and `validation` leave out the kinds of movement that are held out; `test` has
        everything of the people held out.

        Yields:
            `rows` of them or fewer, never none.

        Raises:
            ValueError: there is no such split.
        """
        for start in range(0, len(self), rows):
            part = slice(start, min(start + rows, len(self)))
            keep = np.flatnonzero(self.in_split(split, part, statuses))
            if len(keep):
                yield self.rows(start + keep)

    def in_split(
        self,
        split: str,
        rows: slice,
        statuses: Sequence[RowStatus] = (RowStatus.CERTIFIED,),
    ) -> Bool[np.ndarray, " n"]:
        """Which of `rows` belong to a split and have one of `statuses`.

        Splits are `train`, `validation`, `test` (people held out, whatever they do) and
        `held_out_movements` (kinds held out, whoever does them).

        Returns:
            True for these, in the order of `rows`.

        Raises:
            ValueError: there is no such split.
        """
        held = [MovementKind[name.upper()] for name in self.plan.splits.held_out_movements]
        unseen = np.isin(self.array("kind", rows), [int(k) for k in held])
        good = np.isin(self.array("status", rows), [int(s) for s in statuses])
        if split == "held_out_movements":
            return good & unseen
        if split not in SPLITS:
            raise ValueError(f"no split {split!r}; there are {(*SPLITS, 'held_out_movements')}")
        part = self._in_one_read(SPLIT, self.array(PERSON_INDEX, rows))
        chosen = good & (part == SPLITS.index(split))
        return chosen if split == "test" else chosen & ~unseen
