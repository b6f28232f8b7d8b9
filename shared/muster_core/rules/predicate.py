"""Comparisons made ready for kernels: literals converted, zones and `as_of` resolved, negation explicit.

Numbers and times are ranges in the column's own terms, both ends included: integers as they are, decimals
scaled to whole numbers, dates as days and timestamps as microseconds since 1970, floats as doubles.
A missing value passes exactly the negated predicates.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Node(BaseModel):
    """A node of a plan: immutable, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class IsSet(Node):
    """The value is set."""

    test: Literal["set"] = "set"
    negate: bool = False


class Truth(Node):
    """The boolean is `expected`."""

    test: Literal["truth"] = "truth"
    expected: bool
    negate: bool = False


class WholeRanges(Node):
    """The value, in whole numbers, lies in one of the ranges; None is an open end."""

    test: Literal["whole"] = "whole"
    ranges: tuple[tuple[int | None, int | None], ...]
    negate: bool = False


class FloatRanges(Node):
    """The double lies in one of the ranges; None is an open end."""

    test: Literal["float"] = "float"
    ranges: tuple[tuple[float | None, float | None], ...]
    negate: bool = False


class ScaledRanges(Node):
    """A mean lies in one of the ranges, whose ends are (whole number, scale, included)."""

    test: Literal["mean"] = "mean"
    ranges: tuple[tuple[tuple[int, int, bool] | None, tuple[int, int, bool] | None], ...]
    negate: bool = False


class TextIn(Node):
    """The text is one of `texts`; with `fold`, after case folding of both sides."""

    test: Literal["text_in"] = "text_in"
    texts: tuple[str, ...]
    fold: bool = False
    negate: bool = False


class TextLike(Node):
    """The text contains, begins or ends with `text`, or holds a match of the pattern `text`."""

    test: Literal["text_like"] = "text_like"
    how: Literal["contains", "starts_with", "ends_with", "matches"]
    text: str
    fold: bool = False
    negate: bool = False


class SameRow(Node):
    """The value stands in `relation` to that of column `other` of the same row or profile.

    A date against a timestamp is held against its local date in `zone`.
    """

    test: Literal["column"] = "column"
    other: str
    other_type: str
    relation: Literal["eq", "gt", "gte", "lt", "lte"]
    zone: str = "UTC"
    fold: bool = False
    negate: bool = False


class CalendarPart(Node):
    """The day of the month, month, year or weekday (1 is Monday) of the date is one of `values`.

    A timestamp counts as its local date in `zone`.
    """

    test: Literal["calendar"] = "calendar"
    part: Literal["day", "month", "year", "weekday"]
    values: tuple[int, ...]
    zone: str = "UTC"
    negate: bool = False


class Anniversary(Node):
    """Some yearly return of the date, never before the date itself, is a day from `first` to `last`.

    Days count since 1970, both ends included, None is open. 29 February returns on 28 February in common
    years; a timestamp counts as its local date in `zone`.
    """

    test: Literal["anniversary"] = "anniversary"
    first: int | None
    last: int | None
    zone: str = "UTC"
    negate: bool = False


ElementPredicate = Annotated[
    Truth | WholeRanges | FloatRanges | TextIn | TextLike, Field(discriminator="test")
]


class SomeElement(Node):
    """Some set element of the array passes."""

    test: Literal["element"] = "element"
    of: ElementPredicate
    negate: bool = False


Predicate = Annotated[
    IsSet
    | Truth
    | WholeRanges
    | FloatRanges
    | ScaledRanges
    | TextIn
    | TextLike
    | SameRow
    | CalendarPart
    | Anniversary
    | SomeElement,
    Field(discriminator="test"),
]
