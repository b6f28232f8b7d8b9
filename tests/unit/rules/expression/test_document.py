"""docs/expressions.md says what is so: every example is read, written, checked and said as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.unit.rules.expression.shop import CATALOG, KNOWN

from muster_core.errors import InvalidInput
from muster_core.rules.check import check_segments
from muster_core.rules.document import parse_segment
from muster_core.rules.expression.parse import parse_expression
from muster_core.rules.expression.render import render_expression
from muster_core.rules.sentence import sentence
from muster_core.rules.text import read_documents

_PAGE = (Path(__file__).parents[4] / "docs" / "expressions.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| (`` .+? ``|`[^`]+`) \| ([A-Z].+\.) \|$", re.MULTILINE)
EXAMPLES = [
    (code.strip("`").strip() if code[:2] != "``" else code[3:-3], said)
    for code, said in (
        (found[1].replace("\\|", "|"), found[2].replace("\\|", "|"))
        for found in _ROW.finditer(_PAGE)
    )
]


def test_there_are_more_than_fifty_examples() -> None:
    assert len(EXAMPLES) > 50


@pytest.mark.parametrize(("text", "said"), EXAMPLES, ids=[text for text, _ in EXAMPLES])
def test_an_example_is_canonical_fits_the_catalog_and_has_its_sentence(
    text: str, said: str
) -> None:
    condition = parse_expression(text)
    assert render_expression(condition) == text
    assert sentence(condition) == said
    document = parse_segment({"name": "x", "rules": [{"where": text}]})
    assert document.rules[0].where == condition
    assert check_segments([document], CATALOG, known=KNOWN) == []


def test_the_mistakes_read_as_shown() -> None:
    block = re.search(r"```text\n(.*?)```", _PAGE, re.DOTALL)
    assert block is not None
    for shown in block[1].strip("\n").split("\n\n"):
        wrong = shown.split("\n")[1].removeprefix("  ")
        with pytest.raises(InvalidInput) as caught:
            parse_expression(wrong)
        assert str(caught.value.problems[0]) == shown


def test_the_segment_shown_is_one() -> None:
    block = re.search(r"```yaml\n(.*?)```", _PAGE, re.DOTALL)
    assert block is not None
    (document,) = read_documents(block[1], file="page.yaml")
    assert check_segments([document], CATALOG, known=KNOWN) == []
