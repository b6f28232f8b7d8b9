"""The words of the builder: kinds, comparisons, functions, windows, as people read them."""

from __future__ import annotations

from muster_core.catalog.type import ColumnType, Kind
from muster_core.rules.value import CALENDAR

#: Kinds of conditions as they are offered: icon, name, what it is for.
KINDS: dict[str, tuple[str, str, str]] = {
    "attribute": ("person", "Attribute", "A column of the customer compares with a value"),
    "rows": ("table_rows", "Related rows", "Count, sum or find rows of a table, such as orders"),
    "all": ("join_inner", "Group: all of these", "Every condition inside holds"),
    "any": ("join_full", "Group: any of these", "At least one condition inside holds"),
    "not": ("block", "Not", "Everybody for whom a condition does not hold"),
    "segment": ("groups", "Segment", "Members of another segment"),
    "measure": ("functions", "Measure", "The customer's value of a measure compares"),
    "compare": ("balance", "Two aggregates", "Hold one aggregate against another"),
    "top": ("leaderboard", "Top or bottom", "The first customers by rank, a number or a share"),
    "sample": ("casino", "Sample", "The same share of customers in every run"),
    "first_row": ("first_page", "First row", "The customer's earliest row lies in a window"),
    "last_row": ("last_page", "Latest row", "The customer's latest row passes a condition"),
    "sequence": ("timeline", "Sequence", "Rows that follow one another within a time"),
    "periods": ("event_repeat", "Regularity", "Rows in enough of the last equal periods"),
    "held": ("history", "Value held", "A value has lasted at least, or less than, so long"),
    "everyone": ("public", "Everyone", "All customers"),
}
#: What can stand in a condition on one row.
ROW_KINDS = ("attribute", "all", "any", "not")

COMBINES = {
    "union": "plus (union)",
    "intersect": "of these only (intersect)",
    "except": "without (except)",
}
_COMPARES = {
    "eq": "is",
    "ne": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "gt": "is over",
    "gte": "is at least",
    "lt": "is under",
    "lte": "is at most",
    "between": "is between",
    "not_between": "is not between",
    "contains": "contains",
    "not_contains": "does not contain",
    "starts_with": "starts with",
    "not_starts_with": "does not start with",
    "ends_with": "ends with",
    "not_ends_with": "does not end with",
    "matches": "matches the pattern",
    "not_matches": "does not match the pattern",
    "is_set": "is set",
    "is_not_set": "is not set",
    "is_true": "is true",
    "is_false": "is false",
    "contains_item": "has the item",
    "not_contains_item": "has not the item",
    "in_window": "lies in",
    "not_in_window": "does not lie in",
    "day_of": "is on a day of the month",
    "month_of": "is in a month",
    "year_of": "is in a year",
    "weekday_of": "is on a weekday",
    "anniversary_in_window": "has its anniversary in",
}
_TIMES = {
    "gt": "is after",
    "gte": "is at or after",
    "lt": "is before",
    "lte": "is at or before",
}
FUNCTIONS = {
    "exists": "there is a row",
    "count": "number of rows",
    "count_distinct": "number of different values of",
    "sum": "total of",
    "avg": "average of",
    "min": "smallest",
    "max": "largest",
    "first": "first value of",
    "last": "latest value of",
}
WINDOWS = {
    "last": "in the last",
    "next": "in the next",
    "between_ago": "between two times ago",
    "before_ago": "longer ago than",
    "from/to": "between two dates",
    "calendar": "in the calendar period",
    "day_offset": "on one day, counted from today",
}
CALENDARS = {
    name: "this year up to now" if name == "year_to_date" else name.replace("_", " ")
    for name in CALENDAR
}
UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
WEEKDAYS = {
    number + 1: name
    for number, name in enumerate(
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    )
}
MONTHS = {
    number + 1: name
    for number, name in enumerate(
        (
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        )
    )
}
POLICIES = {"use_last": "use its latest members", "skip": "skip the run"}
#: Comparisons that hold where there is no value, as rules.md says.
HOLDS_WITHOUT = "It also holds where there is no value."


def compare_words(compare: str, kind: ColumnType | None) -> str:
    """Return a comparison as people say it of values of a type."""
    if kind is not None and kind.is_time and compare in _TIMES:
        return _TIMES[compare]
    return _COMPARES[compare]


def holds_without_value(compare: str) -> bool:
    """Whether a comparison of a column is true where there is no value."""
    return compare == "ne" or compare.startswith("not_") or compare == "is_not_set"


def type_words(kind: ColumnType) -> str:
    """Return a type as people say it."""
    if kind.kind is Kind.ARRAY and kind.element is not None:
        return f"list of {type_words(kind.element)}"
    return {
        Kind.INTEGER: "whole number",
        Kind.DECIMAL: "number",
        Kind.FLOAT: "number",
        Kind.BOOLEAN: "yes or no",
        Kind.TIMESTAMP: "date and time",
    }.get(kind.kind, kind.kind.value)
