"""Random documents of every kind over a random catalog, small and with literals that meet the data."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from hypothesis import strategies as st
from tests.conformance.generation_catalog import Schema
from tests.conformance.generation_value import Pools, durations

Node = dict[str, Any]
T = TypeVar("T")

_ORDER = ("eq", "ne", "gt", "gte", "lt", "lte")
_SEARCH = ("contains", "starts_with", "ends_with")
_PATTERNS = ("^a", "b$", "[aA]b?", "(a|ß)+", "^.$", "s", "^$", ".a")
_NUMBERS = ("integer", "decimal(10,2)", "decimal(38,4)", "float")
_TIMES = ("date", "timestamp")
_CALENDAR = tuple(
    ["today", "yesterday", "tomorrow", "year_to_date"]
    + [f"{which}_{unit}" for which in ("this", "last", "next") for unit in ("week", "month")]
    + ["this_quarter", "last_quarter", "next_quarter", "this_year", "last_year", "next_year"]
)
#: Pairs of which the first surely lies further back.
_AGO = (
    ("2 weeks", "7 days"),
    ("1 month", "24 hours"),
    ("1 year", "1 quarter"),
    ("2 months", "1 month"),
)


@dataclass(slots=True, kw_only=True)
class Writer:
    """Writes conditions, one draw after the other, and notes which columns they need."""

    draw: st.DrawFn
    schema: Schema
    pools: Pools
    segments: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()

    def pick(self, *options: T) -> T:
        return self.draw(st.sampled_from(options))

    def maybe(self, share: int = 2) -> bool:
        """Return true once in `share` times."""
        return self.draw(st.integers(1, share)) == share

    # conditions on customers

    def condition(self, depth: int) -> Node:
        if depth and self.maybe(3):
            kind = self.pick("all", "any", "not")
            if kind == "not":
                return {"kind": "not", "of": self.condition(depth - 1)}
            size = self.draw(st.integers(0, 2)) + self.draw(st.integers(0, 1))
            return {"kind": kind, "of": [self.condition(depth - 1) for _ in range(size)]}
        return self.leaf()

    def leaf(self) -> Node:
        kinds = ["attribute"] * 4 + ["rows"] * 6 + ["top"] * 2 + ["compare"] * 2
        kinds += ["held", "held", "everyone", "sample"]
        if self.schema.catalog["tables"]["events"]["time"]:
            kinds += ["first_row"] * 2 + ["last_row"] * 2 + ["sequence"] * 3 + ["periods"] * 2
        kinds += ["segment"] if self.segments else []
        kinds += ["measure"] * 2 if self.measures else []
        written: Node = getattr(self, f"_{self.pick(*kinds)}")()
        return written

    def _everyone(self) -> Node:
        return {"kind": "everyone"}

    def _attribute(self) -> Node:
        return self.comparison(self.schema.profile_columns(), card=self.maybe(4))

    def _rows(self) -> Node:
        node: Node = {"kind": "rows"} | self.measurable(exists=True)
        if node["aggregate"]["function"] == "exists":
            return node
        return node | self.result(node)

    def _first_row(self) -> Node:
        return {"kind": "first_row"} | self.related() | {"window": self.window(past=True)}

    def _last_row(self) -> Node:
        return {"kind": "last_row"} | self.related() | {"having": self.row_condition(1)}

    def _sequence(self) -> Node:
        node = {"kind": "sequence"} | self.place("events")
        steps = [
            self.easy() if self.maybe() else self.row_condition(1)
            for _ in range(self.pick(2, 2, 3))
        ]
        window = self.pick({"last": "1 year"}, {"last": "2 months"}, self.window(past=True))
        within = self.pick("1 year", "1 month", self.draw(durations))
        return node | {"steps": steps, "within": within, "window": window}

    def _periods(self) -> Node:
        of_last = self.pick(1, 2, 3)
        node: Node = {"kind": "periods"} | self.related()
        node |= {"period": self.draw(durations), "of_last": of_last}
        node |= {"at_least": self.draw(st.integers(1, of_last))}
        compare, value = self.pick(("gte", 1), ("eq", 0), ("eq", 1), ("ne", 1))
        return node | {"compare": compare, "value": value}

    def _held(self) -> Node:
        column = self.pick("word", "word", "flag")
        value = self.pick("a", "a", "b", "Straße") if column == "word" else self.pick(True, False)
        node = {"kind": "held", "column": column, "value": value}
        node |= {"compare": self.pick("gte", "lt"), "duration": self.draw(durations)}
        return node | ({"history": "changes"} if self.maybe(5) else {})

    def _segment(self) -> Node:
        return {"kind": "segment", "name": self.pick(*self.segments)}

    def _measure(self) -> Node:
        return {"kind": "measure", "name": self.pick(*self.measures), "compare": "is_set"} | (
            {"compare": self.pick(*_ORDER), "value": self.pick(0, 1, 2, "0.5", "10.1")}
        )

    def _compare(self) -> Node:
        times = self.maybe(3)
        sides = [self.side(times=times) for _ in range(2)]
        node = {"kind": "compare", "left": sides[0], "compare": self.pick(*_ORDER)}
        node |= {"right": sides[1]}
        if times or self.maybe():
            return node
        factors = ("2", "0.5", "-1") if "ratio" in str(sides) else ("2", "1.1", "-1", "0.001")
        return node | {"times": self.pick(*factors)}

    def _top(self) -> Node:
        node: Node = {"kind": "top", "by": self.ranked()}
        share = {"percent": self.pick(0, 1, 20, 33, 50, "66.67", 100)}
        node |= {"limit": self.pick(1, 2, 3, 9)} if self.maybe() else share
        return node | ({"descending": False} if self.maybe() else {})

    def _sample(self) -> Node:
        return {
            "kind": "sample",
            "percent": self.pick(0, 50, "12.5", 99),
            "salt": self.pick("x", "ß"),
        }

    # what is measured

    def side(self, *, times: bool) -> Node:
        if self.measures and not times and self.maybe(4):
            return {"measure": self.pick(*self.measures)}
        kinds = ("timestamp",) if times else _NUMBERS
        return self.measurable(functions=("min", "max") if times else None, kinds=kinds)

    def ranked(self) -> Node:
        if self.maybe(3):
            columns = self.schema.profile_columns()
            fit = [name for name, kind in columns.items() if kind in (*_NUMBERS, *_TIMES)]
            return {"column": self.pick(*fit)}
        return self.measurable(kinds=(*_NUMBERS, *_TIMES))

    def measurable(
        self,
        *,
        exists: bool = False,
        functions: tuple[str, ...] | None = None,
        kinds: tuple[str, ...] | None = None,
    ) -> Node:
        """Write an aggregate over related rows, of a result of one of `kinds`."""
        table = self.pick("events", "events", "events", "baskets")
        node = self.related(table)
        time = self.schema.catalog["tables"][table]["time"]
        if time and self.maybe():
            node["window"] = self.window(past=False)
        if time and (self.maybe(5) or "next" in node.get("window", {})):
            node["include_future"] = True
        offered = ["count", "count_distinct", "sum", "avg", "min", "max", "first", "last", "last"]
        function = self.pick(*(functions or (*offered, *(("exists",) * 2 if exists else ()))))
        aggregate: Node = {"function": function}
        if function in ("sum", "avg"):
            aggregate["column"] = self.column(_NUMBERS, table)
        elif function in ("min", "max"):
            aggregate["column"] = self.column(kinds or (*_NUMBERS, *_TIMES), table)
        elif function == "count_distinct":
            every = tuple(k for k in self.schema.columns(table).values() if "array" not in k)
            aggregate["column"] = self.column(every, table)
        elif function in ("first", "last"):
            aggregate["column"] = self.column(kinds, table)
            if time is None or self.maybe(3):
                aggregate["order_by"] = self.column((*_NUMBERS, *_TIMES), table)
        return node | {"aggregate": aggregate}

    def result(self, node: Node) -> Node:
        """Write a comparison of an aggregate's result."""
        function, column = node["aggregate"]["function"], node["aggregate"].get("column")
        if function in ("count", "count_distinct"):
            value = self.pick(0, 1, 1, 2, "1.5")
            return {"compare": self.pick(*_ORDER), "value": value}
        kind = self.schema.columns(node["table"])[column]
        test = self.test(kind)
        test.pop("ignore_case", None)
        return test

    def column(self, kinds: tuple[str, ...] | None, table: str) -> str:
        columns = self.schema.columns(table)
        return self.pick(*(n for n, kind in columns.items() if kinds is None or kind in kinds))

    def related(self, table: str = "events") -> Node:
        node = self.place(table)
        if self.maybe():
            node["where"] = self.row_condition(2, table)
        return node

    def place(self, table: str) -> Node:
        way = self.pick(*self.schema.ways) if table == "events" else []
        return {"table": table} | ({"via": way} if way else {})

    # conditions on rows

    def row_condition(self, depth: int, table: str = "events") -> Node:
        if depth and self.maybe(4):
            kind = self.pick("all", "any", "not")
            if kind == "not":
                return {"kind": "not", "of": self.row_condition(depth - 1, table)}
            size = self.draw(st.integers(0, 2))
            return {"kind": kind, "of": [self.row_condition(depth - 1, table) for _ in range(size)]}
        return self.easy() if self.maybe(3) else self.comparison(self.schema.columns(table))

    def easy(self) -> Node:
        """Write a test that most rows pass, so that conditions on several of them hold at times."""
        node = {"kind": "attribute", "column": self.pick("word", "count", "flag")}
        values = {"word": "b", "count": 1, "flag": False}
        if self.maybe():
            return node | {"compare": "ne", "value": values[node["column"]]}
        return node | {"compare": "is_set"}

    def comparison(self, columns: dict[str, str], *, card: bool = False) -> Node:
        plain = {n: k for n, k in columns.items() if n.startswith("card.") == card}
        columns = plain or columns
        column = self.pick(*columns)
        kind = columns[column]
        node = {"kind": "attribute", "column": column}
        if self.maybe(6) and not kind.startswith("array"):
            return node | self.relation(kind, columns)
        return node | self.test(kind)

    def relation(self, kind: str, columns: dict[str, str]) -> Node:
        family = next((f for f in (_NUMBERS, _TIMES) if kind in f), (kind,))
        other = self.pick(*(name for name, k in columns.items() if k in family))
        compares = ("eq", "ne") if kind in ("text", "boolean") else _ORDER
        node = {"compare": self.pick(*compares), "value": {"column": other}}
        return node | ({"ignore_case": True} if kind == "text" and self.maybe() else {})

    def test(self, kind: str) -> Node:
        """Write compare and value for a column of this type."""
        if self.maybe(8):
            return {"compare": self.pick("is_set", "is_not_set")}
        if kind == "text":
            return self._text()
        if kind.startswith("array"):
            return self._array(kind)
        if kind == "boolean":
            if self.maybe():
                return {"compare": self.pick("is_true", "is_false")}
            return {"compare": self.pick("eq", "ne"), "value": self.maybe()}
        if kind in _TIMES and self.maybe():
            return self._time(kind)
        return self._ordered(kind)

    def _text(self) -> Node:
        literal = self.pools.literals("text")
        form = self.pick("one", "one", "many", "search", "search", "pattern")
        if form == "pattern":
            return {"compare": self.pick("matches", "not_matches"), "value": self.pick(*_PATTERNS)}
        if form == "one":
            node = {"compare": self.pick("eq", "ne"), "value": self.draw(literal)}
        elif form == "many":
            values = self.draw(st.lists(literal, min_size=1, max_size=4))
            node = {"compare": self.pick("in", "not_in"), "value": values}
        else:
            compare = self.pick("", "not_") + self.pick(*_SEARCH)
            node = {"compare": compare, "value": self.draw(literal)}
        return node | ({"ignore_case": True} if self.maybe() else {})

    def _array(self, kind: str) -> Node:
        literal = self.pools.literals(kind)
        if self.maybe(3):
            values = self.draw(st.lists(literal, min_size=1, max_size=3))
            node = {"compare": self.pick("in", "not_in"), "value": values}
        else:
            compare = self.pick("eq", "ne", "contains_item", "not_contains_item")
            node = {"compare": compare, "value": self.draw(literal)}
        return node | ({"ignore_case": True} if "text" in kind and self.maybe(3) else {})

    def _ordered(self, kind: str) -> Node:
        literal = self.pools.literals(kind)
        form = self.pick("one", "one", "one", "many", "between")
        if form == "one":
            return {"compare": self.pick(*_ORDER), "value": self.draw(literal)}
        if form == "many":
            values = self.draw(st.lists(literal, min_size=1, max_size=3))
            return {"compare": self.pick("in", "not_in"), "value": values}
        if kind == "timestamp":
            literal = self.pools.dates() if self.maybe() else self.pools.instants()
        ends = [self.draw(literal), self.draw(literal)]
        read = self._instant if kind in _TIMES else lambda number: Decimal(str(number))
        return {
            "compare": self.pick("between", "not_between"),
            "value": sorted(ends, key=read),
        }

    def _instant(self, literal: str) -> Any:
        return self.pools.clock.read(literal)

    def _time(self, kind: str) -> Node:
        form = self.pick("window", "window", "ago", "part", "anniversary")
        if form == "window":
            return {"compare": self.pick("in_window", "not_in_window"), "value": self.window()}
        if form == "anniversary":
            return {"compare": "anniversary_in_window", "value": self.window()}
        if form == "ago":
            instant = {self.pick("ago", "ago", "ahead"): self.draw(durations)}
            return {"compare": self.pick(*_ORDER), "value": instant}
        part = self.pick("day_of", "month_of", "year_of", "weekday_of")
        values: dict[str, tuple[int, ...]] = {
            "day_of": (1, 28, 29, 31),
            "month_of": (1, 2, 3, 10),
            "weekday_of": (1, 7, 3),
        }
        options = values.get(part, (2024, 2026, 2025))
        one, other = self.pick(*options), self.pick(*options)
        return {"compare": part, "value": [one, other] if self.maybe() else one}

    # windows

    def window(self, *, past: bool | None = None) -> Node:
        """Write a window; `past`: True for the time of rows, False for rows of a measure, None for a value."""
        forms = ["last", "last", "between_ago", "before_ago", "from/to", "calendar", "day_offset"]
        form = self.pick(*forms, *(() if past else ("next",)))
        window = self._form(form)
        if past is False and self.maybe(5):
            names = [n for n, k in self.schema.columns("baskets").items() if k in _TIMES]
            window["on"] = self.pick(*names)
        return window

    def _form(self, form: str) -> Node:
        match form:
            case "last" | "before_ago" | "next":
                return {form: self.draw(durations)}
            case "between_ago":
                return {form: list(self.pick(*_AGO))}
            case "calendar":
                return {form: self.pick(*_CALENDAR)}
            case "day_offset":
                return {form: self.pick(0, -1, -7, 1)}
        literal = st.one_of(self.pools.dates(), self.pools.instants())
        ends = sorted([self.draw(literal), self.draw(literal)], key=self._instant)
        if self._instant(ends[0]) == self._instant(ends[1]) or self.maybe(3):
            return self.pick({"from": ends[0]}, {"to": ends[1]})
        return {"from": ends[0], "to": ends[1]}
