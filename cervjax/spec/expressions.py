"""Expressions as OpenSim's parser (Lepton) reads them: Python's own, with `^` for a power."""

import ast
from collections.abc import Collection

Expression = ast.expr
"""A tree of Python's `ast`, of the nodes and functions that are known here."""

EXPRESSION_FUNCTIONS: dict[str, int] = {
    **dict.fromkeys(
        ("sqrt", "exp", "log", "sin", "cos", "sec", "csc", "tan", "cot", "asin", "acos", "atan",
         "sinh", "cosh", "tanh", "erf", "erfc", "step", "square", "cube", "recip", "abs"), 1),
    "min": 2,
    "max": 2,
}  # fmt: skip
"""How many arguments each has. `step` is 1 from zero on, else 0."""


def parse_expression(text: str, variables: Collection[str]) -> Expression:
    """The tree of an expression.

    Args:
        text: as in an OpenSim file.
        variables: names that it may use.

    Returns:
        A tree whose nodes are numbers, variables, `+ - * / **`, signs and known functions.

    Raises:
        ValueError: it uses something else, or cannot be read.
    """
    try:
        tree = ast.parse("".join(text.split()).replace("^", "**"), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"the expression {text!r} cannot be read: {error.msg}") from error
    _check(tree, text, variables)
    return tree


def _check(node: ast.AST, text: str, variables: Collection[str]) -> None:
    match node:
        case ast.Constant(value=int() | float()):
            return
        case ast.Name(id=name) if name in variables:
            return
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
            parts = [inner]
        case ast.BinOp(left, ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow(), right):
            parts = [left, right]
        case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]) if EXPRESSION_FUNCTIONS.get(
            name
        ) == len(parts):
            pass
        case _:
            raise ValueError(
                f"the expression {text!r} has {ast.unparse(node)!r}, which is not known here; "
                f"known are {', '.join(variables)}, numbers, + - * / ^ and "
                f"{', '.join(EXPRESSION_FUNCTIONS)}"
            )
    for part in parts:
        _check(part, text, variables)
