"""Rules as sentences in plain English, so that two people reading one expect the same customers."""

from __future__ import annotations

from collections.abc import Sequence as Several
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
from muster_core.rules.document import Rule, SegmentDocument
from muster_core.rules.phrase import (
    comparison_phrase,
    name_phrase,
    quoted,
    value_phrase,
    window_phrase,
)

_Node = Condition | RowCondition

#: How many rows, where the count is compared with one number.
_COUNTS = {
    "gte": "at least",
    "gt": "more than",
    "lte": "at most",
    "lt": "fewer than",
    "eq": "exactly",
}
_VALUES = {
    "sum": "total",
    "avg": "average",
    "min": "smallest",
    "max": "largest",
    "first": "first",
    "last": "latest",
}
_COMBINED = {"union": "plus", "intersect": "of these only", "except": "without"}
_NOBODY = "who are nobody, since an empty list of conditions matches none"


def sentence(subject: SegmentDocument | Condition) -> str:
    """Return what a segment or a condition says about customers, as one sentence."""
    if not isinstance(subject, SegmentDocument):
        return f"{_customers(subject)}."
    text = "; ".join(_rule(rule) for rule in subject.rules) or "Nobody by rule"
    manual = [
        f"{len(ids)} {word} by hand"
        for ids, word in ((subject.manual.add, "added"), (subject.manual.remove, "removed"))
        if ids
    ]
    return f"{text}{'; ' if manual else ''}{' and '.join(manual)}."


def clause(condition: Condition | RowCondition, *, row: bool = False) -> str:
    """Return what one condition says, without its subject: ``country is GB``, ``have at least 3 orders``.

    `row` says that it is about one row.
    """
    if row or isinstance(condition, RowAll | RowAny | RowNot):
        text = _row(condition)  # type: ignore[arg-type]
    else:
        text = _who(condition)
    return text.removeprefix("whose ").removeprefix("who ").removeprefix("with ")


def _rule(rule: Rule) -> str:
    text = _customers(rule.where)
    if rule.combine is None:
        return text
    return f"{_COMBINED[rule.combine]} {text[0].lower()}{text[1:]}"


def _customers(node: Condition) -> str:
    return "All customers" if isinstance(node, Everyone) else f"Customers {_who(node)}"


def _who(node: Condition) -> str:
    """Return the relative clause that says of customers what the condition says."""
    match node:
        case All():
            return _joined([_who(part) for part in node.of], node.of, "and")
        case Any_():
            return _joined([_who(part) for part in node.of], node.of, "or")
        case Not():
            inner = _who(node.of)
            return f"who are not among customers {_enclosed(inner, node.of)}"
        case Everyone():
            return "who are any customer"
        case Attribute():
            return f"whose {_attribute(node)}"
        case Rows():
            return _rows(node)
        case FirstRow():
            return (
                f"whose first of all {_related(node, closed=True)} is {window_phrase(node.window)}"
            )
        case LastRow():
            return f"whose latest of {_related(node, closed=True)} is one {_row(node.having)}"
        case _:
            return _rarer(node)


def _rarer(node: Condition) -> str:
    match node:
        case Sequence():
            return _sequence(node)
        case Periods():
            counted = _counted(node.compare, node.value, _related(node, closed=True))
            periods = f"{node.of_last} periods of {node.period}"
            return f"{counted} in each of at least {node.at_least} of the last {periods}"
        case Held():
            how = "at least" if node.compare == "gte" else "less than"
            history = "" if node.history is None else f" (by {name_phrase(node.history)})"
            held = f"{name_phrase(node.column)} has now been {value_phrase(node.value)}"
            return f"whose {held} for {how} {node.duration}{history}"
        case SegmentMember():
            fresh = " (the run is skipped unless it is fresh)" if node.policy == "skip" else ""
            return f"who are in the segment {name_phrase(node.name)}{fresh}"
        case MeasureValue():
            tested = comparison_phrase(node.compare, node.value, missing=False)
            return f"whose measure {name_phrase(node.name)} {tested}"
        case CompareSides():
            return _sides(node)
        case Top():
            return _top(node)
        case Sample():
            percent = f"{value_phrase(node.percent)}%"
            return f"who are in the stable {percent} sample with the salt {quoted(node.salt)}"
    raise AssertionError(f"an unknown kind {node.kind}")


# --- groups


def _joined(clauses: list[str], of: Several[_Node], word: str) -> str:
    if not clauses:
        return _NOBODY
    if len(clauses) == 1:
        return clauses[0]
    parts = (_enclosed(clause, part) for clause, part in zip(clauses, of, strict=True))
    return f" {word} ".join(parts)


def _enclosed(clause: str, node: _Node) -> str:
    groups = isinstance(node, All | Any_ | RowAll | RowAny) and len(node.of) > 1
    # what follows an exception belongs to it unless it is closed
    return f"({clause})" if groups or isinstance(node, Not | RowNot) else clause


def _row(node: RowCondition) -> str:
    """Return the clause that says of rows what the condition says."""
    match node:
        case RowAll():
            return _joined([_row(part) for part in node.of], node.of, "and")
        case RowAny():
            return _joined([_row(part) for part in node.of], node.of, "or")
        case RowNot():
            return f"other than those {_enclosed(_row(node.of), node.of)}"
        case Attribute():
            text = _attribute(node)
            short = node.compare in ("gt", "gte", "lt", "lte", "between", "not_between")
            return f"with {text.replace(' is ', ' ', 1)}" if short else f"whose {text}"
    raise AssertionError(f"an unknown kind {node.kind}")


def _attribute(node: Attribute) -> str:
    tested = comparison_phrase(node.compare, node.value, missing=True, ignore_case=node.ignore_case)
    return f"{name_phrase(node.column)}{_via(node.via)} {tested}"


# --- related rows


def _via(via: Several[str]) -> str:
    return f" (via {', '.join(name_phrase(name) for name in via)})" if via else ""


def _related(node: Any, between: str = "", *, closed: bool = False) -> str:
    """Return the rows meant; `between` stands before their condition, which it must not seem part of."""
    text = name_phrase(node.table) + _via(node.via) + between
    if node.where is None:
        return text
    where = _enclosed(_row(node.where), node.where)
    return f"{text} ({where})" if closed and where[0] != "(" else f"{text} {where}"


def _measured(node: Measurable, *, closed: bool = False) -> str:
    """Return the rows an aggregate is over, with their window; `closed` where a comparison follows."""
    window = "" if node.window is None else f" {window_phrase(node.window)}"
    future = " (future ones included)" if node.include_future else ""
    return _related(node, window + future, closed=closed)


def _aggregate(node: Measurable) -> str:
    """Return an aggregate as a thing: ``total amount of orders``."""
    aggregate = node.aggregate
    column = "" if aggregate.column is None else name_phrase(aggregate.column)
    rows = _measured(node, closed=True)
    if aggregate.order_by is not None:
        column += f" (by {name_phrase(aggregate.order_by)})"
    match aggregate.function:
        case "count":
            return f"number of {column + ' of ' if column else ''}{rows}"
        case "count_distinct":
            return f"number of different {column or 'values'} of {rows}"
        case "exists":
            return f"existence of {rows}"
        case function:
            word = _VALUES[function]
            # the total of a column that is called so itself is not the total total
            word = f"{word} of the" if column.split(" ")[0] == word else word
            return f"{word} {column or 'value'} of {rows}"


def _rows(node: Rows) -> str:
    aggregate = node.aggregate
    if aggregate.function == "exists" and node.compare is None and aggregate.column is None:
        return f"who have any {_measured(node)}"
    if node.compare is None:
        return f"whose {_aggregate(node)} is not compared with anything"
    if aggregate.function == "count" and aggregate.column is None:
        return _counted(node.compare, node.value, _measured(node))
    return f"whose {_aggregate(node)} {comparison_phrase(node.compare, node.value, missing=False)}"


def _counted(compare: str, value: Any, rows: str) -> str:
    single = type(value) is int
    if single and value == 0 and compare == "eq":
        return f"who have no {rows}"
    if single and compare in _COUNTS:
        return f"who have {_COUNTS[compare]} {value} {rows}"
    return f"whose number of {rows} {comparison_phrase(compare, value, missing=False)}"


def _sequence(node: Sequence) -> str:
    steps = ", then later ones ".join(f"({_row(step)})" for step in node.steps)
    place = name_phrase(node.table) + _via(node.via)
    return (
        f"who have {place} {steps}, all within {node.within} of the first of them, "
        f"which is {window_phrase(node.window)}"
    )


def _side(side: Measurable | MeasureName) -> str:
    return (
        f"measure {name_phrase(side.measure)}"
        if isinstance(side, MeasureName)
        else _aggregate(side)
    )


def _sides(node: CompareSides) -> str:
    one = type(node.times) is int and node.times == 1
    times = "" if one else f"{value_phrase(node.times)} times "
    words = {"gt": "over", "gte": "at least", "lt": "under", "lte": "at most", "ne": "not"}
    how = f"{words[node.compare]} " if node.compare in words else ""
    return f"whose {_side(node.left)} is {how}{times}their {_side(node.right)}"


def _top(node: Top) -> str:
    how = "top" if node.descending else "bottom"
    parts = [] if node.limit is None else [str(node.limit)]
    parts += [] if node.percent is None else [f"{value_phrase(node.percent)}%"]
    by = node.by
    ranked = _aggregate(by) if isinstance(by, Measurable) else name_phrase(by.column) + _via(by.via)
    return f"who are among the {' '.join([how, *parts])} by {ranked}"
