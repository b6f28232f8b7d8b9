"""Mistakes in expressions: where they are, what was expected, what was probably meant."""

from __future__ import annotations

import json

import pytest
from tests.unit.rules.expression.shop import CATALOG, KNOWN

from muster_core.errors import InvalidInput, Problem
from muster_core.rules.check import check_segments
from muster_core.rules.document import parse_segment
from muster_core.rules.expression.parse import parse_expression, parse_row_expression
from muster_core.rules.measure import parse_measure
from muster_core.rules.text import read_rules, read_segments


def _problem(text: str) -> Problem:
    with pytest.raises(InvalidInput) as caught:
        parse_expression(text)
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("text", "place", "part"),
    [
        ("", (1, 1), "a condition"),
        ("   ", (1, 1), "a condition"),
        ("country", (1, 8), "a comparison"),
        ("country =", (1, 10), "a value"),
        ("country = 'GB' and", (1, 19), "a condition"),
        ("a = 1\nand b ==== 2", (2, 9), "a value"),
        ("a in 1", (1, 6), "("),
        ("a = 'x", (1, 5), "does not end"),
        ("`a = 1", (1, 1), "does not end"),
        ("(a = 1", (1, 7), ")"),
        ("a = 1)", (1, 6), "the end"),
        ("a = 1 § b = 2", (1, 7), "and"),
        ("a is not true", (1, 3), "two ways"),
        ("a = " + "9" * 80, (1, 5), "digits"),
        ("count(orders where count(orders) > 1) > 1", (1, 20), "one row"),
        ("sum(distinct amount of orders) > 1", (1, 5), "distinct"),
        ("count(orders, last 1 day, last 2 days) > 1", (1, 27), "twice"),
        ("sequence(v: a = 1 then b = 2)", (1, 1), "within"),
        ("sum(a of o) > 1 in at least 1 of last 2 days", (1, 1), "count"),
        ("count(o) contains sum(a of o)", (1, 10), "by ="),
        ("month(a) > 3", (1, 10), "in a list"),
        ("a > 3 for at least 3 days", (1, 3), "one value"),
        ("count(o, last 200 years) > 1", (1, 15), "100 years"),
        ("top 0 by a", (1, 5), "at least 1"),
        ("count(o) > 1 in at least 3 of last 2000 days", (1, 36), "1000"),
        ("x on day 1.5", (1, 10), "whole number"),
        (
            "sequence(v: a = 1 then b = 2 then c = 3 then d = 4 then e = 5 then f = 6, within 1 day, today)",
            (1, 13),
            "5",
        ),
    ],
)
def test_a_mistake_has_its_place_and_says_what_was_expected(
    text: str, place: tuple[int, int], part: str
) -> None:
    problem = _problem(text)
    assert (problem.line, problem.column) == place, problem
    assert part in problem.message
    assert problem.excerpt is not None
    line = text.split("\n")[place[0] - 1]
    assert problem.excerpt.split("\n")[-1] == "  " + " " * min(place[1] - 1, len(line)) + "^"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("country like 'x'", "contains"),
        ("a = 1 adn b = 2", "and"),
        ("coutn(orders) > 1", "count"),
        ("exist_s(orders)", "exists"),
        ("count(orders were a = 1) > 1", "where"),
        ("count(orders, lsat 30 days) > 1", "last"),
        ("a betwen 1 and 2", "between"),
        ("a containz 'x'", "contains"),
    ],
)
def test_a_misspelled_word_is_recognised(text: str, meant: str) -> None:
    problem = _problem(text)
    assert problem.hint is not None
    assert meant in problem.hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("no orders", "say not exists(orders)"),
        ("has orders", "say exists(orders)"),
        ("count orders > 3", "write count(orders)"),
        ("country ne 'GB'", "say !="),
        ("country eq 'GB'", "say ="),
        ("age => 3", "say >="),
        ("age is greater than 3", "say >"),
        ("count(orders) at least 3", "say >="),
        ("a = 1 && b = 2", "say and"),
        ("exists(orders last 30 days)", "write a comma before the window"),
        ("count(orders in last 30 days) > 1", "write a comma instead of in"),
        ("count(orders) > 1 last 30 days", "inside the parentheses"),
        ("count(orders, where a = 1) > 1", "no comma"),
        ("measure spend >= 100", "write measure(spend)"),
        ("country in ['GB']", "round brackets"),
        ("country in 'GB'", "round brackets"),
        ("country in (GB)", "'GB'"),
        ("opted_in", "opted_in is true"),
        ("opted_in and age > 3", "opted_in is true"),
        ("a between 1 to 2", "say and"),
        ("a is 3 or 4", "say the column again"),
        ("a in last 30 dayz", "second, minute, hour"),
        ("top 10 customers by a", "top 10 by"),
    ],
)
def test_what_people_bring_along_is_answered_with_what_to_write(text: str, hint: str) -> None:
    assert hint in str(_problem(text).hint)


@pytest.mark.parametrize(
    "text",
    ["a zebra 'GB'", "a = 1 spend", "exists(orders zebra)", "a = 1 b = 2", "a = ", "a = 1 ;"],
)
def test_where_nothing_is_near_nothing_is_suggested(text: str) -> None:
    assert _problem(text).hint is None


def test_no_terminal_of_the_grammar_is_ever_told() -> None:
    words = (
        "a",
        "a = 1",
        "count(orders",
        "count(orders,",
        "x in",
        "sample 10%",
        "top 3 by",
        "first row (o)",
    )
    for text in words:
        for more in (" ;", " 'x' 'y'", " ) )", " of of"):
            try:
                parse_expression(text + more)
            except InvalidInput as exc:
                message = exc.problems[0].message
                assert "_" not in message
                assert not any(word.isupper() and len(word) > 2 for word in message.split())


def test_what_does_not_fit_the_catalog_is_placed_inside_the_expression() -> None:
    text = (
        "name: s\nrules:\n"
        "  - where: country = 'GB' and count(orders where amont > 50) >= 3\n"
        "  - combine: union\n"
        "    where: |\n"
        "      age > 3\n"
        "      and signed_upp in last 30 days\n"
    )
    (segment,) = read_segments(text, file="s.yaml")
    found = [
        segment.written.place(p) for p in check_segments([segment.document], CATALOG, known=KNOWN)
    ]
    assert [(p.pointer, p.line, p.column) for p in found] == [
        ("/rules/0/where/of/1/where/column", 3, text.split("\n")[2].index("amont") + 1),
        ("/rules/1/where/of/1/column", 7, text.split("\n")[6].index("signed_upp") + 1),
    ]
    assert "did you mean amount" in str(found[0])
    assert str(found[1]).endswith("^")


def test_json_has_the_place_inside_the_expression() -> None:
    text = json.dumps({"name": "s", "rules": [{"where": "age > 3 and\nb c"}]})
    with pytest.raises(InvalidInput) as caught:
        read_segments(text, file="s.json")
    problem = caught.value.problems[0]
    assert (problem.pointer, problem.line, problem.column) == ("/rules/0/where", 2, 3)


def test_every_expression_of_a_document_is_read_and_all_mistakes_are_told() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_segment(
            {
                "name": "s",
                "rules": [{"where": "a ="}, {"combine": "union", "where": "= b"}],
                "project": [{"table": "orders", "column": "id", "where": "x ~ 1"}],
            }
        )
    assert [p.pointer for p in caught.value.problems] == [
        "/rules/0/where",
        "/rules/1/where",
        "/project/0/where",
    ]


def test_row_expressions_stand_in_rows_measures_and_output_columns() -> None:
    rows = {
        "kind": "rows",
        "table": "orders",
        "where": "amount > 5",
        "aggregate": {"function": "exists"},
    }
    latest = {"kind": "last_row", "table": "orders", "having": "amount > 5"}
    document = parse_segment(
        {
            "name": "s",
            "rules": [{"where": {"kind": "all", "of": [rows, latest]}}],
            "project": [{"table": "orders", "column": "id", "where": "amount > 5", "as": "ids"}],
        }
    )
    expected = parse_row_expression("amount > 5")
    all_ = document.rules[0].where
    assert all_ == parse_expression(
        "exists(orders where amount > 5) and last row (orders) has (amount > 5)"
    )
    assert document.project[0].where == expected
    measure = parse_measure(
        {
            "name": "m",
            "by": {"table": "orders", "where": "amount > 5", "aggregate": {"function": "count"}},
        }
    )
    assert measure.by.where == expected


def test_a_file_holds_segments_and_measures() -> None:
    text = (
        "name: s\nrules: [{where: measure(m) > 3}]\n---\n"
        "name: m\nby: {table: orders, where: amount > 5, aggregate: {function: count}}\n"
    )
    segments, measures = read_rules(text, file="x.yaml")
    assert [s.document.name for s in segments] == ["s"]
    assert [m.document.name for m in measures] == ["m"]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a == 1 AND b <> 2", "a = 1 and b != 2"),
        ("a is 'x' or a is not 'y'", "a = 'x' or a != 'y'"),
        (
            'a is missing and b is not null and c is_not_set and d = "x"',
            "a is not set and b is set and c is not set and d = 'x'",
        ),
        (
            "a does not contain 'x' and b does not start with 'y'",
            "a not contains 'x' and b not starts with 'y'",
        ),
        ("a after '2026-01-01' and b before '2026-01-01'", "a > '2026-01-01' and b < '2026-01-01'"),
        ("average(a of o) > 1", "avg(a of o) > 1"),
        ("count_distinct(a of o) > 1", "count(distinct a of o) > 1"),
        ("member of segment vip", "in segment vip"),
        ("month of (a) = 5", "month(a) = 5"),
        ("a in the last 30  DAYS", "a in last 30 days"),
        (
            "count(o, the last 30 days, include future) > 1",
            "count(o, last 30 days, including future) > 1",
        ),
        ("tier = 'gold' for at least 3 days", "tier held 'gold' for at least 3 days"),
        (
            "count(o) > 1 in at least 1 of the last 3 periods of 1 month",
            "count(o) > 1 in at least 1 of last 3 months",
        ),
        ("sample 10 percent salted 'x'", "sample 10% salt 'x'"),
        ("all(a = 1, b = 2)", "a = 1 and b = 2"),
        ("((a = 1))", "a = 1"),
        ("a > 3 days from now", "a > 3 days ahead"),
        ("everybody", "everyone"),
        ("a = 1e3 and b = +5 and c = 1.50", "a = 1000 and b = 5 and c = 1.5"),
    ],
)
def test_what_people_write_is_read(text: str, same: str) -> None:
    assert parse_expression(text) == parse_expression(same)
