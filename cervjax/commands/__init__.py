"""The `cervjax` command. One file of this package is one command: files in, files out.

A command is a module with a function `run`, whose arguments become options, and a docstring whose
first line is its help. Nothing is imported before a command is chosen.
"""

import argparse
import ast
import contextlib
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from importlib.resources import files


def summaries() -> dict[str, str]:
    """Name and one-line help of every command, read without importing any.

    Returns:
        Summaries by name, sorted by name.
    """
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    return {name: _summary(name) for name in names}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors in the input end as one line and exit code 2.

    Args:
        arguments: those of the process if None.
    """
    parser = argparse.ArgumentParser(
        prog="cervjax",
        description="Muscle forces behind head movements, each with its certificate.",
        epilog="cervjax COMMAND --help tells the options of a command.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in summaries().items():
        commands.add_parser(name, help=summary.replace("%", "%%"), add_help=False)
    given = sys.argv[1:] if arguments is None else [str(a) for a in arguments]
    # The command's own options are its own parser's affair.
    chosen = parser.parse_args(given[:1])
    run_command(chosen.command, given[1:])


def run_command(name: str, arguments: Sequence[str] | None = None) -> None:
    """Run one command; errors in the input end as one line and exit code 2.

    Args:
        name: of a module of this package.
        arguments: those of the process if None.

    Raises:
        SystemExit: the input is wrong, or the command was stopped.
    """
    import tyro

    command = importlib.import_module(f"{__name__}.{name}")
    given = None if arguments is None else [str(a) for a in arguments]
    try:
        with contextlib.suppress(KeyboardInterrupt):
            tyro.cli(command.run, args=given, prog=f"cervjax {name}", description=command.__doc__)
            return
        raise SystemExit("stopped")
    except (ValueError, OSError, ImportError) as error:
        print(f"cervjax: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except MemoryError as error:
        print(f"cervjax {name}: not enough memory ({error})", file=sys.stderr)
        raise SystemExit(2) from error
    except Exception as error:
        if os.environ.get("CERVJAX_TRACEBACK"):
            raise
        said = str(error).splitlines()[:1]
        print(
            f"cervjax {name} {' '.join(given or sys.argv[2:])}: {type(error).__name__} "
            f"{''.join(said)}. This is a defect of cervjax, please report it; with "
            "CERVJAX_TRACEBACK=1 it says where",
            file=sys.stderr,
        )
        raise SystemExit(3) from error


def _summary(name: str) -> str:
    source = (files(__name__) / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").split("\n")[0]
