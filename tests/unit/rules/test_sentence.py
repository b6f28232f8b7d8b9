"""Sentences in plain English; more than fifty others stand in docs/expressions.md and are tested there."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.unit.rules.expression.generation import any_condition

from muster_core.rules.condition import Condition
from muster_core.rules.document import parse_segment
from muster_core.rules.expression.parse import parse_expression
from muster_core.rules.sentence import sentence

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1 and b = 2 or c = 3", "(whose a is 1 and whose b is 2) or whose c is 3"),
        ("not everyone", "who are not among customers who are any customer"),
        (
            "not (not (a = 1))",
            "who are not among customers (who are not among customers whose a is 1)",
        ),
        ("a not in (1, 2)", "whose a is none of 1 or 2 (or is missing)"),
        ("a not between 1 and 2", "whose a is not between 1 and 2 (or is missing)"),
        ("a not matches '^x'", 'whose a does not match the pattern "^x" (or is missing)'),
        ("a not contains item 'x'", "whose a has no item x (or is missing)"),
        ("a != 'x' ignoring case", "whose a is not x (ignoring case, or is missing)"),
        ("a is false", "whose a is false"),
        ("a = true", "whose a is true"),
        ("a = 'true'", 'whose a is "true"'),
        ("a = '12'", 'whose a is "12"'),
        ("a = 'x y'", 'whose a is "x y"'),
        ("a >= '2026-01-01'", "whose a is at or after 2026-01-01"),
        ("a <= 7 days ahead", "whose a is at or before 7 days ahead"),
        ("a from '2026-01-01'", "whose a is from 2026-01-01 on"),
        ("a until '2026-01-01'", "whose a is before 2026-01-01"),
        ("a in year to date", "whose a is this year up to now"),
        ("a on day 0", "whose a is on the day of the evaluation"),
        ("a on day 1", "whose a is on the calendar day 1 day after the evaluation"),
        ("day(a) in (1, 15)", "whose a is on day 1 or 15 of the month"),
        ("weekday(a) in (6, 7)", "whose a is on a Saturday or Sunday"),
        ("year(a) = 2020", "whose a is in year 2020"),
        ("a via r = 1", "whose a (via r) is 1"),
        ("count(o) = 0", "who have no o"),
        ("count(o) < 3", "who have fewer than 3 o"),
        ("count(o) = 3", "who have exactly 3 o"),
        ("count(o) != 3", "whose number of o is not 3"),
        ("count(o) in (1, 2)", "whose number of o is one of 1 or 2"),
        ("min(a of o via x/y) > 1", "whose smallest a of o (via x, y) is over 1"),
        ("sum(total of o) > 5", "whose total of the total of o is over 5"),
        ("sum(a of o) not between 1 and 2", "whose total a of o is not between 1 and 2"),
        ("exists(o where not (a = 1))", "who have any o (other than those whose a is 1)"),
        ("exists(o where a != 1)", "who have any o whose a is not 1 (or is missing)"),
        ("exists(o where a > 1 or a < 0)", "who have any o (with a over 1 or with a under 0)"),
        ("count(o) > 1 and exists(p)", "who have more than 1 o and who have any p"),
        ("first row (o) before 30 days ago", "whose first of all o is 30 days ago or earlier"),
        ("all()", "who are nobody, since an empty list of conditions matches none"),
        ("any(a = 1)", "whose a is 1"),
        ("measure(m) > 1", "whose measure m is over 1"),
        ("top 5 by sum(a of o)", "who are among the top 5 by total a of o"),
    ],
)
def test_a_condition_reads_as_a_sentence(text: str, said: str) -> None:
    assert sentence(parse_expression(text)) == f"Customers {said}."


def test_a_segment_is_one_sentence_with_its_rules_and_manual_changes() -> None:
    document = parse_segment(
        {
            "name": "s",
            "rules": [
                {"where": "everyone"},
                {"combine": "intersect", "where": "a = 1"},
                {"combine": "except", "where": "in segment b"},
                {"combine": "union", "where": "c is set"},
            ],
            "manual": {"add": ["x", "y"], "remove": ["z"]},
        }
    )
    assert sentence(document) == (
        "All customers; of these only customers whose a is 1; without customers who are in the segment b; "
        "plus customers whose c is set; 2 added by hand and 1 removed by hand."
    )
    assert sentence(parse_segment({"name": "s"})) == "Nobody by rule."


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_every_condition_has_a_sentence(data: st.DataObject) -> None:
    said = sentence(_CONDITION.validate_python(data.draw(any_condition())))
    assert said.replace("(", "").startswith(("Customers who", "All customers"))
    assert said.endswith(".")
