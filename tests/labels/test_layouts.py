"""The same bytes on one device, on eight, and from two processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .test_dataset import digest

SCRIPT = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", int(sys.argv[2]))
from cervjax.execution import Hosts
from cervjax.labels import DatasetPlan, generate_dataset
from cervjax.spec import shipped_neck
hosts = Hosts.connect(sys.argv[3], 2, int(sys.argv[4])) if len(sys.argv) > 3 else Hosts()
assert len(jax.local_devices()) == int(sys.argv[2])
plan = DatasetPlan(persons=90, movements=1, frames=2, block=8, shard_rows=64)
generate_dataset(sys.argv[1], plan, shipped_neck(), hosts=hosts)
"""


def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(folder), *map(str, arguments)]
    # Compiled as for users: what the tests' flags leave unoptimized rounds differently where
    # XLA shares a loop among other numbers of threads.
    compiled = os.environ | {"XLA_FLAGS": ""}
    return subprocess.Popen(
        command, env=compiled, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layout") / "one"
    finish(start(folder, 1))
    return digest(folder)


def test_eight_devices_write_the_same_bytes(reference, tmp_path):
    """Four blocks a shard over eight devices: half of them compute what is dropped."""
    finish(start(tmp_path / "eight", 8))
    assert digest(tmp_path / "eight") == reference


def test_two_processes_write_the_same_bytes(reference, tmp_path):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "two"
    processes = [start(folder, 2, f"localhost:{port}", k) for k in range(2)]
    for process in processes:
        finish(process)
    assert digest(folder) == reference
