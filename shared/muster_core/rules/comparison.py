"""Comparisons compiled to predicates: one place decides what fits a type, for saving and for running."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from muster_core.catalog.type import ColumnType, Kind
from muster_core.rules.condition import Compare
from muster_core.rules.duration import parse_duration, shift
from muster_core.rules.instant import to_local
from muster_core.rules.literal import (
    Frame,
    Whole,
    read_double,
    read_exact,
    read_flag,
    read_text,
    whole_span,
)
from muster_core.rules.misfit import Misfit
from muster_core.rules.predicate import (
    Anniversary,
    CalendarPart,
    FloatRanges,
    IsSet,
    Predicate,
    ScaledRanges,
    SomeElement,
    TextIn,
    TextLike,
    Truth,
    WholeRanges,
)
from muster_core.rules.value import Ago, Ahead, ColumnValue, Scalar, Window
from muster_core.rules.window import column_bounds, window_bounds

_SET = ("is_set", "is_not_set")
_ORDER = ("eq", "ne", "in", "not_in", "gt", "gte", "lt", "lte", "between", "not_between")
_TIME_ONLY = (
    "in_window",
    "not_in_window",
    "day_of",
    "month_of",
    "year_of",
    "weekday_of",
    "anniversary_in_window",
)
_TEXT = (
    "eq",
    "ne",
    "in",
    "not_in",
    "contains",
    "not_contains",
    "starts_with",
    "not_starts_with",
    "ends_with",
    "not_ends_with",
    "matches",
    "not_matches",
)

INTEGER = ColumnType(kind=Kind.INTEGER)

#: Which comparisons each type has, as rules.md's table lists them.
COMPARISONS: dict[Kind, tuple[str, ...]] = {
    Kind.TEXT: (*_TEXT, *_SET),
    Kind.INTEGER: (*_ORDER, *_SET),
    Kind.DECIMAL: (*_ORDER, *_SET),
    Kind.FLOAT: (*_ORDER, *_SET),
    Kind.BOOLEAN: ("eq", "ne", "is_true", "is_false", *_SET),
    Kind.DATE: (*_ORDER, *_TIME_ONLY, *_SET),
    Kind.TIMESTAMP: (*_ORDER, *_TIME_ONLY, *_SET),
    Kind.ARRAY: ("contains_item", "not_contains_item", "eq", "ne", "in", "not_in", *_SET),
}
_WINDOWS = frozenset(("in_window", "not_in_window", "anniversary_in_window"))
#: Parts of a date, and the numbers each may be.
_PARTS = {
    "day_of": ("day", 1, 31),
    "month_of": ("month", 1, 12),
    "year_of": ("year", None, None),
    "weekday_of": ("weekday", 1, 7),
}
WITHOUT_VALUE = frozenset(("is_set", "is_not_set", "is_true", "is_false"))
_LISTS = frozenset(("in", "not_in", "between", "not_between"))

Given = Scalar | tuple[Scalar, ...] | ColumnValue | Ago | Ahead | Window | None


def split_negation(compare: str) -> tuple[str, bool]:
    """Return the positive comparison and whether `compare` is its negation."""
    if compare == "ne":
        return "eq", True
    if compare == "is_not_set":
        return "is_set", True
    return compare.removeprefix("not_"), compare.startswith("not_")


def compile_comparison(
    kind: ColumnType,
    compare: Compare,
    value: Given,
    *,
    frame: Frame,
    ignore_case: bool = False,
    mean: bool = False,
) -> list[Misfit] | Predicate:
    """Return the predicate of a comparison, or everything that does not fit.

    `mean` compiles for an exact average, whose value need not be a whole number at the column's scale.
    """
    try:
        _check_shape(kind, compare, value, ignore_case)
    except Misfit as exc:
        return [exc]
    positive, negate = split_negation(compare)
    if positive == "is_set":
        return IsSet(negate=negate)
    if compare in ("is_true", "is_false"):
        return Truth(expected=compare == "is_true")
    if isinstance(value, Window):
        return _within(kind, positive, value, frame, negate)
    if compare in _PARTS:
        return _part(kind, compare, value, frame)
    found, misfits = _resolve(value, kind, frame)
    if misfits:
        return misfits
    if isinstance(value, Ago | Ahead):
        # a written date is held to sensible years; a computed one is right whatever its year
        frame = replace(frame, limits=replace(frame.limits, first_year=1, last_year=9998))
    try:
        if kind.kind is Kind.ARRAY:
            assert kind.element is not None
            test = "eq" if positive == "contains_item" else positive
            inner = _positive(kind.element, test, found, frame, ignore_case, negate=False)
            if isinstance(inner, IsSet):  # any boolean at all
                return IsSet(negate=negate)
            return SomeElement(of=inner, negate=negate)  # type: ignore[arg-type]
        if mean:
            return _mean(positive, [read_exact(v) for v in found], negate)
        return _positive(kind, positive, found, frame, ignore_case, negate=negate)
    except Misfit as exc:
        return [exc]


def _check_shape(kind: ColumnType, compare: Compare, value: Given, ignore_case: bool) -> None:
    allowed = COMPARISONS[kind.kind]
    if compare not in allowed:
        raise Misfit(
            f"{compare} does not fit a column of type {kind}",
            "/compare",
            f"use {', '.join(allowed)}",
        )
    folds = kind.kind is Kind.TEXT or (kind.element is not None and kind.element.kind is Kind.TEXT)
    if ignore_case and (not folds or compare in ("matches", "not_matches", *WITHOUT_VALUE)):
        raise Misfit("ignore_case fits comparisons of text, except matches", "/ignore_case")
    if compare in WITHOUT_VALUE:
        if value is not None:
            raise Misfit(f"{compare} takes no value")
        return
    if value is None:
        raise Misfit(f"{compare} needs a value")
    if isinstance(value, Window) != (compare in _WINDOWS):
        raise Misfit(f"{compare} takes {'a' if compare in _WINDOWS else 'no'} window")
    if compare not in _PARTS and isinstance(value, tuple) != (compare in _LISTS):
        raise Misfit(
            f"{compare} takes a list"
            if compare in _LISTS
            else f"{compare} takes one value, not a list"
        )
    if kind.kind is Kind.ARRAY and kind.element is not None and kind.element.kind is Kind.ARRAY:
        raise Misfit("arrays of arrays can only be asked is_set and is_not_set", "/compare")


def _resolve(value: Given, kind: ColumnType, frame: Frame) -> tuple[list[Scalar], list[Misfit]]:
    """Return the literals of a value, relative ones resolved, and which of them do not convert."""
    if isinstance(value, Ago | Ahead):
        try:
            return [_relative(value, kind, frame)], []
        except ValueError as exc:
            return [], [Misfit(str(exc))]
    if isinstance(value, ColumnValue):
        return [], [Misfit("this comparison takes no column")]
    element = kind.element or kind
    several = isinstance(value, tuple)
    found: list[Scalar] = list(value) if isinstance(value, tuple) else [value]  # type: ignore[list-item]
    if not found:
        return [], [Misfit("an empty list matches nothing: name at least one value")]
    if len(found) > frame.limits.values:
        return [], [Misfit(f"a list has at most {frame.limits.values} values")]
    misfits = []
    for index, item in enumerate(found):
        try:
            _convert(item, element, frame)
        except ValueError as exc:
            misfits.append(Misfit(str(exc), f"/value/{index}" if several else "/value"))
    return found, misfits


def _convert(value: Scalar, kind: ColumnType, frame: Frame) -> object:
    match kind.kind:
        case Kind.TEXT:
            return read_text(value, frame.limits)
        case Kind.BOOLEAN:
            return read_flag(value)
        case Kind.FLOAT:
            return read_double(value)
        case _:
            return whole_span(value, kind, frame)


def _relative(value: Ago | Ahead, kind: ColumnType, frame: Frame) -> str:
    """Return the instant or local date a relative value means, as a literal."""
    if not kind.is_time:
        raise ValueError("ago and ahead fit dates and timestamps")
    text, sign = (value.ago, -1) if isinstance(value, Ago) else (value.ahead, 1)
    instant = shift(frame.as_of, parse_duration(text), zone=frame.zone, sign=sign)
    if kind.kind is Kind.DATE:
        return to_local(instant, frame.zone).date().isoformat()
    return instant.isoformat()


def _positive(
    kind: ColumnType,
    test: str,
    values: Sequence[Scalar],
    frame: Frame,
    ignore_case: bool,
    *,
    negate: bool,
) -> Predicate:
    match kind.kind:
        case Kind.TEXT:
            return _text(
                test, [read_text(v, frame.limits) for v in values], frame, ignore_case, negate
            )
        case Kind.BOOLEAN:
            return _flags([read_flag(v) for v in values], negate)
        case Kind.FLOAT:
            return FloatRanges(
                ranges=_float_ranges(test, [read_double(v) for v in values]), negate=negate
            )
        case _:
            spans = [whole_span(v, kind, frame) for v in values]
            return WholeRanges(ranges=_whole_ranges(test, spans), negate=negate)


def _within(
    kind: ColumnType, test: str, window: Window, frame: Frame, negate: bool
) -> list[Misfit] | Predicate:
    """Return the predicate of a time, or of its yearly return, held against a window."""
    try:
        if window.on is not None:
            raise Misfit("only the window of rows takes on", "/on")
        bounds = window_bounds(window, frame)
        if test == "in_window":
            return WholeRanges(ranges=(column_bounds(bounds, kind, frame),), negate=negate)
        first, last = column_bounds(bounds, ColumnType(kind=Kind.DATE), frame)
    except Misfit as exc:
        return [Misfit(str(exc), f"/value{exc.pointer}", exc.hint)]
    return Anniversary(first=first, last=last, zone=_zone(kind, frame))


def _part(kind: ColumnType, compare: str, value: Given, frame: Frame) -> list[Misfit] | Predicate:
    """Return the predicate of a part of a date."""
    part, low, high = _PARTS[compare]
    low, high = low or frame.limits.first_year, high or frame.limits.last_year
    found, misfits = _resolve(value, INTEGER, frame)
    for index, item in enumerate(found if not misfits else ()):
        number = read_exact(item)
        if number != int(number) or not low <= number <= high:
            pointer = f"/value/{index}" if isinstance(value, tuple) else "/value"
            misfits.append(Misfit(f"{compare} takes whole numbers from {low} to {high}", pointer))
    if misfits:
        return misfits
    values = sorted({int(read_exact(item)) for item in found})
    return CalendarPart(part=part, values=tuple(values), zone=_zone(kind, frame))  # type: ignore[arg-type]


def _zone(kind: ColumnType, frame: Frame) -> str:
    """Return the zone that decides a column's local date; of dates none does, and equal tests stay equal."""
    return frame.zone.key if kind.kind is Kind.TIMESTAMP else "UTC"


def _text(
    test: str, texts: list[str], frame: Frame, ignore_case: bool, negate: bool
) -> TextIn | TextLike:
    texts = [text.casefold() for text in texts] if ignore_case else texts
    if test in ("eq", "in"):
        return TextIn(texts=tuple(sorted(set(texts))), fold=ignore_case, negate=negate)
    assert test in ("contains", "starts_with", "ends_with", "matches")
    if test == "matches":
        _check_pattern(texts[0], frame.limits.pattern)
    return TextLike(how=test, text=texts[0], fold=ignore_case, negate=negate)  # type: ignore[arg-type]


def _check_pattern(pattern: str, longest: int) -> None:
    if len(pattern) > longest:
        raise Misfit(f"a pattern has at most {longest} characters")
    # Arrow takes a fifth of a second to import, and few rules hold a pattern.
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        # On an empty array Arrow accepts any pattern, so it is tried on one value.
        pc.match_substring_regex(pa.array(["a"]), pattern=pattern)
    except pa.ArrowInvalid as exc:
        reason = str(exc).removeprefix("Invalid regular expression: ")[:200]
        raise Misfit(f"not a pattern in RE2 syntax: {reason}") from None


def _flags(values: list[bool], negate: bool) -> Predicate:
    if len(set(values)) == 2:
        return IsSet(negate=negate)
    return Truth(expected=values[0], negate=negate)


def _whole_ranges(test: str, spans: list[tuple[int, int]]) -> tuple[Whole, ...]:
    low, high = spans[0]
    match test:
        case "gt":
            return ((high + 1, None),)
        case "gte":
            return ((low, None),)
        case "lt":
            return ((None, low - 1),)
        case "lte":
            return ((None, high),)
        case "between":
            first, last = _ends(spans)
            return ((first[0], last[1]),)
        case _:
            return tuple(sorted({span for span in spans if span[0] <= span[1]}))


def _ends(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], tuple[int, int]]:
    if len(spans) != 2:
        raise Misfit("between takes two values, low and high")
    low, high = spans
    if low[0] > high[0] or low[1] > high[1]:
        raise Misfit("between has its low value above its high one")
    return low, high


def _float_ranges(test: str, values: list[float]) -> tuple[tuple[float | None, float | None], ...]:
    value = values[0]
    match test:
        case "gt":
            return ((math.nextafter(value, math.inf), None),)
        case "gte":
            return ((value, None),)
        case "lt":
            return ((None, math.nextafter(value, -math.inf)),)
        case "lte":
            return ((None, value),)
        case "between":
            if len(values) != 2:
                raise Misfit("between takes two values, low and high")
            if values[0] > values[1]:
                raise Misfit("between has its low value above its high one")
            return ((values[0], values[1]),)
        case _:
            return tuple((v, v) for v in sorted(set(values)))


def _mean(test: str, values: Sequence[object], negate: bool) -> ScaledRanges:
    ends = [scaled(v) for v in values]
    whole, scale = ends[0]
    match test:
        case "gt" | "gte":
            ranges: tuple[object, ...] = (((whole, scale, test == "gte"), None),)
        case "lt" | "lte":
            ranges = ((None, (whole, scale, test == "lte")),)
        case "between":
            if len(ends) != 2:
                raise Misfit("between takes two values, low and high")
            (low, low_scale), (high, high_scale) = ends
            if low * 10**high_scale > high * 10**low_scale:
                raise Misfit("between has its low value above its high one")
            ranges = (((low, low_scale, True), (high, high_scale, True)),)
        case _:
            ranges = tuple(((w, s, True), (w, s, True)) for w, s in sorted(set(ends)))
    return ScaledRanges(ranges=ranges, negate=negate)  # type: ignore[arg-type]


def scaled(value: object) -> tuple[int, int]:
    """Return an exact number as (whole, scale): whole / 10**scale, the scale never negative."""
    if isinstance(value, int):
        return value, 0
    sign, digits, exponent = value.as_tuple()  # type: ignore[attr-defined]
    whole = int("".join(map(str, digits)))
    signed = -whole if sign else whole
    return (signed * 10**exponent, 0) if exponent > 0 else (signed, -exponent)
