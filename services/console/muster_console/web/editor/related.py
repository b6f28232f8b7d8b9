"""The fields of related rows: table, way, window, aggregate."""

from __future__ import annotations

from typing import Any

from nicegui.element import Element

from muster_console.web.builder.choice import CHOOSING, WITHOUT_COLUMN, fitting, functions
from muster_console.web.builder.tree import inside
from muster_console.web.builder.word import FUNCTIONS
from muster_console.web.editor.field import choose, choose_column, fields, hint, switch, way
from muster_console.web.editor.state import Editor
from muster_console.web.editor.window import window_fields
from muster_console.web.live import redraw
from muster_core.catalog.type import ColumnType


def table_fields(editor: Editor, pointer: str, *, timed: bool = False) -> None:
    """Put the choice of a table and, where several lead to the customers, of the way."""
    data = editor.at(pointer)
    tables = [table for table in editor.choices.tables if table.time or not timed]
    options = {table.name: f"{table.name} · {table.columns} columns" for table in tables}
    with fields():
        choose(
            "table",
            options,
            data["table"],
            lambda name: editor.set_fields(pointer, {"table": name or "", "via": None}, shape=True),
            search=True,
            wide=True,
        )
        known = editor.choices.table(data["table"])
        if known is not None and len(known.ways) > 1:
            way(
                "way to the customers",
                known.ways,
                data.get("via", []),
                lambda names: editor.set_field(pointer, "via", names or None, shape=True),
            )


def columns_of_rows(editor: Editor, pointer: str) -> dict[str, ColumnType]:
    """Return the columns of the rows named at a pointer."""
    data = editor.at(pointer)
    return editor.choices.columns(data.get("table", ""), data.get("via", ()))


def rows_window(editor: Editor, pointer: str, *, optional: bool = True, on: bool = True) -> None:
    """Put the window of the rows named at a pointer."""
    columns = columns_of_rows(editor, pointer)
    times = {name: kind for name, kind in columns.items() if kind.is_time}
    window_fields(
        "when",
        editor.at(pointer).get("window"),
        lambda window: editor.set_field(pointer, "window", window),
        optional=optional,
        on=times if on else None,
    )


def aggregate_fields(editor: Editor, pointer: str, *, exists: bool) -> None:
    """Put function, column and order of an aggregate; `exists` where it may need no value."""
    columns = columns_of_rows(editor, pointer)
    state = {"aggregate": editor.at(pointer)["aggregate"]}
    offered = {name: FUNCTIONS[name] for name in functions(columns, exists=exists)}

    def put(**changed: Any) -> None:
        merged = {**state["aggregate"], **changed}
        state["aggregate"] = {name: value for name, value in merged.items() if value}

    def turn(function: str) -> None:
        before = state["aggregate"].get("column", "")
        column = None
        if function not in WITHOUT_COLUMN:
            fits = fitting(columns, function)
            column = before if before in fits else next(iter(fits), "")
        order = state["aggregate"].get("order_by") if function in CHOOSING else None
        put(function=function, column=column, order_by=order)
        values: dict[str, Any] = {"aggregate": state["aggregate"]}
        data = editor.at(pointer)
        if data.get("kind") == "rows":
            fresh = {"compare": "gte", "value": 1}
            values |= (
                {"compare": None, "value": None}
                if function == "exists"
                else {name: data.get(name, value) for name, value in fresh.items()}
            )
        editor.set_fields(pointer, values, shape=True)

    with fields():
        choose("what counts", offered, state["aggregate"]["function"], turn)
        function = state["aggregate"]["function"]
        if function not in WITHOUT_COLUMN:

            def column(name: str) -> None:
                put(column=name)
                editor.set_field(pointer, "aggregate", state["aggregate"], shape=True)

            fits = fitting(columns, function)
            choose_column("column", fits, state["aggregate"].get("column", ""), column)
        if function in CHOOSING:

            def order(name: str) -> None:
                put(order_by=name)
                editor.set_field(pointer, "aggregate", state["aggregate"])

            orders = fitting(columns, "order")
            chosen = state["aggregate"].get("order_by", "")
            choose_column("in the order of", orders, chosen, order, clearable=True)


def measurable_fields(
    editor: Editor, pointer: str, *, exists: bool = False, future: bool = True
) -> None:
    """Put everything an aggregate over related rows has but its condition, which stands in the tree."""
    table_fields(editor, pointer)
    aggregate_fields(editor, pointer, exists=exists)
    rows_window(editor, pointer)
    if future:
        switch(
            "rows of the future count, too",
            bool(editor.at(pointer).get("include_future")),
            lambda chosen: editor.set_field(pointer, "include_future", chosen, absent=False),
        )


def side_fields(editor: Editor, pointer: str, name: str, label: str) -> None:
    """Put one side of a comparison of two aggregates: an aggregate, or a measure."""
    place = inside(pointer, name)
    part = Element("fieldset").classes("m-side-fields")

    def draw() -> None:
        from_measure = "measure" in editor.at(place)
        with Element("legend"):
            hint(label)
        if editor.choices.measures or from_measure:
            options = {"rows": "rows of a table", "measure": "a measure"}
            choose("what", options, "measure" if from_measure else "rows", turn)
        if from_measure:
            names = {m: m for m in sorted(editor.choices.measures)}
            choose(
                "measure",
                names,
                editor.at(place)["measure"],
                lambda chosen: editor.set_field(place, "measure", chosen),
                search=True,
            )
        else:
            measurable_fields(editor, place, future=False)

    def turn(chosen: str) -> None:
        first = next(iter(sorted(editor.choices.measures)), "")
        tables = editor.choices.tables
        fresh: dict[str, Any] = {"measure": first}
        if chosen == "rows":
            table = tables[0].name if tables else ""
            fresh = {"table": table, "aggregate": {"function": "count"}}
        editor.set_field(pointer, name, fresh, shape=True)

    redraw(part, draw)
