"""The JSON Schema of segment and measure documents, as published in `docs/schema`.

A rule that is well formed by the schema may still not fit a catalog; that is what checking is for.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from muster_core.rules.document import SegmentDocument
from muster_core.rules.measure import MeasureDocument

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TITLES: dict[type[BaseModel], str] = {
    SegmentDocument: "Muster segment",
    MeasureDocument: "Muster measure",
}
_UNITS = "(second|minute|hour|day|week|month|quarter|year)s?"
_DURATION = f"^0*[1-9][0-9]* +{_UNITS}$"
_FORMS = ("last", "next", "between_ago", "before_ago", "calendar", "day_offset")


def segment_schema() -> dict[str, Any]:
    """Return the JSON Schema of a segment document."""
    return _schema(SegmentDocument)


def measure_schema() -> dict[str, Any]:
    """Return the JSON Schema of a measure document."""
    return _schema(MeasureDocument)


def schema_text(schema: dict[str, Any]) -> str:
    """Return a schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    found = model.model_json_schema(by_alias=True)
    found = _spelled(_nameless(found))
    if "Window" in found.get("$defs", {}):
        _one_form(found["$defs"]["Window"])
    found.pop("title", None)
    return {"$schema": _DIALECT, "title": _TITLES[model], **found}


def _nameless(node: Any) -> Any:
    """Drop the titles of fields, which only repeat their names, and what is not JSON Schema."""
    if isinstance(node, list):
        return [_nameless(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: _nameless(inner) for name, inner in value.items()}
        if key in ("properties", "$defs")
        else _nameless(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str)) and key != "discriminator"
    }


def _spelled(node: Any) -> Any:
    """Let an expression stand where a condition of a rule or row does; give durations their form."""
    if isinstance(node, list):
        return [_spelled(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _spelled(value) for key, value in node.items()}
    if found.get("pattern") == "^[0-9]+ ":
        found["pattern"] = _DURATION
    for name in ("where", "having"):
        if isinstance(inner := found.get("properties", {}).get(name), dict):
            found["properties"][name] = {"anyOf": [inner, _EXPRESSION]}
    return found


_EXPRESSION = {"type": "string", "minLength": 1, "description": "An expression."}


def _one_form(window: dict[str, Any]) -> None:
    """Exactly one form of a window is given; from and to count as one."""
    given = [
        {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in _FORMS
    ]
    sides = [
        {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
        for name in ("from", "to")
    ]
    window["oneOf"] = [*given, {"anyOf": sides}]
