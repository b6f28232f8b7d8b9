"""The table of lists: sorted, searched, filtered, arranged and paged in the browser; only changed rows are sent.

Of a long table the page itself brings what is seen first; the rest follows over the socket once the page is open.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any, Literal

from nicegui.element import Element

from muster_console.web.component.markup import in_page

Kind = Literal[
    "text",
    "link",
    "number",
    "instant",
    "moment",
    "duration",
    "bytes",
    "status",
    "tags",
    "yes",
    "code",
    "actions",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column; `kind` says how its values are shown.

    `instant` is a time as “3 min ago”, `moment` the time itself, `duration` seconds. A `status` shows beside its
    word what the row holds as ``<name>_note`` and, as a bar, ``<name>_share`` (0 to 1). `actions` holds a list of
    `RowAction`.
    """

    name: str
    label: str
    kind: Kind = "text"
    #: For a link: a path with row values in braces, such as ``/segments/{name}``.
    href: str = ""
    sortable: bool = True
    search: bool = False
    #: Whether a choice of its values narrows the table.
    filter: bool = False
    #: Whether it is shown only when people choose so.
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something to do with one row or with those chosen."""

    name: str
    label: str
    icon: str
    bad: bool = False
    #: Whether it stands in a menu with others.
    more: bool = False


Row = Mapping[str, Any]
#: What JSON holds as it is; asked first, for thousands of values are looked at.
_AS_IT_IS = frozenset((str, int, float, bool))


class DataTable(Element, component="table.js"):
    """A table of rows, each a mapping that holds its key under `row_key`."""

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Sequence[Row] = (),
        *,
        row_key: str,
        caption: str,
        noun: tuple[str, str] = ("row", "rows"),
        memory: str = "",
        search: str = "",
        arrangeable: bool = False,
        bulk: Sequence[Action] = (),
        sort_by: str = "",
        sort_down: bool = False,
        empty: str = "Nothing here yet.",
        page_size: int = 50,
        start: Mapping[str, str] | None = None,
        on_bulk: Callable[[str, list[Any]], Awaitable[None] | None] | None = None,
        on_action: Callable[[str, Any], Awaitable[None] | None] | None = None,
    ) -> None:
        """Show `rows` under `columns`.

        Args:
            columns: in their first order.
            rows: what to show; values are what JSON holds, instants and enums.
            row_key: the name of the value no two rows share.
            caption: what the table holds, for those who cannot see it.
            noun: what one and several rows are called.
            memory: under which name the browser keeps sort, order and choice of columns; empty: it does not.
            search: the label of the search field; empty: there is none.
            arrangeable: whether columns may be chosen and ordered.
            bulk: what can be done with chosen rows; empty: rows cannot be chosen.
            sort_by: the column sorted by at first; empty: rows stand as they are given.
            sort_down: whether downwards.
            empty: what is said where there are no rows.
            page_size: rows shown at once.
            start: filters set at first, word by column.
            on_bulk: called with the name of an action and the keys chosen.
            on_action: called with the name of an action and the key of its row.
        """
        super().__init__()
        self._key = row_key
        self._rows: dict[Any, dict[str, Any]] = {}
        #: Whether everything goes at once: a table put into an open page has nothing to wait for.
        self._whole = self.client.has_socket_connection
        given: dict[str, Any] = {
            "columns": [_column(column) for column in columns],
            "rowKey": row_key,
            "caption": caption,
            "noun": list(noun),
            "memory": memory,
            "searchable": bool(search),
            "searchLabel": search,
            "arrangeable": arrangeable,
            "selectable": bool(bulk),
            "bulk": [_action(action) for action in bulk],
            "sortBy": sort_by,
            "sortDown": sort_down,
            "emptyText": empty,
            "pageSize": page_size,
            "start": dict(start or {}),
        }
        self._props.update(given)
        self._fill([_plain(row) for row in rows])
        if on_bulk is not None:
            bulk_act = in_page(on_bulk)
            self.on("bulk", lambda e: bulk_act(str(e.args["name"]), list(e.args["keys"])))
        if on_action is not None:
            row_act = in_page(on_action)
            self.on("action", lambda e: row_act(str(e.args["name"]), e.args["key"]))

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show these rows; only what differs from those shown goes to the browser."""
        before, given = self._rows, [_plain(row) for row in rows]
        changed = [row for row in given if before.get(row[self._key]) != row]
        keys = {row[self._key] for row in given}
        gone = [key for key in before if key not in keys]
        if not changed and not gone:
            return
        self._fill(given)
        if self._props["partial"]:
            # nobody sees it yet; the rest is sent as it is then
            return
        if len(changed) > max(20, len(given) // 2):
            self.update()
        else:
            self.run_method("patch", changed, gone)

    def clear_selection(self) -> None:
        """Choose no row."""
        self.run_method("clear_selection")

    def _fill(self, rows: list[dict[str, Any]]) -> None:
        self._rows = {row[self._key]: row for row in rows}
        page_size = self._props["pageSize"]
        partial = not self._whole and len(rows) > 2 * page_size
        if partial and not self._props.get("partial"):
            self.client.on_connect(self._send_rest)
        # past NiceGUI's watching of every value: the browser is told what changed, a page loaded anew gets the whole
        dict.__setitem__(self._props, "rows", self._first(rows, page_size) if partial else rows)
        dict.__setitem__(self._props, "partial", partial)
        dict.__setitem__(self._props, "total", len(rows))

    def _send_rest(self) -> None:
        self._whole = True
        if self._props["partial"] and not self.is_deleted:
            self._fill(list(self._rows.values()))
            self.update()

    def _first(self, rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
        """Return the rows seen first, near enough to the order of the browser's language, which sorts them again."""
        wanted = self._props["start"]
        fitting = [
            row for row in rows if all(_fits(row.get(n), word) for n, word in wanted.items())
        ]
        name, down = self._props["sortBy"], self._props["sortDown"]
        if not name:
            return fitting[:count]
        known = [row for row in fitting if row.get(name) not in (None, "")]
        known.sort(key=lambda row: _rank(row[name]), reverse=down)
        return [*known, *(row for row in fitting if row.get(name) in (None, ""))][:count]


def row_actions(*actions: Action) -> list[dict[str, Any]]:
    """Return what a column of actions holds."""
    return [_action(action) for action in actions]


def chip(word: str) -> StatusChip:
    """Put a state as icon, word and tone."""
    return StatusChip(word)


class StatusChip(Element, component="chip.js"):
    """A state as icon, word and tone."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._props["word"] = str(word)

    def set_word(self, word: str) -> None:
        """Show another state."""
        if self._props["word"] != str(word):
            self._props["word"] = str(word)
            self.update()


class Figure(Element, component="figure.js"):
    """A number, instant, duration or size, as the browser's language and zone write it."""

    def __init__(
        self,
        value: Any,
        kind: Literal["number", "instant", "moment", "duration", "bytes", "day"] = "number",
    ) -> None:
        super().__init__()
        self._props["value"] = _value(value)
        self._props["kind"] = kind

    def set_value(self, value: Any) -> None:
        """Show another value."""
        if self._props["value"] != _value(value):
            self._props["value"] = _value(value)
            self.update()


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "label": column.label,
        "kind": column.kind,
        "href": column.href,
        "sortable": column.sortable and column.kind != "actions",
        "search": column.search,
        "filter": column.filter,
        "hidden": column.hidden,
    }


def _action(action: Action) -> dict[str, Any]:
    return {
        "name": action.name,
        "label": action.label,
        "icon": action.icon,
        "bad": action.bad,
        "more": action.more,
    }


def _fits(value: Any, word: str) -> bool:
    return word in map(str, value) if isinstance(value, list | tuple) else str(value) == word


def _rank(value: Any) -> tuple[float, list[Any]]:
    """Return what sorts as the browser does: numbers by size, words whatever their case, numerals in them by size."""
    if isinstance(value, int | float):
        return value, []
    words = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    # text and numerals take turns, so that like is compared with like
    parts = re.split(r"([0-9]+)", words.casefold())
    return 0, [int(part) if place % 2 else part for place, part in enumerate(parts)]


def _plain(row: Row) -> dict[str, Any]:
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if value is None or type(value) in _AS_IT_IS:
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return value
