"""Conditions as they stand: each a line that opens to its fields, groups with what is inside them."""

from __future__ import annotations

from typing import Any

from nicegui.element import Element

from muster_console.web.builder import blank, change
from muster_console.web.builder.node import GROUPS, owner_of
from muster_console.web.builder.tree import Plain, found, split, within
from muster_console.web.builder.word import KINDS
from muster_console.web.component.markup import button, icon, text
from muster_console.web.editor.kind import kind_fields
from muster_console.web.editor.line import Line, words_of
from muster_console.web.editor.picker import Picker
from muster_console.web.editor.state import Editor
from muster_console.web.editor.tool import tools_of
from muster_console.web.words import problem_line

#: Fields that hold conditions on rows, and what is said before them.
_ROW_PARTS = {"where": "rows where", "having": "and that row has", "steps": "step"}


class Branches:
    """Draws conditions of an editor, and keeps the words, counts and problems of their lines true."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self._picker = Picker()
        #: What is shown, by the pointer of what it is about.
        self.lines: dict[str, Line] = {}

    def forget(self, pointer: str = "") -> None:
        """Leave out the lines of what stands at a pointer, or of everything: they are drawn anew."""
        self.lines = {p: line for p, line in self.lines.items() if not within(p, pointer)}

    def node(self, data: dict[str, Any], pointer: str, lead: str = "") -> None:
        """Put a condition and what is inside it; `lead` is said before its words."""
        kind = data["kind"]
        with Element("div").classes(f"m-node m-node--{kind}"):
            self._line(data, pointer, lead)
            if self._editor.open == pointer:
                with Element("div").classes("m-open"):
                    tools_of(self._editor, pointer)
                    kind_fields(self._editor, pointer)
            self._inside(data, pointer)

    def _inside(self, data: dict[str, Any], pointer: str) -> None:
        kind = data["kind"]
        if kind == "not":
            with Element("div").classes("m-inside"):
                self.node(data["of"], f"{pointer}/of")
        elif kind in GROUPS:
            with Element("div").classes("m-inside"):
                for index, part in enumerate(data["of"]):
                    self.node(part, f"{pointer}/of/{index}")
                self._adder(pointer, "Add a condition")
        else:
            self.row_parts(data, pointer)

    def row_parts(self, data: dict[str, Any], pointer: str, label: str = "") -> None:
        """Put the conditions on the rows of what names a table, and what adds one."""
        outer = split(pointer)[0]
        for name, words in _ROW_PARTS.items():
            inner = data.get(name)
            if isinstance(inner, dict):
                with Element("div").classes("m-inside"):
                    self.node(inner, f"{pointer}/{name}", f"{label}{words}")
            elif isinstance(inner, list):
                with Element("div").classes("m-inside"):
                    for index, part in enumerate(inner):
                        self.node(part, f"{pointer}/{name}/{index}", f"{words} {index + 1}")
        # the fields of a measure and of a carried column are always open
        if pointer == "/by" or outer == "/project" or self._editor.open in (pointer, outer):
            if data.get("kind") == "sequence":
                self._adder(pointer, "Add a step")
            elif data.get("table") and "steps" not in data:
                words = "Add a condition on the rows"
                self._adder(f"{pointer}/where", words)
        for name in ("left", "right", "by"):
            side = data.get(name)
            if isinstance(side, dict) and "table" in side:
                label = {"left": "this: ", "right": "that: "}.get(name, "")
                self.row_parts(side, f"{pointer}/{name}", label)

    def _line(self, data: dict[str, Any], pointer: str, lead: str) -> None:
        with Element("div").classes("m-line") as row:
            self.handle(pointer)
            with Element("button").classes("m-line-main") as line:
                line.props["type"] = "button"
                line.props["aria-expanded"] = "true" if self._editor.open == pointer else "false"
                icon(KINDS[data["kind"]][0])
                if lead:
                    text(lead).classes("m-lead-in")
                words = text("").classes("m-line-words")
            line.on("click", lambda: self._editor.toggle(pointer))
            count = text("").classes("m-count")
        self.droppable(row, pointer)
        self.lines[pointer] = Line(words=words, count=count)

    def _adder(self, pointer: str, words: str) -> None:
        def add() -> None:
            editor = self._editor
            row = owner_of(editor.document, pointer) is not None
            data = editor.at(pointer) if found(editor.document, pointer) else None
            sequence = data is not None and data.get("kind") == "sequence"
            self._picker.open(lambda kind: self._add(pointer, kind), row=row or sequence)

        button(words, add, icon_name="add", kind="quiet").classes("m-add")

    def _add(self, pointer: str, kind: str) -> None:
        editor = self._editor
        fresh = blank.condition(kind, editor.choices.catalog)
        document = change.add(editor.document, pointer, fresh)
        goal = _place_of(editor.document, document, pointer)
        editor.attempt("add", lambda d: change.add(d, pointer, fresh), open=goal)

    def handle(self, pointer: str) -> None:
        """Put what a rule or condition is dragged by; the buttons that move it do the same."""
        handle = icon("drag_indicator").classes("m-handle")
        handle.props["title"] = "Drag to move"
        handle.props["draggable"] = "true"
        start = "(e) => { e.dataTransfer.setData('text/plain', ''); emit(); }"
        handle.on("dragstart", lambda: self._drag(pointer), js_handler=start)

    def _drag(self, pointer: str) -> None:
        self._editor.dragged = pointer

    def droppable(self, part: Element, pointer: str) -> None:
        """Let what is dragged be dropped on a part that shows what stands at a pointer."""
        part.on("dragover", js_handler="(e) => e.preventDefault()")
        part.on(
            "drop", lambda: self._drop(pointer), js_handler="(e) => { e.preventDefault(); emit(); }"
        )

    def _drop(self, pointer: str) -> None:
        source, self._editor.dragged = self._editor.dragged, None
        if source is None or source == pointer or not found(self._editor.document, source):
            return
        self._editor.open = None
        self._editor.attempt("move", lambda d: change.drop(d, source, pointer))

    # --- words

    def refresh(self) -> None:
        """Say of every line what is true now."""
        editor = self._editor
        problems = editor.judgement.by_node(editor.document)
        for pointer, line in self.lines.items():
            if not found(editor.document, pointer):
                continue
            own = problems.get(pointer, [])
            if line.words is not None:
                row = owner_of(editor.document, pointer) is not None
                line.words.set_text(words_of(editor.at(pointer), row=row))
            key = f"{pointer}:running" if line.running else pointer
            counted = editor.counts.get(key) or editor.counts.get(pointer, "")
            if line.count is not None:
                line.count.set_text(counted)
                line.count.classes(
                    add="" if editor.fresh else "m-count--old",
                    remove="m-count--old" if editor.fresh else "",
                )
            line.tell([problem_line(p) for p in own])


def _place_of(before: Plain, after: Plain, pointer: str) -> str:
    """Return where a condition added at `pointer` stands."""
    if not found(before, pointer):
        return pointer
    data: Any = after
    for step in pointer.split("/")[1:]:
        data = data[int(step)] if isinstance(data, list) else data[step]
    name = "steps" if data.get("kind") == "sequence" else "of"
    return f"{pointer}/{name}/{len(data[name]) - 1}"
