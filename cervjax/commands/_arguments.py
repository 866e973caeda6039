"""Arguments that several commands take."""

from collections.abc import Sequence


def assignments(texts: Sequence[str]) -> dict[str, float | str]:
    """`name=value` texts as a mapping.

    Returns:
        Values by name: numbers where they can be, in the unit of what they name.

    Raises:
        ValueError: a text is not of this form.
    """
    return dict(_assignment(text) for text in texts)


def _assignment(text: str) -> tuple[str, float | str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise ValueError(f"{text!r} is not name=value, as in age=34")
    try:
        return name, float(value)
    except ValueError:
        return name, value
