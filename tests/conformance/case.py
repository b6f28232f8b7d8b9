"""Case files: a small world, and many decisions about it, each with its members written by hand.

about: what the file is about
as_of: 2026-03-18T12:00:00Z
timezone: UTC                    # the workspace's; a case may name its own
profile: {name: customers, key: id, columns: {id: text, age: integer}}
tables: {orders: {time: at, row_key: [no], columns: {...}}}
relationships: [{name: buyer, from: orders.customer, to: customers.id}]
rows:                            # one table a text; nothing is missing, "" is the empty text
  customers: |
    id | age
    A  | 5
segments: {vips: {members: [A]}} # stored members, or documents of the same batch
measures: {spend: {table: ..., aggregate: ...}}
cases:
  - title: the decision this pins
    where: {...}                 # or `document` with rules, manual, ...; or `expression`
    members: [A]                 # or `problem` and `pointer`, or `warning`
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from tests.conformance.reference_row import World

CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One decision: a document, and who its members are or why it is refused."""

    file: str
    title: str
    world: World
    as_of: datetime
    document: dict[str, Any]
    #: The same rule as plain data where the document spells it as an expression.
    means: dict[str, Any]
    members: list[Any] | None
    problem: str | None
    pointer: str | None
    warning: str | None
    #: Project columns by member, where the case says them.
    projected: dict[Any, list[Any]] | None

    @property
    def id(self) -> str:
        return f"{self.file}: {self.title}"


class _Loader(yaml.SafeLoader):
    """Reads `on` and `no` as the words they are, and dates as texts."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


def read_cases(file: Path) -> list[Case]:
    """Return the cases of a file."""
    data = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe one
    world = world_of(data)
    return [_case(file.stem, data, world, case) for case in data["cases"]]


def all_cases() -> list[Case]:
    """Return the cases of all files, in the order of their names."""
    return [case for file in sorted(CASES.glob("*.yaml")) for case in read_cases(file)]


def world_of(data: dict[str, Any]) -> World:
    """Return the data of a file as the reference takes it."""
    profile = {"columns": {}, **data["profile"]}
    histories = profile.pop("histories", {})
    tables = {
        name: {"time": None, "row_key": [], **table}
        for name, table in data.get("tables", {}).items()
    }
    catalog = {
        "timezone": data.get("timezone", "UTC"),
        "profile": profile,
        "tables": tables,
        "relationships": [
            {"kind": "many_to_one", **step} for step in data.get("relationships", [])
        ],
        "histories": histories,
    }
    texts = data.get("rows", {})
    rows = {
        name: read_table(texts.get(name, ""), table["columns"])
        for name, table in {profile["name"]: profile, **tables}.items()
    }
    segments = {
        name: known.get("members", {"name": name, **known})
        for name, known in data.get("segments", {}).items()
    }
    return World(catalog=catalog, rows=rows, segments=segments, measures=data.get("measures", {}))


def read_table(text: str, columns: dict[str, str]) -> list[dict[str, Any]]:
    """Read rows written as a table; columns that are left out are missing in every row."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    names = [name.strip() for name in lines[0].split("|")]
    assert set(names) <= set(columns), (names, columns)
    rows = []
    for line in lines[1:]:
        cells = [cell.strip() for cell in line.split("|")]
        assert len(cells) == len(names), line
        given = dict(zip(names, cells, strict=True))
        rows.append({name: read_cell(given.get(name, ""), kind) for name, kind in columns.items()})
    return rows


def read_cell(cell: str, kind: str) -> Any:
    """Read one cell as a value of its column's type; nothing at all is a missing value."""
    if not cell:
        return None
    if kind.startswith("array<"):
        inner = kind[len("array<") : -1]
        items = json.loads(cell, parse_float=Decimal)
        return [item if inner in ("text", "boolean") else _item(item, inner) for item in items]
    if kind == "text":
        return json.loads(cell) if cell.startswith('"') else cell
    if kind == "boolean":
        return {"true": True, "false": False}[cell]
    return _item(cell, kind)


def _item(cell: Any, kind: str) -> Any:
    if cell is None:
        return None
    match kind:
        case "integer":
            return int(cell)
        case "float":
            return float(cell)
        case "date":
            return date.fromisoformat(cell)
        case "timestamp":
            return datetime.fromisoformat(cell).astimezone(UTC)
    assert kind.startswith("decimal")
    return Decimal(cell)


def _case(file: str, data: dict[str, Any], world: World, case: dict[str, Any]) -> Case:
    document = {"name": "case", **case.get("document", {})}
    for spelling in ("where", "expression"):
        if spelling in case:
            document["rules"] = [{"where": case[spelling]}]
    if "timezone" in case:
        document["timezone"] = case["timezone"]
    means = document
    if "expression" in case and "means" in case:
        means = {**document, "rules": [{"where": case["means"]}]}
    as_of = case.get("as_of", data["as_of"])
    return Case(
        file=file,
        title=case["title"],
        world=world,
        as_of=datetime.fromisoformat(as_of),
        document=document,
        means=means,
        members=case.get("members"),
        problem=case.get("problem"),
        pointer=case.get("pointer"),
        warning=case.get("warning"),
        projected=case.get("projected"),
    )
