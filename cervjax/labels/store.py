"""A dataset on disk: a folder with one zarr (v3) group, a manifest, and a record per shard.

    dataset/
        manifest.json        what it is: plan, neck, versions; when finished, counts
        labels.zarr/         arrays with dimensions `row` or `person`; xarray opens it
        shards/00000.json    a shard is finished when its record is there

Rows are sorted by person. A shard holds whole people and is written by one process; its record
comes last and names the size of every file, so that a lost file is not taken for zeros.
"""

import errno
import hashlib
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from filelock import FileLock, Timeout
from zarr.codecs import Crc32cCodec, ZstdCodec

from cervjax.execution import read_json, sealed, write_json

from .arrays import field_of
from .fields import PERSON_FIELDS, Field

SCHEMA = 2
_FORMAT = "cervjax-labels"
_CHUNK_ROWS = 4096
_ZARR = "labels.zarr"
_LOCK = ".lock"
_REMEDY = "generate the dataset again with its plan: what is whole is kept"


class DatasetError(ValueError):
    """A dataset is not what was expected, or cannot be written."""


class DamagedDatasetError(DatasetError):
    """Files of a dataset are missing or cut."""


class DatasetFolder:
    """Reads and writes the files of one dataset."""

    def __init__(self, path: str | Path) -> None:
        """Nothing is touched until a method is called."""
        self.path = Path(path)
        self._zarr = self.path / _ZARR
        self._records = self.path / "shards"

    def manifest(self) -> dict[str, Any]:
        """The manifest.

        Returns:
            Plain values by name.

        Raises:
            FileNotFoundError: there is none.
            DatasetError: it is not a manifest of this schema.
        """
        file = self.path / "manifest.json"
        if not file.is_file():
            raise FileNotFoundError(f"no dataset at {self.path} (it has no manifest.json)")
        try:
            remedy = f"bring it back as it was written, or remove {self.path} and generate it again"
            return read_json(file, "the manifest of a label dataset", remedy, _of_this_schema)
        except ValueError as error:
            raise DatasetError(str(error)) from error

    @property
    def exists(self) -> bool:
        """Whether there is a manifest."""
        return (self.path / "manifest.json").is_file()

    def check_free(self) -> None:
        """See that nothing but a dataset, or what a run killed at its birth left, is here.

        Raises:
            DatasetError: there is something else.
        """
        if self.exists or not self.path.is_dir():
            return
        ours = {_ZARR, f".{_ZARR}.partial", "manifest.json.partial", _LOCK, "shards"}
        foreign = {p.name for p in self.path.iterdir()} - ours
        foreign |= {p.name for p in self._records.glob("*") if p.suffix != ".partial"}
        if foreign:
            raise DatasetError(
                f"{self.path} is not empty and holds no dataset "
                f"({', '.join(sorted(foreign)[:3])}, ...); choose another folder"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs off the folder; the system lets go when this process ends, however.

        Yields:
            Once the folder is locked; unlocked, with a warning, where a file system knows no locks.

        Raises:
            DatasetError: another run works on it, or the folder cannot be made.
        """
        with _explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / _LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise DatasetError(
                f"another run is working on {self.path}; wait for it, or stop it first"
            ) from error
        except PermissionError as error:
            with _explained(self.path):
                raise error
        except (NotImplementedError, OSError) as error:
            # Some file systems of clusters know no locks.
            warnings.warn(
                f"{self.path} cannot be locked ({error}); let no other run work on it",
                stacklevel=3,
            )
        try:
            yield
        finally:
            lock.release()

    def write_manifest(self, facts: Mapping[str, Any]) -> None:
        """Replace the manifest, whole or not at all."""
        content = {"format": _FORMAT, "schema": SCHEMA, **facts}
        write_json(self.path / "manifest.json", sealed(content), durable=True)

    def create(
        self,
        facts: Mapping[str, Any],
        arrays: Mapping[str, Any],
        rows: int,
        shard_rows: int,
        persons: int,
        shard_persons: int,
        attributes: Mapping[str, Any],
    ) -> None:
        """Make an empty dataset: arrays first, the manifest last.

        Args:
            arrays: a template, with the shape after the first axis and the type, of each array;
                those of `PERSON_FIELDS` have one entry per person, the others per row.

        Raises:
            DatasetError: the folder cannot be written.
        """
        with _explained(self.path):
            shutil.rmtree(self._zarr, ignore_errors=True)
            partial = self.path / f".{_ZARR}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            self.path.mkdir(parents=True, exist_ok=True)
            group = zarr.open_group(partial, mode="w-", zarr_format=3)
            group.attrs.update(dict(attributes))
            for name, template in arrays.items():
                if name in PERSON_FIELDS:
                    count, shard = persons, shard_persons
                    first, field = "person", PERSON_FIELDS[name]
                else:
                    count, shard, first, field = rows, shard_rows, "row", field_of(name)
                _create_array(group, name, first, field, template, count, shard)
            os.replace(partial, self._zarr)
            self._records.mkdir(exist_ok=True)
            self.write_manifest({**facts, "arrays": self.described_arrays()})

    def described_arrays(self) -> str:
        """SHA-256 of what the arrays are said to be: shapes, types, units, names along their axes.

        Returns:
            Hexadecimal digits.
        """
        digest = hashlib.sha256()
        for file in sorted(self._zarr.rglob("zarr.json")):
            digest.update(str(file.relative_to(self._zarr)).encode())
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def check_arrays(self, manifest: Mapping[str, Any]) -> None:
        """Whether the arrays are described as they were when they were made.

        Args:
            manifest: of the dataset.

        Raises:
            DatasetError: they are not.
        """
        described = self.described_arrays()
        if manifest.get("arrays", described) != described:
            raise DatasetError(
                f"{self._zarr}: a zarr.json was damaged or edited after it was written (shapes, "
                "units and the names of muscles are there); bring it back as it was written, or "
                f"remove {self.path} and generate it again"
            )

    def remove_leftovers(self) -> None:
        """Remove what a killed run left half written."""
        with _explained(self.path):
            for leftover in self._zarr.rglob("*.partial"):
                leftover.unlink()
            for leftover in self._records.glob("*.partial"):
                leftover.unlink()

    def group(self, mode: Any = "r") -> zarr.Group:
        """The arrays.

        Returns:
            A group that has them by name.

        Raises:
            DatasetError: they are not there.
        """
        try:
            return zarr.open_group(self._zarr, mode=mode, zarr_format=3)
        except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise DatasetError(f"{self._zarr} is no zarr group: {error}; {_REMEDY}") from error

    def write_shard(
        self,
        shard: int,
        rows: tuple[int, Mapping[str, np.ndarray]],
        people: tuple[int, Mapping[str, np.ndarray]],
        facts: Mapping[str, Any],
    ) -> None:
        """Write one shard, and then its record.

        Args:
            rows, people: index of the first, and the arrays.
            facts: to keep in the record.

        Raises:
            DatasetError: the disk is full or cannot be written; shards finished before are whole.
        """
        # A chunk of nothing but fill values is written too: a missing file means a lost one.
        with _explained(self.path), zarr.config.set({"array.write_empty_chunks": True}):
            group = self.group("r+")
            sizes = {}
            for first, arrays in (rows, people):
                for name, values in arrays.items():
                    array: Any = group[name]
                    array[first : first + len(values)] = values.astype(array.dtype, copy=False)
                    sizes[name] = _synced(self._file_of(name, shard))
            self._records.mkdir(exist_ok=True)
            record = {"shard": shard, **facts, "bytes": sizes}
            write_json(self._record(shard), sealed(record), durable=True)

    def is_finished(self, shard: int) -> bool:
        """Whether the shard's record is there and whole, and every file as long as it says."""
        try:
            return self._record(shard).is_file() and not self.damaged_files([shard])
        except DatasetError:
            # It is made again.
            return False

    def record(self, shard: int) -> dict[str, Any]:
        """The record of a finished shard.

        Returns:
            Its number, the facts given with it, and `bytes` of each array's file.

        Raises:
            DatasetError: it is damaged.
        """
        file = self._record(shard)
        try:
            record = read_json(file, "the record of a shard", _REMEDY)
        except FileNotFoundError as error:
            raise DatasetError(f"{file} is missing; {_REMEDY}") from error
        except ValueError as error:
            raise DatasetError(str(error)) from error
        sizes = record.get("bytes")
        if record.get("shard") != shard or not isinstance(sizes, dict):
            raise DatasetError(f"{file} is not the record of shard {shard}; {_REMEDY}")
        if not all(isinstance(x, int) for x in sizes.values()):
            raise DatasetError(f"{file}: sizes of files are no numbers; {_REMEDY}")
        return record

    def damaged_files(self, shards: Iterable[int]) -> list[str]:
        """Files of finished shards that are missing or have another size than recorded."""
        damaged = []
        for shard in shards:
            for name, size in self.record(shard)["bytes"].items():
                file = self._file_of(name, shard)
                if not file.is_file() or file.stat().st_size != size:
                    damaged.append(str(file.relative_to(self.path)))
        return damaged

    def _record(self, shard: int) -> Path:
        return self._records / f"{shard:05d}.json"

    def _file_of(self, name: str, shard: int) -> Path:
        """The file of an array whose dimensions are not known: `c/3`, `c/3/0`, `c/3/0/0`."""
        file = self._zarr.joinpath(name, "c", str(shard))
        while file.is_dir():
            file = file / "0"
        return file


def _of_this_schema(manifest: Mapping[str, Any]) -> None:
    if manifest.get("format") != _FORMAT:
        raise ValueError("its format is another one")
    if manifest.get("schema") != SCHEMA:
        raise ValueError(
            f"it has schema {manifest.get('schema')}, this version reads {SCHEMA}; read it with "
            "the version that wrote it"
        )


def _synced(file: Path) -> int:
    """Size of a file, once it is on the disk for good: its record must not be there before."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        return os.fstat(stream.fileno()).st_size


def _create_array(
    group: zarr.Group,
    name: str,
    first: str,
    field: Field,
    template: Any,
    count: int,
    shard: int,
) -> None:
    # Chunks divide a shard evenly, and a shard is what one record speaks of.
    inner = next(size for size in range(min(shard, _CHUNK_ROWS), 0, -1) if shard % size == 0)
    dtype = np.dtype(field.dtype or template.dtype)
    rest = tuple(template.shape[1:])
    group.create_array(
        name,
        shape=(count, *rest),
        dtype=dtype,
        chunks=(inner, *rest),
        shards=(shard, *rest),
        compressors=(ZstdCodec(level=1), Crc32cCodec()),
        fill_value=np.nan if dtype.kind == "f" else -1,
        dimension_names=(first, *field.dimensions),
        attributes={"units": field.unit},
    )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns errors of the file system into `DatasetError`s that say what to do."""
    try:
        yield
    except OSError as error:
        remedies = {
            errno.ENOSPC: "the disk is full; free space and run again",
            errno.EDQUOT: "the quota is used up; free space and run again",
            errno.EROFS: "the file system is read-only; choose another folder",
            errno.EACCES: "no permission to write; choose another folder",
            errno.EPERM: "no permission to write; choose another folder",
        }
        reason = remedies.get(error.errno or 0, str(error))
        raise DatasetError(
            f"cannot write {path}: {reason}. Shards finished before are whole"
        ) from error
