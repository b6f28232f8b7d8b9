"""Keys of customers that somebody wrote into a segment: in its lists by hand, or as a value of the key's column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from muster_core.catalog.type import ColumnType
from muster_core.rules.manual import manual_key


def listed_keys(document: Mapping[str, Any], column: str, kind: ColumnType) -> set[str]:
    """Return the canonical texts of all customer keys that a segment's stored document names.

    Args:
        document: the segment as plain data.
        column: the catalog's key.
        kind: the type of the key.
    """
    manual = document.get("manual", {})
    written = [*manual.get("add", ()), *manual.get("remove", ())]
    written += _values(document.get("rules", ()), column)
    found = set()
    for one in written:
        try:
            found.add(manual_key(one, kind))
        except ValueError:
            # no customer can have it: the catalog's key had another type when it was written
            continue
    return found


def _values(node: Any, column: str) -> Iterator[str | int]:
    """Yield every text and whole number that `column` is held against."""
    if isinstance(node, Mapping):
        if node.get("kind") == "attribute" and node.get("column") == column:
            value = node.get("value")
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, str | int) and not isinstance(one, bool):
                    yield one
        node = list(node.values())
    if isinstance(node, list | tuple):
        for inner in node:
            yield from _values(inner, column)
