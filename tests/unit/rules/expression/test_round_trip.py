"""Every condition reads back from its expression as it was; broken text is refused with a place."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.unit.rules.expression.generation import any_condition

from muster_core.errors import InvalidInput
from muster_core.rules.condition import Condition
from muster_core.rules.expression.parse import parse_expression
from muster_core.rules.expression.render import render_expression

# the strategy prints as a book
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
_PIECES = [
    "and",
    "or",
    "not",
    "(",
    ")",
    ",",
    "'",
    '"',
    "`",
    ".",
    "=",
    ">=",
    "in",
    "between",
    "30",
    "days",
    "ago",
    "1",
    "last",
    "is",
    "set",
    "count(",
    "where",
    "😀",
    "\\",
    "\n",
    "%",
    "x",
    "via",
    "/",
    ":",
    "-5",
    "{",
]


@settings(max_examples=1_200, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_condition())
def test_every_condition_reads_back_as_it_was(data: Any) -> None:
    condition = _CONDITION.validate_python(data)
    text = render_expression(condition)
    again = parse_expression(text)
    # repr, since True == 1 and Decimal(1) == 1
    assert repr(again) == repr(condition), text
    assert render_expression(again) == text


@settings(max_examples=1_200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_broken_text_is_refused_with_a_place_or_still_means_something(data: st.DataObject) -> None:
    text = render_expression(_CONDITION.validate_python(data.draw(any_condition())))
    for _ in range(data.draw(st.integers(1, 3))):
        at, until = sorted(
            (data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text))))
        )
        until = min(until, at + 6)
        text = text[:at] + data.draw(st.sampled_from(["", *_PIECES])) + text[until:]
    try:
        parse_expression(text)
    except InvalidInput as exc:
        for problem in exc.problems:
            assert problem.line is not None
            assert problem.column is not None
            lines = text.split("\n")
            assert 1 <= problem.line <= len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
            assert problem.excerpt is not None
            assert problem.excerpt.endswith("^")


@pytest.mark.parametrize(
    "text",
    [
        "not " * 90_000 + "everyone",
        "(" * 100_000,
        "(" * 50_000 + "a = 1" + ")" * 50_000,
        "a = 1 and " * 40_000,
        "all(" * 20_000 + ")" * 20_000,
        "a in (" + "1, " * 100_000,
        "count(a where " * 20_000,
        "x" * 500_000,
        "'" * 100_001,
        "`" * 100_001,
        "a = '" + "x" * 300_000,
        "not (" * 19 + "(a = 1 or b = 2) and (" * 10_000,
    ],
    ids=lambda text: text[:12],
)
def test_bombs_are_refused_quickly(text: str) -> None:
    begin = time.monotonic()
    with pytest.raises(InvalidInput) as caught:
        parse_expression(text)
    assert caught.value.problems[0].line == 1
    assert time.monotonic() - begin < 5


def test_twenty_levels_and_five_hundred_conditions_are_read_but_no_more() -> None:
    parse_expression("not (" * 19 + "everyone" + ")" * 19)
    parse_expression(" and ".join(["a = 1"] * 499))
    for text in ("not (" * 20 + "everyone" + ")" * 20, " and ".join(["a = 1"] * 500)):
        with pytest.raises(InvalidInput, match="problem") as caught:
            parse_expression(text)
        assert "at most" in caught.value.problems[0].message
