"""Make the pictures of the documentation, by running the tutorials.

python tests/docs/draw_pictures.py
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def draw() -> None:
    """Run every tutorial in an empty folder and keep the picture that bears its name."""
    for page in sorted((DOCS / "tutorials").glob("*.md")):
        with tempfile.TemporaryDirectory() as folder:
            runner = Path(__file__).with_name("run_page.py")
            subprocess.run([sys.executable, str(runner), str(page)], cwd=folder, check=True)
            shutil.copy(Path(folder) / f"{page.stem}.png", DOCS / "pictures" / f"{page.stem}.png")


if __name__ == "__main__":
    draw()
