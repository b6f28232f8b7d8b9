"""The rules of a segment, or the aggregate of a measure, as they stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nicegui.element import Element

from muster_console.web.builder import blank, change
from muster_console.web.builder.tree import within
from muster_console.web.builder.word import COMBINES
from muster_console.web.component.markup import button, icon, text
from muster_console.web.editor.branch import Branches
from muster_console.web.editor.field import choose, write
from muster_console.web.editor.line import Line
from muster_console.web.editor.picker import Picker
from muster_console.web.editor.related import measurable_fields
from muster_console.web.editor.state import Editor
from muster_console.web.live import redraw


class Tree:
    """The rules of an editor; drawn anew when their shape changes, else only their words."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self._branches = Branches(editor)
        self._drawn: list[_Drawn] = []
        self._picker = Picker()
        self._root = Element("div").classes("m-rules")
        editor.on_shape(self._draw)
        editor.on_text(self._branches.refresh)
        self._draw()

    @property
    def pointers(self) -> list[str]:
        """Return where the conditions shown stand, rules left out."""
        return [
            pointer
            for pointer in self._branches.lines
            if not pointer.rpartition("/")[2].isdecimal() or "/where" in pointer
        ]

    # --- drawing

    def _draw(self) -> None:
        """Draw what differs from what is shown: every rule by itself, since most changes touch one."""
        document = self._editor.document
        if "by" in document:
            self._branches.forget()
            redraw(self._root, self._measure)
        else:
            self._draw_rules(document.get("rules", []))
        self._branches.refresh()

    def _draw_rules(self, rules: list[dict[str, Any]]) -> None:
        if len(rules) != len(self._drawn) or not rules:
            self._branches.forget()
            self._drawn = []
            redraw(self._root, lambda: self._all_rules(rules))
            return
        for index, rule in enumerate(rules):
            drawn = self._drawn[index]
            if drawn.rule is rule and drawn.open == self._opened(index):
                continue
            self._branches.forget(f"/rules/{index}")
            drawn.part.clear()
            with drawn.part:
                self._rule(index, rule)
            drawn.rule, drawn.open = rule, self._opened(index)

    def _opened(self, index: int) -> str | None:
        """Return the condition that is open, if it is one of the rule's."""
        opened = self._editor.open
        return opened if opened is not None and within(opened, f"/rules/{index}") else None

    def _all_rules(self, rules: list[dict[str, Any]]) -> None:
        if not rules:
            with Element("div").classes("m-empty"):
                icon("rule")
                text("No rules yet", tag="h2")
                text("Say who belongs to the segment: begin with a condition.", tag="p")
        for index, rule in enumerate(rules):
            part = Element("section").classes("m-rule")
            part.props["aria-label"] = f"Rule {index + 1}"
            with part:
                self._rule(index, rule)
            self._branches.droppable(part, f"/rules/{index}")
            self._drawn.append(_Drawn(part, rule, self._opened(index)))
        with Element("div").classes("m-row"):
            words = "Add a rule" if rules else "Add the first condition"
            button(words, self._add_rule, icon_name="add", kind="plain" if rules else "main")

    def _measure(self) -> None:
        """Draw what a measure has: one aggregate, whose fields are always open."""
        with Element("div").classes("m-open"):
            measurable_fields(self._editor, "/by")
        self._branches.lines["/by"] = Line(count=text(""))
        self._branches.row_parts(self._editor.document["by"], "/by")

    def _rule(self, index: int, rule: dict[str, Any]) -> None:
        pointer, editor = f"/rules/{index}", self._editor
        with Element("div").classes("m-rule-head"):
            self._branches.handle(pointer)
            text(f"Rule {index + 1}", tag="h3").classes("m-rule-name")
            if index:
                choose(
                    "combined with above",
                    COMBINES,
                    rule["combine"],
                    lambda how: editor.attempt(
                        "combine", lambda d: change.combine_rule(d, index, how)
                    ),
                ).classes("m-field--combine")
            write(
                "rule name",
                rule.get("name") or "",
                lambda name: editor.set_field(pointer, "name", name, absent=""),
                most=200,
            ).classes("m-field--name")
            with Element("div").classes("m-rule-end"):
                count = text("").classes("m-count")
                self._rule_buttons(index)
        self._branches.lines[pointer] = Line(count=count, running=True)
        self._branches.node(rule["where"], f"{pointer}/where")

    def _rule_buttons(self, index: int) -> None:
        editor, last = self._editor, len(self._editor.document["rules"]) - 1
        pointer = f"/rules/{index}"

        def to(place: int) -> Callable[[], None]:
            return lambda: editor.attempt(
                "move rule", lambda d: change.move(d, pointer, "/rules", place)
            )

        up = button(
            "",
            to(index - 1),
            icon_name="arrow_upward",
            label=f"Move rule {index + 1} up",
            kind="quiet",
        )
        up.set_enabled(index > 0)
        down = button(
            "",
            to(index + 2),
            icon_name="arrow_downward",
            label=f"Move rule {index + 1} down",
            kind="quiet",
        )
        down.set_enabled(index < last)
        copy = lambda: editor.attempt("copy rule", lambda d: change.duplicate(d, pointer))
        button("", copy, icon_name="content_copy", label=f"Copy rule {index + 1}", kind="quiet")
        drop = lambda: editor.attempt("remove rule", lambda d: change.remove(d, pointer))
        button("", drop, icon_name="delete", label=f"Remove rule {index + 1}", kind="quiet")

    def _add_rule(self) -> None:
        def add(kind: str) -> None:
            fresh = blank.condition(kind, self._editor.choices.catalog)
            count = len(self._editor.document.get("rules", []))
            self._editor.attempt(
                "add rule", lambda d: change.add_rule(d, fresh), open=f"/rules/{count}/where"
            )

        self._picker.open(add)


@dataclass(slots=True)
class _Drawn:
    """A rule as it is shown."""

    part: Element
    rule: dict[str, Any]
    open: str | None
