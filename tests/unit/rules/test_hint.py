"""Hints against a catalog: what to write for what was probably meant."""

from __future__ import annotations

import pytest
from tests.unit.rules.test_check import CATALOG

from muster_core.errors import InvalidInput, Problem
from muster_core.rules.check import check_segment
from muster_core.rules.document import parse_segment
from muster_core.rules.expression.parse import parse_expression
from muster_core.rules.sentence import sentence


def _problem(where: object) -> Problem:
    (problem,) = check_segment(parse_segment({"name": "s", "rules": [{"where": where}]}), CATALOG)
    return problem


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        ("country = GB", "a text stands in quotes: 'GB'"),
        ("exists(orders where country = GB)", "a text stands in quotes: 'GB'"),
        ("tags contains item new", "a text stands in quotes: 'new'"),
        ("last(country of orders) = GB", "a text stands in quotes: 'GB'"),
        ("vip = yes", "say true"),
        ("vip = N", "say false"),
        ("age = null", "say is not set"),
        ("age = agee", "did you mean age"),
        ("sum(orders.age) > 3", "sum(age of orders)"),
        ("sum(price) > 3", "sum(price of lines)"),
        ("payer > 3", "max(payer of orders)"),
        ("orders.age > 3", "exists(orders where age ...)"),
        ("seen between 7 days ago and 14 days ago", "first: 14 days, then 7 days"),
        ("count(orders, between 7 days and 14 days ago) > 1", "first: 14 days, then 7 days"),
    ],
)
def test_a_problem_says_what_to_write(where: str, hint: str) -> None:
    assert hint in str(_problem(where).hint)


@pytest.mark.parametrize(
    ("where", "pointer", "message", "hint"),
    [
        ({"kind": "rowz"}, "", "unknown kind", "did you mean rows?"),
        (
            {"kind": "attribute", "column": "a", "compare": "equals", "value": 1},
            "/compare",
            "unknown word",
            "did you mean eq?",
        ),
        ({"kind": "not", "of": []}, "/of", "fields with values", None),
        ({"kind": "top", "by": {"column": "age"}, "limit": 0}, "/limit", "at least 1", None),
    ],
)
def test_what_has_the_wrong_shape_is_told_in_plain_words(
    where: object, pointer: str, message: str, hint: str | None
) -> None:
    with pytest.raises(InvalidInput) as raised:
        _problem(where)
    problem = raised.value.problems[0]
    assert problem.pointer == f"/rules/0/where{pointer}"
    assert message in problem.message
    assert problem.hint == hint


def test_an_output_column_of_a_related_table_is_told_how_to_be_written() -> None:
    document = parse_segment({"name": "s", "project": [{"column": "orders.age", "as": "ages"}]})
    (problem,) = check_segment(document, CATALOG)
    assert problem.hint == "say {table: orders, column: age, as: ...}"


def test_a_quote_inside_a_text_ends_nothing_in_a_sentence() -> None:
    condition = parse_expression("country = 'x\" or whose age is \"y'")
    assert sentence(condition) == 'Customers whose country is "x"" or whose age is ""y".'
