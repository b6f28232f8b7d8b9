"""What can be done with a condition: move, group, copy, write as text, remove."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nicegui import ui
from nicegui.element import Element

from muster_console.web.builder import change
from muster_console.web.builder.node import GROUPS, owner_of
from muster_console.web.builder.spelling import condition_of, expression_of
from muster_console.web.builder.tree import Plain, put, split
from muster_console.web.builder.word import KINDS
from muster_console.web.component.markup import button, text
from muster_console.web.editor.state import Editor
from muster_console.web.live import redraw
from muster_console.web.words import problem_line
from muster_core.errors import InvalidInput


def tools_of(editor: Editor, pointer: str) -> None:
    """Put what can be done with the condition at a pointer."""
    kind = editor.at(pointer)["kind"]
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
        button("As text", lambda: _as_text(editor, pointer), icon_name="code", kind="quiet")
        button(
            "Remove",
            do("remove", lambda d: change.remove(d, pointer)),
            icon_name="delete",
            kind="quiet",
        )


def _wrapped(document: Plain, *, pointer: str, kind: str) -> Plain:
    return change.wrap(document, pointer, kind)


def _as_text(editor: Editor, pointer: str) -> None:
    """Edit one condition as an expression."""
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


def _say(part: Element, words: str) -> None:
    def draw() -> None:
        text(words)

    redraw(part, draw)
