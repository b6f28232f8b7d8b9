"""A found disagreement as a case file: what is kept of it is what a person needs to read."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from tests.conformance.reference_row import Row, World

#: Where the latest disagreement is written; Hypothesis ends with the smallest one.
FOLDER = Path(__file__).parents[2] / ".hypothesis"


def case_text(
    world: World, as_of: datetime, documents: list[tuple[dict[str, Any], list[Any]]]
) -> str:
    """Return a file with a case for each document, without the tables and columns that are empty."""
    cases = [
        {"title": f"found {place}", "document": document, "members": members}
        for place, (document, members) in enumerate(documents)
    ]
    said = str(documents)
    profile = dict(world.catalog["profile"]) | {"histories": world.catalog["histories"]}
    tables = {n: t for n, t in world.catalog["tables"].items() if world.rows[n] or n in said}
    segments = {
        name: {"members": known} if isinstance(known, list) else known
        for name, known in world.segments.items()
        if name in said
    }
    parts = {
        "about": "A disagreement that was found by random search.",
        "as_of": as_of.isoformat(),
        "timezone": world.catalog["timezone"],
        "profile": profile,
        "tables": tables,
        "relationships": world.catalog["relationships"],
        "rows": {n: _table(rows) for n, rows in world.rows.items() if rows},
        "segments": segments,
        "measures": world.measures,
        "cases": cases,
    }
    used = {key: value for key, value in parts.items() if value}
    text: str = yaml.dump(used, allow_unicode=True, sort_keys=False, width=150, Dumper=_Dumper)
    return text


class _Dumper(yaml.SafeDumper):
    """Writes every thing in full and tables as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, data: str) -> Any:
    style = "|" if "\n" in data else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)


def _table(rows: list[Row]) -> str:
    names = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    cells = [names, *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return json.dumps(value, ensure_ascii=False)
        case str():
            plain = value and value == value.strip() and not value.startswith('"')
            return value if plain else json.dumps(value, ensure_ascii=False)
        case Decimal() | int() | float():
            return str(value)
        case date():
            return value.isoformat()
    raise AssertionError(type(value))


def write_failure(text: str) -> Path:
    """Write a case file over the one before."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / "disagreement.yaml"
    path.write_text(text, encoding="utf-8")
    return path
