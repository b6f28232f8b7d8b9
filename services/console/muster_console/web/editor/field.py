"""Fields of conditions: choices with search, texts that are taken when they are left, durations, ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import isawaitable
from typing import Any

from nicegui import ui
from nicegui.element import Element

from muster_console.web.builder.reading import duration_of, duration_parts
from muster_console.web.builder.word import UNITS, type_words
from muster_console.web.component.markup import text
from muster_core.catalog.type import ColumnType


def choose(
    label: str,
    options: Mapping[Any, str],
    value: Any,
    take: Callable[[Any], Any],
    *,
    search: bool = False,
    clearable: bool = False,
    wide: bool = False,
) -> ui.select:
    """Put a choice of one; a value that is not offered is shown as it stands."""
    known = dict(options)
    if value not in (None, "") and value not in known:
        known[value] = f"{value} (not there)"
    shown = value if value in known else None
    made = ui.select(
        known,
        value=shown,
        label=label,
        with_input=search,
        clearable=clearable,
        on_change=lambda e: take(e.value),
    )
    made.props("options-dense behavior=menu")
    return made.classes("m-field m-field--wide" if wide else "m-field")


def choose_column(
    label: str,
    columns: Mapping[str, ColumnType],
    value: str,
    take: Callable[[str], None],
    *,
    clearable: bool = False,
) -> ui.select:
    """Put a choice of a column, with its type, searched by typing."""
    options = {name: f"{name} · {type_words(kind)}" for name, kind in columns.items()}
    return choose(
        label,
        options,
        value,
        lambda chosen: take(chosen or ""),
        search=True,
        clearable=clearable,
        wide=True,
    )


def write(
    label: str,
    value: str,
    take: Callable[[str], Any],
    *,
    kind: str = "text",
    wide: bool = False,
    most: int = 0,
    now: Callable[[], str] | None = None,
) -> ui.input:
    """Put a text field; what is typed is taken when the field is left or Enter is pressed.

    `now` returns what is taken now, where that changes in other ways than by this field.
    """
    made = ui.input(label, value=value)
    made.props["type"] = kind
    if most:
        made.props["maxlength"] = most
    if kind != "text":
        made.props["stack-label"] = True
    taken = {"value": value}

    async def commit() -> None:
        if made.value != (taken["value"] if now is None else now()):
            taken["value"] = made.value or ""
            done = take(taken["value"])
            if isawaitable(done):
                await done

    made.on("blur", commit).on("keydown.enter", commit)
    return made.classes("m-field m-field--wide" if wide else "m-field")


def count(
    label: str, value: int, take: Callable[[int], None], *, least: int = 1, most: int = 10**9
) -> ui.input:
    """Put a field for a whole number between two bounds."""

    def took(typed: str) -> None:
        if typed.strip().lstrip("-").isdecimal():
            take(min(most, max(least, int(typed))))

    made = write(label, str(value), took, kind="number")
    made.props["min"], made.props["max"], made.props["step"] = least, most, 1
    return made.classes("m-field--short")


def duration(label: str, value: str, take: Callable[[str], None]) -> None:
    """Put number and unit of a duration."""
    number, unit = duration_parts(value)
    state: dict[str, Any] = {"number": number, "unit": unit}

    def took(**changed: Any) -> None:
        state.update(changed)
        take(duration_of(state["number"], state["unit"]))

    count(label, number, lambda n: took(number=n), most=1_000_000)
    units = {unit: f"{unit}s" for unit in UNITS}
    choose(f"{label}: unit", units, unit, lambda u: took(unit=u)).classes("m-field--short")


def way(
    label: str, ways: Iterable[tuple[str, ...]], value: list[str], take: Callable[[list[str]], None]
) -> ui.select:
    """Put a choice of the way from a table to the customers."""
    options = {"/".join(names): " → ".join(names) for names in ways}
    return choose(
        label,
        options,
        "/".join(value),
        lambda chosen: take(chosen.split("/") if chosen else []),
        wide=True,
    )


def switch(label: str, value: bool, take: Callable[[bool], None]) -> ui.checkbox:
    """Put a yes or no."""
    return ui.checkbox(label, value=value, on_change=lambda e: take(bool(e.value)))


def fields() -> Element:
    """Put fields side by side, wrapping where there is no room."""
    return Element("div").classes("m-fields")


def hint(words: str) -> None:
    """Put a remark below fields."""
    text(words, tag="p").classes("m-hint")
