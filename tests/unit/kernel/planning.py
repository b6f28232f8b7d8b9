"""A catalog and short spellings for the tests of plans."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from muster_core.catalog.document import Catalog, History, Relationship, Source, Table
from muster_core.kernel.plan import Plan, PlannedSegment, compile_plan
from muster_core.rules.document import parse_segment
from muster_core.rules.instant import to_micros

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


def planned(name: str, *conditions: dict[str, Any], **more: Any) -> PlannedSegment:
    rules: list[dict[str, Any]] = [{"combine": "union", "where": c} for c in conditions]
    if rules:
        del rules[0]["combine"]
    document = parse_segment({"name": name, "rules": rules, **more})
    return PlannedSegment(segment_id=ord(name[-1]), document=document, previous=None)


def plan_of(*conditions: dict[str, Any], **more: Any) -> Plan:
    return compile_plan([planned("s", *conditions)], CATALOG, AS_OF, **more)


def fold_of(condition: dict[str, Any], table: str = "orders") -> Any:
    (fold,) = plan_of(condition).tables[table].folds
    return fold


def attribute(column: str, compare: str, value: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if value is None else {"value": value}
    return {"kind": "attribute", "column": column, "compare": compare} | given | more


def count(**more: Any) -> dict[str, Any]:
    return {
        "kind": "rows",
        "table": "orders",
        "aggregate": {"function": "count"},
        "compare": "gte",
        "value": 1,
    } | more


def micros(text: str) -> int:
    return to_micros(datetime.fromisoformat(text))
