"""The choice of what kind of condition to add."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui
from nicegui.element import Element

from muster_console.web.builder.word import KINDS, ROW_KINDS
from muster_console.web.component.markup import button, icon, text

#: Kinds that are asked for most; the others stand below them.
_FIRST = ("attribute", "rows", "segment", "all", "any", "not")


class Picker:
    """One dialog for a whole page; it is filled when it is opened."""

    def __init__(self) -> None:
        with ui.dialog() as self._dialog, Element("div").classes("m-dialog m-dialog--wide"):
            self._dialog.props["aria-label"] = "Add a condition"
            self._body = Element("div").classes("m-stack")

    def open(self, take: Callable[[str], None], *, row: bool = False) -> None:
        """Ask for a kind, of conditions on one row where `row`; call `take` with it."""
        self._body.clear()
        with self._body:
            text("Add a condition on the row" if row else "Add a condition", tag="h2")
            kinds = ROW_KINDS if row else (*_FIRST, *(k for k in KINDS if k not in _FIRST))
            with Element("div").classes("m-kinds"):
                for kind in kinds:
                    made = self._offer(kind, take, row)
                    if kind == kinds[0]:
                        # where the keyboard begins
                        made.props["data-autofocus"] = True
            with Element("div").classes("m-dialog-foot"):
                button("Cancel", self._dialog.close)
        self._dialog.open()

    def _offer(self, kind: str, take: Callable[[str], None], row: bool) -> Element:
        icon_name, name, words = KINDS[kind]
        if row and kind == "attribute":
            name, words = "Column", "A column of the row compares with a value"

        def chosen() -> None:
            self._dialog.close()
            take(kind)

        with Element("button").classes("m-kind") as made:
            made.props["type"] = "button"
            icon(icon_name)
            with Element("span").classes("m-kind-words"):
                text(name).classes("m-kind-name")
                text(words).classes("m-muted")
        made.on("click", chosen)
        return made
