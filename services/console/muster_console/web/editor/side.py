"""What stands beside the rules: the count, what is wrong, and the definition as expressions and as YAML."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui
from nicegui.element import Element

from muster_console.web.builder.node import node_at
from muster_console.web.builder.spelling import (
    condition_of,
    document_of,
    expression_of,
    read_yaml,
)
from muster_console.web.builder.tree import Plain, put, split
from muster_console.web.component.markup import button, card, icon, text
from muster_console.web.editor.count import Counter
from muster_console.web.editor.state import Editor
from muster_console.web.live import redraw
from muster_console.web.numeral import numerals
from muster_console.web.words import problem_line
from muster_core.errors import InvalidInput
from muster_core.rules.sentence import sentence


def count_card(editor: Editor, counter: Counter) -> None:
    """Put the live count, with who would join and leave."""
    with card("Members") as part:
        part.props["aria-live"] = "polite"
        body = Element("div").classes("m-stack")

    def draw() -> None:
        counted = counter.counted
        if not editor.judgement.fine:
            count = len(editor.judgement.problems)
            words = f"{count} thing{'s' if count != 1 else ''} to mend before it can be counted"
            text(words, tag="p").classes("m-muted")
        if counted is not None:
            old = counter.busy or not editor.fresh
            with Element("div").classes("m-big m-count--old" if old else "m-big"):
                text(counted.members)
            share = f"{numerals().number(counted.percent)} % of all customers"
            text(share if counted.exact else f"{share}, {counted.interval}", tag="p").classes(
                "m-muted"
            )
            if counted.joined is not None:
                with Element("div").classes("m-row"):
                    _figure("person_add", f"{counted.joined} would join")
                    _figure("person_remove", f"{counted.left} would leave")
            for warning in counted.warnings:
                with Element("div").classes("m-banner m-banner--warn"):
                    icon("warning")
                    text(warning)
        if counted is None and not counter.busy and not editor.document.get("rules"):
            text("How many there are appears here with the first condition.", tag="p").classes(
                "m-muted"
            )
        if counter.busy:
            with Element("div").classes("m-row"):
                ui.spinner(size="18px").props["aria-hidden"] = "true"
                text("Counting…").classes("m-muted")
        elif counter.trouble:
            early = counter.early
            with Element("div").classes("m-banner" if early else "m-banner m-banner--bad"):
                icon("info" if early else "error")
                text(counter.trouble)
        elif counted is not None and not counted.exact and editor.judgement.fine:
            button("Count exactly", lambda: counter.request(exact=True), icon_name="calculate")

    def show() -> None:
        redraw(body, draw)

    counter.on_change(show)
    with body:
        draw()


def _figure(icon_name: str, words: str) -> None:
    with Element("span").classes("m-change"):
        icon(icon_name)
        text(words)


def problem_card(editor: Editor) -> None:
    """Put what is wrong; each problem leads to its place."""
    part = card("To mend")
    with part:
        body = Element("ul").classes("m-problems")
    state: dict[str, Any] = {"told": None}

    def draw() -> None:
        for problem in editor.judgement.problems[:30]:
            place = node_at(editor.document, problem.pointer)
            with Element("li"):
                line = problem_line(problem)
                # a carried column is always open
                shut = place.endswith(("/where", "/of", "/having")) or place[-1:].isdecimal()
                if shut and split(place)[0] != "/project":
                    button(line, _opener(editor, place), icon_name="error", kind="quiet")
                else:
                    icon("error")
                    text(line)

    def show() -> None:
        found = editor.judgement.problems
        part.set_visibility(bool(found))
        if found != state["told"]:
            state["told"] = list(found)
            redraw(body, draw)

    editor.on_text(show)
    show()


def _opener(editor: Editor, place: str) -> Callable[[], None]:
    def go() -> None:
        if editor.open != place:
            editor.toggle(place)

    return go


def text_card(editor: Editor) -> None:
    """Put the definition as expressions and as YAML; either may be edited, and all stay in step."""
    with card() as part:
        part.classes("m-texts")
        with ui.tabs().props("no-caps align=left dense") as tabs:
            ui.tab("expression", "Expression", icon=None)
            ui.tab("yaml", "YAML")
            ui.tab("sentence", "In words")
        with ui.tab_panels(tabs, value="expression").props("keep-alive").classes("m-panels"):
            with ui.tab_panel("expression"):
                _Expressions(editor)
            with ui.tab_panel("yaml"):
                _Yaml(editor)
            with ui.tab_panel("sentence"):
                _sentence(editor)


def yaml_card(editor: Editor) -> None:
    """Put the definition as YAML alone, as measures have it."""
    with card("As YAML"):
        _Yaml(editor)


class _Text:
    """One text that can be edited beside the rules: it follows them, and they follow it when it can be read."""

    def __init__(
        self, editor: Editor, label: str, write: Callable[[], str], read: Callable[[str], Plain]
    ) -> None:
        self._editor, self._write, self._read = editor, write, read
        self._own = write()
        self.area = ui.textarea(label, value=self._own).classes("m-code-area")
        self.area.props["input-class"] = "m-code-input"
        self.area.props["autogrow"] = True
        self.area.props["spellcheck"] = "false"
        self._wrong = Element("pre").classes("m-problem-text")
        self._wrong.props["role"] = "alert"
        self._wrong.set_visibility(False)
        self.area.on("blur", self.take)
        self.area.on("keydown.ctrl.enter", self.take)
        editor.on_text(self.follow)

    def follow(self) -> None:
        """Say what the rules say now, unless something that cannot be read stands there."""
        if self.area.is_deleted:
            return
        now = self._write()
        if now != self._own:
            self._own = now
            self.area.set_value(now)
            self._tell("")

    def take(self) -> None:
        """Let the rules follow the text."""
        typed = self.area.value or ""
        if typed == self._own:
            self._tell("")
            return
        try:
            document = self._read(typed)
        except InvalidInput as exc:
            lines = [f"{problem_line(p)}\n{p.excerpt or ''}".rstrip() for p in exc.problems[:10]]
            self._tell("\n".join(lines))
            return
        self._tell("")
        self._own = typed
        self._editor.change("text", document)
        self._own = ""
        self.follow()

    def _tell(self, words: str) -> None:
        self._wrong.set_visibility(bool(words))

        def draw() -> None:
            text(words)

        redraw(self._wrong, draw)


class _Expressions:
    """One text for each rule."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self._part = Element("div").classes("m-stack")
        self._rules = -1
        self._texts: list[_Text] = []
        editor.on_text(self._follow)
        self._follow()

    def _follow(self) -> None:
        rules = len(self._editor.document.get("rules", []))
        if rules != self._rules:
            self._rules = rules
            redraw(self._part, self._draw)

    def _draw(self) -> None:
        if not self._rules:
            text("A rule appears here as soon as there is one.", tag="p").classes("m-muted")
        for index in range(self._rules):
            self._one(index)

    def _one(self, index: int) -> None:
        pointer = f"/rules/{index}/where"
        editor = self._editor

        def write() -> str:
            rules = editor.document.get("rules", [])
            return expression_of(rules[index]["where"]) if index < len(rules) else ""

        def read(typed: str) -> Plain:
            limits = editor.visit.workspace.settings.limits
            return put(editor.document, pointer, condition_of(typed, limits=limits))

        rule = editor.document["rules"][index]
        how = f" ({rule['combine']})" if "combine" in rule else ""
        _Text(editor, f"Rule {index + 1}{how}", write, read)


class _Yaml(_Text):
    """The whole definition; its name stays."""

    def __init__(self, editor: Editor) -> None:
        def read(typed: str) -> Plain:
            limits = editor.visit.workspace.settings.limits
            found = read_yaml(typed, limits)
            if editor.rev and found.get("name") != editor.document["name"]:
                found = {**found, "name": editor.document["name"]}
            return found

        super().__init__(editor, "Definition", lambda: editor.written, read)


def _sentence(editor: Editor) -> None:
    words = text("", tag="p").classes("m-sentence")

    def show() -> None:
        try:
            words.set_text(sentence(document_of(editor.document)))
        except InvalidInput:
            words.set_text("It cannot be said in words before its form is right.")

    editor.on_text(show)
    show()
