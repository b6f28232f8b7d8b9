"""The small shop that docs/expressions.md speaks of."""

from __future__ import annotations

from muster_core.catalog.document import Catalog, History, Relationship, Source, Table
from muster_core.rules.check import Known
from muster_core.rules.measure import MeasureDocument, parse_measure

_SOURCE = Source(parquet="/shop")
_LINKS = (
    ("order_customer", "orders.customer_id", "customers.id", "many_to_one"),
    ("line_order", "lines.order_id", "orders.id", "many_to_one"),
    ("line_product", "lines.product_id", "products.id", "many_to_one"),
    ("visit_customer", "visits.customer_id", "customers.id", "many_to_one"),
    ("tier_customer", "tier_changes.customer_id", "customers.id", "many_to_one"),
    ("gift_giver", "gifts.giver", "customers.id", "many_to_one"),
    ("gift_taker", "gifts.taker", "customers.id", "many_to_one"),
    ("card_customer", "loyalty.customer_id", "customers.id", "one_to_one"),
)


def _table(name: str, columns: str, time: str | None = None) -> Table:
    types = {pair.split(" ", 1)[0]: pair.split(" ", 1)[1] for pair in columns.split(", ")}
    data = {"name": name, "source": _SOURCE, "columns": types, "time": time}
    return Table.model_validate(data)


CATALOG = Catalog(
    timezone="Europe/London",
    profile=_table(
        "customers",
        "id text, country text, city text, age integer, opted_in boolean, birthday date, "
        "signed_up timestamp, tags array<text>, tier text, home text, work text, order text",
    ),
    key="id",
    tables={
        table.name: table
        for table in (
            _table(
                "orders",
                "id text, customer_id text, amount decimal(10,2), status text, "
                "ordered_at timestamp, shipped_at timestamp, due date",
                "ordered_at",
            ),
            _table("lines", "order_id text, product_id text, quantity integer"),
            _table("products", "id text, category text, price decimal(10,2)"),
            _table("visits", "customer_id text, page text, at timestamp", "at"),
            _table("tier_changes", "customer_id text, field text, value text, at timestamp", "at"),
            _table("gifts", "giver text, taker text, at timestamp", "at"),
            _table("loyalty", "customer_id text, tier text, points integer"),
        )
    },
    relationships=[
        Relationship.model_validate({"name": n, "from": a, "to": b, "kind": kind})
        for n, a, b, kind in _LINKS
    ],
    histories={"tier": History(table="tier_changes", column="field", value="value")},
)
MEASURE: MeasureDocument = parse_measure(
    {
        "name": "lifetime_value",
        "by": {
            "table": "orders",
            "where": "status = 'paid'",
            "aggregate": {"function": "sum", "column": "amount"},
        },
    }
)
KNOWN = Known(segments={"vip": (), "reachable": ()}, measures={"lifetime_value": MEASURE})
