"""The catalog as a form holds it: the plain document of YAML, and changes to it that touch several places."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from muster_core.catalog.type import ColumnType, parse_type

#: Column to type.
Columns = Mapping[str, ColumnType]
_ENDS = ("from", "to")


def tables_of(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return each table's part of the document by name, the profile first."""
    profile = data.get("profile") or {}
    return {str(profile.get("table", "")): profile, **(data.get("tables") or {})}


def add_table(data: dict[str, Any]) -> None:
    """Add a table that has no source yet, under a name that is free."""
    tables = data.setdefault("tables", {})
    name = _free("table", tables_of(data))
    tables[name] = {"source": {"parquet": ""}}


def rename_table(data: dict[str, Any], old: str, new: str) -> None:
    """Give a table another name, also where relationships name it."""
    if data["profile"].get("table") == old:
        data["profile"]["table"] = new
    else:
        tables = data["tables"].items()
        data["tables"] = {new if name == old else name: table for name, table in tables}
    for link in data.get("relationships") or []:
        for word in _ENDS:
            table, dot, column = str(link.get(word, "")).partition(".")
            if table == old:
                link[word] = f"{new}{dot}{column}"


def remove_table(data: dict[str, Any], name: str) -> None:
    """Take a table out, and the relationships that name it."""
    data["tables"].pop(name, None)
    data["relationships"] = [
        link
        for link in data.get("relationships") or []
        if name not in (str(link.get(word, "")).partition(".")[0] for word in _ENDS)
    ]


def add_relationship(data: dict[str, Any]) -> None:
    """Add a relationship to the customers, under a name that is free."""
    links = data.setdefault("relationships", [])
    profile = data["profile"]
    to = f"{profile.get('table', '')}.{profile['key']}" if profile.get("key") else ""
    taken = {str(link.get("name")) for link in links}
    links.append({"name": _free("link", taken), "from": "", "to": to})


def mark_personal(table: Mapping[str, Any], chosen: list[str]) -> dict[str, Any]:
    """Return the notes of a table's columns where exactly these are personal."""
    notes: dict[str, Any] = {
        name: {word: said for word, said in note.items() if word != "personal"}
        for name, note in (table.get("columns") or {}).items()
    }
    for name in chosen:
        notes[name] = {**notes.get(name, {}), "personal": True}
    return {name: note for name, note in notes.items() if note}


def _free(word: str, taken: Any) -> str:
    return next(name for n in range(1, len(taken) + 2) if (name := f"{word}_{n}") not in taken)


def is_catalog(data: Any) -> bool:
    """Tell whether the form can show it: what is wrong in detail is told by the check."""
    if not isinstance(data, dict) or not isinstance(data.get("profile"), dict):
        return False
    tables, links = data.get("tables", {}), data.get("relationships", [])
    if not isinstance(tables, dict) or not isinstance(links, list):
        return False
    return all(_is_table(table) for table in (data["profile"], *tables.values())) and all(
        isinstance(link, dict) for link in links
    )


def _is_table(table: Any) -> bool:
    if not isinstance(table, dict) or not isinstance(table.get("source"), dict):
        return False
    postgres, notes = table["source"].get("postgres", {}), table.get("columns", {})
    return (
        isinstance(postgres, dict)
        and isinstance(notes, dict)
        and all(isinstance(said, dict) for said in notes.values())
        and isinstance(table.get("row_key", []), list)
    )


def source_key(table: Mapping[str, Any]) -> str:
    """Return a text that is the same for equal sources."""
    return json.dumps(table.get("source") or {}, sort_keys=True)


def typed(columns: Mapping[str, str]) -> Columns:
    """Return columns with their types read."""
    return {name: parse_type(kind) for name, kind in columns.items()}


def offered_with(columns: Columns, chosen: list[str]) -> list[str]:
    """Return the columns to choose from; what is chosen and not there any more is among them."""
    return list(dict.fromkeys([*columns, *chosen]))
