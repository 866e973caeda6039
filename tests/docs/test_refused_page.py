"""The page on what is refused says what the converter's own list says."""

from pathlib import Path

from conversion.refusals import CONDITIONS, page

ROOT = Path(__file__).parents[2]


def test_the_page_is_the_list():
    written = (ROOT / "docs" / "refused.md").read_text(encoding="utf-8")
    assert written == page(), "run: python -m conversion.refusals docs/refused.md"


def test_every_condition_is_one_of_the_checks():
    """A condition that no check has is a promise of nothing."""
    sources = "".join(p.read_text() for p in (ROOT / "conversion").glob("opensim_*.py"))
    assert not [key for key in CONDITIONS if f'because("{key}"' not in sources]
