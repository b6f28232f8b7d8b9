"""The field of a comparison's value: by type and comparison, with the values there are and how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nicegui import ui
from nicegui.element import Element

from muster_console.web.builder.choice import comparable
from muster_console.web.builder.reading import text_of, value_of
from muster_console.web.builder.word import MONTHS, WEEKDAYS
from muster_console.web.editor.field import choose, duration, fields, write
from muster_console.web.editor.state import Editor
from muster_console.web.editor.window import window_fields
from muster_console.web.live import redraw
from muster_console.web.numeral import numerals
from muster_core.catalog.type import ColumnType, Kind
from muster_core.errors import MusterError

Take = Callable[[Any], None]
_PARTS = ("weekday_of", "month_of", "day_of", "year_of")
_WINDOWS = ("in_window", "not_in_window", "anniversary_in_window")
#: Values offered at once; typing finds the others.
OFFERED = 200
_NONE = ("is_set", "is_not_set", "is_true", "is_false")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is compared: a column with its type, and the columns beside it; no column for an aggregate's value."""

    kind: ColumnType | None
    column: str = ""
    #: The table whose rows have the column, and the way to them; empty for customers.
    table: str = ""
    via: tuple[str, ...] = ()
    columns: Mapping[str, ColumnType] | None = None


def value_fields(editor: Editor, subject: Subject, compare: str, value: Any, take: Take) -> None:
    """Put what stands on the right of a comparison."""
    if compare in _NONE:
        return
    if compare in _WINDOWS:
        window_fields("window", value, take, optional=False)
        return
    if compare in _PARTS:
        _part_fields(compare, value, take)
        return
    if compare in ("in", "not_in"):
        _several(editor, subject, value, take)
        return
    if compare in ("between", "not_between"):
        _ends(subject, value, take)
        return
    _one(editor, subject, compare, value, take)


def _part_fields(compare: str, value: Any, take: Take) -> None:
    chosen = value if isinstance(value, list) else [value]
    names: dict[Any, str] = {
        "weekday_of": WEEKDAYS,
        "month_of": MONTHS,
        "day_of": {day: str(day) for day in range(1, 32)},
        "year_of": {year: str(year) for year in range(1950, 2051)},
    }[compare]
    names = {**{v: str(v) for v in chosen if v not in names}, **names}
    made = ui.select(names, value=list(chosen), multiple=True, label="values")
    made.props("use-chips options-dense behavior=menu").classes("m-field m-field--wide")
    made.on_value_change(lambda e: take(list(e.value) or [1]))


def _ends(subject: Subject, value: Any, take: Take) -> None:
    ends = list(value) if isinstance(value, list) and len(value) == 2 else ["", ""]

    def end(place: int, typed: str) -> None:
        ends[place] = value_of(typed, subject.kind)
        take(list(ends))

    kind = _input_kind(subject.kind)
    write("from", text_of(ends[0]), lambda v: end(0, v), kind=kind)
    write("up to", text_of(ends[1]), lambda v: end(1, v), kind=kind)


def _input_kind(kind: ColumnType | None) -> str:
    return "date" if kind is not None and kind.kind is Kind.DATE else "text"


def _one(editor: Editor, subject: Subject, compare: str, value: Any, take: Take) -> None:
    """Put one value: written, another column's, or a time counted from now."""
    ways = {"written": "a value"}
    others = comparable(dict(subject.columns or {}), subject.column, compare)
    if others:
        ways["column"] = "another column"
    if subject.kind is not None and subject.kind.is_time:
        ways |= {"ago": "a time ago", "ahead": "a time ahead"}
    now = next(
        (w for w in ("column", "ago", "ahead") if isinstance(value, dict) and w in value), ""
    )
    state = {"way": now or "written", "value": value}
    if now and now not in ways:
        ways[now] = now

    def took(changed: Any) -> None:
        state["value"] = changed
        take(changed)

    def turn(chosen: str) -> None:
        state["way"] = chosen
        fresh = {"column": {"column": others[0] if others else ""}, "ago": {"ago": "30 days"}}
        took(fresh.get(chosen, {"ahead": "7 days"} if chosen == "ahead" else _empty(subject.kind)))
        redraw(rest, draw)

    def draw() -> None:
        held = state["value"]
        match state["way"]:
            case "column":
                options = dict.fromkeys(others, "")
                options = {name: name for name in options}
                choose(
                    "column",
                    options,
                    held["column"],
                    lambda n: took({"column": n or ""}),
                    search=True,
                )
            case "ago" | "ahead" as which:
                duration(f"time {which}", held[which], lambda text: took({which: text}))
            case _:
                _literal(editor, subject, compare, held, took)

    with fields():
        if len(ways) > 1:
            choose("compared with", ways, state["way"], turn).classes("m-field--short")
        rest = Element("div").classes("m-fields")
    with rest:
        draw()


def _empty(kind: ColumnType | None) -> Any:
    if kind is not None and kind.is_number:
        return 0
    return True if kind is not None and kind.kind is Kind.BOOLEAN else ""


def _literal(editor: Editor, subject: Subject, compare: str, value: Any, take: Take) -> None:
    kind = subject.kind
    element = kind.element if kind is not None and kind.element is not None else kind
    if element is not None and element.kind is Kind.BOOLEAN:
        choose("value", {True: "true", False: "false"}, value, take)
        return
    whole = compare in ("eq", "ne", "contains_item", "not_contains_item")
    if subject.column and whole and element is not None and element.kind is Kind.TEXT:
        _listed(editor, subject, value, take)
        return
    write("value", text_of(value), lambda v: take(value_of(v, kind)), kind=_input_kind(element))


def _listed(editor: Editor, subject: Subject, value: Any, take: Take) -> None:
    """Put a choice of the values there are, or another one that is typed."""
    shown = text_of(value)
    options = {shown: shown} if shown else {}
    made = ui.select(
        options,
        value=shown or None,
        label="value",
        with_input=True,
        new_value_mode="add-unique",
        key_generator=lambda typed: typed,
        on_change=lambda e: take(value_of(e.value or "", subject.kind)),
    )
    made.props("options-dense behavior=menu fill-input hide-selected").classes(
        "m-field m-field--wide"
    )
    _offer(editor, subject, made)


def _several(editor: Editor, subject: Subject, value: Any, take: Take) -> None:
    """Put a choice of any number of the values there are, and of others that are typed."""
    chosen = [text_of(v) for v in value] if isinstance(value, list) else []
    made = ui.select(
        {text: text for text in chosen},
        value=chosen,
        label="values (type to search or add)",
        multiple=True,
        with_input=True,
        new_value_mode="add-unique",
        key_generator=lambda typed: typed,
        on_change=lambda e: take([value_of(text, subject.kind) for text in e.value or ()]),
    )
    made.props("use-chips options-dense behavior=menu").classes("m-field m-field--full")
    _offer(editor, subject, made)


def _offer(editor: Editor, subject: Subject, made: ui.select) -> None:
    """Fill a choice with the column's values and how often each is there, once they are known.

    Typing searches among all of them, and what is typed and is none of them is taken when the field is left.
    """
    state: dict[str, Any] = {"typed": "", "complete": False}
    table, column = "", ""
    if subject.column:
        table, column = editor.choices.origin(subject.table, subject.via, subject.column)

    async def fill(search: str) -> None:
        try:
            found = await editor.values(table, column, search)
        except MusterError as exc:
            # any value may be typed all the same
            if not made.is_deleted:
                made.props["hint"] = f"No list of values: {exc.message}"
                made.update()
            return
        if made.is_deleted:
            return
        said = numerals(made.client)
        if not search:
            state["complete"] = len(found) < OFFERED
        counted = {text_of(v): f"{text_of(v)} · {said.number(rows)}" for v, rows in found}
        made.set_options({**_options(made), **counted}, value=made.value)

    async def typed(event: Any) -> None:
        state["typed"] = str(event.args or "")
        if column and state["typed"] and not state["complete"]:
            await fill(state["typed"])

    def leave() -> None:
        words, state["typed"] = str(state["typed"]).strip(), ""
        options = _options(made)
        if not words or words in options.values():
            return
        options.setdefault(words, words)
        made.set_options(options, value=[*made.value, words] if made.multiple else words)

    made.on("input-value", typed, throttle=0.3, leading_events=False)
    made.on("blur", leave)
    if column:
        editor.later(fill(""))


def _options(made: ui.select) -> dict[Any, Any]:
    return dict(made.options) if isinstance(made.options, dict) else {}
