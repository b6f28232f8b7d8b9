"""The canonical form of a segment's rules: equal meaning by form alone gives equal text and equal hash."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from muster_core.rules.document import SegmentDocument
from muster_core.rules.duration import parse_duration
from muster_core.rules.literal import read_exact
from muster_core.rules.value import write_scalar

_DURATIONS = frozenset(
    {"last", "next", "before_ago", "within", "period", "duration", "ago", "ahead"}
)
#: Fields that are numbers whatever the catalog says, so that text is a number too.
_NUMBERS = {
    "sample": frozenset({"percent"}),
    "top": frozenset({"percent"}),
    "compare": frozenset({"times"}),
    "periods": frozenset({"value"}),
}
_NUMERIC_FUNCTIONS = frozenset({"count", "count_distinct", "sum", "avg"})
#: What decides who is a member; names, schedules and descriptions do not.
_MEMBERSHIP = ("timezone", "rules", "manual")


def canonical(document: SegmentDocument) -> dict[str, Any]:
    """Return `document` as plain JSON data in canonical form.

    Operands of ``all`` and ``any`` and values of ``in`` are sorted and stand once, durations are in their
    smallest equal unit, defaults are dropped. `SegmentDocument` reads it back.
    """
    data = document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    found: dict[str, Any] = _tidy(data)
    return found


def rule_hash(document: SegmentDocument) -> str:
    """Return the SHA-256 of what decides membership: zone, rules and manual changes."""
    data = canonical(document)
    for rule in data.get("rules", ()):
        rule.pop("name", None)
    deciding = {key: data.get(key) for key in _MEMBERSHIP}
    return hashlib.sha256(canonical_text(deciding).encode()).hexdigest()


def canonical_text(data: Any) -> str:
    """Return JSON with sorted keys and no spaces."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _tidy(node: Any) -> Any:
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidy = {key: _tidy(value) for key, value in node.items()}
    for key in _DURATIONS & tidy.keys():
        if isinstance(tidy[key], str):
            tidy[key] = str(parse_duration(tidy[key]))
    if "between_ago" in tidy:
        tidy["between_ago"] = [str(parse_duration(text)) for text in tidy["between_ago"]]
    for key in _numbers(tidy) & tidy.keys():
        tidy[key] = _number(tidy[key])
    if tidy.get("kind") == "compare" and tidy.get("times") == 1:
        del tidy["times"]
    if tidy.get("kind") in ("all", "any"):
        tidy["of"] = _unique(tidy["of"])
    if tidy.get("compare") in ("in", "not_in") and isinstance(tidy.get("value"), list):
        tidy["value"] = _unique(tidy["value"])
    return tidy


def _numbers(node: dict[str, Any]) -> frozenset[str]:
    """Return the fields of a condition that are numbers whatever the catalog says."""
    if node.get("kind") == "rows" and node["aggregate"]["function"] in _NUMERIC_FUNCTIONS:
        return frozenset({"value"})
    return _NUMBERS.get(node.get("kind", ""), frozenset())


def _number(written: Any) -> Any:
    """Return a number however it was written; anything else as it is, for its problem to be told."""
    if isinstance(written, list):
        return [_number(item) for item in written]
    if not isinstance(written, str):
        return written
    try:
        return write_scalar(read_exact(written))
    except ValueError:
        return written


def _unique(items: list[Any]) -> list[Any]:
    by_text = {canonical_text(item): item for item in items}
    return [by_text[text] for text in sorted(by_text)]
