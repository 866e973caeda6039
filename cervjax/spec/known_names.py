"""Names in a configuration that something was registered under."""

from collections.abc import Collection, Iterable


def check_known(names: Iterable[str], known: Collection[str], what: str, register: str) -> None:
    """See that all of `names` are known.

    Args:
        names: that a configuration has.
        known: that there are.
        what: they are names of, for the message.
        register: the function that makes another one known.

    Raises:
        ValueError: one is unknown.
    """
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"no {what} {', '.join(unknown)}; there are {', '.join(known) or 'none'}; "
            f"`{register}` adds one"
        )
