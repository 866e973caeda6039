"""Shared fixtures. Types and shapes are checked at run time here, and only here."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

# Before JAX is imported, and in the environment: child processes share the cache.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")

import jax
from jaxtyping import install_import_hook

jax.config.update("jax_enable_x64", True)
if jax.__version__.startswith("0.10."):
    # Most of the tests' time is XLA's compilation for the CPU. Without its optimizations and its
    # newer fusion emitters it takes half as long. `XLA_FLAGS= pytest` compiles as for users.
    os.environ.setdefault(
        "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
    )

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    with install_import_hook(["cervjax", "conversion"], "beartype.beartype"):
        import cervjax  # noqa: F401
        import conversion  # noqa: F401

import dataclasses  # noqa: E402

import pytest  # noqa: E402

from cervjax.model import Model  # noqa: E402
from cervjax.people import Personalizer  # noqa: E402
from cervjax.spec import ModelSpec, shipped_neck  # noqa: E402
from conversion import read_osim  # noqa: E402

DATA = Path(__file__).parents[2] / "shared" / "data"


_SLOW = tuple(
    line.split("#")[0].strip()
    for line in (Path(__file__).parent / "slow.txt").read_text().splitlines()
    if line.split("#")[0].strip()
)


def is_slow(test: str) -> bool:
    """Whether a test, by its node id from the root, belongs to the slow tier."""
    return test.startswith(_SLOW)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow tier; and one worker for a folder, so that its fixtures are made once."""
    root = Path(__file__).parents[1]
    for item in items:
        path = Path(item.path).relative_to(root).as_posix()
        name = f"{path}::{item.nodeid.split('::', 1)[-1]}"
        if is_slow(name):
            item.add_marker(pytest.mark.slow)
        item.add_marker(pytest.mark.xdist_group(_group(path)))


def _group(path: str) -> str:
    """Folders whose fixtures are dear stay together; other files may go to any worker."""
    folder = path.split("/")[1]
    return folder if folder in ("learning", "labels", "assessment", "extension") else path


_MOST_MAPS = 40_000
"""Of the 65,530 pieces of memory that a process may map on Linux by default; XLA's CPU compiler
crashes beyond them, and every compiled function takes some dozens."""


@pytest.fixture(scope="module", autouse=True)
def executables() -> Iterator[None]:
    """Compiled functions are dropped where a process comes near the limit of its memory maps."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_text().count("\n") > _MOST_MAPS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of models, recordings and OpenSim results that is not part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"the data folder is not at {DATA}")
    return DATA


@pytest.fixture(scope="session")
def neck() -> ModelSpec:
    """The default shipped neck with reserves of optimal force 1 N m."""
    return shipped_neck().with_reserves(1.0)


@pytest.fixture(scope="session")
def published() -> ModelSpec:
    """The shipped neck with the inertia as published."""
    return shipped_neck("hyoid").with_reserves(1.0)


@pytest.fixture(scope="session")
def model(neck: ModelSpec) -> Model:
    """The shipped neck as float64 arrays."""
    return Model.from_spec(neck)


@pytest.fixture(scope="session")
def personalizer(neck: ModelSpec, model: Model) -> Personalizer:
    """Scales the shipped neck."""
    return Personalizer(model)


@pytest.fixture(scope="session")
def nominal(data: Path) -> ModelSpec:
    """The neck of the OpenSim reference results."""
    return read_osim(data / "opensim_reference" / "nominal.osim")


@pytest.fixture(scope="session")
def subject_a(data: Path) -> ModelSpec:
    """The same scaled by OpenSim's Model.scale."""
    return read_osim(data / "opensim_reference" / "subject_a.osim")


@pytest.fixture(scope="session")
def stiff_free(neck: ModelSpec) -> ModelSpec:
    """The shipped neck without bushings, which MuJoCo does not have."""
    return dataclasses.replace(neck, bushings=())
