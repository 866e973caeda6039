"""The page of comparisons with other codes names tests that are there, and their tier."""

import re
from pathlib import Path

import pytest

from tests.conftest import is_slow

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"\| `(tests/[^`]+)` \| (\w+) \|", (ROOT / "docs" / "oracles.md").read_text())


@pytest.mark.parametrize(("test", "tier"), ROWS, ids=[row[0] for row in ROWS])
def test_each_comparison_is_there(test, tier):
    path, _, name = test.partition("::")
    source = (ROOT / path).read_text()
    assert not name or re.search(rf"^def {name}\(", source, re.MULTILINE)
    assert tier == ("slow" if is_slow(test) else "fast")


def test_the_page_has_them_all():
    assert len(ROWS) > 50
