"""The rule language once more, in plain Python and one customer at a time: what kernels are held against.

Read it as the specification: `Reference.members` is a segment, `_Evaluation.holds` one condition, and each
kind is one short method. Shares no code with the product; it reads documents as plain data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import xxhash
from tests.conformance.reference_aggregate import aggregated, exact
from tests.conformance.reference_row import Row, World
from tests.conformance.reference_time import Clock
from tests.conformance.reference_value import is_set, literal, number, passes

Node = dict[str, Any]
_WORD = 2**64 - 1


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Everything that is true of a world at one `as_of`."""

    world: World
    as_of: datetime
    _evaluations: dict[str, _Evaluation] = field(default_factory=dict)
    _segments: dict[str, set[Any]] = field(default_factory=dict)

    def members(self, document: Node) -> set[Any]:
        """Return the keys of a segment's members: rules left to right, then manual changes."""
        found = self.running(document)[-1] if document.get("rules") else set()
        manual = document.get("manual", {})
        found = found | set(manual.get("add", []))
        found = found - set(manual.get("remove", []))  # remove wins
        return found & set(self.world.customers)

    def running(self, document: Node) -> list[set[Any]]:
        """Return the result after each rule."""
        evaluation = self._evaluation(document.get("timezone"))
        results: list[set[Any]] = []
        for rule in document["rules"]:
            chosen = evaluation.members(rule["where"])
            before = results[-1] if results else set()
            results.append(
                {
                    None: chosen,
                    "union": before | chosen,
                    "intersect": before & chosen,
                    "except": before - chosen,
                }[rule.get("combine")]
            )
        return results

    def nodes(self, document: Node) -> dict[str, set[Any]]:
        """Return whom every rule and every condition names, by JSON pointer."""
        evaluation = self._evaluation(document.get("timezone"))
        found: dict[str, set[Any]] = {}

        def look(node: Node, pointer: str) -> None:
            found[pointer] = evaluation.members(node)
            if node["kind"] == "not":
                look(node["of"], f"{pointer}/of")
            elif node["kind"] in ("all", "any"):
                for place, part in enumerate(node["of"]):
                    look(part, f"{pointer}/of/{place}")

        for place, rule in enumerate(document["rules"]):
            look(rule["where"], f"/rules/{place}/where")
            found[f"/rules/{place}"] = found[f"/rules/{place}/where"]
        return found

    def segment(self, name: str) -> set[Any]:
        """Return the stored members of another segment; one that never published has none."""
        if name not in self._segments:
            known = self.world.segments.get(name, [])
            stored = set(known) & set(self.world.customers) if isinstance(known, list) else None
            self._segments[name] = self.members(known) if stored is None else stored
        return self._segments[name]

    def measure(self, name: str, customer: Any) -> Any:
        """Return a customer's value of a measure; days and months are the workspace's."""
        return self._evaluation(None).value(self.world.measures[name], customer)

    def projected(self, document: Node) -> dict[Any, list[Any]]:
        """Return the extra output columns of each member."""
        evaluation = self._evaluation(document.get("timezone"))
        columns = document.get("project", [])
        return {
            key: [evaluation.projected(column, key) for column in columns]
            for key in self.members(document)
        }

    def _evaluation(self, zone: str | None) -> _Evaluation:
        name = zone or self.world.catalog["timezone"]
        if name not in self._evaluations:
            clock = Clock(as_of=self.as_of, zone=ZoneInfo(name))
            self._evaluations[name] = _Evaluation(reference=self, world=self.world, clock=clock)
        return self._evaluations[name]


@dataclass(frozen=True, kw_only=True)
class _Evaluation:
    """The meaning of conditions in one zone."""

    reference: Reference
    world: World
    clock: Clock

    def members(self, node: Node) -> set[Any]:
        """Return all customers for whom a condition holds."""
        if node["kind"] == "top":
            return self._top(node)
        if node["kind"] in ("all", "any", "not"):
            return self._joined(node)
        return {key for key in self.world.customers if self._holds(node, key)}

    def _joined(self, node: Node) -> set[Any]:
        everyone = set(self.world.customers)
        if node["kind"] == "not":
            return everyone - self.members(node["of"])
        parts = [self.members(part) for part in node["of"]]
        if not parts:
            return set()  # an empty list matches nobody, of `all` too
        return set.intersection(*parts) if node["kind"] == "all" else set.union(*parts)

    def _holds(self, node: Node, key: Any) -> bool:
        match node["kind"]:
            case "everyone":
                return True
            case "attribute":
                return self._attribute(node, key)
            case "rows":
                return self._passes_value(node, self.value(node, key))
            case "measure":
                return self._passes_value(node, self.reference.measure(node["name"], key))
            case "first_row":
                rows = list(self._rows(node, key))
                return bool(rows) and self.clock.holds(node["window"], self._time(node, rows[0]))
            case "last_row":
                rows = list(self._rows(node, key))
                return bool(rows) and self._row_passes(node["having"], node, rows[-1])
            case "sequence":
                return self._sequence(node, key)
            case "periods":
                return self._periods(node, key)
            case "held":
                return self._held(node, key)
            case "segment":
                return key in self.reference.segment(node["name"])
            case "compare":
                return self._sides(node, key)
            case "sample":
                return sampled(node["percent"], node["salt"], key)
        raise AssertionError(node["kind"])

    # one value of the customer

    def _attribute(self, node: Node, key: Any) -> bool:
        customer, via = self.world.customers[key], node.get("via")
        value = self.world.attribute(customer, node["column"], via, self.clock)
        wanted = node.get("value")
        if isinstance(wanted, dict) and "column" in wanted:
            other = self.world.attribute(customer, wanted["column"], via, self.clock)
            return self._passes_other(node, value, other)
        return self._passes_literal(node, value)

    def _passes_other(self, node: Node, value: Any, other: Any) -> bool:
        """Hold a value against another column; where that is missing, only `ne` is true."""
        if not is_set(other):
            return bool(node["compare"] == "ne")
        fold = bool(node.get("ignore_case"))
        return passes(self.clock, value, node["compare"], other, fold=fold)

    def _passes_literal(self, node: Node, value: Any) -> bool:
        wanted = self._relative(node.get("value"))
        fold = bool(node.get("ignore_case"))
        return passes(self.clock, value, node["compare"], wanted, fold=fold)

    def _relative(self, wanted: Any) -> Any:
        match wanted:
            case {"ago": duration}:
                return self.clock.ago(duration)
            case {"ahead": duration}:
                return self.clock.ahead(duration)
        return literal(wanted)

    # the customer's rows

    def _rows(self, node: Node, key: Any) -> Iterator[Row]:
        """Yield the visible rows that pass `where` and the window, oldest first in the total order."""
        for row in self.world.related(node["table"], node.get("via"))[key]:
            future = bool(node.get("include_future"))
            if self.world.visible(node["table"], row, self.clock, future=future) and (
                node.get("where") is None or self._row_passes(node["where"], node, row)
            ):
                yield row

    def _windowed(self, node: Node, key: Any) -> list[Row]:
        window = node.get("window")
        rows = self._rows(node, key)
        return [row for row in rows if window is None or self._in_window(node, window, row)]

    def _in_window(self, node: Node, window: Node, row: Row) -> bool:
        on = window.get("on")
        moment = self._time(node, row) if on is None else self._column(node, row, on)
        return moment is not None and self.clock.holds(window, moment)

    def _time(self, node: Node, row: Row) -> date:
        found: date = row[self.world.catalog["tables"][node["table"]]["time"]]
        return found

    def _column(self, node: Node, row: Row, name: str) -> Any:
        path = self.world.path(node["table"], node.get("via"))
        return self.world.column(node["table"], path, row, name)

    def _row_passes(self, test: Node, node: Node, row: Row) -> bool:
        """Whether one row of the table of `node` passes a row condition."""
        match test["kind"]:
            case "all":
                of = test["of"]
                return bool(of) and all(self._row_passes(part, node, row) for part in of)
            case "any":
                return any(self._row_passes(part, node, row) for part in test["of"])
            case "not":
                return not self._row_passes(test["of"], node, row)
        value, wanted = self._column(node, row, test["column"]), test.get("value")
        if isinstance(wanted, dict) and "column" in wanted:
            return self._passes_other(test, value, self._column(node, row, wanted["column"]))
        return self._passes_literal(test, value)

    # aggregates

    def value(self, side: Node, key: Any) -> Any:
        """Return the aggregate of one customer, or None where it has no value."""
        if "measure" in side:
            return self.reference.measure(side["measure"], key)
        if "table" not in side:
            found = self.world.attribute(
                self.world.customers[key], side["column"], side.get("via"), self.clock
            )
            return found if is_set(found) else None
        rows = self._windowed(side, key)
        aggregate = side["aggregate"]
        if aggregate.get("order_by") is not None:
            rows = self._ordered(side, rows, aggregate["order_by"])
        column = aggregate.get("column")
        values = [None if column is None else self._column(side, row, column) for row in rows]
        return aggregated(aggregate["function"], values)

    def _ordered(self, side: Node, rows: list[Row], order_by: str) -> list[Row]:
        """Return rows by a column's value, then the row key, then their source; those without it left out."""
        table = side["table"]
        places = {id(row): place for place, row in enumerate(self.world.rows[table])}
        kept = [row for row in rows if is_set(self._column(side, row, order_by))]
        return sorted(
            kept,
            key=lambda row: (
                exact(self._column(side, row, order_by)),
                self.world.row_key(table, row),
                places[id(row)],
            ),
        )

    def _passes_value(self, node: Node, value: Any) -> bool:
        """On an aggregate or measure without value nothing matches, negative or not."""
        if node.get("aggregate", {}).get("function") == "exists":
            return bool(value)
        return value is not None and self._passes_literal(node, value)

    def _sides(self, node: Node, key: Any) -> bool:
        left, right = self.value(node["left"], key), self.value(node["right"], key)
        if left is None or right is None:
            return False
        times = number(node.get("times", 1))
        if isinstance(right, float):
            right = right * float(times)
        elif not isinstance(right, str | bool | date):
            right = Fraction(right) * times
        return passes(self.clock, left, node["compare"], right)

    # behaviour over time

    def _sequence(self, node: Node, key: Any) -> bool:
        """Some chain of rows, each strictly later than the one before, suffices."""
        rows = list(self._rows(node, key))
        moments = [self.clock.moment(self._time(node, row)) for row in rows]

        def chained(step: int, after: datetime, until: datetime) -> bool:
            if step == len(node["steps"]):
                return True
            return any(
                after < moment <= until
                and self._row_passes(node["steps"][step], node, row)
                and chained(step + 1, moment, until)
                for row, moment in zip(rows, moments, strict=True)
            )

        return any(
            self.clock.holds(node["window"], moment)
            and self._row_passes(node["steps"][0], node, row)
            and chained(1, moment, self.clock.moved(moment, node["within"], 1))
            for row, moment in zip(rows, moments, strict=True)
        )

    def _periods(self, node: Node, key: Any) -> bool:
        """Period j holds as_of - (j+1) P < t <= as_of - j P; an empty period counts 0."""
        moments = [self.clock.moment(self._time(node, row)) for row in self._rows(node, key)]

        def passed(j: int) -> bool:
            begin = self.clock.moved(self.clock.as_of, node["period"], -(j + 1))
            end = self.clock.moved(self.clock.as_of, node["period"], -j)
            count = sum(begin < moment <= end for moment in moments)
            return self._passes_literal(node, count)

        return sum(passed(j) for j in range(node["of_last"])) >= int(node["at_least"])

    def _held(self, node: Node, key: Any) -> bool:
        """Since when the value stands, by the latest unbroken stretch of the attribute's history."""
        note = self._history(node)
        wanted = node["value"]
        rows = [
            row
            for row in self.world.related(note["table"], None)[key]
            if self.world.visible(note["table"], row, self.clock)
            and row[note["column"]] == node["column"]
        ]
        kind = self.world.catalog["tables"][note["table"]]["columns"][note["value"]]
        if kind == "text" and not isinstance(wanted, str):
            wanted = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
        same = [passes(self.clock, row[note["value"]], "eq", literal(wanted)) for row in rows]
        if not rows or not same[-1]:
            return False
        first = len(rows) - 1
        while first > 0 and same[first - 1]:
            first -= 1
        start = self.clock.moment(rows[first][self._time_column(note["table"])])
        limit = self.clock.ago(node["duration"])
        return start <= limit if node["compare"] == "gte" else start > limit

    def _history(self, node: Node) -> Node:
        notes = self.world.catalog["histories"]
        if node.get("history") is None:
            found: Node = notes[node["column"]]
            return found
        return next(note for note in notes.values() if note["table"] == node["history"])

    def _time_column(self, table: str) -> str:
        return str(self.world.catalog["tables"][table]["time"])

    # over all customers

    def _top(self, node: Node) -> set[Any]:
        """Rank all customers that have a value; ties by smaller key."""
        values = {key: self.value(node["by"], key) for key in self.world.customers}
        ranked = sorted(key for key, value in values.items() if value is not None)
        ranked.sort(key=lambda key: exact(values[key]), reverse=bool(node.get("descending", True)))
        if node.get("limit") is not None:
            return set(ranked[: node["limit"]])
        share = len(ranked) * number(node["percent"]) / 100
        return set(ranked[: int(share)])  # rounded down

    def projected(self, column: Node, key: Any) -> Any:
        """Return one extra output column: of the profile, of the one row, or a list of all visible rows."""
        if column.get("table") is None:
            return self.world.attribute(
                self.world.customers[key], column["column"], column.get("via"), self.clock
            )
        rows = reversed(list(self._rows(column, key)))  # newest first
        values = [self._column(column, row, column["column"]) for row in rows]
        path = self.world.path(column["table"], column.get("via"))
        if all(step["kind"] == "one_to_one" for step in path):
            return values[0] if values else None
        return values


def sampled(percent: Any, salt: str, key: Any) -> bool:
    """Whether a customer belongs to a sample: by a hash of the key and the salt, so always the same."""
    h = xxhash.xxh64_intdigest(str(key).encode(), seed=42)
    word = splitmix64(h ^ xxhash.xxh64_intdigest(salt.encode(), seed=42))
    return bool(word % 10_000 < number(percent) * 100)


def splitmix64(word: int) -> int:
    """Return one step of the generator splitmix64."""
    word = (word + 0x9E3779B97F4A7C15) & _WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)
