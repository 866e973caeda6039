"""Public functions say what they return, in which unit, and which errors they raise."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(file for room in ("cervjax", "conversion") for file in (ROOT / room).rglob("*.py"))

UNIT = re.compile(
    r"(?<!')\b(rad|degrees?|deg|m|mm|s|ms|Hz|N|Nm|kg|g|J|W|V|years?|percent|seconds|meters|radians|"
    r"bytes|1/s)\b|°|%"
)
UNITLESS = re.compile(
    r"\b(no unit|without unit|dimensionless|ratios?|factors?|part|parts|share|shares|over|"
    r"normali[sz]ed|unit vectors?|rotations?|quaternions?|probabilit(y|ies)|chances?|weights?|"
    r"scores?|standard deviations|activations?|controls?|strains?|R²|like `\w+`|as `\w+`|"
    r"units? of|units? as|sines?|in its own unit)\b",
    re.IGNORECASE,
)
"""Words that tell that a quantity has no unit, or that of something named."""


def _public_functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for child in node.body:
                public = isinstance(child, ast.FunctionDef) and (
                    child.name == "__call__" or not child.name.startswith("_")
                )
                if public:
                    yield f"{node.name}.{child.name}", child


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Without those of functions inside."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            yield node
            yield from _own_nodes(node)


def _complaint(function: ast.FunctionDef) -> str | None:
    """A docstring of one line is what is returned (PEP 257); a longer one has a section."""
    returned = "None" if function.returns is None else ast.unparse(function.returns)
    text = ast.get_docstring(function)
    if text is None:
        return None  # what overrides a documented method has its docstring; ruff asks for others
    # A command's `run` raises nothing that a user sees: `cervjax.commands.run_command` says it.
    raises = function.name != "run" and any(
        isinstance(n, ast.Raise) and n.exc is not None for n in _own_nodes(function)
    )
    if raises and not re.search(r"^Raises:", text, re.MULTILINE):
        return "no `Raises:`"
    if returned in ("None", "NoReturn"):
        return None
    section = re.search(r"^(Returns|Yields):\n((?: +.*\n?|\n)+)", text, re.MULTILINE)
    if section is None and "\n" in text.strip():
        return "no `Returns:`"
    said = section[2] if section else text
    has_number = re.search(r"\bFloat\[|\bfloat\b", returned) is not None
    if has_number and not UNIT.search(said) and not UNITLESS.search(said):
        return "no unit of what is returned, nor that it has none"
    return None


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_public_functions_say_what_they_return(file):
    complaints = [
        f"{file.relative_to(ROOT)}:{node.lineno} {name}: {complaint}"
        for name, node in _public_functions(ast.parse(file.read_text()))
        if (complaint := _complaint(node))
    ]
    assert not complaints, "\n".join(complaints)
