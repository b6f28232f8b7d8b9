"""Reference: the data of a case as plain dictionaries, and how its tables hang together.

`World.catalog` is plain data:

    {"timezone": ..., "profile": {"name": ..., "key": ..., "columns": {name: type}},
     "tables": {name: {"columns": {...}, "time": name or None, "row_key": [...]}},
     "relationships": [{"name": ..., "from": "table.column", "to": "table.column", "kind": ...}],
     "histories": {profile column: {"table": ..., "column": ..., "value": ...}}}

Rows of a table stand in the order of its source. Written from the rules alone; shares no code with the
product.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.conformance.reference_time import Clock
from tests.conformance.reference_value import is_set

Row = dict[str, Any]
Relationship = dict[str, Any]
Path = tuple[Relationship, ...]


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything a rule can speak of. `segments` are documents, or lists of stored members."""

    catalog: dict[str, Any]
    rows: dict[str, list[Row]]
    segments: dict[str, Any] = field(default_factory=dict)
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def profile(self) -> str:
        return str(self.catalog["profile"]["name"])

    @cached_property
    def customers(self) -> dict[Any, Row]:
        """Every customer by key: the universe for `not` and `everyone`."""
        key = self.catalog["profile"]["key"]
        return {row[key]: row for row in self.rows[self.profile]}

    @property
    def relationships(self) -> list[Relationship]:
        return list(self.catalog["relationships"])

    def paths(self, table: str) -> list[Path]:
        """Return every way from a table to the profile that visits no table twice."""
        found: list[Path] = []
        open_ways: list[Path] = [()]
        while open_ways:
            way = open_ways.pop()
            here = parent(way[-1])[0] if way else table
            for step in self.relationships:
                target = parent(step)[0]
                if child(step)[0] != here or target in {table, *(parent(s)[0] for s in way)}:
                    continue
                (found if target == self.profile else open_ways).append((*way, step))
        return found

    def path(self, table: str, via: Any) -> Path:
        """Return the one way, or the one whose relationships are named."""
        ways = self.paths(table)
        chosen = [way for way in ways if not via or [s["name"] for s in way] == list(via)]
        (only,) = chosen
        return only

    def follow(self, row: Row | None, steps: Path) -> Row | None:
        """Return the row that a row refers to along relationships, None where it refers to nothing."""
        for step in steps:
            if row is None:
                return None
            row = self._parents(step["to"]).get(row[child(step)[1]])
        return row

    def _parents(self, target: str) -> dict[Any, Row]:
        if target not in self._index:
            table, _, column = target.partition(".")
            rows = [row for row in self.rows[table] if is_set(row[column])]
            self._index[target] = {row[column]: row for row in rows}
        return self._index[target]

    @cached_property
    def _index(self) -> dict[str, dict[Any, Row]]:
        return {}

    def visible(self, table: str, row: Row, clock: Clock, *, future: bool = False) -> bool:
        """Whether a row is there at `as_of`: the declared time column decides, and only it."""
        time = self.catalog["tables"][table]["time"]
        if time is None:
            return True
        if row[time] is None:
            return False
        return future or clock.moment(row[time]) <= clock.as_of

    def related(self, table: str, via: Any) -> dict[Any, list[Row]]:
        """Return the rows of each customer, oldest first in the total order; orphans belong to nobody."""
        path = self.path(table, via)
        name = (table, *(step["name"] for step in path))
        if name not in self._related:
            key = self.catalog["profile"]["key"]
            found: dict[Any, list[Row]] = {customer: [] for customer in self.customers}
            for row in self.rows[table]:
                customer = self.follow(row, path)
                if customer is not None:
                    found[customer[key]].append(row)
            for rows in found.values():
                rows.sort(key=lambda row: self.order(table, row))  # stable: the source's order last
            self._related[name] = found
        return self._related[name]

    @cached_property
    def _related(self) -> dict[Any, dict[Any, list[Row]]]:
        return {}

    def order(self, table: str, row: Row) -> tuple[Any, ...]:
        """Return what orders rows: time, then the row key; a missing value is lowest."""
        note = self.catalog["tables"][table]
        times = [] if note["time"] is None else [note["time"]]
        return tuple(_lowest(row[column]) for column in (*times, *note["row_key"]))

    def row_key(self, table: str, row: Row) -> tuple[Any, ...]:
        """Return what orders rows that are equal in what they are ordered by."""
        return tuple(_lowest(row[c]) for c in self.catalog["tables"][table]["row_key"])

    def column(self, table: str, path: Path, row: Row, name: str) -> Any:
        """Return a column of a row: its own, or one of a table it refers to, as `table.column`."""
        where, dot, column = name.rpartition(".")
        if not dot:
            return row[name]
        found = self.follow(row, self._chain(table, path, where))
        return None if found is None else found[column]

    def _chain(self, table: str, path: Path, where: str) -> Path:
        """Return the one chain of relationships that `where` names: by its last step, or its last table.

        What the rows refer to comes before what the customer's profile refers to.
        """
        on_path = {table, self.profile, *(parent(step)[0] for step in path)}
        along = [path[: n + 1] for n in range(len(path))]
        starts: list[Path] = [(), *(way for way in along if parent(way[-1])[0] != self.profile)]
        own = along + self._outward(table, starts, on_path)
        for chains in (own, self._outward(table, [path], on_path) if path else []):
            named = [c for c in chains if where in (c[-1]["name"], parent(c[-1])[0])]
            if named:
                (only,) = named
                return only
        raise KeyError(where)

    def _outward(self, table: str, starts: list[Path], closed: set[str]) -> list[Path]:
        """Return the ways on from `starts` along many-to-one relationships that visit no table twice."""
        found: list[Path] = []
        open_ways = list(starts)
        while open_ways:
            way = open_ways.pop()
            here = parent(way[-1])[0] if way else table
            seen = closed | {parent(step)[0] for step in way}
            for step in self.relationships:
                if child(step)[0] == here and parent(step)[0] not in seen:
                    found.append((*way, step))
                    open_ways.append((*way, step))
        return found

    def attribute(self, customer: Row, name: str, via: Any, clock: Clock) -> Any:
        """Return a profile column, one of a table many-to-one from it, or one of its one-to-one row."""
        where, dot, column = name.rpartition(".")
        if not dot:
            return customer[name]
        if where not in self.catalog["tables"] or not self.paths(where):
            return self.column(self.profile, (), customer, name)
        rows = self.related(where, via)[customer[self.catalog["profile"]["key"]]]
        rows = [row for row in rows if self.visible(where, row, clock)]
        return rows[0][column] if rows else None


def child(step: Relationship) -> tuple[str, str]:
    """Return table and column that refer."""
    table, _, column = step["from"].partition(".")
    return table, column


def parent(step: Relationship) -> tuple[str, str]:
    """Return table and column that are referred to."""
    table, _, column = step["to"].partition(".")
    return table, column


def _lowest(value: Any) -> tuple[bool, Any]:
    """Return what places a missing value, by whatever name, below every other."""
    return (is_set(value), value if is_set(value) else None)
