"""Writing conditions as expressions, in one canonical way that reads back as the same condition."""

from __future__ import annotations

import re
from collections.abc import Sequence as Several
from decimal import Decimal
from typing import Any

from muster_core.rules.condition import (
    All,
    Any_,
    Attribute,
    CompareSides,
    Condition,
    Everyone,
    FirstRow,
    Held,
    LastRow,
    Measurable,
    MeasureName,
    MeasureValue,
    Not,
    Periods,
    RowAll,
    RowAny,
    RowCondition,
    RowNot,
    Rows,
    Sample,
    SegmentMember,
    Sequence,
    Top,
)
from muster_core.rules.expression.word import (
    DATE_PARTS,
    OPERATORS,
    STATES,
    write_name,
    write_text,
)
from muster_core.rules.value import Ago, Ahead, ColumnValue, Scalar, Window

_ONE_UNIT = re.compile(r"1 (second|minute|hour|day|week|month|quarter|year)")
_Node = Condition | RowCondition


def render_expression(condition: Condition | RowCondition) -> str:
    """Return the expression that spells a condition; it reads back as an equal one."""
    return _condition(condition)


def _condition(node: _Node) -> str:
    match node:
        case All() | RowAll():
            return _group(node.of, "and", "all")
        case Any_() | RowAny():
            return _group(node.of, "or", "any")
        case Not() | RowNot():
            inner = _condition(node.of)
            bare = isinstance(node.of, Everyone | SegmentMember) or _is_existence(node.of)
            return f"not {inner}" if bare else f"not ({inner})"
        case Everyone():
            return "everyone"
        case Attribute():
            return _attribute(node)
        case Rows():
            return _aggregate(node) + _tested(node.compare, node.value)
        case FirstRow():
            window = _window_words(node.window)
            return f"first row ({_related(node.table, node.via, node.where)}) {window}"
        case LastRow():
            related = _related(node.table, node.via, node.where)
            return f"last row ({related}) has ({_condition(node.having)})"
        case _:
            return _other(node)


def _other(node: _Node) -> str:
    match node:
        case Sequence():
            steps = " then ".join(_condition(step) for step in node.steps)
            place = _related(node.table, node.via, None)
            return f"sequence({place}: {steps}, within {node.within}, {_window(node.window)})"
        case Periods():
            counted = f"count({_related(node.table, node.via, node.where)})"
            test = _tested(node.compare, node.value)
            return f"{counted}{test} in at least {node.at_least} of last {_periods(node)}"
        case Held():
            how = "at least" if node.compare == "gte" else "less than"
            history = "" if node.history is None else f" by {write_name(node.history)}"
            held = f"{write_name(node.column)} held {_scalar(node.value)}"
            return f"{held} for {how} {node.duration}{history}"
        case SegmentMember():
            fresh = " if fresh" if node.policy == "skip" else ""
            return f"in segment {write_name(node.name)}{fresh}"
        case MeasureValue():
            return f"measure({write_name(node.name)})" + _tested(node.compare, node.value)
        case CompareSides():
            times = "" if _is_one(node.times) else f"{_scalar(node.times)} times "
            sides = f"{_side(node.left)} {OPERATORS[node.compare]} {times}{_side(node.right)}"
            return sides
        case Top():
            return _top(node)
        case Sample():
            return f"sample {_scalar(node.percent)}% salt {write_text(node.salt)}"
    raise AssertionError(f"an unknown kind {node.kind}")


def _group(of: Several[_Node], word: str, name: str) -> str:
    if len(of) < 2:
        return f"{name}({''.join(_condition(part) for part in of)})"
    return f" {word} ".join(_operand(part) for part in of)


def _operand(node: _Node) -> str:
    text = _condition(node)
    groups = isinstance(node, All | Any_ | RowAll | RowAny) and len(node.of) > 1
    return f"({text})" if groups else text


def _is_existence(node: _Node) -> bool:
    return (
        isinstance(node, Rows)
        and node.aggregate.function == "exists"
        and node.compare is None
        and node.value is None
    )


def _is_one(times: Scalar) -> bool:
    return type(times) is int and times == 1


# --- values


def _scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return write_text(value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _list(values: Several[Scalar]) -> str:
    return f"({', '.join(_scalar(value) for value in values)})"


def _value(value: Any) -> str:
    match value:
        case tuple():
            return _list(value)
        case ColumnValue():
            return write_name(value.column)
        case Ago():
            return f"{value.ago} ago"
        case Ahead():
            return f"{value.ahead} ahead"
        case Window():
            return _window(value)
        case None:
            return "nothing"
        case _:
            return _scalar(value)


def _window(window: Window) -> str:
    on = "" if window.on is None else f" on {write_name(window.on)}"
    return _form(window) + on


def _form(window: Window) -> str:
    if window.last is not None:
        return f"last {window.last}"
    if window.next is not None:
        return f"next {window.next}"
    if window.between_ago is not None:
        far, near = window.between_ago
        return f"between {far} and {near} ago"
    if window.before_ago is not None:
        return f"before {window.before_ago} ago"
    if window.calendar is not None:
        return window.calendar.replace("_", " ")
    if window.day_offset is not None:
        return f"day {window.day_offset}"
    sides = (("from", window.from_), ("until" if window.from_ is None else "to", window.to))
    return " ".join(f"{word} {write_text(side)}" for word, side in sides if side is not None)


def _window_words(window: Window) -> str:
    """Return a window after what lies in it."""
    if window.day_offset is not None:
        return f"on {_window(window)}"
    worded = window.form in ("between_ago", "before_ago", "from/to")
    return _window(window) if worded else f"in {_window(window)}"


# --- comparisons


def _attribute(node: Attribute) -> str:
    column = write_name(node.column) + _via(node.via)
    part = DATE_PARTS.get(node.compare)
    if part is not None and (written := _part(node)) is not None:
        text = f"{part}({column}) {written}"
    else:
        text = column + _compared(node.compare, node.value)
    return f"{text} ignoring case" if node.ignore_case else text


def _part(node: Attribute) -> str | None:
    """Return what stands after ``month(column)``, or None where only the full spelling says it."""
    yearly = node.compare == "anniversary_in_window"
    if isinstance(node.value, Window):
        return _window_words(node.value) if yearly else None
    if yearly:
        return None
    if isinstance(node.value, tuple):
        return f"in {_list(node.value)}"
    single = node.value is not None and not isinstance(node.value, ColumnValue | Ago | Ahead)
    return f"= {_value(node.value)}" if single else None


def _tested(compare: str | None, value: Any) -> str:
    if compare is not None:
        return _compared(compare, value)
    return "" if value is None else f" with {_value(value)}"


def _compared(compare: str, value: Any) -> str:
    natural = _natural(compare, value)
    # shapes that no comparison takes are written out: a draft may hold them
    return f" {natural}" if natural is not None else f" {compare} with {_value(value)}"


def _natural(compare: str, value: Any) -> str | None:
    if compare in STATES:
        return STATES[compare] if value is None else None
    if compare in ("in_window", "not_in_window"):
        if not isinstance(value, Window):
            return None
        return _window_words(value) if compare == "in_window" else f"not in {_window(value)}"
    if compare in ("in", "not_in", "between", "not_between"):
        if not isinstance(value, tuple):
            return None
        word = compare.replace("_", " ")
        if compare.endswith("in"):
            return f"{word} {_list(value)}"
        ends = " and ".join(_scalar(end) for end in value)
        return f"{word} {ends}" if len(value) == 2 else None
    if compare not in OPERATORS or value is None or isinstance(value, Window):
        return None
    return f"{OPERATORS[compare]} {_value(value)}"


# --- related rows


def _via(via: Several[str]) -> str:
    return f" via {'/'.join(write_name(name) for name in via)}" if via else ""


def _related(table: str, via: Several[str], where: RowCondition | None) -> str:
    text = write_name(table) + _via(via)
    return text if where is None else f"{text} where {_condition(where)}"


def _aggregate(node: Measurable) -> str:
    aggregate = node.aggregate
    distinct = aggregate.function == "count_distinct"
    text = "distinct " if distinct else ""
    if aggregate.column is not None:
        text += f"{write_name(aggregate.column)} of "
    text += _related(node.table, node.via, node.where)
    if node.window is not None:
        text += f", {_window(node.window)}"
    if node.include_future:
        text += ", including future"
    if aggregate.order_by is not None:
        text += f", ordered by {write_name(aggregate.order_by)}"
    return f"{'count' if distinct else aggregate.function}({text})"


def _side(side: Measurable | MeasureName) -> str:
    if isinstance(side, MeasureName):
        return f"measure({write_name(side.measure)})"
    return _aggregate(side)


def _periods(node: Periods) -> str:
    unit = _ONE_UNIT.fullmatch(node.period)
    if unit:
        return f"{node.of_last} {unit[1]}{'' if node.of_last == 1 else 's'}"
    return f"{node.of_last} periods of {node.period}"


def _top(node: Top) -> str:
    parts = ["top" if node.descending else "bottom"]
    if node.limit is not None:
        parts.append(str(node.limit))
    if node.percent is not None:
        parts.append(f"{_scalar(node.percent)}%")
    by = node.by
    ranked = _aggregate(by) if isinstance(by, Measurable) else write_name(by.column) + _via(by.via)
    return f"{' '.join([*parts, 'by'])} {ranked}"
