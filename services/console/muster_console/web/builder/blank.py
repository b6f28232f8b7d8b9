"""Fresh conditions: each has the right form from its first moment, whatever is still to be chosen.

What is not chosen yet is an empty name; the check against the catalog then says what is missing, and a draft
can be saved at any time.
"""

from __future__ import annotations

from typing import Any

from muster_core.catalog.document import Catalog

#: What is chosen where nothing is.
UNCHOSEN = ""
_MONTH = {"last": "30 days"}


def attribute(column: str = UNCHOSEN) -> dict[str, Any]:
    """Return a comparison that is still open, of a column that may be."""
    return {"kind": "attribute", "column": column, "compare": "is_set"}


def rule(condition: dict[str, Any], combine: str | None = None) -> dict[str, Any]:
    """Return a rule; the first of a segment has no `combine`."""
    return {"where": condition} if combine is None else {"combine": combine, "where": condition}


def measurable(table: str = UNCHOSEN) -> dict[str, Any]:
    """Return the number of a customer's rows in a table."""
    return {"table": table, "aggregate": {"function": "count"}}


def condition(kind: str, catalog: Catalog | None = None) -> dict[str, Any]:
    """Return a new condition of a kind; tables are those of the catalog that it can be about, the first chosen.

    Raises:
        ValueError: there is no such kind.
    """
    table = _first_table(catalog)
    timed = _first_table(catalog, timed=True)
    match kind:
        case "everyone":
            return {"kind": kind}
        case "all" | "any":
            return {"kind": kind, "of": [attribute()]}
        case "not":
            return {"kind": kind, "of": attribute()}
        case "attribute":
            return attribute()
        case "rows":
            return {"kind": kind, **measurable(table), "compare": "gte", "value": 1}
        case "first_row":
            return {"kind": kind, "table": timed, "window": _MONTH}
        case "last_row":
            return {"kind": kind, "table": timed, "having": attribute()}
        case "sequence":
            steps = [attribute(), attribute()]
            return {
                "kind": kind,
                "table": timed,
                "steps": steps,
                "within": "7 days",
                "window": _MONTH,
            }
        case "periods":
            counts = {"period": "1 month", "of_last": 6, "at_least": 4}
            return {"kind": kind, "table": timed, **counts, "compare": "gte", "value": 1}
        case _:
            return _rarer(kind, table)


def _rarer(kind: str, table: str) -> dict[str, Any]:
    match kind:
        case "held":
            held = {"compare": "gte", "duration": "6 months"}
            return {"kind": kind, "column": UNCHOSEN, "value": "", **held}
        case "segment":
            return {"kind": kind, "name": UNCHOSEN}
        case "measure":
            return {"kind": kind, "name": UNCHOSEN, "compare": "gte", "value": 1}
        case "compare":
            sides = {"left": measurable(table), "right": measurable(table)}
            return {"kind": kind, **sides, "compare": "gt"}
        case "top":
            return {"kind": kind, "by": measurable(table), "percent": 10}
        case "sample":
            return {"kind": kind, "percent": 10, "salt": "sample"}
    raise ValueError(f"there is no kind {kind}")


def _first_table(catalog: Catalog | None, *, timed: bool = False) -> str:
    if catalog is None:
        return UNCHOSEN
    referring = {relationship.child[0] for relationship in catalog.relationships}
    fitting = (
        name
        for name, table in catalog.tables.items()
        if name in referring and (table.time or not timed)
    )
    return next(fitting, UNCHOSEN)
