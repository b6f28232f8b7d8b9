"""One typical condition of every kind on the benchmark's shop, and many segments made of them."""

from __future__ import annotations

from typing import Any

Node = dict[str, Any]

MEASURES: list[Node] = [
    {
        "name": "spent",
        "by": {"table": "orders", "aggregate": {"function": "sum", "column": "total"}},
    }
]


def _column(name: str, compare: str, value: Any = None) -> Node:
    node = {"kind": "attribute", "column": name, "compare": compare}
    return node if value is None else node | {"value": value}


def _by(table: str, function: str, column: str | None = None, **more: Any) -> Node:
    aggregate = {"function": function} | ({} if column is None else {"column": column})
    if "order_by" in more:
        aggregate["order_by"] = more.pop("order_by")
    return {"table": table, "aggregate": aggregate, **more}


def _rows(table: str, function: str, column: str | None = None, **more: Any) -> Node:
    return {"kind": "rows", **_by(table, function, column, **more)}


def plain(table: str) -> Node:
    """Return the plain count every kind is held against: of all rows of a table."""
    return _rows(table, "count", compare="gte", value=3)


#: Name -> (table whose plain count it is held against, condition).
KINDS: dict[str, tuple[str, Node]] = {
    "attribute": ("orders", _column("tier", "in", ["gold", "platinum"])),
    "attribute of a dimension": ("orders", _column("places.region", "eq", "north")),
    "attribute of a one-to-one table": ("orders", _column("cards.level", "gte", 3)),
    "rows exists": ("orders", _rows("orders", "exists")),
    "rows sum": ("orders", _rows("orders", "sum", "total", compare="gte", value=400)),
    "rows avg": ("orders", _rows("orders", "avg", "total", compare="gt", value="99.95")),
    "rows min": ("orders", _rows("orders", "min", "total", compare="lt", value=20)),
    "rows max": ("orders", _rows("orders", "max", "total", compare="gte", value=200)),
    "rows count_distinct": (
        "order_lines",
        _rows("order_lines", "count_distinct", "product", compare="gte", value=4),
    ),
    "rows first": (
        "orders",
        _rows("orders", "first", "channel", compare="eq", value="app"),
    ),
    "rows last by another column": (
        "order_lines",
        _rows(
            "order_lines", "last", "unit_price", order_by="amount", compare="lt", value=10
        ),
    ),
    "rows where": (
        "activities",
        _rows("activities", "count", where=_column("kind", "eq", "cart"), compare="gte", value=3),
    ),
    "rows where text matches": (
        "order_lines",
        _rows("order_lines", "exists", where=_column("product", "matches", "^[A-M].*[aeiou]$")),
    ),
    "rows where of a dimension": (
        "order_lines",
        _rows("order_lines", "exists", where=_column("products.grade", "eq", "B")),
    ),
    "rows where month and weekday": (
        "activities",
        _rows(
            "activities",
            "exists",
            where={
                "kind": "all",
                "of": [_column("at", "weekday_of", [6, 7]), _column("at", "month_of", 12)],
            },
        ),
    ),
    "rows in a calendar window": (
        "activities",
        _rows("activities", "count", window={"calendar": "last_month"}, compare="gte", value=2),
    ),
    "first_row": (
        "activities",
        {"kind": "first_row", "table": "activities", "window": {"last": "90 days"}},
    ),
    "last_row": (
        "activities",
        {"kind": "last_row", "table": "activities", "having": _column("kind", "eq", "cart")},
    ),
    "sequence": (
        "activities",
        {
            "kind": "sequence",
            "table": "activities",
            "steps": [_column("kind", "eq", kind) for kind in ("email_open", "visit", "cart")],
            "within": "14 days",
            "window": {"last": "365 days"},
        },
    ),
    "periods": (
        "activities",
        {
            "kind": "periods",
            "table": "activities",
            "period": "1 month",
            "of_last": 12,
            "at_least": 6,
            "compare": "gte",
            "value": 1,
        },
    ),
    "held": (
        "tiers",
        {
            "kind": "held",
            "column": "tier",
            "value": "gold",
            "compare": "gte",
            "duration": "6 months",
        },
    ),
    "segment": ("orders", {"kind": "segment", "name": "opted_in"}),
    "measure": ("orders", {"kind": "measure", "name": "spent", "compare": "gte", "value": 500}),
    "compare": (
        "orders",
        {
            "kind": "compare",
            "left": _by("orders", "sum", "total", window={"last": "180 days"}),
            "compare": "gte",
            "right": _by("orders", "sum", "total", window={"between_ago": ["360 days", "180 days"]}),
            "times": 2,
        },
    ),
    "top": ("orders", {"kind": "top", "by": _by("orders", "sum", "total"), "limit": 1000}),
    "top percent": (
        "activities",
        {"kind": "top", "by": _by("activities", "count"), "percent": 5},
    ),
    "sample": ("orders", {"kind": "sample", "percent": 10, "salt": "benchmark"}),
}  # fmt: skip

#: What the condition of kind `segment` refers to.
OPTED_IN: Node = {
    "name": "opted_in",
    "rules": [{"where": _column("opted_in", "is_true")}],
}


def segments(count: int) -> list[Node]:
    """Return so many different segments: every kind in turn, its numbers a little different each time."""
    documents = [OPTED_IN]
    conditions = [condition for _, condition in KINDS.values()]
    number = 0
    while len(documents) < count:
        turn, place = divmod(number, len(conditions))
        where = _turned(conditions[place], turn)
        if turn:
            since = {"last": f"{30 + 7 * turn} days"}
            recent = _rows("orders", "count", window=since, compare="gte", value=1)
            where = {"kind": "any", "of": [where, recent]}
        documents.append({"name": f"s{number:04d}", "rules": [{"where": where}]})
        number += 1
    return documents


def _turned(value: Any, turn: int) -> Any:
    """Return a condition with other windows, thresholds and salts; what stays equal is shared."""
    if isinstance(value, list):
        return [_turned(inner, turn) for inner in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _turned(inner, turn) for key, inner in value.items()}
    if isinstance(changed.get("last"), str):
        number, unit = changed["last"].split()
        changed["last"] = f"{int(number) + turn} {unit}"
    if isinstance(changed.get("limit"), int):
        changed["limit"] += turn
    if isinstance(changed.get("salt"), str):
        changed["salt"] += str(turn)
    threshold = changed.get("value")
    if changed.get("compare") in ("gte", "gt") and isinstance(threshold, int):
        changed["value"] = threshold + turn
    return changed
