"""Translates the neutral cases of ../shared/cases into Muster's own catalog, rows and documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from muster_core.catalog.document import Catalog, Relationship, Source, Table
from muster_core.kernel.source import ArrowPartition

_LATER = {
    "first_row": "first_row",
    "last_row": "last_row",
    "sequence": "sequence",
    "periods": "periods",
    "held": "held",
    "segment": "segment",
}


@dataclass(frozen=True, kw_only=True)
class World:
    catalog: Catalog
    partition: ArrowPartition
    keys: list[str]


def build_world(case: dict[str, Any]) -> World:
    """Return the case's data as one partition, its catalog, and the keys by ordinal."""
    keys = sorted(customer["id"] for customer in case["customers"])
    attributes = {c["id"]: c["attributes"] for c in case["customers"]}
    names = sorted({name for values in attributes.values() for name in values})
    profile: dict[str, Any] = {"customer_id": pa.array(keys, pa.string())}
    for name in names:
        profile[name] = _array([attributes[key].get(name) for key in keys])
    tables, described, relationships = {}, {}, []
    for table, rows in case["tables"].items():
        if table == "profile_changes":
            continue
        ordered = sorted(rows, key=lambda row: row.get("at", ""), reverse=True)
        columns = sorted({c for row in rows for c in row} - {"customer_id"})
        known = [row for row in ordered if row["customer_id"] in keys]
        data: dict[str, Any] = {
            "_ordinal": pa.array([keys.index(row["customer_id"]) for row in known], pa.int32())
        }
        for column in columns:
            data[column] = _array([row.get(column) for row in known])
        tables[table] = pa.table(data)
        types = {c: _type_text(data[c].type) for c in columns} | {"customer_id": "text"}
        described[table] = Table(
            name=table,
            source=Source(parquet=f"/{table}"),
            columns=types,
            time="at" if "at" in columns else None,
        )
        relationships.append(
            Relationship.model_validate(
                {
                    "name": f"{table}_customer",
                    "from": f"{table}.customer_id",
                    "to": "customers.customer_id",
                }
            )
        )
    catalog = Catalog(
        timezone=case["timezone"],
        profile=Table(
            name="customers",
            source=Source(parquet="/customers"),
            columns={n: _type_text(array.type) for n, array in profile.items()},
        ),
        key="customer_id",
        tables=described,
        relationships=relationships,
    )
    partition = ArrowPartition(
        customers=pa.table(profile),
        tables=tables,
        live=np.ones(len(keys), dtype=np.bool_),
        earlier={},
    )
    return World(catalog=catalog, partition=partition, keys=keys)


def translate(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a neutral rule as a condition."""
    match rule["op"]:
        case "and" | "or":
            kind = "all" if rule["op"] == "and" else "any"
            return {"kind": kind, "of": [translate(arg) for arg in rule["args"]]}
        case "not":
            return {"kind": "not", "of": translate(rule["arg"])}
        case "attr":
            return _comparison(rule)
        case "rows":
            aggregate = {"function": rule["agg"]["fn"]}
            if "field" in rule["agg"]:
                aggregate["column"] = rule["agg"]["field"]
            found = {
                "kind": "rows",
                "table": rule["table"],
                "aggregate": aggregate,
                "compare": rule["cmp"],
                "value": rule["value"],
            }
            return found | _rows_parts(rule)
        case other:
            return {"kind": _LATER[other]}


def _rows_parts(rule: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if rule.get("where"):
        found["where"] = _predicate(rule["where"])
    if "window" in rule:
        found["window"] = _window(rule["window"])
    return found


def _window(window: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for form, value in window.items():
        if form in ("last", "before_ago"):
            found[form] = _duration(value)
        elif form == "between_ago":
            found[form] = [_duration(end) for end in value]
        else:
            found[form] = value
    return found


def _duration(duration: dict[str, Any]) -> str:
    return f"{duration['n']} {duration['unit']}"


def _predicate(node: dict[str, Any]) -> dict[str, Any]:
    if "field" in node:
        return _comparison(node)
    ((form, parts),) = node.items()
    of = [_predicate(part) for part in parts]
    if form == "none":
        return {"kind": "not", "of": {"kind": "any", "of": of}}
    return {"kind": form, "of": of}


def _comparison(node: dict[str, Any]) -> dict[str, Any]:
    compare, extra = node["cmp"], {}
    if compare in ("icontains", "not_icontains"):
        compare, extra = compare.replace("icontains", "contains"), {"ignore_case": True}
    if compare == "regex":
        compare = "matches"
    found = {"kind": "attribute", "column": node["field"], "compare": compare} | extra
    if compare == "in_window":
        found["value"] = _window(node["value"])
    elif "value" in node:
        found["value"] = node["value"]
    return found


def _array(values: list[Any]) -> Any:
    """Return values as an array of the store type their look stands for."""
    known = [v for v in values if v not in (None, "", [])]
    if not known:
        return pa.array([None] * len(values), pa.string())
    first = known[0]
    if isinstance(first, bool):
        return pa.array(values, pa.bool_())
    if isinstance(first, list):
        return pa.array(values, pa.list_(pa.string()))
    if all(isinstance(v, int) for v in known):
        return pa.array(values, pa.int64())
    if all(isinstance(v, int | float) for v in known):
        exact = [None if v is None else Decimal(repr(v)) for v in values]
        return pa.array(exact, pa.decimal128(18, 4))
    if all(_is_instant(v) for v in known):
        instants = [None if not v else datetime.fromisoformat(v) for v in values]
        return pa.array(instants, pa.timestamp("us", "UTC"))
    if all(_is_date(v) for v in known):
        return pa.array([None if not v else date.fromisoformat(v) for v in values], pa.date32())
    return pa.array(values, pa.string())


def _is_instant(text: Any) -> bool:
    return isinstance(text, str) and len(text) >= 20 and text[10] == "T" and text.endswith("Z")


def _is_date(text: Any) -> bool:
    return isinstance(text, str) and len(text) == 10 and text[4] == text[7] == "-"


def _type_text(kind: Any) -> str:
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_list(kind):
        return "array<text>"
    names = {
        pa.string(): "text",
        pa.int64(): "integer",
        pa.bool_(): "boolean",
        pa.date32(): "date",
        pa.timestamp("us", "UTC"): "timestamp",
    }
    return names[kind]
