"""Values, windows and comparisons in plain English, for sentences about rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from muster_core.rules.value import Ago, Ahead, ColumnValue, Scalar, Window

_WORD = re.compile(r"[^\W\d_][\w-]*")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[0-9T:.Z+-]*")
#: Words that a sentence uses itself; as a value they stand in quotes.
_TAKEN = frozenset("true false and or not is in of with set missing the who whose".split())  # noqa: SIM905
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NUMBERS = {
    "gt": "is over",
    "gte": "is at least",
    "lt": "is under",
    "lte": "is at most",
}
_TIMES = {
    "gt": "is after",
    "gte": "is at or after",
    "lt": "is before",
    "lte": "is at or before",
}
_SINGLE = {
    "eq": "is",
    "ne": "is not",
    "contains": "contains",
    "not_contains": "does not contain",
    "contains_item": "has the item",
    "not_contains_item": "has no item",
    "starts_with": "starts with",
    "not_starts_with": "does not start with",
    "ends_with": "ends with",
    "not_ends_with": "does not end with",
    "matches": "matches the pattern",
    "not_matches": "does not match the pattern",
}
_ALONE = {
    "is_set": "is set",
    "is_not_set": "is not set",
    "is_true": "is true",
    "is_false": "is false",
}
_PARTS = {"day_of": "is on day", "month_of": "is in month", "year_of": "is in year"}


def name_phrase(name: str) -> str:
    """Return a name of the catalog; one that is no plain word stands in quotes."""
    plain = re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name)
    return name if plain else "`" + name.replace("`", "``") + "`"


def value_phrase(value: Any) -> str:
    """Return what stands on the right of a comparison."""
    match value:
        case tuple():
            return list_phrase(value)
        case ColumnValue():
            return f"the value of {name_phrase(value.column)}"
        case Ago():
            return f"{value.ago} ago"
        case Ahead():
            return f"{value.ahead} ahead"
        case Window():
            return window_phrase(value)
        case None:
            return "nothing"
        case _:
            return _literal(value)


def quoted(text: str) -> str:
    """Return a text in quotes; a quote inside is written twice, so that it ends nothing."""
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _literal(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        plain = _WORD.fullmatch(value) or _DATE.fullmatch(value)
        return value if plain and value.casefold() not in _TAKEN else quoted(value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def list_phrase(values: Sequence[Scalar], word: str = "or") -> str:
    """Return values as a list, the last joined by `word`."""
    known = [value_phrase(value) for value in values]
    if len(known) < 2:
        return known[0] if known else "nothing"
    return f"{', '.join(known[:-1])} {word} {known[-1]}"


def window_phrase(window: Window) -> str:
    """Return a window as an adverb: ``in the last 30 days``."""
    on = "" if window.on is None else f" by {name_phrase(window.on)}"
    return _form(window) + on


def _form(window: Window) -> str:
    if window.last is not None:
        return f"in the last {window.last}"
    if window.next is not None:
        return f"in the next {window.next}"
    if window.between_ago is not None:
        return f"between {window.between_ago[0]} and {window.between_ago[1]} ago"
    if window.before_ago is not None:
        return f"{window.before_ago} ago or earlier"
    if window.calendar is not None:
        to_date = window.calendar == "year_to_date"
        return "this year up to now" if to_date else window.calendar.replace("_", " ")
    if window.day_offset is not None:
        return _day(window.day_offset)
    if window.from_ is None:
        return f"before {_literal(window.to or '')}"
    begin = f"from {_literal(window.from_)}"
    return f"{begin} on" if window.to is None else f"{begin} up to but not including {window.to}"


def _day(offset: int) -> str:
    if offset == 0:
        return "on the day of the evaluation"
    days = f"{abs(offset)} day{'' if abs(offset) == 1 else 's'}"
    return f"on the calendar day {days} {'before' if offset < 0 else 'after'} the evaluation"


def comparison_phrase(compare: str, value: Any, *, missing: bool, ignore_case: bool = False) -> str:
    """Return a comparison as what its subject does: ``is at least 3``.

    With `missing`, a negative comparison says that it holds where there is no value.
    """
    text = _test(compare, value)
    notes = ["ignoring case"] if ignore_case else []
    if missing and compare.startswith(("ne", "not_")):
        notes.append("or is missing")
    return f"{text} ({', '.join(notes)})" if notes else text


def _test(compare: str, value: Any) -> str:
    if compare in _ALONE and value is None:
        return _ALONE[compare]
    if compare in _NUMBERS:
        timely = isinstance(value, str | Ago | Ahead)
        return f"{(_TIMES if timely else _NUMBERS)[compare]} {value_phrase(value)}"
    if compare in _SINGLE:
        return f"{_SINGLE[compare]} {value_phrase(value)}"
    several = value if isinstance(value, tuple) else (value,)
    negated = "not " if compare.startswith("not_") else ""
    match compare.removeprefix("not_"):
        case "in":
            return f"is {'none' if negated else 'one'} of {list_phrase(several)}"
        case "between":
            return f"is {negated}between {list_phrase(several, 'and')}"
        case "in_window":
            return f"is {negated}{value_phrase(value)}"
        case "anniversary_in_window":
            return f"has an anniversary {value_phrase(value)}"
        case "weekday_of":
            return f"is on a {' or '.join(_weekday(v) for v in several)}"
    if compare in _PARTS:
        tail = " of the month" if compare == "day_of" else ""
        return f"{_PARTS[compare]} {list_phrase(several)}{tail}"
    return f"{compare.replace('_', ' ')} {value_phrase(value)}"


def _weekday(value: Any) -> str:
    known = type(value) is int and 1 <= value <= 7
    return _WEEKDAYS[value - 1] if known else f"weekday {value_phrase(value)}"
