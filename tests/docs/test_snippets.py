"""What the README and the documentation show works as it stands, in an empty folder."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNNER = Path(__file__).with_name("run_page.py")
PICTURES = ROOT / "docs" / "pictures"


def _pages() -> list[Path]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in pages if "```" in page.read_text()]


@pytest.mark.parametrize("page", _pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_snippet_runs(page, tmp_path):
    """A process of its own: without the tests' float64 and run-time checks of types."""
    done = subprocess.run(
        [sys.executable, str(RUNNER), str(page)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_picture_of_the_pages_is_there():
    """`python tests/docs/draw_pictures.py` makes them from the tutorials' snippets."""
    shown = {
        line.split("../pictures/")[1].split(")")[0]
        for page in _pages()
        for line in page.read_text().splitlines()
        if "](../pictures/" in line
    }
    assert shown
    assert shown == {file.name for file in PICTURES.iterdir()}
