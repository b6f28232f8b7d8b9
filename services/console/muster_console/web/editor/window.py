"""The fields of a window: fixed, relative to now, or of the calendar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nicegui.element import Element

from muster_console.web.builder.word import CALENDARS, WINDOWS
from muster_console.web.editor.field import choose, choose_column, count, duration, fields, write
from muster_console.web.live import redraw
from muster_core.catalog.type import ColumnType

Take = Callable[[dict[str, Any] | None], None]
_FRESH: dict[str, dict[str, Any]] = {
    "last": {"last": "30 days"},
    "next": {"next": "7 days"},
    "between_ago": {"between_ago": ["60 days", "30 days"]},
    "before_ago": {"before_ago": "30 days"},
    "from/to": {"from": "2026-01-01"},
    "calendar": {"calendar": "this_month"},
    "day_offset": {"day_offset": -1},
}


def form_of(window: Mapping[str, Any]) -> str:
    """Return the form of a window, as the builder names it."""
    return next((form for form in WINDOWS if form in window), "from/to")


def window_fields(
    label: str,
    window: dict[str, Any] | None,
    take: Take,
    *,
    optional: bool = True,
    on: Mapping[str, ColumnType] | None = None,
    future: bool = True,
) -> None:
    """Put the fields of a window; `on` are the columns that can be held against it instead of the table's time."""
    state: dict[str, Any] = {"window": window}

    def took(changed: dict[str, Any] | None) -> None:
        state["window"] = changed
        take(changed)

    with fields():
        forms = {"": "at any time"} if optional else {}
        forms |= {n: words for n, words in WINDOWS.items() if future or n != "next"}
        chosen = "" if window is None else form_of(window)

        def reform(form: str) -> None:
            kept = {n: v for n, v in (state["window"] or {}).items() if n == "on"}
            took({**_FRESH[form], **kept} if form else None)
            redraw(rest, draw)

        choose(label, forms, chosen, reform)
        rest = Element("div").classes("m-fields")

    def put(name: str, value: Any) -> None:
        now = {n: v for n, v in state["window"].items() if n != name}
        took(now if value in (None, "") else {**now, name: value})

    def draw() -> None:
        now = state["window"]
        if now is None:
            return
        _form_fields(now, put, took)
        if on:
            choose_column(
                "by the time in", on, now.get("on", ""), lambda n: put("on", n), clearable=True
            )

    with rest:
        draw()


def _form_fields(window: dict[str, Any], put: Callable[[str, Any], None], took: Take) -> None:
    form = form_of(window)
    match form:
        case "last" | "next" | "before_ago":
            duration("time", window[form], lambda text: put(form, text))
        case "between_ago":
            far, near = window[form]
            ends = {"far": far, "near": near}

            def end(**changed: str) -> None:
                ends.update(changed)
                put(form, [ends["far"], ends["near"]])

            duration("from, ago", far, lambda text: end(far=text))
            duration("until, ago", near, lambda text: end(near=text))
        case "calendar":
            choose("period", CALENDARS, window[form], lambda name: put(form, name))
        case "day_offset":
            count(
                "days from today", window[form], lambda n: put(form, n), least=-36_600, most=36_600
            )
        case _:
            sides = {"from": window.get("from"), "to": window.get("to")}

            def side(name: str, value: str) -> None:
                sides[name] = value or None
                kept = {n: v for n, v in sides.items() if v} or {"from": "2026-01-01"}
                on = {"on": window["on"]} if "on" in window else {}
                took({**kept, **on})

            write("from", window.get("from", ""), lambda v: side("from", v), kind="date")
            write("to, not included", window.get("to", ""), lambda v: side("to", v), kind="date")
