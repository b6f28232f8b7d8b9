"""The fields of every kind of condition, as they are shown where one is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui.element import Element

from muster_console.web.builder.choice import comparisons, counted, fitting
from muster_console.web.builder.node import owner_of
from muster_console.web.builder.reading import fitted_value, text_of, value_of
from muster_console.web.builder.word import (
    HOLDS_WITHOUT,
    POLICIES,
    compare_words,
    holds_without_value,
)
from muster_console.web.editor.field import (
    choose,
    choose_column,
    count,
    duration,
    fields,
    hint,
    switch,
    way,
    write,
)
from muster_console.web.editor.related import (
    measurable_fields,
    rows_window,
    side_fields,
    table_fields,
)
from muster_console.web.editor.state import Editor
from muster_console.web.editor.value import Subject, value_fields
from muster_console.web.live import redraw
from muster_core.catalog.type import Kind

_FOLDED = ["eq", "ne", "in", "not_in", "contains", "not_contains", "starts_with", "not_starts_with", "ends_with", "not_ends_with", "contains_item", "not_contains_item"]  # fmt: skip
_SIDES = {"gt": "is over", "gte": "is at least", "lt": "is under", "lte": "is at most"}


def kind_fields(editor: Editor, pointer: str) -> None:
    """Put the fields of the condition at a pointer; a group has none of its own."""
    kind = editor.at(pointer)["kind"]
    if kind in _FIELDS:
        _FIELDS[kind](editor, pointer)


def _attribute(editor: Editor, pointer: str) -> None:
    owner = owner_of(editor.document, pointer)
    columns = editor.choices.columns_at(editor.document, owner)
    rows = {} if owner is None else editor.at(owner)

    def column(name: str) -> None:
        before = editor.at(pointer)
        kind = columns.get(name)
        offered = comparisons(kind)
        compare = before["compare"] if before["compare"] in offered else offered[0]
        fresh = not before["column"]
        compare = offered[0] if fresh else compare
        value = fitted_value(compare, None if fresh else before.get("value"), kind)
        ways = editor.choices.ways(name)
        changed = {"column": name, "compare": compare, "value": value}
        changed["via"] = list(ways[0]) if owner is None and ways else None
        if before.get("ignore_case") and not _folds(kind, compare):
            changed["ignore_case"] = None
        editor.set_fields(pointer, changed)
        redraw(rest, draw)

    def draw() -> None:
        data = editor.at(pointer)
        name = data["column"]
        ways = editor.choices.ways(name)
        if owner is None and ways:
            way("by", ways, data.get("via", []), lambda w: editor.set_field(pointer, "via", w))
        subject = Subject(
            kind=columns.get(name),
            column=name,
            table=rows.get("table", ""),
            via=tuple(rows.get("via", ())),
            columns=columns,
        )
        _compared(editor, pointer, subject, missing=True)

    with fields():
        choose_column("column", columns, editor.at(pointer)["column"], column)
        rest = Element("div").classes("m-fields")
    with rest:
        draw()


def _folds(kind: Any, compare: str) -> bool:
    if kind is None or compare not in _FOLDED:
        return False
    element = kind.element or kind
    return bool(element.kind is Kind.TEXT)


def _compared(editor: Editor, pointer: str, subject: Subject, *, missing: bool) -> None:
    """Put comparison and value; `missing` says that it is of a column, which may have no value."""

    def turn(compare: str) -> None:
        before = editor.at(pointer)
        value = fitted_value(compare, before.get("value"), subject.kind)
        folded = before.get("ignore_case") and _folds(subject.kind, compare)
        changed = {"compare": compare, "value": value, "ignore_case": True if folded else None}
        editor.set_fields(pointer, changed)
        redraw(rest, draw)

    def draw() -> None:
        data = editor.at(pointer)
        compare = data.get("compare") or "gte"
        value_fields(
            editor,
            subject,
            compare,
            data.get("value"),
            lambda value: editor.set_field(pointer, "value", value),
        )
        if missing and _folds(subject.kind, compare):
            switch(
                "ignore case",
                bool(data.get("ignore_case")),
                lambda yes: editor.set_field(pointer, "ignore_case", yes, absent=False),
            )
        if missing and holds_without_value(compare) and compare != "is_not_set":
            hint(HOLDS_WITHOUT)

    offered = {name: compare_words(name, subject.kind) for name in comparisons(subject.kind)}
    choose("comparison", offered, editor.at(pointer).get("compare"), turn)
    rest = Element("div").classes("m-fields")
    with rest:
        draw()


def _rows(editor: Editor, pointer: str) -> None:
    measurable_fields(editor, pointer, exists=True)
    data = editor.at(pointer)
    if data["aggregate"]["function"] != "exists":
        with fields():
            _compared(editor, pointer, Subject(kind=editor.choices.result(data)), missing=False)


def _first_row(editor: Editor, pointer: str) -> None:
    table_fields(editor, pointer, timed=True)
    rows_window(editor, pointer, optional=False, on=False)


def _last_row(editor: Editor, pointer: str) -> None:
    table_fields(editor, pointer, timed=True)
    hint("The latest row must pass the condition below.")


def _sequence(editor: Editor, pointer: str) -> None:
    data = editor.at(pointer)
    table_fields(editor, pointer, timed=True)
    with fields():
        duration(
            "all within", data["within"], lambda text: editor.set_field(pointer, "within", text)
        )
    rows_window(editor, pointer, optional=False, on=False)
    hint("The window is that of the first step; each next row is later than the one before.")


def _periods(editor: Editor, pointer: str) -> None:
    data = editor.at(pointer)
    table_fields(editor, pointer, timed=True)
    with fields():
        duration("period", data["period"], lambda text: editor.set_field(pointer, "period", text))
        for name, label in (("of_last", "of the last"), ("at_least", "in at least")):
            count(
                f"{label} (periods)",
                data[name],
                lambda number, name=name: editor.set_field(pointer, name, number),  # type: ignore[misc]
                most=1_000,
            )
    with fields():
        _compared(editor, pointer, Subject(kind=counted()), missing=False)


def _held(editor: Editor, pointer: str) -> None:
    data = editor.at(pointer)
    histories = editor.choices.catalog.histories
    columns = {n: k for n, k in editor.choices.columns().items() if n in histories}

    def put(name: str, value: Any) -> None:
        editor.set_field(pointer, name, value)

    with fields():
        choose_column("column with a history", columns, data["column"], lambda n: put("column", n))
        kind = columns.get(data["column"])
        write("value", text_of(data["value"]), lambda v: put("value", value_of(v, kind)))
        lasting = {"gte": "at least", "lt": "less than"}
        choose("for", lasting, data["compare"], lambda compare: put("compare", compare))
        duration("time", data["duration"], lambda text: put("duration", text))
    if not columns:
        hint("No column of the profile has a history; the catalog names one with `history`.")


def _segment(editor: Editor, pointer: str) -> None:
    data = editor.at(pointer)
    others = [name for name in editor.choices.segments if name != editor.document.get("name")]
    with fields():
        choose(
            "segment",
            {name: name for name in others},
            data["name"],
            lambda name: editor.set_field(pointer, "name", name or ""),
            search=True,
            wide=True,
        )
        choose(
            "where it is not fresh",
            POLICIES,
            data.get("policy", "use_last"),
            lambda policy: editor.set_field(pointer, "policy", policy, absent="use_last"),
        )


def _measure(editor: Editor, pointer: str) -> None:
    data = editor.at(pointer)
    names = {name: name for name in sorted(editor.choices.measures)}
    with fields():
        choose(
            "measure",
            names,
            data["name"],
            lambda name: editor.set_field(pointer, "name", name or "", shape=True),
            search=True,
            wide=True,
        )
        subject = Subject(kind=editor.choices.measured(data["name"]) or counted())
        _compared(editor, pointer, subject, missing=False)


def _compare(editor: Editor, pointer: str) -> None:
    data = editor.at(pointer)
    side_fields(editor, pointer, "left", "This")
    with fields():
        choose(
            "comparison",
            {"eq": "is", "ne": "is not", **_SIDES},
            data["compare"],
            lambda compare: editor.set_field(pointer, "compare", compare),
        )
        write(
            "times",
            text_of(data.get("times", 1)),
            lambda v: editor.set_field(pointer, "times", value_of(v, counted()), absent=1),
        ).classes("m-field--short")
    side_fields(editor, pointer, "right", "That")


def _top(editor: Editor, pointer: str) -> None:
    data = editor.at(pointer)
    by = f"{pointer}/by"

    def size(name: str, other: str, text: str) -> None:
        value = value_of(text, counted())
        editor.set_fields(pointer, {name: value, other: None})

    def turn(chosen: str) -> None:
        table = editor.choices.tables[0].name if editor.choices.tables else ""
        fresh: dict[str, Any] = {"table": table, "aggregate": {"function": "count"}}
        editor.set_field(pointer, "by", {"column": ""} if chosen == "column" else fresh, shape=True)

    def share(chosen: str) -> None:
        fresh = (
            {"percent": 10, "limit": None}
            if chosen == "percent"
            else {"limit": 100, "percent": None}
        )
        editor.set_fields(pointer, fresh, shape=True)

    which = "limit" if "limit" in data else "percent"
    with fields():
        choose(
            "from",
            {True: "the top", False: "the bottom"},
            data.get("descending", True),
            lambda down: editor.set_field(pointer, "descending", down, absent=True),
        ).classes("m-field--short")
        choose("as", {"percent": "percent", "limit": "customers"}, which, share).classes(
            "m-field--short"
        )
        other = "percent" if which == "limit" else "limit"
        write(
            "how many", text_of(data.get(which, "")), lambda text: size(which, other, text)
        ).classes("m-field--short")
        options = {"rows": "rows of a table", "column": "a column of the customer"}
        choose("ranked by", options, "column" if "column" in data["by"] else "rows", turn)
    if "column" in data["by"]:
        columns = fitting(editor.choices.columns(), "order")
        with fields():
            choose_column(
                "column", columns, data["by"]["column"], lambda n: editor.set_field(by, "column", n)
            )
    else:
        measurable_fields(editor, by, future=False)


def _sample(editor: Editor, pointer: str) -> None:
    data = editor.at(pointer)
    with fields():
        write(
            "percent",
            text_of(data["percent"]),
            lambda v: editor.set_field(pointer, "percent", value_of(v, counted())),
        ).classes("m-field--short")
        write("salt", data["salt"], lambda v: editor.set_field(pointer, "salt", v))
    hint("Equal percent and salt take the same customers in every run.")


_FIELDS: dict[str, Callable[[Editor, str], None]] = {
    "attribute": _attribute,
    "rows": _rows,
    "first_row": _first_row,
    "last_row": _last_row,
    "sequence": _sequence,
    "periods": _periods,
    "held": _held,
    "segment": _segment,
    "measure": _measure,
    "compare": _compare,
    "top": _top,
    "sample": _sample,
}
