"""Translates the neutral cases of ../shared/cases into the catalog, rows and documents of this project."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tests.conformance.reference_row import Row, World

_CHANGES = "profile_changes"
_HISTORY = {"table": _CHANGES, "column": "field", "value": "value"}


def build_world(case: dict[str, Any], now: str) -> World:
    """Return the case's data as it is at `now`: attributes are overlaid by their changes so far."""
    attributes = {c["id"]: dict(c["attributes"]) for c in case["customers"]}
    changes = sorted(case["tables"].get(_CHANGES, []), key=lambda row: row["at"])
    for change in changes:
        if datetime.fromisoformat(change["at"]) <= datetime.fromisoformat(now):
            attributes[change["customer_id"]][change["field"]] = change["value"]
    profile_rows: list[Row] = [{"customer_id": key} | attributes[key] for key in sorted(attributes)]
    tables = {
        name: [row | {"value": _written(row["value"])} for row in rows]
        if name == _CHANGES
        else rows
        for name, rows in case["tables"].items()
    }
    profile = _typed(profile_rows, ["customer_id"])
    typed = {name: _typed(rows, ["customer_id"]) for name, rows in tables.items()}
    names = [name for name in profile[0] if name != "customer_id"]
    return World(
        catalog={
            "timezone": case["timezone"],
            "profile": {"name": "customers", "key": "customer_id", "columns": profile[0]},
            "tables": {
                name: {"columns": kinds, "time": "at" if "at" in kinds else None, "row_key": []}
                for name, (kinds, _) in typed.items()
            },
            "relationships": [
                {
                    "name": f"{name}_customer",
                    "from": f"{name}.customer_id",
                    "to": "customers.customer_id",
                    "kind": "many_to_one",
                }
                for name in typed
            ],
            "histories": dict.fromkeys(names, _HISTORY) if changes else {},
        },
        rows={"customers": profile[1], **{name: rows for name, (_, rows) in typed.items()}},
        segments={
            name.lower(): _segment(name.lower(), known)
            for name, known in case.get("segments", {}).items()
        },
    )


def document_of(case: dict[str, Any]) -> dict[str, Any]:
    """Return the case's own segment; with `running_counts` its operands are rules of their own."""
    rule = case["rule"]
    rules: list[dict[str, Any]] = [{"where": translate(rule)}]
    if "running_counts" in case:
        rules = [{"combine": "intersect", "where": translate(arg)} for arg in rule["args"]]
        del rules[0]["combine"]
    manual = {"add": case.get("manual_add", []), "remove": case.get("manual_remove", [])}
    return {"name": "case", "timezone": case["timezone"], "rules": rules, "manual": manual}


def _segment(name: str, known: dict[str, Any]) -> Any:
    """Return a referred segment: stored members of a static one, which is refreshed first."""
    if known["kind"] == "static":
        return known["members"]
    manual = {"add": known.get("manual_add", []), "remove": known.get("manual_remove", [])}
    return {"name": name, "rules": [{"where": translate(known["rule"])}], "manual": manual}


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
            found = {"kind": "rows", "aggregate": aggregate}
            return found | {"compare": rule["cmp"], "value": rule["value"]} | _rows_parts(rule)
        case "first_row":
            return {"kind": "first_row"} | _rows_parts(rule)
        case "last_row":
            return {"kind": "last_row", "having": _predicate(rule["having"])} | _rows_parts(rule)
        case "sequence":
            steps = [_predicate(step) for step in rule["steps"]]
            within = {"within": _duration(rule["within"])}
            return {"kind": "sequence", "steps": steps} | within | _rows_parts(rule)
        case "periods":
            names = ("of_last", "at_least", "value")
            found = {"kind": "periods", "period": _duration(rule["period"])}
            found |= {name: rule[name] for name in names} | {"compare": rule["cmp"]}
            return found | _rows_parts(rule)
        case "held":
            found = {"kind": "held", "column": rule["field"], "value": rule["value"]}
            return found | {"compare": rule["cmp"], "duration": _duration(rule["for"])}
        case "segment":
            return {"kind": "segment", "name": rule["name"].lower()}
    raise AssertionError(rule["op"])


def _rows_parts(rule: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"table": rule["table"]}
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


def _typed(rows: Sequence[Row], names: list[str]) -> tuple[dict[str, str], list[Row]]:
    """Return the type of every column by the look of its values, and the rows with values of these."""
    names = list(dict.fromkeys([*names, *(name for row in rows for name in row)]))
    kinds = {name: _kind([row.get(name) for row in rows]) for name in names}
    read = [{name: _read(row.get(name), kinds[name]) for name in names} for row in rows]
    return kinds, read


def _kind(values: list[Any]) -> str:
    known = [value for value in values if value not in (None, "", [])]
    if known and all(isinstance(value, bool) for value in known):
        return "boolean"
    if known and all(isinstance(value, list) for value in known):
        return "array<text>"
    if known and all(isinstance(value, int) for value in known):
        return "integer"
    if known and all(isinstance(value, int | float) for value in known):
        return "decimal(18,4)"
    if known and all(_is_instant(value) for value in known):
        return "timestamp"
    if known and all(_is_date(value) for value in known):
        return "date"
    return "text"


def _read(value: Any, kind: str) -> Any:
    if value is None or (value == "" and kind != "text"):
        return None
    match kind:
        case "decimal(18,4)":
            return Decimal(str(value))
        case "timestamp":
            return datetime.fromisoformat(value).astimezone(UTC)
        case "date":
            return date.fromisoformat(value)
    return value


def _written(value: Any) -> Any:
    """Return a value of the history as text, which one column holds of all attributes."""
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_instant(text: Any) -> bool:
    return isinstance(text, str) and len(text) >= 20 and text[10] == "T" and text.endswith("Z")


def _is_date(text: Any) -> bool:
    return isinstance(text, str) and len(text) == 10 and text[4] == text[7] == "-"
