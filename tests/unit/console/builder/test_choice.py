"""What can be chosen fits the catalog, what is typed keeps its digits, and problems stand where they belong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.unit.rules.expression.shop import CATALOG as SHOP
from tests.unit.rules.test_check import CATALOG

from muster_console.web.builder import word
from muster_console.web.builder.blank import condition, measurable
from muster_console.web.builder.change import add_rule
from muster_console.web.builder.choice import Choices, comparable, comparisons, fitting, functions
from muster_console.web.builder.judge import judge
from muster_console.web.builder.reading import (
    duration_of,
    duration_parts,
    fitted_value,
    text_of,
    value_of,
    values_of,
)
from muster_console.web.builder.spelling import condition_of, document_of
from muster_core.catalog.type import Kind, parse_type
from muster_core.rules.check import Known
from muster_core.rules.comparison import COMPARISONS

CHOICES = Choices(CATALOG)


def test_tables_are_those_with_rows_of_customers_and_tell_their_ways() -> None:
    assert [(t.name, t.ways) for t in CHOICES.tables] == [
        ("gifts", (("gift_giver",), ("gift_taker",))),
        ("lines", (("line_order", "order_customer"),)),
        ("orders", (("order_customer",),)),
    ]


def test_columns_of_rows_are_those_of_the_tables_on_the_way_too() -> None:
    found = CHOICES.columns("lines")

    assert {"price", "orders.country", "customers.age"} <= found.keys()
    assert CHOICES.columns("gifts", ("gift_taker",)).keys() >= {"giver", "customers.country"}
    assert CHOICES.columns("nothing") == {}


def test_values_are_those_of_the_table_a_name_leads_to() -> None:
    shop = Choices(SHOP)

    assert shop.origin("", (), "country") == ("customers", "country")
    assert shop.origin("", (), "loyalty.tier") == ("loyalty", "tier")
    assert shop.origin("lines", (), "products.category") == ("products", "category")
    assert shop.origin("lines", (), "orders.status") == ("lines", "orders.status")
    assert shop.origin("lines", (), "customers.country") == ("customers", "country")


def test_every_comparison_and_function_offered_has_words() -> None:
    for kind, offered in COMPARISONS.items():
        for compare in offered:
            assert word.compare_words(compare, None if kind is Kind.ARRAY else parse_type("text"))
    assert comparisons(None) == ("is_set", "is_not_set")
    assert word.compare_words("gt", parse_type("date")) == "is after"
    assert set(functions(CHOICES.columns("orders"), exists=True)) == word.FUNCTIONS.keys()


def test_functions_take_the_columns_that_fit_them() -> None:
    columns = CHOICES.columns("orders")

    assert "country" not in fitting(columns, "sum")
    assert {"seen", "balance"} <= fitting(columns, "max").keys()
    assert "tags" not in fitting(columns, "count_distinct")
    assert fitting(columns, "count") == {}


def test_columns_are_held_against_columns_of_their_kind() -> None:
    columns = CHOICES.columns()

    assert comparable(columns, "age", "gt") == ["balance", "id", "score"]
    assert comparable(columns, "born", "lt") == ["seen"]
    assert comparable(columns, "country", "gt") == []
    assert comparable(columns, "tags", "eq") == []


def test_the_type_of_an_aggregate_is_known_as_soon_as_its_column_is() -> None:
    rows = measurable("orders")
    total = rows | {"aggregate": {"function": "sum", "column": "balance"}}

    assert str(CHOICES.result(rows)) == "integer"
    assert str(CHOICES.result(total)) == "decimal(10,2)"
    assert CHOICES.result(rows | {"aggregate": {"function": "sum"}}) is None
    assert CHOICES.result(measurable("")) is None


@pytest.mark.parametrize("kind", [*word.KINDS])
def test_a_new_condition_says_what_is_still_to_be_chosen(kind: str) -> None:
    document = add_rule({"name": "a"}, condition(kind, CATALOG))

    problems = judge(document, CHOICES.scopes, Known()).problems

    assert all(p.message.startswith(("choose", "give")) for p in problems), problems
    assert document_of(document)


def test_problems_stand_at_their_node() -> None:
    document = {"name": "a", "rules": [{"where": condition_of("age > 'x' and count(orders) > 3")}]}

    found = judge(document, CHOICES.scopes, Known()).by_node(document)

    assert list(found) == ["/rules/0/where/of/0"]


def test_a_segment_that_refers_to_itself_is_told_so() -> None:
    document = {"name": "a", "rules": [{"where": condition_of("in segment a")}]}

    (problem,) = judge(document, CHOICES.scopes, Known()).problems

    assert "circle" in problem.message


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("10.10", "decimal(10,2)", Decimal("10.1")),
        ("0010", "integer", 10),
        ("0010", "text", "0010"),
        ("12 apples", "integer", "12 apples"),
        ("True", "boolean", True),
        ("true", "text", "true"),
        ("5", "array<integer>", 5),
    ],
)
def test_what_is_typed_becomes_a_value_of_the_columns_type(
    text: str, kind: str, value: Any
) -> None:
    found = value_of(text, parse_type(kind))

    assert found == value
    assert type(found) is type(value)


def test_values_are_written_as_they_are_typed() -> None:
    assert [text_of(v) for v in (Decimal("0.10"), True, None, 3, "a")] == [
        "0.10",
        "true",
        "",
        "3",
        "a",
    ]
    assert values_of("GB, DE\nGB;FR", parse_type("text")) == ["GB", "DE", "FR"]


def test_durations_are_split_and_joined() -> None:
    assert duration_parts("30 days") == (30, "day")
    assert duration_parts("1  century") == (1, "day")
    assert [duration_of(1, "month"), duration_of(0, "day"), duration_of(2, "week")] == [
        "1 month",
        "1 day",
        "2 weeks",
    ]


@pytest.mark.parametrize(
    ("compare", "before", "after"),
    [
        ("is_set", "GB", None),
        ("in", "GB", ["GB"]),
        ("eq", ["GB", "DE"], "GB"),
        ("in_window", "GB", {"last": "30 days"}),
        ("in", "", []),
        ("in_window", {"calendar": "today"}, {"calendar": "today"}),
        ("between", "GB", ["GB", "GB"]),
        ("weekday_of", None, [1]),
        ("gt", {"ago": "30 days"}, {"ago": "30 days"}),
        ("eq", {"last": "30 days"}, ""),
    ],
)
def test_a_value_is_kept_as_far_as_it_fits_the_next_comparison(
    compare: str, before: Any, after: Any
) -> None:
    assert fitted_value(compare, before, parse_type("text")) == after
