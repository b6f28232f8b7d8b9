"""Counting keys and references of a catalog's tables: one streamed reading per table and purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from muster_core.catalog.document import Catalog, Relationship
from muster_core.lake.key import KeyCount, key_text
from muster_core.lake.manifest import SourceFile
from muster_core.lake.source import SourceReader


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReport:
    """How good one key column is."""

    table: str
    column: str
    rows: int
    nulls: int
    duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceReport:
    """How many rows refer to something that exists."""

    relationship: str
    rows: int
    nulls: int
    matched: int

    @property
    def coverage(self) -> float:
        """Return the share (0 to 1) of the rows with a reference that find their target."""
        return self.matched / (self.rows - self.nulls) if self.rows > self.nulls else 1.0


class Survey:
    """Counts over the source files of a catalog; keys first, then references to them."""

    def __init__(self, catalog: Catalog, files: dict[str, list[SourceFile]]) -> None:
        self._catalog = catalog
        self._files = files
        self._keys: dict[tuple[str, str], KeyCount] = {}

    def count_keys(self, table: str) -> list[KeyReport]:
        """Count the columns of `table` that must be unique.

        Relationships refer to them, or refer with them one-to-one, or they are the profile's key.
        """
        links = self._catalog.relationships
        columns = {r.parent[1] for r in links if r.parent[0] == table}
        columns |= {r.child[1] for r in links if r.child[0] == table and r.kind == "one_to_one"}
        if table == self._catalog.profile.name:
            columns.add(self._catalog.key)
        reports = []
        for column in sorted(columns):
            count = KeyCount()
            for text in self._texts(table, column):
                count.add(text)
            self._keys[table, column] = count
            reports.append(
                KeyReport(
                    table=table,
                    column=column,
                    rows=count.rows,
                    nulls=count.nulls,
                    duplicates=count.duplicates(lambda c=column: self._texts(table, c)),  # type: ignore[misc]
                )
            )
        return reports

    def check_references(self, table: str) -> tuple[dict[str, int], list[ReferenceReport]]:
        """Return the rows without time or reference by column, and a report per relationship."""
        known = self._catalog.table(table)
        assert known is not None
        # the keys of a table that is not read here are not known
        references = [
            r
            for r in self._catalog.relationships
            if r.child[0] == table and self._files[r.parent[0]]
        ]
        columns = {r.child[1] for r in references} | ({known.time} if known.time else set())
        if not columns:
            return {}, []
        rows = 0
        nulls = dict.fromkeys(sorted(columns), 0)
        matched = {r.name: 0 for r in references}
        for batch in self._batches(table, sorted(columns)):
            rows += batch.num_rows
            for name in columns - {r.child[1] for r in references}:
                nulls[name] += batch.column(name).null_count
            self._match(batch, references, nulls, matched)
        return {n: c for n, c in nulls.items() if c}, [
            ReferenceReport(
                relationship=r.name, rows=rows, nulls=nulls[r.child[1]], matched=matched[r.name]
            )
            for r in references
        ]

    def _match(
        self,
        batch: Any,
        references: list[Relationship],
        nulls: dict[str, int],
        matched: dict[str, int],
    ) -> None:
        counted: set[str] = set()
        for reference in references:
            column = reference.child[1]
            text = key_text(batch.column(column))
            if column not in counted:
                nulls[column] += pc.sum(text.is_null()).as_py() or 0
                counted.add(column)
            matched[reference.name] += self._keys[reference.parent].matching(text)

    def _texts(self, table: str, column: str) -> Iterator[Any]:
        for batch in self._batches(table, [column]):
            yield key_text(batch.column(0))

    def _batches(self, table: str, columns: list[str]) -> Iterator[Any]:
        known = self._catalog.table(table)
        assert known is not None
        reader = SourceReader(
            source=known.source,
            columns={name: known.columns[name] for name in columns},
            zone=known.timezone,
            table=table,
        )
        for entry in self._files[table]:
            yield from reader.read(entry.path)
