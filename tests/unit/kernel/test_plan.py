"""Plans of every kind of condition: the nodes they become, what is shared, and what a ranking job needs."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.kernel.planning import DAY, NOW, attribute, count, fold_of, micros, plan_of

from muster_core.errors import InvalidInput
from muster_core.kernel.node import (
    AttributeNode,
    Fold,
    Gathered,
    GroupNode,
    HeldFold,
    LastRowFold,
    Lookup,
    PeriodsFold,
    RowsNode,
    RowTest,
    SequenceFold,
)
from muster_core.rules.predicate import (
    Anniversary,
    CalendarPart,
    IsSet,
    SameRow,
    TextIn,
    WholeRanges,
)


@pytest.mark.parametrize(
    ("window", "low", "high"),
    [
        ({"last": "30 days"}, NOW - 30 * DAY + 1, NOW),
        # 30 local days before would be another hour: days have a fixed length, months are calendar steps
        ({"last": "1 month"}, micros("2026-02-28T13:00:00+00:00") + 1, NOW),
        ({"between_ago": ["14 days", "7 days"]}, NOW - 14 * DAY + 1, NOW - 7 * DAY),
        ({"before_ago": "30 days"}, None, NOW - 30 * DAY),
        (
            {"from": "2026-03-01", "to": "2026-03-02"},
            micros("2026-03-01T00:00:00+01:00"),
            micros("2026-03-02T00:00:00+01:00") - 1,
        ),
        ({"calendar": "today"}, micros("2026-03-28T23:00:00+00:00"), NOW),
        (
            {"calendar": "yesterday"},
            micros("2026-03-27T23:00:00+00:00"),
            micros("2026-03-28T23:00:00+00:00") - 1,
        ),
        ({"calendar": "this_week"}, micros("2026-03-22T23:00:00+00:00"), NOW),
        (
            {"calendar": "last_week"},
            micros("2026-03-15T23:00:00+00:00"),
            micros("2026-03-22T23:00:00+00:00") - 1,
        ),
        (
            {"calendar": "last_month"},
            micros("2026-01-31T23:00:00+00:00"),
            micros("2026-02-28T23:00:00+00:00") - 1,
        ),
        (
            {"calendar": "last_quarter"},
            micros("2025-09-30T22:00:00+00:00"),
            micros("2025-12-31T23:00:00+00:00") - 1,
        ),
        (
            {"calendar": "last_year"},
            micros("2024-12-31T23:00:00+00:00"),
            micros("2025-12-31T23:00:00+00:00") - 1,
        ),
        ({"calendar": "year_to_date"}, micros("2025-12-31T23:00:00+00:00"), NOW),
        (
            {"day_offset": -4},
            micros("2026-03-24T23:00:00+00:00"),
            micros("2026-03-25T23:00:00+00:00") - 1,
        ),
    ],
)
def test_every_window_becomes_bounds_of_time(window: Any, low: int | None, high: int) -> None:
    fold = fold_of(count(window=window))
    assert (fold.low, fold.high) == (low, high)


def test_the_future_is_visible_only_where_it_is_asked_for() -> None:
    fold = fold_of(count(window={"next": "7 days"}, include_future=True))
    assert (fold.low, fold.high) == (NOW + 1, NOW + 7 * DAY)
    tomorrow = micros("2026-03-29T22:00:00+00:00")
    fold = fold_of(count(window={"calendar": "tomorrow"}, include_future=True))
    assert (fold.low, fold.high) == (tomorrow, tomorrow + DAY - 1)
    assert fold_of(count(window={"calendar": "tomorrow"})).high == NOW
    assert fold_of(count(include_future=True)).high is None


def test_a_window_on_another_column_tests_the_row_and_leaves_visibility_to_the_time() -> None:
    plan = plan_of(
        count(window={"next": "7 days", "on": "due"}, where=attribute("state", "eq", "x"))
    )
    table = plan.tables["orders"]
    (fold,) = table.folds
    assert (fold.low, fold.high) == (None, NOW)  # type: ignore[union-attr]
    assert GroupNode(node="and", of=(0, 1)) in table.rows
    days = WholeRanges(ranges=((20542, 20548),))
    assert RowTest(column="due", kind="date", predicate=days) in table.rows
    same = fold_of(count(window={"last": "7 days", "on": "at"}))
    assert same == fold_of(count(window={"last": "7 days"}))


def test_dates_are_windowed_by_their_local_midnight() -> None:
    condition = count(table="days", window={"last": "1 day"})
    fold = fold_of(condition, "days")
    assert (fold.low, fold.high) == (
        20541,
        20541,
    )  # midnight of 29 March lies within the last 24 hours


def test_columns_outside_the_rows_are_gathered_under_one_name() -> None:
    plan = plan_of(
        count(where=attribute("products.category", "eq", "toys")),
        count(where=attribute("order_product.category", "eq", "toys")),
        count(where=attribute("customers.country", "eq", {"column": "state"})),
        count(where=attribute("addresses.city", "eq", "Berlin")),
        count(where=attribute("sent_to.name", "eq", "x")),
        attribute("addresses.city", "eq", "Berlin"),
    )
    step = Lookup(column="product", kind="integer", table="products", key="id")
    home = Lookup(column="address", kind="integer", table="addresses", key="id")
    place = Lookup(column="to_place", kind="integer", table="places", key="id")
    city = Gathered(lookups=(home,), start="profile", column="city", kind="text")
    assert plan.tables["orders"].gathered == {
        "products.category": Gathered(lookups=(step,), column="category", kind="text"),
        "customers.country": Gathered(lookups=(), start="profile", column="country", kind="text"),
        "addresses.city": city,
        "sent_to.name": Gathered(lookups=(place,), column="name", kind="text"),
    }
    assert plan.gathered == {"addresses.city": city}
    assert len(plan.tables["orders"].folds) == 4
    relation = SameRow(other="state", other_type="text", relation="eq")
    assert (
        RowTest(column="customers.country", kind="text", predicate=relation)
        in plan.tables["orders"].rows
    )


def test_a_name_that_two_relationships_share_is_refused_with_both() -> None:
    with pytest.raises(InvalidInput) as caught:
        plan_of(count(where=attribute("places.name", "eq", "x")))
    assert "sent_from.name or sent_to.name" in str(caught.value.problems[0])


def test_a_column_of_a_one_to_one_table_is_asked_of_its_row_and_no_row_is_missing() -> None:
    plan = plan_of(
        attribute("loyalty.tier", "ne", "gold", via=["loyalty_customer"]),
        attribute("loyalty.tier", "eq", "gold"),
        attribute("loyalty.tier", "is_not_set"),
        attribute("country", "eq", {"column": "loyalty.tier"}),
    )
    assert [type(node) for node in plan.conditions] == [
        RowsNode,
        GroupNode,
        RowsNode,
        GroupNode,
        RowsNode,
    ]
    assert plan.conditions[1] == GroupNode(node="not", of=(0,))
    assert plan.segments[0].nodes["/rules/0/where"] == 1
    assert plan.segments[0].nodes["/rules/1/where"] == 0
    tests = [row.predicate for row in plan.tables["loyalty"].rows if isinstance(row, RowTest)]
    assert tests[:2] == [TextIn(texts=("gold",)), IsSet()]
    assert tests[2] == SameRow(other="tier", other_type="text", relation="eq")


def test_comparisons_of_dates_become_predicates() -> None:
    found = [
        node.predicate
        for node in plan_of(
            attribute("born", "in_window", {"calendar": "today"}),
            attribute("seen", "not_in_window", {"next": "1 day"}),
            attribute("born", "weekday_of", [7, 1, 7]),
            attribute("seen", "month_of", 3),
            attribute("born", "anniversary_in_window", {"next": "7 days"}),
            attribute("seen", "anniversary_in_window", {"calendar": "this_month"}),
        ).conditions
        if isinstance(node, AttributeNode)
    ]
    assert found == [
        WholeRanges(ranges=((20541, 20541),)),
        WholeRanges(ranges=((NOW + 1, NOW + DAY),), negate=True),
        CalendarPart(part="weekday", values=(1, 7)),
        CalendarPart(part="month", values=(3,), zone="Europe/Berlin"),
        Anniversary(first=20542, last=20548),
        Anniversary(first=20513, last=20543, zone="Europe/Berlin"),
    ]


def test_first_row_is_the_least_time_of_all_visible_rows() -> None:
    condition = {"kind": "first_row", "table": "orders", "window": {"last": "7 days"}}
    plan = plan_of(condition)
    fold = Fold(where=None, low=None, high=NOW, function="min", column="at", kind="timestamp")
    assert plan.tables["orders"].folds == (fold,)
    ranges = ((NOW - 7 * DAY + 1, NOW),)
    assert plan.conditions == (
        RowsNode(table="orders", fold=0, predicate=WholeRanges(ranges=ranges)),
    )


def test_last_row_sequence_and_periods_become_folds_that_say_whether() -> None:
    last = {"kind": "last_row", "table": "orders", "having": attribute("state", "eq", "paid")}
    assert fold_of(last) == LastRowFold(where=None, high=NOW, having=0)
    sequence = {
        "kind": "sequence",
        "table": "orders",
        "steps": [attribute("state", "eq", "cart"), attribute("state", "eq", "paid")],
        "within": "1 month",
        "window": {"calendar": "this_month"},
    }
    begin = micros("2026-02-28T23:00:00+00:00")
    assert fold_of(sequence) == SequenceFold(
        steps=(0, 1),
        low=begin,
        high=NOW,
        visible=NOW,
        seconds=0,
        months=1,
        zone="Europe/Berlin",
    )
    periods = {
        "kind": "periods",
        "table": "orders",
        "period": "1 month",
        "of_last": 3,
        "at_least": 2,
        "compare": "gte",
        "value": 1,
    }
    steps = ("2026-02-28", "2026-01-29", "2025-12-29")
    edges = (NOW, *(micros(f"{day}T13:00:00+00:00") for day in steps))
    assert fold_of(periods) == PeriodsFold(
        where=None, edges=edges, at_least=2, predicate=WholeRanges(ranges=((1, None),))
    )
    days = periods | {"table": "days", "period": "1 day", "of_last": 2}
    assert fold_of(days, "days").edges == (20541, 20540, 20539)


@pytest.mark.parametrize(
    ("compare", "ranges"),
    [("gte", ((None, NOW - 30 * DAY),)), ("lt", ((NOW - 30 * DAY + 1, None),))],
)
def test_held_compares_the_start_of_the_run(compare: str, ranges: Any) -> None:
    condition = {
        "kind": "held",
        "column": "plan",
        "value": True,
        "compare": compare,
        "duration": "30 days",
    }
    plan = plan_of(condition)
    assert plan.tables["changes"].folds == (
        HeldFold(
            field="field",
            field_kind="text",
            name="plan",
            value="value",
            value_kind="text",
            predicate=TextIn(texts=("true",)),
            visible=NOW,
        ),
    )
    assert plan.conditions == (
        RowsNode(table="changes", fold=0, predicate=WholeRanges(ranges=ranges)),
    )
    assert plan_of(condition | {"column": "country", "history": "changes"}).conditions


def test_first_and_last_compare_by_the_type_of_their_column() -> None:
    for column, compare, value in (
        ("state", "eq", "paid"),
        ("tags", "contains_item", "new"),
        ("due", "in_window", {"next": "3 days"}),
    ):
        aggregate = {"function": "last", "column": column, "order_by": "due"}
        fold = fold_of(count(aggregate=aggregate, compare=compare, value=value))
        assert (fold.function, fold.column, fold.order_by) == ("last", column, "due")
