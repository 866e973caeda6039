"""Shared fixtures. Types and shapes are checked at run time here, and only here."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import jax
from jaxtyping import install_import_hook

jax.config.update("jax_enable_x64", True)
jax.config.update(
    "jax_compilation_cache_dir",
    os.environ.get("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".jax_cache")),
)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    with install_import_hook(["cervjax", "conversion"], "beartype.beartype"):
        import cervjax  # noqa: F401
        import conversion  # noqa: F401

import dataclasses  # noqa: E402

import pytest  # noqa: E402

from cervjax.model import NeckModel  # noqa: E402
from cervjax.personalization import Personalizer  # noqa: E402
from cervjax.spec import NeckSpec, shipped_neck  # noqa: E402
from conversion import read_osim  # noqa: E402

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="module", autouse=True)
def executables() -> Iterator[None]:
    """Compiled functions of one file are not kept for the next: a process may map only so many
    pieces of memory (65,530 on Linux by default), beyond which XLA's CPU compiler crashes."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of models, recordings and OpenSim results that is not part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"the data folder is not at {DATA}")
    return DATA


@pytest.fixture(scope="session")
def neck() -> NeckSpec:
    """The default shipped neck with reserves of optimal force 1 N m."""
    return shipped_neck().with_reserves(1.0)


@pytest.fixture(scope="session")
def published() -> NeckSpec:
    """The shipped neck with the inertia as published."""
    return shipped_neck("hyoid").with_reserves(1.0)


@pytest.fixture(scope="session")
def model(neck: NeckSpec) -> NeckModel:
    """The shipped neck as float64 arrays."""
    return NeckModel.from_spec(neck)


@pytest.fixture(scope="session")
def personalizer(neck: NeckSpec, model: NeckModel) -> Personalizer:
    """Scales the shipped neck."""
    return Personalizer(neck, model)


@pytest.fixture(scope="session")
def nominal(data: Path) -> NeckSpec:
    """The neck of the OpenSim reference results."""
    return read_osim(data / "opensim_reference" / "nominal.osim")


@pytest.fixture(scope="session")
def subject_a(data: Path) -> NeckSpec:
    """The same scaled by OpenSim's Model.scale."""
    return read_osim(data / "opensim_reference" / "subject_a.osim")


@pytest.fixture(scope="session")
def stiff_free(neck: NeckSpec) -> NeckSpec:
    """The shipped neck without bushings, which MuJoCo does not have."""
    return dataclasses.replace(neck, bushings=())
