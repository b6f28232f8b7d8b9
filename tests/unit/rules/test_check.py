"""Checks against a catalog: every problem at once, each at its pointer, with what would do."""

from __future__ import annotations

from typing import Any

import pytest

from muster_core.catalog.document import Catalog, Relationship, Source, Table
from muster_core.errors import InvalidInput, Problem
from muster_core.rules.canonical import canonical, rule_hash
from muster_core.rules.check import check_segments
from muster_core.rules.document import SegmentDocument, parse_segment

SOURCE = Source(parquet="/x")
COLUMNS = {
    "id": "integer",
    "country": "text",
    "age": "integer",
    "balance": "decimal(10,2)",
    "score": "float",
    "vip": "boolean",
    "born": "date",
    "seen": "timestamp",
    "tags": "array<text>",
    "flags": "array<boolean>",
}
CATALOG = Catalog(
    timezone="Europe/Berlin",
    profile=Table(name="customers", source=SOURCE, columns=COLUMNS),
    key="id",
    tables={
        "orders": Table(
            name="orders",
            source=SOURCE,
            columns=COLUMNS | {"customer": "integer", "payer": "integer"},
            time="seen",
        ),
        "lines": Table(
            name="lines", source=SOURCE, columns={"order": "integer", "price": "decimal(10,2)"}
        ),
        "gifts": Table(
            name="gifts", source=SOURCE, columns={"giver": "integer", "taker": "integer"}
        ),
    },
    relationships=[
        Relationship.model_validate({"name": name, "from": child, "to": parent})
        for name, child, parent in (
            ("order_customer", "orders.customer", "customers.id"),
            ("line_order", "lines.order", "orders.id"),
            ("gift_giver", "gifts.giver", "customers.id"),
            ("gift_taker", "gifts.taker", "customers.id"),
        )
    ],
)


def _document(*conditions: dict[str, Any], **fields: Any) -> SegmentDocument:
    rules: list[dict[str, Any]] = [{"combine": "union", "where": c} for c in conditions]
    if rules:
        del rules[0]["combine"]
    return parse_segment({"name": "s", "rules": rules, **fields})


def _attribute(column: str, compare: str, value: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if value is None else {"value": value}
    return {"kind": "attribute", "column": column, "compare": compare} | given | more


def _rows(function: str = "exists", column: str | None = None, **more: Any) -> dict[str, Any]:
    aggregate = {"function": function} | ({"column": column} if column else {})
    return {"kind": "rows", "table": "orders", "aggregate": aggregate} | more


def _problems(*conditions: dict[str, Any], **fields: Any) -> list[Problem]:
    return check_segments([_document(*conditions, **fields)], CATALOG)


@pytest.mark.parametrize(
    "condition",
    [
        _attribute("country", "eq", "GB"),
        _attribute("country", "eq", "z' OR '1'='1"),
        _attribute("country", "matches", "(a+)+$"),
        _attribute("country", "ne", {"column": "country"}, ignore_case=True),
        _attribute("age", "in", [1, "2", 2.5]),
        _attribute("age", "lt", 9223372036854775808),
        _attribute("balance", "gte", "120.00"),
        _attribute("balance", "eq", {"column": "age"}),
        _attribute("balance", "lt", {"column": "score"}),
        _attribute("born", "lte", {"column": "seen"}),
        _attribute("seen", "ne", {"column": "born"}),
        _attribute("score", "between", [0.5, 0.5]),
        _attribute("vip", "is_false"),
        _attribute("born", "lte", {"ago": "18 years"}),
        _attribute("seen", "eq", "2026-03-01"),
        _attribute("seen", "lt", "2026-03-01T14:30:00.1234567+02:00"),
        _attribute("tags", "contains_item", "new", ignore_case=True),
        _attribute("flags", "in", [True, False]),
        _rows(window={"last": "30 days"}),
        _rows(window={"from": "2026-01-01", "to": "2026-02-01T00:00:00Z"}),
        _rows("avg", "balance", compare="gt", value=10.005),
        _rows("min", "seen", compare="gte", value={"ago": "1 month"}),
        _rows("count_distinct", "country", compare="gt", value=1),
        {
            "kind": "rows",
            "table": "gifts",
            "via": ["gift_giver"],
            "aggregate": {"function": "exists"},
        },
        {
            "kind": "rows",
            "table": "lines",
            "where": _attribute("orders.country", "eq", "GB"),
            "aggregate": {"function": "exists"},
        },
    ],
)
def test_what_fits_has_no_problem(condition: dict[str, Any]) -> None:
    assert _problems(condition) == []


@pytest.mark.parametrize(
    ("condition", "pointer", "part"),
    [
        (_attribute("contry", "eq", "GB"), "/column", "did you mean country"),
        (_attribute("*", "eq", "GB"), "/column", "no column"),
        (_attribute("profile.__class__", "eq", "GB"), "/column", "no column"),
        (_attribute("orders.country", "eq", "GB"), "/column", "several rows in orders"),
        (_attribute("customers.country", "eq", "GB"), "/column", "write country"),
        (_attribute("country", "eq", "GB", via=["order_customer"]), "/via", "one-to-one"),
        (_attribute("country", "gt", "GB"), "/compare", "does not fit"),
        (_attribute("country", "eq", 5), "/value", "in quotes"),
        (_attribute("country", "eq", ""), "/value", "is_not_set"),
        (_attribute("country", "eq"), "/value", "needs a value"),
        (_attribute("country", "is_set", "x"), "/value", "takes no value"),
        (_attribute("country", "in", []), "/value", "empty list"),
        (_attribute("country", "in", "GB"), "/value", "takes a list"),
        (_attribute("country", "eq", ["GB"]), "/value", "not a list"),
        (_attribute("country", "in", ["GB", 7, "x"]), "/value/1", "in quotes"),
        (_attribute("country", "in", ["x"] * 10_001), "/value", "at most 10000"),
        (_attribute("country", "eq", "x" * 4_097), "/value", "at most 4096"),
        (_attribute("country", "matches", "(?<=a)b"), "/value", "RE2"),
        (_attribute("country", "matches", "\\1"), "/value", "RE2"),
        (_attribute("country", "matches", "[[:alpha:]"), "/value", "RE2"),
        (_attribute("country", "matches", "a" * 257), "/value", "at most 256"),
        (_attribute("country", "matches", "a", ignore_case=True), "/ignore_case", "ignore_case"),
        (_attribute("age", "eq", 1, ignore_case=True), "/ignore_case", "ignore_case"),
        (_attribute("age", "eq", "abc"), "/value", "not a number"),
        (_attribute("age", "eq", "٣"), "/value", "not a number"),
        (_attribute("age", "eq", True), "/value", "number"),
        (_attribute("age", "contains", 1), "/compare", "does not fit"),
        (_attribute("age", "between", [5, 1]), "/value", "low value above"),
        (_attribute("age", "between", [5]), "/value", "two values"),
        (_attribute("age", "eq", {"column": "country"}), "/value/column", "not compared"),
        (_attribute("age", "eq", {"column": "aeg"}), "/value/column", "did you mean age"),
        (_attribute("age", "in", {"column": "age"}), "/compare", "takes no column"),
        (_attribute("age", "eq", {"ago": "1 day"}), "/value", "dates and timestamps"),
        (_attribute("score", "between", ["2", "1"]), "/value", "low value above"),
        (_attribute("vip", "eq", 1), "/value", "true or false"),
        (_attribute("born", "eq", "2026-02-30"), "/value", "no date"),
        (_attribute("born", "eq", "9999-12-31"), "/value", "from 1900 to 2200"),
        (_attribute("born", "eq", "0000-00-00"), "/value", "no date"),
        (_attribute("seen", "eq", "2026-01-01T24:00:00Z"), "/value", "no time"),
        (_attribute("seen", "eq", "2026-01-01T23:59:60Z"), "/value", "no time"),
        (_attribute("seen", "eq", "2026-01-01T10:00:00+24:00"), "/value", "offset"),
        (_attribute("seen", "eq", "tomorrow"), "/value", "not a date or timestamp"),
        (_attribute("seen", "in_window", "2026-01-01"), "/value", "takes a window"),
        (_attribute("seen", "gt", {"last": "1 day"}), "/value", "takes no window"),
        (_attribute("seen", "in_window", {"last": "1 day", "on": "born"}), "/value/on", "of rows"),
        (_attribute("seen", "weekday_of", 0), "/value", "from 1 to 7"),
        (_attribute("seen", "day_of", [1, 32]), "/value/1", "from 1 to 31"),
        (_attribute("born", "month_of", 1.5), "/value", "whole numbers"),
        (_attribute("born", "year_of", "abc"), "/value", "not a number"),
        (_attribute("tags", "between", ["a", "b"]), "/compare", "does not fit"),
        ({"kind": "segment", "name": "t"}, "/name", "there is no segment"),
        ({"kind": "segment", "name": "s"}, "/name", "circle: s -> s"),
        ({"kind": "measure", "name": "m", "compare": "gt", "value": 1}, "/name", "no measure"),
        ({"kind": "sample", "percent": -1, "salt": "x"}, "/percent", "between 0"),
        ({"kind": "sample", "percent": 100.01, "salt": "x"}, "/percent", "and 100"),
        ({"kind": "sample", "percent": "x", "salt": "x"}, "/percent", "not a number"),
        (_rows(table="ordres"), "/table", "did you mean orders?"),
        (_rows(table="parquet.`s3a://x`"), "/table", "no table"),
        (_rows(table="customers"), "/table", "profile"),
        (_rows(table="gifts"), "/table", "via"),
        (_rows(table="gifts", via=["nix"]), "/via", "gift_giver"),
        (_rows(table="lines", window={"last": "1 day"}), "/window", "no time column"),
        (_rows(compare="eq", value=1), "/compare", "exists takes no"),
        (_rows("count"), "/compare", "needs a compare"),
        (_rows("count", "age", compare="eq", value=1), "/aggregate/column", "takes no column"),
        (_rows("sum", compare="eq", value=1), "/aggregate/column", "needs a column"),
        (_rows("sum", "country", compare="eq", value=1), "/aggregate/column", "fits numbers"),
        (_rows("max", "vip", compare="eq", value=1), "/aggregate/column", "fits numbers"),
        (_rows("last", compare="eq", value=1), "/aggregate/column", "needs a column"),
        (_rows("max", "born", compare="gt", value=5), "/value", "not a date"),
        (_rows(window={"next": "1 day"}), "/window/next", "include_future"),
        (_rows(window={"last": "1 day", "on": "age"}), "/window/on", "no date or timestamp"),
        (_rows(window={"last": "1 day", "on": "nix"}), "/window/on", "no column"),
        (
            _rows(window={"between_ago": ["1 month", "30 days"]}),
            "/window/between_ago",
            "surely",
        ),
        (
            _rows(window={"from": "2026-02-01", "to": "2026-01-01"}),
            "/window/to",
            "before it begins",
        ),
        (_rows(window={"from": "soon"}), "/window/from", "not a date"),
        (_rows(where=_attribute("nix", "is_set")), "/where/column", "no column"),
    ],
)
def test_what_does_not_fit_is_said_at_its_place(
    condition: dict[str, Any], pointer: str, part: str
) -> None:
    (problem,) = _problems(condition)
    assert problem.pointer == f"/rules/0/where{pointer}"
    assert part in str(problem)


def test_all_problems_are_returned_at_once() -> None:
    problems = _problems(
        {"kind": "all", "of": [_attribute("nix", "is_set"), _attribute("age", "eq", "x")]},
        _rows("sum", "country", where=_attribute("age", "in", ["a", 1, "b"])),
        timezone="Mars/Phobos",
        schedule={"cron": "61 * * * *", "timezone": "Mars/Deimos"},
        project=[{"column": "nix"}],
        manual={"add": ["x1"]},
    )
    assert [p.pointer for p in problems] == [
        "/timezone",
        "/schedule/timezone",
        "/schedule/cron",
        "/rules/0/where/of/0/column",
        "/rules/0/where/of/1/value",
        "/rules/1/where/where/value/0",
        "/rules/1/where/where/value/2",
        "/rules/1/where/aggregate/column",
        "/rules/1/where/compare",
        "/project/0/column",
        "/manual/add/0",
    ]


def test_limits_are_held() -> None:
    assert "at most 20 rules" in str(_problems(*[{"kind": "everyone"}] * 21)[0])
    wide = {"kind": "any", "of": [{"kind": "everyone"}] * 500}
    assert "at most 500 conditions" in str(_problems(wide)[0])
    deep: dict[str, Any] = {"kind": "everyone"}
    for _ in range(20):
        deep = {"kind": "not", "of": deep}
    assert "at most 20 deep" in str(_problems(deep)[0])
    assert _problems(deep["of"]) == []


def test_a_name_stands_once_in_a_folder() -> None:
    problems = check_segments([_document(), _document()], CATALOG)
    assert [p.pointer for p in problems] == ["/name"]


def test_spelling_does_not_change_the_hash_but_meaning_does() -> None:
    one = _attribute("country", "in", ["b", "a", "a"])
    two = _rows(window={"last": "2 weeks"})
    left = _document({"kind": "all", "of": [one, two, one]}, display_name="x")
    right = _document(
        {
            "kind": "all",
            "of": [
                _rows(window={"last": "14 days"}, via=[]),
                _attribute("country", "in", ["a", "b"]),
            ],
        }
    )
    assert rule_hash(left) == rule_hash(right)
    assert canonical(left)["rules"] == canonical(right)["rules"]
    assert rule_hash(_document({"kind": "any", "of": [one, two]})) != rule_hash(left)
    assert rule_hash(_document(one, manual={"remove": [1]})) != rule_hash(_document(one))


def test_the_published_schema_names_every_kind() -> None:
    schema = str(SegmentDocument.model_json_schema(by_alias=True))
    kinds = "everyone all any not attribute rows first_row last_row sequence periods held segment"
    for kind in (*kinds.split(), "measure", "compare", "top", "sample"):
        assert f"'const': '{kind}'" in schema


def test_data_that_is_no_document_is_refused() -> None:
    broken: tuple[Any, ...] = (None, 5, "x", [], {"name": 5}, {1: 2})
    for data in broken:
        with pytest.raises(InvalidInput):
            parse_segment(data)


def test_ids_written_by_hand_fit_the_type_of_the_customer_key() -> None:
    by_text = CATALOG.model_copy(update={"key": "country"})
    document = _document(manual={"add": ["00123", 123], "remove": list(range(30))})
    problems = check_segments([document], by_text)
    assert problems[0].pointer == "/manual/add/1"
    assert "in quotes" in problems[0].message
    assert len(problems) == 1 + 20 + 1
    assert "10 more" in problems[-1].message
