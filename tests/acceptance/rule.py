"""Short ways to write conditions, and refreshing many segments at once to hold their members against others.

What is expected is computed by pandas from the handed-in files, never by the product.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml
from tests.acceptance.conftest import Muster

Node = dict[str, Any]
Keys = set[Any]


def column(name: str, compare: str, value: Any = None, **more: Any) -> Node:
    """Return a comparison of a column."""
    node = {"kind": "attribute", "column": name, "compare": compare, **more}
    return node if value is None else node | {"value": value}


def every(*of: Node) -> Node:
    return {"kind": "all", "of": list(of)}


def some(*of: Node) -> Node:
    return {"kind": "any", "of": list(of)}


def no(of: Node) -> Node:
    return {"kind": "not", "of": of}


def aggregate(table: str, function: str = "exists", of: str | None = None, **more: Any) -> Node:
    """Return what is computed over rows: a side of a comparison, a rank, a measure."""
    how = {"function": function} | ({} if of is None else {"column": of})
    if "order_by" in more:
        how["order_by"] = more.pop("order_by")
    return {"table": table, "aggregate": how, **more}


def rows(table: str, function: str = "exists", of: str | None = None, **more: Any) -> Node:
    return {"kind": "rows", **aggregate(table, function, of, **more)}


@dataclass(frozen=True, kw_only=True)
class Cases:
    """Segments by name, with the keys their members must have."""

    documents: list[Node] = field(default_factory=list)
    expected: dict[str, Keys] = field(default_factory=dict)

    def add(self, name: str, where: Any, keys: Any, **more: Any) -> None:
        """Add a segment of one condition, or of several rules where `where` is a list."""
        rules = where if isinstance(where, list) else [{"where": where}]
        self.documents.append({"name": name, "rules": rules, **more})
        self.expected[name] = set(keys)

    def measure(self, name: str, by: Node) -> None:
        self.documents.append({"name": name, "by": by})


def refreshed(
    muster: Muster, folder: Path, catalog: Mapping[str, Any], cases: Cases, as_of: str
) -> dict[str, Keys]:
    """Apply everything, refresh it in one batch, and return the members of each segment."""
    folder.mkdir(exist_ok=True)
    (folder / "catalog.yaml").write_text(yaml.safe_dump(dict(catalog), sort_keys=False))
    segments = folder / "segments.yaml"
    segments.write_text(yaml.safe_dump_all(cases.documents, sort_keys=False, allow_unicode=True))
    muster.ok("catalog", "apply", folder / "catalog.yaml")
    muster.ok("segment", "apply", segments)
    (folder / "out").mkdir()
    export = {
        "name": "all",
        "connection": {"kind": "folder", "path": "out"},
        "segments": sorted(cases.expected),
        "format": "parquet",
    }
    (folder / "export.yaml").write_text(yaml.safe_dump(export))
    muster.ok("export", "apply", folder / "export.yaml")
    words = (
        "segment",
        "refresh",
        *sorted(cases.expected),
        "--as-of",
        as_of,
        "--wait",
        "--deliveries",
    )
    answer = muster.json(*words, timeout=300)
    runs = {run["segment"]: run["state"] for run in answer["runs"]}
    assert runs == dict.fromkeys(cases.expected, "published")
    return {name: _members(folder / "out" / "all" / name) for name in cases.expected}


def _members(folder: Path) -> Keys:
    (version,) = folder.glob("version=*")
    keys: list[Any] = []
    for file in version.glob("*.parquet"):
        keys += pq.read_table(file).column(0).to_pylist()
    assert len(keys) == len(set(keys))
    return set(keys)


def table(file: Path, **more: Any) -> Node:
    """Return a catalog entry."""
    return {"source": {"parquet": str(file)}, **more}


def link(name: str, from_: str, to: str, **more: Any) -> Node:
    return {"name": name, "from": from_, "to": to, **more}
