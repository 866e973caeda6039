"""Where a model comes from: a shipped one by its name, or an `.osim` file."""

import sys
from pathlib import Path

from cervjax.spec import SHIPPED, ModelSpec, shipped_neck


def load_model(source: str | Path, *, allow_unsupported: bool = False) -> ModelSpec:
    """A shipped model by its name, or the model in an `.osim` file.

    Components that `allow_unsupported` leaves out are listed on standard error.

    Args:
        source: a name of `cervjax.spec.SHIPPED`, or a path.
        allow_unsupported: see `read_osim`.

    Returns:
        The model as plain data.

    Raises:
        FileNotFoundError: it is neither a shipped model nor a file.
        ValueError: the file cannot be converted.
    """
    if source in SHIPPED:
        return shipped_neck(str(source))
    if not Path(source).exists() and not str(source).endswith(".osim"):
        raise FileNotFoundError(
            f"{str(source)!r} is neither a file nor a shipped neck ({', '.join(SHIPPED)})"
        )
    from .isolated import read_osim

    spec = read_osim(source, allow_unsupported=allow_unsupported)
    for path in spec.omitted:
        print(f"left out of {source}: {path}", file=sys.stderr)
    return spec
