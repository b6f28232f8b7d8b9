"""Every example of the guide is read and checked, and every kind of condition has one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from muster_core.catalog.document import Catalog, History, Relationship, Source, Table
from muster_core.documents.text import read_text
from muster_core.rules.check import Known, check_measures, check_segments
from muster_core.rules.document import parse_segment
from muster_core.rules.measure import MeasureDocument

_DOCS = Path(__file__).parents[3] / "docs"
_FENCED = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
_MONEY = "decimal(10,2)"


def _table(name: str, columns: dict[str, str], time: str | None = None) -> Table:
    return Table(name=name, source=Source(parquet="/x"), columns=columns, time=time)


def _related(name: str, child: str, parent: str, kind: str = "many_to_one") -> Relationship:
    return Relationship.model_validate({"name": name, "from": child, "to": parent, "kind": kind})


CATALOG = Catalog(
    timezone="Europe/London",
    profile=_table(
        "customers",
        {
            "customer_id": "text",
            "country": "text",
            "city": "text",
            "email": "text",
            "plan": "text",
            "opted_in": "boolean",
            "born": "date",
            "joined": "date",
            "seen": "timestamp",
            "balance": _MONEY,
            "credit_limit": _MONEY,
            "tags": "array<text>",
            "address": "integer",
        },
    ),
    key="customer_id",
    tables={
        "orders": _table(
            "orders",
            {
                "order_id": "integer",
                "customer_id": "text",
                "ordered_at": "timestamp",
                "due": "date",
                "status": "text",
                "total": _MONEY,
                "ship_to": "integer",
                "bill_to": "integer",
            },
            "ordered_at",
        ),
        "order_lines": _table(
            "order_lines",
            {
                "order_id": "integer",
                "sku": "text",
                "category": "text",
                "ordered_at": "timestamp",
                "price": _MONEY,
            },
            "ordered_at",
        ),
        "visits": _table(
            "visits", {"customer_id": "text", "at": "timestamp", "action": "text"}, "at"
        ),
        "changes": _table(
            "changes",
            {"customer_id": "text", "at": "timestamp", "field": "text", "value": "text"},
            "at",
        ),
        "loyalty": _table("loyalty", {"member": "text", "tier": "text", "points": "integer"}),
        "products": _table("products", {"sku": "text", "category": "text"}),
        "stores": _table("stores", {"store_id": "integer", "city": "text"}),
        "addresses": _table("addresses", {"address_id": "integer", "county": "text"}),
    },
    relationships=[
        _related("order_customer", "orders.customer_id", "customers.customer_id"),
        _related("line_order", "order_lines.order_id", "orders.order_id"),
        _related("visit_customer", "visits.customer_id", "customers.customer_id"),
        _related("change_customer", "changes.customer_id", "customers.customer_id"),
        _related("loyalty_customer", "loyalty.member", "customers.customer_id", "one_to_one"),
        _related("item", "order_lines.sku", "products.sku"),
        _related("ship_store", "orders.ship_to", "stores.store_id"),
        _related("bill_store", "orders.bill_to", "stores.store_id"),
        _related("home", "customers.address", "addresses.address_id"),
    ],
    histories={"plan": History(table="changes", column="field", value="value")},
)


def _examples() -> list[dict[str, Any]]:
    texts = [(_DOCS / name).read_text() for name in ("rules.md", "segments.md")]
    blocks = [block for text in texts for block in _FENCED.findall(text)]
    return [written.data for block in blocks for written in read_text(block, file="example")]


def _kinds(node: Any) -> set[str]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    own = {node["kind"]} if isinstance(node, dict) and "kind" in node else set()
    return own.union(*(_kinds(child) for child in children))


@pytest.mark.parametrize("example", _examples(), ids=lambda example: example["name"])
def test_the_example_fits_the_catalog(example: dict[str, Any]) -> None:
    measures = {e["name"]: MeasureDocument.model_validate(e) for e in _examples() if "by" in e}
    if "by" in example:
        assert check_measures([measures[example["name"]]], CATALOG) == []
        return
    known = Known(segments={"regulars": [], "complained": []}, measures=measures)
    if example["name"] in ("regulars", "complained"):
        known = Known(segments={}, measures=measures)
    assert check_segments([parse_segment(example)], CATALOG, known=known) == []


def test_every_kind_has_an_example() -> None:
    kinds = "everyone all any not attribute rows first_row last_row sequence periods held segment"
    assert _kinds(_examples()) >= {*kinds.split(), "measure", "compare", "top", "sample"}
