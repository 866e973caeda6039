"""Weights of networks in files: for inference as plain arrays, and training state by Orbax."""

from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from cervjax.execution import read_arrays, reading, replace_file, sealed_arrays

from .networks import AbstractForceNetwork

T = TypeVar("T")

_FORMAT, _RUN = "format", "run"
_VERSION = 2
"""Format 1 had neither a seal nor the run's identity."""


def write_weights(network: AbstractForceNetwork, path: Path, run: str = "") -> None:
    """Write every array of `network`, by its path, as NPZ; the file appears whole or not at all.

    Args:
        network: trained or not.
        path: of the file.
        run: identity of the training run.
    """
    arrays: dict[str, Any] = {k: np.asarray(v) for k, v in leaves(network).items()}
    about = {_FORMAT: np.array(_VERSION), _RUN: np.array(run)}
    with replace_file(path) as file:
        np.savez(file, **sealed_arrays(about | arrays))


def read_weights(path: Path, like: AbstractForceNetwork, run: str = "") -> AbstractForceNetwork:
    """The network whose arrays `write_weights` put into `path`.

    Args:
        path: of the file.
        like: a network of the same configuration.
        run: identity of the training run that it should be of; any if empty.

    Returns:
        `like` with the stored arrays.

    Raises:
        ValueError: the file is damaged or edited, or holds the network of another kind or run.
    """
    what = "a file of weights"
    remedy = "bring back the file as the training wrote it, or train again"
    stored = read_arrays(path, what, remedy)
    with reading(path, what, remedy):
        version = int(stored[_FORMAT])
        if version not in (1, _VERSION):
            raise ValueError(
                f"{path} has format {version}, this version reads 1 to {_VERSION}; read it with "
                "the version that wrote it"
            )
        if run and _RUN in stored and str(stored[_RUN]) not in ("", run):
            raise ValueError("these are weights of another training run")
        return filled(like, stored, str(path))


def filled(like: T, stored: dict[str, Any], where: str) -> T:
    """`like` with arrays by their paths.

    Args:
        like: a tree of modules.
        stored: arrays by the names that `leaves` gives them.
        where: they come from, for the message of an error.

    Returns:
        The same tree with the stored arrays.

    Raises:
        ValueError: an array is missing or of another shape.
    """
    arrays, rest = eqx.partition(like, eqx.is_array)

    def found(path: Any, old: Any) -> jax.Array:
        name = jax.tree_util.keystr(path)
        if name not in stored or np.shape(stored[name]) != old.shape:
            have = "none" if name not in stored else f"shape {np.shape(stored[name])}"
            raise ValueError(f"{where}: array {name!r} should have shape {old.shape}, has {have}")
        return jnp.asarray(stored[name], old.dtype)

    return eqx.combine(jax.tree_util.tree_map_with_path(found, arrays), rest)


def leaves(tree: PyTree) -> dict[str, jax.Array]:
    """Arrays of a tree by their paths, which do not depend on classes.

    Args:
        tree: of modules.

    Returns:
        Arrays by names such as `.trunk.layers.layers[0].weight`.
    """
    found = jax.tree_util.tree_leaves_with_path(eqx.filter(tree, eqx.is_array))
    return {jax.tree_util.keystr(path): leaf for path, leaf in found}


class Checkpoints:
    """Training states in a folder, the last two; a context: Orbax works in the background."""

    def __init__(self, folder: Path) -> None:
        """Open the folder; it is made if absent."""
        # Only training pays for its import.
        import orbax.checkpoint as ocp

        self._orbax = ocp
        options = ocp.CheckpointManagerOptions(max_to_keep=2)
        self._manager = ocp.CheckpointManager(folder, options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()

    @property
    def latest_step(self) -> int | None:
        """Of the last state; None where there is none."""
        return self._manager.latest_step()

    def save(self, step: int, state: PyTree) -> None:
        """Save the arrays of `state`, and wait for it."""
        self._manager.save(step, args=self._orbax.args.StandardSave(leaves(state)))
        self._manager.wait_until_finished()

    def restore(self, like: T) -> T:
        """The last state.

        Args:
            like: a state of the same training.

        Returns:
            It, or `like` where there is none.

        Raises:
            ValueError: the state is of another version of training.
        """
        latest = self.latest_step
        if latest is None:
            return like
        wanted = leaves(like)
        try:
            stored = self._manager.restore(latest, args=self._orbax.args.StandardRestore(wanted))
        except ValueError as error:
            raise ValueError(
                f"the training state in {self._manager.directory} was written by a version that "
                "trained otherwise; its network can be used, its training cannot be gone on with"
            ) from error
        return filled(like, dict(stored), str(self._manager.directory))

    def arrays(self) -> dict[str, np.ndarray]:
        """The last state, whatever wrote it.

        Returns:
            Arrays by their paths; none where there is no state.
        """
        latest = self.latest_step
        if latest is None:
            return {}
        stored = self._manager.restore(latest, args=self._orbax.args.StandardRestore())
        return {k: np.asarray(v) for k, v in stored.items()}
