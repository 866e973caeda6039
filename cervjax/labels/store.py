"""Labels on disk: one zarr (v3) group, arrays with named dimensions and units."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import zarr

from cervjax.model import Topology
from cervjax.optimization import Certificate
from cervjax.personalization import LIMITS

from .labeling import LabelBatch

SCHEMA = 1
_ROWS_PER_CHUNK = 4096

_FIELDS: dict[str, tuple[tuple[str, ...], str]] = {
    "person": (("row",), "1"),
    "subject": (("row", "ratio"), "1"),
    "q": (("row", "coordinate"), "rad"),
    "qd": (("row", "coordinate"), "rad/s"),
    "qdd": (("row", "coordinate"), "rad/s^2"),
    "generalized_force": (("row", "coordinate"), "N m"),
    "activation": (("row", "muscle"), "1"),
    "muscle_force": (("row", "muscle"), "N"),
    "reserve_force": (("row", "reserve"), "N m"),
}
_CERTIFICATE: dict[str, str] = {
    "primal_residual": "N m",
    "kkt_residual": "1",
    "duality_gap": "1",
    "iterations": "1",
    "result": "1",
}


def write_labels(
    path: str | Path, labels: LabelBatch, topology: Topology, about: Mapping[str, Any]
) -> None:
    """Write `labels` as a zarr group that xarray opens; it appears whole or not at all.

    Args:
        path: a folder that does not exist yet.
        about: JSON-ready facts to keep as attributes (convention, neck, seed, ...).

    Raises:
        FileExistsError: there is something at `path`.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists; remove it or choose another folder")
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    group = zarr.open_group(partial, mode="w-", zarr_format=3)
    group.attrs.update(
        {
            "schema": SCHEMA,
            "neck": topology.name,
            "coordinate": list(topology.free_coordinates),
            "muscle": list(topology.muscles),
            "reserve": list(topology.reserves),
            "ratio": list(LIMITS),
            **about,
        }
    )
    for name, (dimensions, units) in _FIELDS.items():
        _write_array(group, name, np.asarray(getattr(labels, name)), dimensions, units)
    for name, units in _CERTIFICATE.items():
        _write_array(group, name, np.asarray(getattr(labels.certificate, name)), ("row",), units)
    os.replace(partial, path)


def read_labels(path: str | Path) -> tuple[LabelBatch, dict[str, Any]]:
    """The labels at `path` and their attributes.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folder is not a label set of this schema.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"no label set at {path}")
    try:
        group = zarr.open_group(path, mode="r")
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is not a zarr group: {error}") from error
    about = dict(group.attrs)
    if about.get("schema") != SCHEMA:
        raise ValueError(
            f"{path} has label schema {about.get('schema')}, this version reads {SCHEMA}; "
            "generate it again"
        )

    def load(name: str) -> jax.Array:
        return jnp.asarray(np.asarray(group[name]))

    fields = {name: load(name) for name in _FIELDS}
    certificate = Certificate(**{name: load(name) for name in _CERTIFICATE})
    return LabelBatch(**fields, certificate=certificate), about


def _write_array(
    group: zarr.Group, name: str, values: np.ndarray, dimensions: tuple[str, ...], units: str
) -> None:
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=(min(len(values), _ROWS_PER_CHUNK), *values.shape[1:]),
        dimension_names=dimensions,
        attributes={"units": units},
    )
    array[:] = values
