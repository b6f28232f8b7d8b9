"""The figures of a run: on disk after every single one, so an interrupted run keeps what it measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Ledger:
    """Entries in the order they were measured; each has a `kind`."""

    def __init__(self, path: Path, **head: Any) -> None:
        """Begin a new file at `path`; what an earlier run wrote there is kept as ``.old``."""
        self.path = path
        self.head: Entry = head
        self.entries: list[Entry] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.replace(path.with_suffix(".old.json"))
        self._write()

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Return what a run wrote."""
        found = cls.__new__(cls)
        data = json.loads(path.read_text())
        found.path, found.head, found.entries = path, data["head"], data["entries"]
        return found

    def add(self, kind: str, **fields: Any) -> Entry:
        """Keep one entry."""
        entry = {"kind": kind, **fields}
        self.entries.append(entry)
        self._write()
        return entry

    def note(self, **fields: Any) -> None:
        """Keep something about the whole run."""
        self.head |= fields
        self._write()

    def of(self, kind: str, **fields: Any) -> Iterator[Entry]:
        """Yield the entries of a kind whose fields are as given."""
        for entry in self.entries:
            if entry["kind"] == kind and all(entry.get(k) == v for k, v in fields.items()):
                yield entry

    def _write(self) -> None:
        partial = self.path.with_suffix(".partial")
        partial.write_text(
            json.dumps({"head": self.head, "entries": self.entries}, indent=1) + "\n"
        )
        partial.replace(self.path)
