"""Rules and conditions as they stand: each a line that opens to its fields, groups with what is inside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from nicegui import ui
from nicegui.element import Element
from pydantic import TypeAdapter, ValidationError

from muster_console.web.builder import blank, change
from muster_console.web.builder.node import GROUPS, owner_of
from muster_console.web.builder.spelling import condition_of, expression_of
from muster_console.web.builder.tree import Plain, found, put, split, within
from muster_console.web.builder.word import COMBINES, KINDS
from muster_console.web.component.markup import Words, button, icon, text
from muster_console.web.editor.field import choose, write
from muster_console.web.editor.kind import kind_fields
from muster_console.web.editor.picker import Picker
from muster_console.web.editor.related import measurable_fields
from muster_console.web.editor.state import Editor
from muster_console.web.live import redraw
from muster_console.web.words import problem_line
from muster_core.errors import InvalidInput
from muster_core.rules.condition import Condition, RowCondition
from muster_core.rules.sentence import clause

_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
_ROW: TypeAdapter[RowCondition] = TypeAdapter(RowCondition)
_GROUP_WORDS = {
    "all": "All of these hold",
    "any": "At least one of these holds",
    "not": "This does not hold",
}
#: Fields that hold conditions on rows, and what is said before them.
_ROW_PARTS = {"where": "rows where", "having": "and that row has", "steps": "step"}


class Tree:
    """The rules of an editor; drawn anew when their shape changes, else only their words."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self._lines: dict[str, _Line] = {}
        self._drawn: list[_Drawn] = []
        self._picker = Picker()
        self._root = Element("div").classes("m-rules")
        editor.on_shape(self._draw)
        editor.on_text(self._refresh)
        self._draw()
        self._refresh()

    @property
    def pointers(self) -> list[str]:
        """Return where the conditions shown stand, rules left out."""
        return [
            pointer
            for pointer in self._lines
            if not pointer.rpartition("/")[2].isdecimal() or "/where" in pointer
        ]

    # --- drawing

    def _draw(self) -> None:
        """Draw what differs from what is shown: every rule by itself, since most changes touch one."""
        document = self._editor.document
        if "by" in document:
            self._lines = {}
            redraw(self._root, self._measure)
        else:
            self._draw_rules(document.get("rules", []))
        self._refresh()

    def _draw_rules(self, rules: list[dict[str, Any]]) -> None:
        if len(rules) != len(self._drawn) or not rules:
            self._lines, self._drawn = {}, []
            redraw(self._root, lambda: self._all_rules(rules))
            return
        for index, rule in enumerate(rules):
            drawn = self._drawn[index]
            if drawn.rule is rule and drawn.open == self._opened(index):
                continue
            pointer = f"/rules/{index}"
            self._lines = {p: line for p, line in self._lines.items() if not within(p, pointer)}
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
            self._drawn.append(_Drawn(part, rule, self._opened(index)))
        with Element("div").classes("m-row"):
            words = "Add a rule" if rules else "Add the first condition"
            button(words, self._add_rule, icon_name="add", kind="plain" if rules else "main")

    def _measure(self) -> None:
        """Draw what a measure has: one aggregate, whose fields are always open."""
        with Element("div").classes("m-open"):
            measurable_fields(self._editor, "/by")
        wrong = _wrong()
        self._lines["/by"] = _Line(count=text(""), wrong=wrong)
        self._row_parts(self._editor.document["by"], "/by")

    def _rule(self, index: int, rule: dict[str, Any]) -> None:
        pointer, editor = f"/rules/{index}", self._editor
        with Element("div").classes("m-rule-head") as head:
            self._handle(pointer)
            text(f"Rule {index + 1}", tag="h3").classes("m-rule-name")
            if index:
                choose(
                    "together with the rules before",
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
        self._droppable(head, pointer)
        self._lines[pointer] = _Line(count=count, running=True, wrong=_wrong())
        self._node(rule["where"], f"{pointer}/where")

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

    def _node(self, data: dict[str, Any], pointer: str, lead: str = "") -> None:
        kind = data["kind"]
        with Element("div").classes(f"m-node m-node--{kind}"):
            self._line(data, pointer, lead)
            if self._editor.open == pointer:
                with Element("div").classes("m-open"):
                    self._tools(data, pointer)
                    kind_fields(self._editor, pointer)
            self._inside(data, pointer)

    def _inside(self, data: dict[str, Any], pointer: str) -> None:
        kind = data["kind"]
        if kind == "not":
            with Element("div").classes("m-inside"):
                self._node(data["of"], f"{pointer}/of")
        elif kind in GROUPS:
            with Element("div").classes("m-inside"):
                for index, part in enumerate(data["of"]):
                    self._node(part, f"{pointer}/of/{index}")
                self._adder(pointer, "Add a condition")
        else:
            self._row_parts(data, pointer)

    def _row_parts(self, data: dict[str, Any], pointer: str, label: str = "") -> None:
        for name, words in _ROW_PARTS.items():
            inner = data.get(name)
            if isinstance(inner, dict):
                with Element("div").classes("m-inside"):
                    self._node(inner, f"{pointer}/{name}", f"{label}{words}")
            elif isinstance(inner, list):
                with Element("div").classes("m-inside"):
                    for index, part in enumerate(inner):
                        self._node(part, f"{pointer}/{name}/{index}", f"{words} {index + 1}")
        if pointer == "/by" or self._editor.open in (pointer, split(pointer)[0]):
            if data.get("kind") == "sequence":
                self._adder(pointer, "Add a step")
            elif data.get("table") and "steps" not in data:
                words = "Add a condition on the rows"
                self._adder(f"{pointer}/where", words)
        for name in ("left", "right", "by"):
            side = data.get(name)
            if isinstance(side, dict) and "table" in side:
                label = {"left": "this: ", "right": "that: "}.get(name, "")
                self._row_parts(side, f"{pointer}/{name}", label)

    def _line(self, data: dict[str, Any], pointer: str, lead: str) -> None:
        with Element("div").classes("m-line") as row:
            self._handle(pointer)
            with Element("button").classes("m-line-main") as line:
                line.props["type"] = "button"
                line.props["aria-expanded"] = "true" if self._editor.open == pointer else "false"
                icon(KINDS[data["kind"]][0])
                if lead:
                    text(lead).classes("m-lead-in")
                words = text("").classes("m-line-words")
            line.on("click", lambda: self._editor.toggle(pointer))
            count = text("").classes("m-count")
        self._droppable(row, pointer)
        self._lines[pointer] = _Line(words=words, count=count, wrong=_wrong())

    def _tools(self, data: dict[str, Any], pointer: str) -> None:
        editor, kind = self._editor, data["kind"]
        outer, last = split(pointer)
        index = int(last) if last.isdecimal() else None

        def do(
            what: str, make: Callable[[Plain], Plain], open_: str | None = None
        ) -> Callable[[], None]:
            return lambda: editor.attempt(what, make, open=open_)

        with Element("div").classes("m-tools") as tools:
            tools.props["role"] = "toolbar"
            tools.props["aria-label"] = "What to do with this condition"
            if index is not None:
                beside = len(editor.at(outer))
                up = button(
                    "",
                    do(
                        "move",
                        lambda d: change.move(d, pointer, outer, index - 1),
                        f"{outer}/{index - 1}",
                    ),
                    icon_name="arrow_upward",
                    label="Move up",
                    kind="quiet",
                )
                up.set_enabled(index > 0)
                down = button(
                    "",
                    do(
                        "move",
                        lambda d: change.move(d, pointer, outer, index + 2),
                        f"{outer}/{index + 1}",
                    ),
                    icon_name="arrow_downward",
                    label="Move down",
                    kind="quiet",
                )
                down.set_enabled(index < beside - 1)
            if kind in ("all", "any"):
                other = "any" if kind == "all" else "all"
                button(
                    f"Ask for {other}",
                    do("regroup", lambda d: change.regroup(d, pointer, other)),
                    icon_name=KINDS[other][0],
                    kind="quiet",
                )
            for group, words in (("all", "Group"), ("not", "Not")):
                wrap = do("wrap", partial(_wrapped, pointer=pointer, kind=group))
                button(words, wrap, icon_name=KINDS[group][0], kind="quiet")
            if kind in GROUPS:
                button(
                    "Ungroup",
                    do("ungroup", lambda d: change.unwrap(d, pointer)),
                    icon_name="layers_clear",
                    kind="quiet",
                )
            button(
                "Copy",
                do("copy", lambda d: change.duplicate(d, pointer)),
                icon_name="content_copy",
                kind="quiet",
            )
            button("As text", lambda: self._as_text(pointer), icon_name="code", kind="quiet")
            button(
                "Remove",
                do("remove", lambda d: change.remove(d, pointer)),
                icon_name="delete",
                kind="quiet",
            )

    def _adder(self, pointer: str, words: str) -> None:
        def add() -> None:
            editor = self._editor
            row = owner_of(editor.document, pointer) is not None
            data = editor.at(pointer) if found(editor.document, pointer) else None
            sequence = data is not None and data.get("kind") == "sequence"
            self._picker.open(lambda kind: self._add(pointer, kind), row=row or sequence)

        button(words, add, icon_name="add", kind="quiet").classes("m-add")

    # --- doing

    def _add_rule(self) -> None:
        def add(kind: str) -> None:
            fresh = blank.condition(kind, self._editor.choices.catalog)
            count = len(self._editor.document.get("rules", []))
            self._editor.attempt(
                "add rule", lambda d: change.add_rule(d, fresh), open=f"/rules/{count}/where"
            )

        self._picker.open(add)

    def _add(self, pointer: str, kind: str) -> None:
        editor = self._editor
        fresh = blank.condition(kind, editor.choices.catalog)
        document = change.add(editor.document, pointer, fresh)
        goal = _place_of(editor.document, document, pointer)
        editor.attempt("add", lambda d: change.add(d, pointer, fresh), open=goal)

    def _as_text(self, pointer: str) -> None:
        """Edit one condition as an expression."""
        editor = self._editor
        row = owner_of(editor.document, pointer) is not None
        with ui.dialog() as dialog, Element("div").classes("m-dialog m-dialog--wide"):
            dialog.props["aria-label"] = "The condition as an expression"
            text("The condition as an expression", tag="h2")
            area = ui.textarea("expression", value=expression_of(editor.at(pointer), row=row))
            area.props["input-class"] = "m-code-input"
            area.props["autogrow"] = True
            said = Element("pre").classes("m-problem-text")
            said.props["role"] = "alert"

            def take() -> None:
                try:
                    condition = condition_of(area.value, row=row)
                except InvalidInput as exc:
                    lines = [f"{problem_line(p)}\n{p.excerpt or ''}" for p in exc.problems]
                    _say(said, "\n".join(lines))
                    return
                dialog.close()
                editor.change("expression", put(editor.document, pointer, condition))

            with Element("div").classes("m-dialog-foot"):
                button("Cancel", dialog.close)
                button("Take", take, kind="main")
        dialog.on("hide", dialog.delete)
        dialog.open()

    def _handle(self, pointer: str) -> None:
        """Put what a rule or condition is dragged by; the buttons that move it do the same."""
        handle = icon("drag_indicator").classes("m-handle")
        handle.props["title"] = "Drag to move"
        handle.props["draggable"] = "true"
        start = "(e) => { e.dataTransfer.setData('text/plain', ''); emit(); }"
        handle.on("dragstart", lambda: self._drag(pointer), js_handler=start)

    def _drag(self, pointer: str) -> None:
        self._editor.dragged = pointer

    def _droppable(self, part: Element, pointer: str) -> None:
        part.on("dragover", js_handler="(e) => e.preventDefault()")
        part.on(
            "drop", lambda: self._drop(pointer), js_handler="(e) => { e.preventDefault(); emit(); }"
        )

    def _drop(self, pointer: str) -> None:
        source, self._editor.dragged = self._editor.dragged, None
        if source is None or source == pointer:
            return
        data = self._editor.at(pointer)
        outer, last = split(pointer)
        if isinstance(data, dict) and data.get("kind") in ("all", "any"):
            target, index = f"{pointer}/of", 0
        elif last.isdecimal():
            target, index = outer, int(last)
        else:
            return
        self._editor.open = None
        self._editor.attempt("move", lambda d: change.move(d, source, target, index))

    # --- words

    def _refresh(self) -> None:
        editor = self._editor
        problems = editor.judgement.by_node(editor.document)
        for pointer, line in self._lines.items():
            if not found(editor.document, pointer):
                continue
            own = problems.get(pointer, [])
            if line.words is not None:
                row = owner_of(editor.document, pointer) is not None
                line.words.set_text(words_of(editor.at(pointer), row=row))
            key = f"{pointer}:running" if line.running else pointer
            counted = editor.counts.get(key) or editor.counts.get(pointer, "")
            line.count.set_text(counted)
            line.count.classes(
                add="" if editor.fresh else "m-count--old",
                remove="m-count--old" if editor.fresh else "",
            )
            line.tell([problem_line(p) for p in own])


@dataclass(slots=True)
class _Drawn:
    """A rule as it is shown."""

    part: Element
    rule: dict[str, Any]
    open: str | None


class _Line:
    """What changes of a line while it stays where it is."""

    def __init__(
        self, *, count: Words, wrong: Element, words: Words | None = None, running: bool = False
    ) -> None:
        self.words = words
        self.count = count
        self.running = running
        self._wrong = wrong
        self._told: list[str] = []

    def tell(self, problems: list[str]) -> None:
        """Show what is wrong here."""
        if problems == self._told:
            return
        self._told = problems
        self._wrong.set_visibility(bool(problems))

        def draw() -> None:
            for problem in problems:
                with Element("div").classes("m-wrong"):
                    icon("error")
                    text(problem)

        redraw(self._wrong, draw)


def _wrapped(document: Plain, *, pointer: str, kind: str) -> Plain:
    return change.wrap(document, pointer, kind)


def _say(part: Element, words: str) -> None:
    def draw() -> None:
        text(words)

    redraw(part, draw)


def _wrong() -> Element:
    made = Element("div").classes("m-wrongs")
    made.set_visibility(False)
    return made


def words_of(data: dict[str, Any], *, row: bool) -> str:
    """Return what a line says of a condition."""
    if data["kind"] in _GROUP_WORDS:
        return _GROUP_WORDS[data["kind"]]
    if data["kind"] == "attribute" and not data["column"]:
        return "Choose a column"
    if data["kind"] in ("segment", "measure") and not data["name"]:
        return f"Choose a {data['kind']}"
    try:
        condition = (_ROW if row else _CONDITION).validate_python(data)
    except ValidationError:
        return KINDS[data["kind"]][1]
    words = clause(condition, row=row)
    return words if len(words) <= 400 else f"{words[:399]}…"


def _place_of(before: Plain, after: Plain, pointer: str) -> str:
    """Return where a condition added at `pointer` stands."""
    if not found(before, pointer):
        return pointer
    data: Any = after
    for step in pointer.split("/")[1:]:
        data = data[int(step)] if isinstance(data, list) else data[step]
    name = "steps" if data.get("kind") == "sequence" else "of"
    return f"{pointer}/{name}/{len(data[name]) - 1}"
