"""Warnings about valid rules: where they stand, what they say, and where there must be none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from muster_core.catalog.document import Catalog, Relationship, Source, Table
from muster_core.catalog.statistic import ColumnStatistic, Statistics, TableStatistic
from muster_core.errors import Problem
from muster_core.rules.check import check_segment
from muster_core.rules.document import parse_segment
from muster_core.rules.measure import parse_measure
from muster_core.rules.warning import measure_warnings, warnings_of

SOURCE = Source(parquet="/x")
CATALOG = Catalog(
    profile=Table(
        name="customers",
        source=SOURCE,
        columns={
            "id": "integer",
            "country": "text",
            "age": "integer",
            "score": "float",
            "balance": "decimal(10,2)",
            "vip": "boolean",
            "born": "date",
            "seen": "timestamp",
            "tags": "array<text>",
        },
    ),
    key="id",
    tables={
        "orders": Table(
            name="orders",
            source=SOURCE,
            columns={
                "customer": "integer",
                "product": "integer",
                "total": "decimal(10,2)",
                "state": "text",
                "at": "timestamp",
            },
            time="at",
        ),
        "products": Table(
            name="products", source=SOURCE, columns={"id": "integer", "category": "text"}
        ),
    },
    relationships=[
        Relationship.model_validate({"name": name, "from": child, "to": parent})
        for name, child, parent in (
            ("order_customer", "orders.customer", "customers.id"),
            ("order_product", "orders.product", "products.id"),
        )
    ],
)
AS_OF = datetime(2026, 3, 15, 12, tzinfo=UTC)
COUNTED = datetime(2026, 3, 14, 2, tzinfo=UTC)


def _is(column: str, compare: str, value: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if value is None else {"value": value}
    return {"kind": "attribute", "column": column, "compare": compare} | given | more


def _all(*of: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "all", "of": list(of)}


def _any(*of: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "any", "of": list(of)}


def _not(of: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "not", "of": of}


def _count(compare: str, value: Any, **more: Any) -> dict[str, Any]:
    aggregate = {"function": "count"}
    found = {"kind": "rows", "table": "orders", "aggregate": aggregate}
    return found | {"compare": compare, "value": value} | more


def _rows(**more: Any) -> dict[str, Any]:
    return {"kind": "rows", "table": "orders", "aggregate": {"function": "exists"}} | more


def _warnings(*conditions: dict[str, Any], combine: str = "union", **more: Any) -> list[Problem]:
    rules: list[dict[str, Any]] = [{"combine": combine, "where": c} for c in conditions]
    del rules[0]["combine"]
    document = parse_segment({"name": "s", "rules": rules})
    assert check_segment(document, CATALOG) == []
    return warnings_of(document, CATALOG, as_of=AS_OF, **more)


EVERYONE = {"kind": "everyone"}
BOUGHT = _rows()


@pytest.mark.parametrize(
    ("condition", "pointer"),
    [
        (_all(_is("age", "gt", 40), _is("age", "lt", 30)), ""),
        (_all(_is("age", "gt", 40), _all(BOUGHT, _is("age", "lt", 30))), ""),
        (_all(_is("age", "gt", 40), _not(_is("age", "gt", 30))), ""),
        (_all(_is("age", "gt", 3), _is("age", "lt", 4)), ""),
        (_all(_is("balance", "gt", "1.00"), _is("balance", "lt", "1.01")), ""),
        (_all(_is("score", "between", [1, 2]), _is("score", "gt", 2)), ""),
        (_all(_is("country", "eq", "GB"), _is("country", "eq", "FR")), ""),
        (_all(_is("country", "in", ["GB", "FR"]), _is("country", "not_in", ["FR", "GB"])), ""),
        (_all(_is("country", "eq", "GB"), _is("country", "starts_with", "F")), ""),
        (_all(_is("country", "eq", "gb", ignore_case=True), _is("country", "eq", "FR")), ""),
        (_all(_is("country", "matches", "^G"), _not(_is("country", "matches", "^G"))), ""),
        (_all(_is("country", "eq", "GB"), _is("country", "not_matches", "^G")), ""),
        (_all(_is("country", "starts_with", "a"), _is("country", "starts_with", "b")), ""),
        (_all(_is("country", "is_set"), _is("country", "is_not_set")), ""),
        (_all(_is("vip", "is_true"), _is("vip", "is_false")), ""),
        (_all(_is("tags", "contains_item", "x"), _is("tags", "not_in", ["x", "y"])), ""),
        (_all(_is("born", "month_of", 3), _is("born", "month_of", [4, 5])), ""),
        (_all(_is("born", "gt", "2000-01-01"), _is("born", "lt", "1999-01-01")), ""),
        (
            _all(
                _is("seen", "in_window", {"last": "30 days"}),
                _is("seen", "in_window", {"before_ago": "2 months"}),
            ),
            "",
        ),
        (_all(_is("seen", "gt", {"ahead": "1 day"}), _is("seen", "lt", {"ago": "1 day"})), ""),
        (_all(_count("gte", 5), _count("lt", 3)), ""),
        (_all(BOUGHT, _count("eq", 0)), ""),
        (_all(BOUGHT, _not(BOUGHT)), ""),
        (_all(_is("age", "gt", 40), _any(_is("age", "lt", 3), _is("age", "eq", 5))), ""),
        (
            _rows(where=_all(_is("state", "eq", "x"), _is("state", "eq", "y"))),
            "/where",
        ),
        (_any(BOUGHT, _all(_is("age", "gt", 40), _is("age", "lt", 30))), "/of/1"),
    ],
)
def test_conditions_that_contradict_each_other_are_named(
    condition: dict[str, Any], pointer: str
) -> None:
    (warning,) = _warnings(condition)
    assert warning.pointer == f"/rules/0/where{pointer}"
    assert "contradict each other" in warning.message


@pytest.mark.parametrize(
    ("condition", "pointer", "part"),
    [
        (_any(), "", "empty list matches nobody"),
        (_any(BOUGHT, _all()), "/of/1", "empty list matches nobody"),
        (_is("balance", "eq", "10.105"), "", "no customer can ever pass"),
        (_is("age", "eq", 1.5), "", "no customer can ever pass"),
        (_count("lt", 0), "", "no customer can ever pass"),
        (_not(EVERYONE), "", "nobody"),
        (_rows(window={"calendar": "tomorrow"}), "", "window"),
        (_rows(window={"day_offset": 3}), "", "window"),
        ({"kind": "sample", "percent": 0, "salt": "x"}, "", "no customer can ever pass"),
        ({"kind": "top", "by": {"column": "age"}, "percent": "0"}, "", "no customer can ever pass"),
        (_rows(where=_is("total", "eq", "0.001")), "/where", "no row of orders"),
        (
            {"kind": "last_row", "table": "orders", "having": _is("at", "is_not_set")},
            "/having",
            "no visible row of orders",
        ),
        (
            _rows(
                where=_is("at", "in_window", {"before_ago": "60 days"}), window={"last": "9 days"}
            ),
            "",
            "no row of orders can ever pass the condition and lie in the window",
        ),
    ],
)
def test_a_condition_that_can_never_hold_is_named(
    condition: dict[str, Any], pointer: str, part: str
) -> None:
    (warning,) = _warnings(condition)
    assert warning.pointer == f"/rules/0/where{pointer}"
    assert part in warning.message


@pytest.mark.parametrize(
    ("condition", "pointer", "part"),
    [
        (_any(BOUGHT, _not(BOUGHT)), "", "never false"),
        (_any(_is("country", "is_set"), _is("country", "is_not_set")), "", "never false"),
        (_any(_is("age", "lte", 3), _is("age", "gt", 3), _is("age", "is_not_set")), "", "never"),
        (_any(_is("country", "ne", "GB"), _is("country", "ne", "FR")), "", "never false"),
        (_count("gte", 0), "", "every customer passes"),
        (_not(_any()), "/of", "empty list"),
        (_any(_is("age", "gt", 1), EVERYONE), "", "names everyone"),
        (_is("age", "ne", 1.5), "", "every customer passes"),
        ({"kind": "sample", "percent": 100, "salt": "x"}, "", "every customer passes"),
        (_rows(where=_any(_is("state", "is_set"), _is("state", "is_not_set"))), "/where", "never"),
    ],
)
def test_a_condition_that_is_never_false_is_named(
    condition: dict[str, Any], pointer: str, part: str
) -> None:
    warnings = [w for w in _warnings(condition) if "only says who does not" not in w.message]
    (warning,) = warnings
    assert warning.pointer == f"/rules/0/where{pointer}"
    assert part in warning.message


@pytest.mark.parametrize(
    "condition",
    [
        EVERYONE,
        _all(EVERYONE, BOUGHT),
        _all(_is("age", "gt", 3), _is("age", "lt", 5)),
        _all(_is("score", "gt", 3), _is("score", "lt", "3.0000001")),
        # missing passes neither
        _any(_is("age", "gt", 3), _is("age", "lte", 3)),
        # missing passes both
        _all(BOUGHT, _is("country", "ne", "GB"), _is("country", "not_in", ["FR"])),
        _all(_is("country", "eq", "GB", ignore_case=True), _is("country", "eq", "gb")),
        _all(_is("tags", "contains_item", "x"), _is("tags", "contains_item", "y")),
        _all(_is("tags", "contains_item", "x"), _is("tags", "ne", "y")),
        _all(_count("gte", 5), _count("lt", 3, window={"last": "30 days"})),
        # equal only because this month has so many days
        _all(
            _is("seen", "in_window", {"last": "28 days"}),
            _is("seen", "in_window", {"before_ago": "1 month"}),
        ),
        _all(
            _is("seen", "in_window", {"last": "3 days"}),
            _is("seen", "in_window", {"calendar": "last_month"}),
        ),
        # only a past evaluation time would do
        _all(_is("seen", "in_window", {"last": "30 days"}), _is("seen", "lt", "2020-01-01")),
        _rows(window={"from": "2030-01-01"}),
        _rows(window={"next": "3 days"}, include_future=True),
        _all(_is("born", "day_of", 31), _is("born", "month_of", 3)),
        _all(
            _not({"kind": "segment", "name": "a"}),
            {"kind": "segment", "name": "b"},
        ),
        _all(
            _rows(where=_is("state", "eq", "x")),
            _not(_rows(where=_is("state", "eq", "y"))),
        ),
        # no value passes neither
        _any(
            _count("gt", 5, aggregate={"function": "max", "column": "total"}),
            _count("lte", 5, aggregate={"function": "max", "column": "total"}),
        ),
        # without a row there is no value, and who has none does not belong
        _count("ne", 5, aggregate={"function": "min", "column": "total"}),
        # nothing counts 0, which does not pass
        _count("ne", 0),
        _count("not_in", [0, 3]),
        _count("not_between", [0, 3], aggregate={"function": "sum", "column": "total"}),
    ],
)
def test_there_is_no_false_alarm(condition: dict[str, Any]) -> None:
    assert _warnings(condition) == []


@pytest.mark.parametrize(
    "condition",
    [
        _is("country", "ne", "GB"),
        _not(BOUGHT),
        _count("ne", 5),
        _not(_count("ne", 5, aggregate={"function": "min", "column": "total"})),
        _all(_is("country", "ne", "GB"), _not(BOUGHT)),
        _not(_any(BOUGHT, _is("age", "gt", 3))),
        _is("country", "is_not_set"),
    ],
)
def test_a_purely_negative_rule_is_named(condition: dict[str, Any]) -> None:
    (warning,) = _warnings(condition)
    assert warning.pointer == "/rules/0"
    assert "only says who does not belong" in warning.message
    assert _warnings(BOUGHT, condition, combine="except") == []
    assert _warnings(condition, _is("score", "gt", 1), combine="intersect") == []
    assert [w.pointer for w in _warnings(BOUGHT, condition)] == ["/rules/1"]


def test_rules_that_leave_nobody_are_named() -> None:
    (warning,) = _warnings(_is("age", "gt", 40), _is("age", "gt", 30), combine="except")
    assert (warning.pointer, "no customer can be left" in warning.message) == ("/rules/1", True)
    (warning,) = _warnings(_is("age", "gt", 40), _is("age", "lt", 30), combine="intersect")
    assert warning.pointer == "/rules/1"


def _column(kind: str, **more: Any) -> ColumnStatistic:
    return ColumnStatistic(kind=kind, rows=100, **({"nulls": 0} | more))


_EARLIEST = 1_767_225_600_000_000  # 2026-01-01
STATISTICS = Statistics(
    tables={
        "customers": TableStatistic(
            columns={
                "country": _column("text", values={"GB": 90, "FR": 10}),
                "age": _column("integer", minimum=18, maximum=90, nulls=3),
                "vip": _column("boolean", values={"false": 100}),
                "tags": _column("array<text>", values={"new": 5}, nulls=50),
                "born": _column("date", minimum=0, maximum=10_000),
            }
        ),
        "orders": TableStatistic(
            columns={
                "at": _column("timestamp", minimum=_EARLIEST, maximum=_EARLIEST + 10),
                "total": _column("decimal(10,2)", minimum=100, maximum=9_900),
                "state": _column("text", values={"paid": 60, "open": 40}),
            }
        ),
    },
    dimensions={
        "products": TableStatistic(columns={"category": _column("text", values={"toys": 100})})
    },
)


@pytest.mark.parametrize(
    ("condition", "pointer"),
    [
        (_is("country", "eq", "DE"), ""),
        (_is("country", "matches", "^D"), ""),
        (_is("age", "gt", 90), ""),
        (_is("vip", "is_true"), ""),
        (_is("tags", "contains_item", "old"), ""),
        (_rows(where=_is("state", "in", ["lost", "sent"])), "/where"),
        (_rows(where=_all(_is("total", "gt", 1), _is("total", "gt", 99))), "/where/of/1"),
        (_rows(where=_is("products.category", "eq", "tools")), "/where"),
        (_rows(window={"before_ago": "90 days"}), "/window"),
        (_rows(window={"from": "2020-01-01", "to": "2020-02-01"}), "/window"),
    ],
)
def test_what_matched_nothing_when_it_was_counted_is_named_with_the_date(
    condition: dict[str, Any], pointer: str
) -> None:
    (warning,) = _warnings(condition, statistics=STATISTICS, counted_at=COUNTED)
    assert warning.pointer == f"/rules/0/where{pointer}"
    assert "by the statistics of 2026-03-14" in warning.message
    assert _warnings(condition) == []


@pytest.mark.parametrize(
    "condition",
    [
        _is("country", "in", ["DE", "FR"]),
        _is("age", "ne", 200),
        _is("age", "gte", 90),
        _is("born", "gt", "2020-01-01"),
        _is("seen", "gt", "2020-01-01"),
        _is("tags", "contains_item", "NEW", ignore_case=True),
        _rows(where=_is("products.category", "is_not_set")),
        _rows(where=_is("products.category", "ne", "toys")),
        _rows(window={"last": "1 day"}),
        _rows(where=_is("customers.country", "eq", "DE")),
    ],
)
def test_what_may_match_is_not_called_empty_by_statistics(condition: dict[str, Any]) -> None:
    warnings = _warnings(condition, statistics=STATISTICS, counted_at=COUNTED)
    assert [w for w in warnings if "statistics" in w.message] == []


def test_long_lists_and_deep_rules_are_looked_at_in_time() -> None:
    wide = [_is("age", "ne", n) for n in range(100)]
    texts = [f"t{i}" for i in range(10_000)]
    lists = [_is("country", "in", texts), _is("country", "not_in", texts[1:])]
    began = datetime.now(UTC)
    _warnings(_all(*wide, *lists, *(_any(_is("age", "gt", n), BOUGHT) for n in range(30))))
    assert (datetime.now(UTC) - began).total_seconds() < 5


@pytest.mark.parametrize(
    ("more", "pointer", "part"),
    [
        ({"window": {"calendar": "tomorrow"}}, "/by", "window"),
        ({"where": "total > 3 and total < 2"}, "/by/where", "contradict each other"),
        ({"where": "state is set or state is not set"}, "/by/where", "never false"),
    ],
)
def test_measures_are_warned_about_too(more: dict[str, Any], pointer: str, part: str) -> None:
    by = {"table": "orders", "aggregate": {"function": "sum", "column": "total"}}
    (warning,) = measure_warnings(
        parse_measure({"name": "m", "by": by | more}), CATALOG, as_of=AS_OF
    )
    assert warning.pointer == pointer
    assert part in warning.message
    assert measure_warnings(parse_measure({"name": "m", "by": by}), CATALOG, as_of=AS_OF) == []
