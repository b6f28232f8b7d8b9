"""Plans of every kind of condition: the nodes they become, what is shared, and what a ranking job needs."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
import xxhash

from muster_core.catalog.document import Catalog, History, Relationship, Source, Table
from muster_core.errors import InvalidInput
from muster_core.kernel.node import (
    AttributeNode,
    CompareNode,
    Fold,
    Gathered,
    GroupNode,
    HeldFold,
    LastRowFold,
    Lookup,
    MemberNode,
    Operand,
    PeriodsFold,
    Rank,
    RankColumn,
    RowsNode,
    RowTest,
    SampleNode,
    SequenceFold,
    StoredNode,
    Threshold,
    TopNode,
)
from muster_core.kernel.plan import Plan, PlannedSegment, compile_plan
from muster_core.lake.manifest import Pointer
from muster_core.rules.document import parse_segment
from muster_core.rules.instant import to_micros
from muster_core.rules.measure import MeasureDocument
from muster_core.rules.predicate import (
    Anniversary,
    CalendarPart,
    IsSet,
    SameRow,
    TextIn,
    WholeRanges,
)

AS_OF = datetime(2026, 3, 29, 12, tzinfo=UTC)  # the day clocks go forward in Berlin
NOW = to_micros(AS_OF)
DAY = 86_400_000_000


def _table(name: str, columns: dict[str, str], **more: Any) -> Table:
    return Table(name=name, source=Source(parquet="/x"), columns=columns, **more)


def _related(name: str, child: str, parent: str, kind: str = "many_to_one") -> Relationship:
    return Relationship.model_validate({"name": name, "from": child, "to": parent, "kind": kind})


CATALOG = Catalog(
    timezone="Europe/Berlin",
    profile=_table(
        "customers",
        {
            "id": "integer",
            "country": "text",
            "born": "date",
            "seen": "timestamp",
            "spent": "decimal(10,2)",
            "plan": "text",
            "address": "integer",
        },
    ),
    key="id",
    tables={
        "orders": _table(
            "orders",
            {
                "id": "integer",
                "customer": "integer",
                "product": "integer",
                "at": "timestamp",
                "due": "date",
                "total": "decimal(10,2)",
                "state": "text",
                "tags": "array<text>",
                "from_place": "integer",
                "to_place": "integer",
            },
            time="at",
            row_key=["id"],
        ),
        "days": _table("days", {"customer": "integer", "on": "date"}, time="on"),
        "loyalty": _table("loyalty", {"member": "integer", "tier": "text", "points": "integer"}),
        "products": _table("products", {"id": "integer", "category": "text", "price": "float"}),
        "places": _table("places", {"id": "integer", "name": "text"}),
        "addresses": _table("addresses", {"id": "integer", "city": "text"}),
        "changes": _table(
            "changes",
            {"customer": "integer", "field": "text", "value": "text", "at": "timestamp"},
            time="at",
        ),
    },
    relationships=[
        _related("order_customer", "orders.customer", "customers.id"),
        _related("day_customer", "days.customer", "customers.id"),
        _related("loyalty_customer", "loyalty.member", "customers.id", "one_to_one"),
        _related("order_product", "orders.product", "products.id"),
        _related("sent_from", "orders.from_place", "places.id"),
        _related("sent_to", "orders.to_place", "places.id"),
        _related("customer_address", "customers.address", "addresses.id"),
        _related("change_customer", "changes.customer", "customers.id"),
    ],
    histories={"plan": History(table="changes", column="field", value="value")},
)


def _planned(name: str, *conditions: dict[str, Any], **more: Any) -> PlannedSegment:
    rules: list[dict[str, Any]] = [{"combine": "union", "where": c} for c in conditions]
    if rules:
        del rules[0]["combine"]
    document = parse_segment({"name": name, "rules": rules, **more})
    return PlannedSegment(segment_id=ord(name[-1]), document=document, previous=None)


def _plan(*conditions: dict[str, Any], **more: Any) -> Plan:
    return compile_plan([_planned("s", *conditions)], CATALOG, AS_OF, **more)


def _fold(condition: dict[str, Any], table: str = "orders") -> Any:
    (fold,) = _plan(condition).tables[table].folds
    return fold


def _attribute(column: str, compare: str, value: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if value is None else {"value": value}
    return {"kind": "attribute", "column": column, "compare": compare} | given | more


def _count(**more: Any) -> dict[str, Any]:
    return {
        "kind": "rows",
        "table": "orders",
        "aggregate": {"function": "count"},
        "compare": "gte",
        "value": 1,
    } | more


def _micros(text: str) -> int:
    return to_micros(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("window", "low", "high"),
    [
        ({"last": "30 days"}, NOW - 30 * DAY + 1, NOW),
        # 30 local days before would be another hour: days have a fixed length, months are calendar steps
        ({"last": "1 month"}, _micros("2026-02-28T13:00:00+00:00") + 1, NOW),
        ({"between_ago": ["14 days", "7 days"]}, NOW - 14 * DAY + 1, NOW - 7 * DAY),
        ({"before_ago": "30 days"}, None, NOW - 30 * DAY),
        (
            {"from": "2026-03-01", "to": "2026-03-02"},
            _micros("2026-03-01T00:00:00+01:00"),
            _micros("2026-03-02T00:00:00+01:00") - 1,
        ),
        ({"calendar": "today"}, _micros("2026-03-28T23:00:00+00:00"), NOW),
        (
            {"calendar": "yesterday"},
            _micros("2026-03-27T23:00:00+00:00"),
            _micros("2026-03-28T23:00:00+00:00") - 1,
        ),
        ({"calendar": "this_week"}, _micros("2026-03-22T23:00:00+00:00"), NOW),
        (
            {"calendar": "last_week"},
            _micros("2026-03-15T23:00:00+00:00"),
            _micros("2026-03-22T23:00:00+00:00") - 1,
        ),
        (
            {"calendar": "last_month"},
            _micros("2026-01-31T23:00:00+00:00"),
            _micros("2026-02-28T23:00:00+00:00") - 1,
        ),
        (
            {"calendar": "last_quarter"},
            _micros("2025-09-30T22:00:00+00:00"),
            _micros("2025-12-31T23:00:00+00:00") - 1,
        ),
        (
            {"calendar": "last_year"},
            _micros("2024-12-31T23:00:00+00:00"),
            _micros("2025-12-31T23:00:00+00:00") - 1,
        ),
        ({"calendar": "year_to_date"}, _micros("2025-12-31T23:00:00+00:00"), NOW),
        (
            {"day_offset": -4},
            _micros("2026-03-24T23:00:00+00:00"),
            _micros("2026-03-25T23:00:00+00:00") - 1,
        ),
    ],
)
def test_every_window_becomes_bounds_of_time(window: Any, low: int | None, high: int) -> None:
    fold = _fold(_count(window=window))
    assert (fold.low, fold.high) == (low, high)


def test_the_future_is_visible_only_where_it_is_asked_for() -> None:
    fold = _fold(_count(window={"next": "7 days"}, include_future=True))
    assert (fold.low, fold.high) == (NOW + 1, NOW + 7 * DAY)
    tomorrow = _micros("2026-03-29T22:00:00+00:00")
    fold = _fold(_count(window={"calendar": "tomorrow"}, include_future=True))
    assert (fold.low, fold.high) == (tomorrow, tomorrow + DAY - 1)
    assert _fold(_count(window={"calendar": "tomorrow"})).high == NOW
    assert _fold(_count(include_future=True)).high is None


def test_a_window_on_another_column_tests_the_row_and_leaves_visibility_to_the_time() -> None:
    plan = _plan(
        _count(window={"next": "7 days", "on": "due"}, where=_attribute("state", "eq", "x"))
    )
    table = plan.tables["orders"]
    (fold,) = table.folds
    assert (fold.low, fold.high) == (None, NOW)  # type: ignore[union-attr]
    assert GroupNode(node="and", of=(0, 1)) in table.rows
    days = WholeRanges(ranges=((20542, 20548),))
    assert RowTest(column="due", kind="date", predicate=days) in table.rows
    same = _fold(_count(window={"last": "7 days", "on": "at"}))
    assert same == _fold(_count(window={"last": "7 days"}))


def test_dates_are_windowed_by_their_local_midnight() -> None:
    condition = _count(table="days", window={"last": "1 day"})
    fold = _fold(condition, "days")
    assert (fold.low, fold.high) == (
        20541,
        20541,
    )  # midnight of 29 March lies within the last 24 hours


def test_columns_outside_the_rows_are_gathered_under_one_name() -> None:
    plan = _plan(
        _count(where=_attribute("products.category", "eq", "toys")),
        _count(where=_attribute("order_product.category", "eq", "toys")),
        _count(where=_attribute("customers.country", "eq", {"column": "state"})),
        _count(where=_attribute("addresses.city", "eq", "Berlin")),
        _count(where=_attribute("sent_to.name", "eq", "x")),
        _attribute("addresses.city", "eq", "Berlin"),
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
        _plan(_count(where=_attribute("places.name", "eq", "x")))
    assert "sent_from.name or sent_to.name" in str(caught.value.problems[0])


def test_a_column_of_a_one_to_one_table_is_asked_of_its_row_and_no_row_is_missing() -> None:
    plan = _plan(
        _attribute("loyalty.tier", "ne", "gold", via=["loyalty_customer"]),
        _attribute("loyalty.tier", "eq", "gold"),
        _attribute("loyalty.tier", "is_not_set"),
        _attribute("country", "eq", {"column": "loyalty.tier"}),
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
        for node in _plan(
            _attribute("born", "in_window", {"calendar": "today"}),
            _attribute("seen", "not_in_window", {"next": "1 day"}),
            _attribute("born", "weekday_of", [7, 1, 7]),
            _attribute("seen", "month_of", 3),
            _attribute("born", "anniversary_in_window", {"next": "7 days"}),
            _attribute("seen", "anniversary_in_window", {"calendar": "this_month"}),
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
    plan = _plan(condition)
    fold = Fold(where=None, low=None, high=NOW, function="min", column="at", kind="timestamp")
    assert plan.tables["orders"].folds == (fold,)
    ranges = ((NOW - 7 * DAY + 1, NOW),)
    assert plan.conditions == (
        RowsNode(table="orders", fold=0, predicate=WholeRanges(ranges=ranges)),
    )


def test_last_row_sequence_and_periods_become_folds_that_say_whether() -> None:
    last = {"kind": "last_row", "table": "orders", "having": _attribute("state", "eq", "paid")}
    assert _fold(last) == LastRowFold(where=None, high=NOW, having=0)
    sequence = {
        "kind": "sequence",
        "table": "orders",
        "steps": [_attribute("state", "eq", "cart"), _attribute("state", "eq", "paid")],
        "within": "1 month",
        "window": {"calendar": "this_month"},
    }
    begin = _micros("2026-02-28T23:00:00+00:00")
    assert _fold(sequence) == SequenceFold(
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
    edges = (NOW, *(_micros(f"{day}T13:00:00+00:00") for day in steps))
    assert _fold(periods) == PeriodsFold(
        where=None, edges=edges, at_least=2, predicate=WholeRanges(ranges=((1, None),))
    )
    days = periods | {"table": "days", "period": "1 day", "of_last": 2}
    assert _fold(days, "days").edges == (20541, 20540, 20539)


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
    plan = _plan(condition)
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
    assert _plan(condition | {"column": "country", "history": "changes"}).conditions


def test_first_and_last_compare_by_the_type_of_their_column() -> None:
    for column, compare, value in (
        ("state", "eq", "paid"),
        ("tags", "contains_item", "new"),
        ("due", "in_window", {"next": "3 days"}),
    ):
        aggregate = {"function": "last", "column": column, "order_by": "due"}
        fold = _fold(_count(aggregate=aggregate, compare=compare, value=value))
        assert (fold.function, fold.column, fold.order_by) == ("last", column, "due")


def test_references_mean_the_batch_first_and_the_order_of_bits_stays() -> None:
    version = Pointer(manifest="m", manifest_sha256="h", bit=3)
    member = {"kind": "segment", "name": "b"}
    stored = {"kind": "segment", "name": "old"}
    segments = [_planned("a", member, stored), _planned("b", _attribute("country", "eq", "GB"))]
    plan = compile_plan(segments, CATALOG, AS_OF, stored={"old": version, "b": version})
    assert plan.bits == {ord("a"): 0, ord("b"): 1}
    assert plan.conditions[1:] == (MemberNode(segment=1), StoredNode(version=version))
    assert [segment.rules[0].condition for segment in plan.segments] == [1, 0]


def test_a_reference_to_nothing_and_a_circle_are_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        _plan({"kind": "segment", "name": "gone"})
    assert caught.value.problems[0].pointer == "/rules/0/where/name"
    circle = [
        _planned("a", {"kind": "segment", "name": "b"}),
        _planned("b", {"kind": "segment", "name": "a"}),
    ]
    with pytest.raises(InvalidInput) as caught:
        compile_plan(circle, CATALOG, AS_OF)
    assert "a -> b -> a" in str(caught.value.problems[0])


def test_long_chains_of_references_compile() -> None:
    names = [f"s{i:04}" for i in range(2000)]
    segments = [_planned(names[0], {"kind": "everyone"})] + [
        _planned(name, {"kind": "segment", "name": before}) for before, name in pairwise(names)
    ]
    plan = compile_plan(segments[::-1], CATALOG, AS_OF)
    assert len(plan.segments) == 2000


SPENT: dict[str, Any] = {
    "table": "orders",
    "aggregate": {"function": "sum", "column": "total"},
    "window": {"calendar": "this_year"},
}
MEASURES = {"spent": MeasureDocument.model_validate({"name": "spent", "by": SPENT})}


def test_a_measure_is_its_aggregate_in_the_zone_of_the_workspace() -> None:
    measure = {"kind": "measure", "name": "spent", "compare": "gt", "value": 10}
    inline = {"kind": "rows", **SPENT, "compare": "gt", "value": 10}
    segments = [_planned("a", measure, timezone="Asia/Tokyo"), _planned("b", inline)]
    plan = compile_plan(segments, CATALOG, AS_OF, measures=MEASURES)
    assert len(plan.conditions) == 1


def test_two_aggregates_are_held_against_each_other() -> None:
    before = SPENT | {"window": {"between_ago": ["1 year", "6 months"]}}
    condition = {
        "kind": "compare",
        "left": {"measure": "spent"},
        "compare": "gte",
        "right": before,
        "times": 1.5,
    }
    (node,) = _plan(condition, measures=MEASURES).conditions
    assert node == CompareNode(
        left=Operand(table="orders", fold=0),
        relation="gte",
        right=Operand(table="orders", fold=1),
        times=(15, 1),
    )


def test_a_sample_is_a_hash_of_its_salt_and_a_bound() -> None:
    (node,) = _plan({"kind": "sample", "percent": "0.005", "salt": "x"}).conditions
    assert node == SampleNode(salt=xxhash.xxh64_intdigest(b"x", seed=42), below=1)
    assert xxhash.xxh64_intdigest(b"C1", seed=42) == 15225747416292411050


def test_the_ranking_job_gets_the_ranks_and_what_they_need() -> None:
    by = SPENT | {"where": _attribute("products.category", "eq", "toys")}
    plan = _plan(
        _count(where=_attribute("sent_to.name", "eq", "x")),
        {"kind": "top", "by": by, "percent": "2.5", "descending": False},
        {"kind": "top", "by": {"column": "addresses.id"}, "limit": 3},
        {"kind": "top", "by": {"column": "loyalty.points"}, "limit": 3},
        {"kind": "top", "by": by, "percent": 2.5, "descending": False},
    )
    assert plan.conditions[1:] == (TopNode(rank=0), TopNode(rank=1), TopNode(rank=2))
    assert plan.ranks[0] == Rank(
        by=Operand(table="orders", fold=1), descending=False, limit=None, percent=(25, 1)
    )
    assert plan.ranks[1].by == RankColumn(column="addresses.id", kind="integer")
    job = Plan.from_json(plan.rank_plan().to_json())
    assert job.ranks[0].by == Operand(table="orders", fold=0)
    assert set(job.tables) == {"orders", "loyalty"}
    assert list(job.tables["orders"].gathered) == ["products.category"]
    assert len(job.tables["orders"].rows) == len(job.tables["orders"].folds) == 1
    assert job.gathered == plan.gathered
    assert (job.segments, job.conditions) == ((), ())
    nobody = Threshold(words=None, key=None)
    assert plan.with_thresholds([nobody] * 3).thresholds == (nobody,) * 3
    with pytest.raises(ValueError, match="thresholds"):
        plan.with_thresholds([nobody])


def test_equal_parts_of_different_segments_stand_once() -> None:
    held = _attribute("country", "is_set")
    condition = {"kind": "all", "of": [held, _count(where=_attribute("state", "eq", "x"))]}
    turned = {"kind": "all", "of": condition["of"][::-1]}
    plan = compile_plan([_planned("a", condition), _planned("b", turned)], CATALOG, AS_OF)
    assert len(plan.conditions) == 3
    assert len(plan.tables["orders"].folds) == 1
    assert plan.segments[0].rules == plan.segments[1].rules


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize(
    "window", [{"calendar": "last_year"}, {"calendar": "next_year"}, {"last": "100 years"}]
)
def test_windows_at_the_ends_of_the_calendar_compile_or_are_refused(year: int, window: Any) -> None:
    segment = _planned("s", _attribute("seen", "in_window", window))
    if (year, *window.values()) in ((1, "next_year"), (9999, "last_year"), (9999, "100 years")):
        compile_plan([segment], CATALOG, datetime(year, 6, 1, tzinfo=UTC))
    else:
        with pytest.raises(InvalidInput, match="problem"):
            compile_plan([segment], CATALOG, datetime(year, 6, 1, tzinfo=UTC))
