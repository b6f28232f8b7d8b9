"""Many case files as one world: tables, columns and names get their file's name in front.

So hundreds of cases are one catalog and one batch. A case's customers stay its own by a last rule that keeps
only the keys of its file, which changes nothing for a condition that looks at one customer at a time; files with
`top` must have every customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.conformance.case import Case
from tests.conformance.reference_row import Row, World

Node = dict[str, Any]
_RELATED = ("where", "having", "steps", "aggregate", "window")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """One world, and a document of a name of its own for each case."""

    world: World
    documents: dict[str, Node]
    cases: dict[str, Case]


def gather(cases: Sequence[Case]) -> Gathered:
    """Return the cases as one batch; they must share key type and the workspace's zone."""
    worlds = {case.file: case.world for case in cases}
    names = {file: _Names(file=file, world=world) for file, world in worlds.items()}
    keys = sorted({key for world in worlds.values() for key in world.customers})
    profile: Node = {"name": "customers", "key": "id", "columns": {"id": "text"}}
    tables: Node = {}
    catalog: Node = {
        "timezone": "UTC",
        "profile": profile,
        "tables": tables,
        "relationships": [],
        "histories": {},
    }
    rows: dict[str, list[Row]] = {"customers": [{"id": key} for key in keys]}
    segments: Node = {}
    measures: Node = {}
    for file, world in worlds.items():
        known = names[file]
        own = {n: k for n, k in world.catalog["profile"]["columns"].items() if n != "id"}
        profile["columns"] |= {known.of(name): kind for name, kind in own.items()}
        for row in rows["customers"]:
            values = world.customers.get(row["id"], {})
            row |= {known.of(name): values.get(name) for name in own}
        for name, table in world.catalog["tables"].items():
            tables[known.of(name)] = table
            rows[known.of(name)] = [dict(row) for row in world.rows[name]]
        catalog["relationships"] += [known.relationship(s) for s in world.catalog["relationships"]]
        for column, history in world.catalog["histories"].items():
            table = known.of(history["table"])
            catalog["histories"][known.of(column)] = history | {"table": table}
            # the history's rows name the column, which is called otherwise here
            for row in rows[table]:
                if row[history["column"]] == column:
                    row[history["column"]] = known.of(column)
        for name, segment in world.segments.items():
            document = segment if isinstance(segment, dict) else {"manual": {"add": segment}}
            segments[known.of(name)] = known.document(document) | {"name": known.of(name)}
        for name, by in world.measures.items():
            measures[known.of(name)] = known.renamed(by)
    documents, by_name = {}, {}
    for place, case in enumerate(cases):
        name = f"case_{place:03d}_{case.file}"
        documents[name] = names[case.file].document(case.document) | {"name": name}
        by_name[name] = case
    world = World(catalog=catalog, rows=rows, segments=segments, measures=measures)
    return Gathered(world=world, documents=documents, cases=by_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    file: str
    world: World

    def of(self, name: str) -> str:
        return f"{self.file}_{name}"

    def relationship(self, step: Node) -> Node:
        ends = {"name": self.of(step["name"])}
        for end in ("from", "to"):
            table, _, column = step[end].partition(".")
            profile = table == self.world.profile
            known = column if column == "id" or not profile else self.of(column)
            ends[end] = f"{table if profile else self.of(table)}.{known}"
        return step | ends

    def document(self, document: Node) -> Node:
        rules = [
            rule | {"where": self.renamed(rule["where"])} for rule in document.get("rules", [])
        ]
        if rules:
            keys = sorted(self.world.customers)
            mine = {"kind": "attribute", "column": "id", "compare": "in", "value": keys}
            rules.append({"combine": "intersect", "where": mine})
        return document | {"rules": rules}

    def renamed(self, node: Any, *, row: bool = False) -> Any:
        """Return a condition with this file's names; `row`: inside one about rows of a table."""
        if isinstance(node, list):
            return [self.renamed(part, row=row) for part in node]
        if not isinstance(node, dict):
            return node
        found: Node = {}
        for key, value in node.items():
            inside = row or ("table" in node and key in _RELATED)
            match key:
                case "table" | "measure" | "history":
                    found[key] = self.of(value)
                case "via":
                    found[key] = [self.of(name) for name in value]
                case "column" | "order_by" | "on" if isinstance(value, str):
                    found[key] = self._column(value, row=row)
                case "name" if node.get("kind") in ("segment", "measure"):
                    found[key] = self.of(value)
                case "column" if node.get("kind") == "held":
                    found[key] = self.of(value)
                case _:
                    found[key] = self.renamed(value, row=inside)
        return found

    def _column(self, name: str, *, row: bool) -> str:
        prefix, dot, column = name.partition(".")
        if not dot:
            return name if row or name == "id" else self.of(name)
        if prefix == self.world.profile:
            return f"{prefix}.{self.of(column)}"
        return f"{self.of(prefix)}.{column}"
