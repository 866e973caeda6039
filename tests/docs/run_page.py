"""Run every Python and shell snippet of a Markdown page, in order, in the current folder.

    python tests/docs/run_page.py docs/tutorials/solve.md

Python snippets of a page share their names. Shell snippets find the `cervjax` command beside the
interpreter. What an HTML comment `skip: next "reason"` precedes is left out.
"""

import os
import subprocess
import sys
from pathlib import Path
from unittest import SkipTest

import matplotlib
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser


def _shell(example: Example) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", str(example.parsed)]
    subprocess.run(command, check=True, env={**os.environ, "PATH": path})


def run_page(page: Path) -> None:
    """Run the snippets of `page`."""
    matplotlib.use("Agg")
    parsers = [PythonCodeBlockParser(), CodeBlockParser("sh", _shell), SkipParser()]
    document = Sybil(parsers=parsers, path=str(page.parent)).parse(page)
    for example in document.examples():
        print(f"{page.name}:{example.line}", flush=True)
        try:
            example.evaluate()
        except SkipTest as reason:
            print(f"left out: {reason}")


if __name__ == "__main__":
    run_page(Path(sys.argv[1]))
