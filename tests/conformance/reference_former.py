"""The rule language once more, in plain Python and one customer at a time: what kernels are held against.

Shares no code with them: it reads documents as plain data and rows as dictionaries.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
_NEGATIVE = {"ne": "eq", "is_not_set": "is_set"}
_FIXED = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_STEPS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Everything that is true at one `as_of`."""

    customers: list[Row]
    tables: dict[str, list[Row]]
    times: dict[str, str | None]
    as_of: datetime
    zone: ZoneInfo

    def members(self, document: dict[str, Any]) -> list[bool]:
        found = [False] * len(self.customers)
        for rule in document["rules"]:
            chosen = [self.holds(rule["where"], i) for i in range(len(self.customers))]
            combine: Callable[[bool, bool], bool] = {
                None: lambda _, b: b,
                "union": lambda a, b: a or b,
                "intersect": lambda a, b: a and b,
                "except": lambda a, b: a and not b,
            }[rule.get("combine")]
            found = [combine(a, b) for a, b in zip(found, chosen, strict=True)]
        return [m and c["_alive"] for m, c in zip(found, self.customers, strict=True)]

    def holds(self, node: dict[str, Any], customer: int) -> bool:
        match node["kind"]:
            case "everyone":
                return True
            case "all":
                return bool(node["of"]) and all(self.holds(n, customer) for n in node["of"])
            case "any":
                return any(self.holds(n, customer) for n in node["of"])
            case "not":
                return not self.holds(node["of"], customer)
            case "attribute":
                return self._compare(self.customers[customer], node)
            case _:
                return self._rows(node, customer)

    def _row_holds(self, node: dict[str, Any], row: Row) -> bool:
        match node["kind"]:
            case "all":
                return bool(node["of"]) and all(self._row_holds(n, row) for n in node["of"])
            case "any":
                return any(self._row_holds(n, row) for n in node["of"])
            case "not":
                return not self._row_holds(node["of"], row)
            case _:
                return self._compare(row, node)

    def _rows(self, node: dict[str, Any], customer: int) -> bool:
        rows = [
            row
            for row in self.tables[node["table"]]
            if row["_ordinal"] == customer
            and self._visible(node, row)
            and ("where" not in node or self._row_holds(node["where"], row))
        ]
        function = node["aggregate"]["function"]
        column = node["aggregate"].get("column")
        values = [row[column] for row in rows if is_set(row[column])] if column else []
        result: Any
        match function:
            case "exists":
                return bool(rows)
            case "count":
                result = len(rows)
            case "count_distinct":
                result = len(set(values))
            case "sum":
                result = sum(map(_exact, values), Fraction(0))
            case "avg":
                result = sum(map(_exact, values), Fraction(0)) / len(values) if values else None
            case _:
                result = {"min": min, "max": max}[function](values) if values else None
        if result is None:
            return False
        return self._value_holds(result, node["compare"], node.get("value"), fold=False)

    def _visible(self, node: dict[str, Any], row: Row) -> bool:
        column = self.times[node["table"]]
        if column is None:
            return True
        moment = row[column]
        if moment is None:
            return False
        if not isinstance(moment, datetime):
            moment = self._midnight(moment)
        if moment > self.as_of and not node.get("include_future"):
            return False
        window = node.get("window", {})
        if "last" in window:
            return self._ago(window["last"]) < moment <= self.as_of
        after = "from" not in window or moment >= self._edge(window["from"])
        return after and ("to" not in window or moment < self._edge(window["to"]))

    def _edge(self, text: str) -> datetime:
        return self._midnight(date.fromisoformat(text)) if len(text) == 10 else self._instant(text)

    def _instant(self, text: str) -> datetime:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=self.zone).astimezone(UTC)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), tzinfo=self.zone).astimezone(UTC)

    def _ago(self, text: str) -> datetime:
        number, unit = text.split()
        unit = unit.removesuffix("s")
        if unit in _FIXED:
            return self.as_of - timedelta(seconds=int(number) * _FIXED[unit])
        local = self.as_of.astimezone(self.zone)
        months = local.year * 12 + local.month - 1 - int(number) * _STEPS[unit]
        year, month = months // 12, months % 12 + 1
        day = min(local.day, calendar.monthrange(year, month)[1])
        moved = local.replace(year=year, month=month, day=day, tzinfo=None, fold=0)
        return moved.replace(tzinfo=self.zone).astimezone(UTC)

    def _compare(self, row: Row, node: dict[str, Any]) -> bool:
        value, wanted = row[node["column"]], node.get("value")
        fold = bool(node.get("ignore_case"))
        if isinstance(wanted, dict) and "ago" in wanted:
            wanted = self._ago(wanted["ago"])
            if not isinstance(value, datetime):
                wanted = wanted.astimezone(self.zone).date()
        if isinstance(wanted, dict):
            wanted = row[wanted["column"]]
            if not is_set(wanted):
                return bool(node["compare"] == "ne")
        return self._value_holds(value, node["compare"], wanted, fold=fold)

    def _value_holds(self, value: Any, compare: str, wanted: Any, *, fold: bool) -> bool:
        if compare in _NEGATIVE or compare.startswith("not_"):
            positive = _NEGATIVE.get(compare, compare.removeprefix("not_"))
            return not self._value_holds(value, positive, wanted, fold=fold)
        if not is_set(value):
            return False
        if compare == "is_set":
            return True
        if isinstance(value, list):
            compare = "eq" if compare == "contains_item" else compare
            return any(
                self._value_holds(item, compare, wanted, fold=fold)
                for item in value
                if is_set(item)
            )
        return self._positive(value, compare, wanted, fold=fold)

    def _positive(self, value: Any, compare: str, wanted: Any, *, fold: bool) -> bool:
        match compare:
            case "is_true" | "is_false":
                return value is (compare == "is_true")
            case "in":
                return any(self._positive(value, "eq", item, fold=fold) for item in wanted)
            case "between":
                low, high = wanted
                return self._positive(value, "gte", low, fold=fold) and self._positive(
                    value, "lte", high, fold=fold
                )
            case "eq" | "gt" | "gte" | "lt" | "lte":
                left, right = self._pair(value, wanted, fold=fold)
                return bool(
                    {
                        "eq": left == right,
                        "gt": compare == "gt" and left > right,
                        "gte": compare == "gte" and left >= right,
                        "lt": compare == "lt" and left < right,
                        "lte": compare == "lte" and left <= right,
                    }[compare]
                )
        text, part = (value.casefold(), wanted.casefold()) if fold else (value, wanted)
        match compare:
            case "contains":
                return bool(part in text)
            case "starts_with":
                return bool(text.startswith(part))
            case "ends_with":
                return bool(text.endswith(part))
            case _:
                return re.search(part, text) is not None

    def _pair(self, value: Any, wanted: Any, *, fold: bool) -> tuple[Any, Any]:
        """Bring a value and a literal to terms in which Python compares them as the rules say."""
        if isinstance(value, date) and isinstance(wanted, date):
            both = isinstance(value, datetime) and isinstance(wanted, datetime)
            return (value, wanted) if both else (self._day(value), self._day(wanted))
        if isinstance(value, datetime):
            if isinstance(wanted, str) and len(wanted) == 10:
                return value.astimezone(self.zone).date(), date.fromisoformat(wanted)
            return value, self._instant(wanted) if isinstance(wanted, str) else wanted
        if isinstance(value, date):
            return value, date.fromisoformat(wanted) if isinstance(wanted, str) else wanted
        if isinstance(value, str):
            return (value.casefold(), wanted.casefold()) if fold else (value, wanted)
        if isinstance(value, bool):
            return value, wanted
        if isinstance(value, float) or isinstance(wanted, float):
            return float(value), float(wanted)
        return Fraction(value), Fraction(Decimal(str(wanted)))

    def _day(self, value: date) -> date:
        return value.astimezone(self.zone).date() if isinstance(value, datetime) else value


def is_set(value: Any) -> bool:
    if isinstance(value, list):
        return any(is_set(item) for item in value)
    return value is not None and value != "" and not (isinstance(value, float) and isnan(value))


def _exact(value: Any) -> Any:
    return value if isinstance(value, float) else Fraction(value)
