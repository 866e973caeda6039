"""How commands that run for a minute compile: quickly, and once on a machine."""

import contextlib
import hashlib
import os
import platform
from pathlib import Path

import jax


def keep_compiled() -> None:
    """Compile with as little effort as the command needs, and keep what is compiled for the next
    run, in the user's cache folder: compilation is most of such a command's time.

    `XLA_FLAGS` and `JAX_COMPILATION_CACHE_DIR`, where they are set, stay as they are.
    """
    if jax.__version__.startswith("0.10."):
        # XLA's older emitters for CPUs compile in two thirds of the time.
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")
    if jax.config.jax_compilation_cache_dir or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = _user_cache() / "cervjax" / f"jax-{jax.__version__}-{_machine()}"
    # Children compile for the same folder.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Below a second nothing is kept by default; such functions add up to seconds.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def use_all_cores() -> None:
    """Let JAX count every core of a CPU as a device, where it has not begun to count."""
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)


def _user_cache() -> Path:
    home = Path.home()
    if platform.system() == "Darwin":
        return home / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")


def _machine() -> str:
    """Of the processor: code compiled for another one may not run here."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        known = {line.partition(":")[0].strip(): line for line in lines}
        described = "".join(known.get(k, "") for k in ("model name", "flags", "Features"))
    except OSError:
        described = platform.processor() + platform.machine()
    return hashlib.sha256(described.encode()).hexdigest()[:12]
