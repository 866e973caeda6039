"""A trained network as one file that needs only JAX to run: no training code, no model files.

The file is a ZIP of `network.jax` (StableHLO by `jax.export`, for CPU and NVIDIA GPUs, any number
of rows) and `about.json` (what goes in and comes out). Without this package:

    import json, zipfile
    import jax

    with zipfile.ZipFile("neck.zip") as file:
        about = json.loads(file.read("about.json"))
        network = jax.export.deserialize(bytearray(file.read("network.jax")))
    forces = network.call(motion, person)["force"]  # [rows, inputs], float32
"""

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cervjax.execution import reading, seal_of
from cervjax.motion.synthesis import MotionSample
from cervjax.people import LIMITS

from .inputs import INPUT_SETS, PERSON_INPUTS, NetworkInputs, motion_size, ratio_columns
from .intervals import ForceEnsemble
from .predict import HYPOTHESIS, Predictor
from .rows import LabelledPose, pose_equation

_PLATFORMS = ("cpu", "cuda")
_UNITS = {
    "q": "rad",
    "qd": "rad/s",
    "qdd": "rad/s^2",
    "gravity": "m/s^2, in the torso's frame",
    "orientation": "first two columns of the rotation matrix, head to torso",
    "angular_velocity": "rad/s, in the torso's frame",
    "angular_acceleration": "rad/s^2, in the torso's frame",
    "position": "m, of the head's origin, in the torso's frame",
    "velocity": "m/s",
    "acceleration": "m/s^2, without gravity",
}


def row_function(predictor: Predictor) -> Callable[[Array, Array], dict[str, Array]]:
    """What a network says of many rows, as a function of arrays alone.

    The mechanics that a dual network needs are part of it. Where something of the person is NaN
    that has to be known (`needed_of_person`), all but novelty is NaN.

    Returns:
        A function of `(motion, person)`: `activation` (no unit), `force` (N), `novel`, and an
        ensemble's `low` and `high` (N).
    """
    network = predictor.network
    free = predictor.model.topology.num_free
    needed = np.array([name in needed_of_person(predictor) for name in PERSON_INPUTS])

    def one(motion: Array, person: Array) -> dict[str, Array]:
        equation = None
        if network.needs_equation:
            q, qd, qdd, gravity = jnp.split(motion, np.array([1, 2, 3]) * free)
            pose = LabelledPose(
                person[np.array(ratio_columns())], gravity, MotionSample(q, qd, qdd)
            )
            equation = pose_equation(predictor.personalizer, pose)
        said = network(NetworkInputs(motion, person), equation)
        parts = {"activation": jnp.asarray(said.activation), "force": jnp.asarray(said.force)}
        if isinstance(network, ForceEnsemble):
            parts |= {"low": said.low, "high": said.high}
        missing = jnp.any(jnp.isnan(person) & needed)
        parts = {name: jnp.where(missing, jnp.nan, x) for name, x in parts.items()}
        return parts | {"novel": predictor.novelty(NetworkInputs(motion, person))}

    return lambda motion, person: jax.vmap(one)(motion, person)


def needed_of_person(predictor: Predictor) -> tuple[str, ...]:
    """What has to be known of a person: the ratios of a dual network, or everything."""
    if not predictor.missing_inputs:
        return tuple(PERSON_INPUTS)
    return tuple(LIMITS) if predictor.network.needs_equation else ()


def write_portable(predictor: Predictor, path: str | Path) -> Path:
    """Write `predictor` as one file.

    Args:
        path: of the file, `.zip`.

    Returns:
        `path`.

    Raises:
        ValueError: the path has another suffix.
    """
    path = Path(path)
    if path.suffix != ".zip":
        raise ValueError(f"{path} does not end in .zip")
    (rows,) = jax.export.symbolic_shape("rows")
    motion = _motion_shape(predictor)
    specs = (
        jax.ShapeDtypeStruct((rows, *motion), jnp.float32),
        jax.ShapeDtypeStruct((rows, len(PERSON_INPUTS)), jnp.float32),
    )
    exported = jax.export.export(jax.jit(row_function(predictor)), platforms=_PLATFORMS)(*specs)
    partial = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as file:
        network, about = bytes(exported.serialize()), _about(predictor, exported)
        about["sha256"] = _seal(about, network)
        file.writestr("network.jax", network)
        file.writestr("about.json", json.dumps(about, indent=1) + "\n")
    partial.replace(path)
    return path


@dataclass(frozen=True)
class PortableNetwork:
    """A network read from one file.

    Attributes:
        about: what goes in and comes out.
    """

    about: dict[str, Any]
    _call: Callable[..., dict[str, Array]]

    def __call__(
        self, motion: Float[Array, "rows *frames motion"], person: Float[Array, "rows person"]
    ) -> dict[str, Array]:
        """Activations, forces and more of rows; float32."""
        return self._call(jnp.asarray(motion, jnp.float32), jnp.asarray(person, jnp.float32))


def read_portable(path: str | Path) -> PortableNetwork:
    """The network in the file that `write_portable` wrote.

    Returns:
        A function of rows, with its description.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is something else.
    """
    with reading(path, "a network written by cervjax", "export it again"):
        with zipfile.ZipFile(path) as file:
            about = json.loads(file.read("about.json"))
            network = file.read("network.jax")
        if not isinstance(about, dict) or about.pop("sha256", None) not in (
            None,
            _seal(about, network),
        ):
            raise ValueError("it was edited after it was written")
        try:
            exported = jax.export.deserialize(bytearray(network))
        except Exception as error:
            # Flatbuffers and MLIR raise what they like.
            raise ValueError(f"network.jax cannot be read: {error}") from error
    return PortableNetwork(about, jax.jit(exported.call))


def _seal(about: dict[str, Any], network: bytes) -> str:
    digest = hashlib.sha256(seal_of(about).encode())
    digest.update(network)
    return digest.hexdigest()


def write_onnx(predictor: Predictor, path: str | Path) -> Path:
    """Write the single feed-forward network of `predictor` as ONNX, by the package jax2onnx.

    Returns:
        `path`.

    Raises:
        ImportError: jax2onnx is not installed.
        ValueError: `predictor` is an ensemble, has memory or needs mechanics.
    """
    network = predictor.network
    if isinstance(network, ForceEnsemble) or network.needs_equation or predictor.window > 1:
        raise ValueError(
            "only a single feed-forward network without memory becomes ONNX; write_portable "
            "carries the others"
        )
    try:
        from jax2onnx import to_onnx  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("ONNX needs jax2onnx: pip install 'cervjax[onnx]'") from error
    call = row_function(predictor)

    def rows(motion: Array, person: Array) -> tuple[Array, Array]:
        said = call(motion, person)
        return said["activation"], said["force"]

    shapes = [("rows", *_motion_shape(predictor)), ("rows", len(PERSON_INPUTS))]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    to_onnx(rows, shapes, model_name="cervjax", return_mode="file", output_path=str(partial))
    partial.replace(path)
    return path


def _motion_shape(predictor: Predictor) -> tuple[int, ...]:
    size = motion_size(predictor.inputs, predictor.model.topology.num_free)
    return (size,) if predictor.window == 1 else (predictor.window, size)


def _about(predictor: Predictor, exported: jax.export.Exported) -> dict[str, Any]:
    network, topology = predictor.network, predictor.model.topology
    muscles = predictor.model.muscles
    sizes = {
        "q": topology.num_free,
        "qd": topology.num_free,
        "qdd": topology.num_free,
        "orientation": 6,
    }
    return {
        "what": HYPOTHESIS,
        "neck": topology.name,
        "motion": [
            {"name": name, "size": sizes.get(name, 3), "unit": _UNITS[name]}
            for name in INPUT_SETS[predictor.inputs]
        ],
        "coordinates": list(topology.free_coordinates),
        "window": predictor.window,
        "rate_Hz": predictor.rate,
        "person": PERSON_INPUTS,
        "needed_of_person": needed_of_person(predictor),
        "unknown": "NaN where something else about the person is not known",
        "muscles": list(topology.muscles),
        "min_control": np.asarray(muscles.min_control).tolist(),
        "max_control": np.asarray(muscles.max_control).tolist(),
        "coverage": network.coverage if isinstance(network, ForceEnsemble) else None,
        "platforms": list(exported.platforms),
        "versions": {name: version(name) for name in ("cervjax", "jax")},
    }
