"""What README and docs say of the project's own files is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
_TEST = re.compile(r"`(tests/[\w/.]+\.py)(?:::(\w+))?`")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_every_test_that_is_named_exists(document: Path):
    for file, test in _TEST.findall(document.read_text()):
        assert (CHECKOUT / file).is_file(), file
        if test:
            assert f"def {test}(" in (CHECKOUT / file).read_text(), f"{file}::{test}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_every_link_leads_somewhere(document: Path):
    for target in _LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), target


def test_every_promise_names_its_test():
    rows = re.findall(r"^\| (P\d) \|.*$", (CHECKOUT / "README.md").read_text(), re.MULTILINE)
    lines = [x for x in (CHECKOUT / "README.md").read_text().splitlines() if x.startswith("| P")]
    assert rows == ["P1", "P2", "P3", "P4", "P5", "P6"]
    assert all(_TEST.search(line) for line in lines)
