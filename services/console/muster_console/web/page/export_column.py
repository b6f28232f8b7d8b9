"""How each column of an export is delivered: under which name, in which form, hashed or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui.element import Element

from muster_console.web.component.markup import button, text
from muster_console.web.editor.field import choose, write
from muster_console.web.live import redraw
from muster_core.exports.form import Hash, Normal

_AS_IT_IS = ""
_FORMS = {
    _AS_IT_IS: "as it is",
    Normal.TEXT.value: "small letters, no spaces at its ends",
    Normal.EMAIL.value: "as e-mail addresses are compared",
    Normal.PHONE.value: "as + and digits",
    Normal.DIGITS.value: "its digits alone",
}
_HASHES = {_AS_IT_IS: "not hashed", Hash.SHA256.value: "hashed with SHA-256"}


def column_of(entry: Any) -> str:
    """Return the column an entry of an export's `columns` is about."""
    return str(entry.get("column", "")) if isinstance(entry, dict) else str(entry)


def chosen_columns(entries: list[Any], chosen: list[str]) -> list[Any]:
    """Return the entries of the columns that are still chosen, as they are, and after them those that are new."""
    kept = [entry for entry in entries if column_of(entry) in chosen]
    known = {column_of(entry) for entry in kept}
    return [*kept, *(name for name in chosen if name not in known)]


def changed_entry(entry: Any, field: str, value: str) -> Any:
    """Return an entry with another `as`, `normalise` or `hash`; one that says nothing more is its column's name."""
    whole = dict(entry) if isinstance(entry, dict) else {"column": str(entry)}
    if value:
        whole[field] = value
    else:
        whole.pop(field, None)
    return column_of(whole) if whole.keys() == {"column"} else whole


class ColumnFields:
    """A line of fields for each column; `changed` is told after `entries` was changed in place."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._entries: list[Any] = []
        self._shown: list[Any] | None = None
        self._place = Element("div").classes("m-stack")

    def show(self, entries: list[Any]) -> None:
        """Show these entries, and change them from now on."""
        self._entries = entries
        if entries != self._shown:
            self._shown = list(entries)
            redraw(self._place, self._draw)

    def _draw(self) -> None:
        names = [column_of(entry) for entry in self._entries]
        for place, name in enumerate(names):
            with Element("div").classes("m-column-fields") as line:
                line.props["role"] = "group"
                line.props["aria-label"] = f"How {name} is delivered"
                self._line(place, name, again=names.count(name) > 1)

    def _line(self, place: int, name: str, *, again: bool) -> None:
        entry = self._entries[place]
        given = entry if isinstance(entry, dict) else {}
        text(name).classes("m-column-name")
        write(
            "called", given.get("as") or "", lambda v: self._put(place, "as", v.strip()), most=200
        )
        for field, label, words in (("normalise", "form", _FORMS), ("hash", "hash", _HASHES)):
            now = given.get(field) or _AS_IT_IS
            choose(label, words, now, partial(self._put, place, field))
        button(
            "",
            lambda: self._copy(place),
            icon_name="content_copy",
            label=f"Deliver {name} once more",
            kind="quiet",
        )
        if again:
            button(
                "",
                lambda: self._drop(place),
                icon_name="delete",
                label=f"Deliver {name} once less",
                kind="quiet",
            )

    def _put(self, place: int, field: str, value: str | None) -> None:
        self._entries[place] = changed_entry(self._entries[place], field, value or "")
        self._shown = list(self._entries)
        self._changed()

    def _copy(self, place: int) -> None:
        """Deliver a column twice, such as an address and its hash; the second needs a name of its own."""
        name = column_of(self._entries[place])
        self._entries.insert(place + 1, {"column": name, "as": f"{name}_2"[:200]})
        self._changed()
        self.show(self._entries)

    def _drop(self, place: int) -> None:
        del self._entries[place]
        self._changed()
        self.show(self._entries)
