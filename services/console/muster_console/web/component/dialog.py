"""Dialogs: a question before something is done, and a form that stays open until what it asks for is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nicegui import ui
from nicegui.element import Element

from muster_console.web.component.markup import button, note, text
from muster_console.web.live import redraw
from muster_console.web.visit import Outcome
from muster_console.web.words import problem_line

FieldKind = Literal["text", "password", "number", "choice", "choices", "yes", "area"]
_WRITTEN = ("text", "password", "number", "area")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing a form asks for; `choices` are values with their words."""

    name: str
    label: str
    kind: FieldKind = "text"
    value: Any = None
    choices: Mapping[Any, str] | Sequence[str] = ()
    hint: str = ""
    #: Lines an area shows.
    rows: int = 8


async def confirm(title: str, words: str, *, action: str, bad: bool = False) -> bool:
    """Ask, and return whether people agree; Escape and a click beside it mean no."""
    dialog = ui.dialog()
    with dialog, Element("div").classes("m-dialog"):
        dialog.props["aria-label"] = title
        text(title, tag="h2")
        text(words, tag="p")
        with Element("div").classes("m-dialog-foot"):
            button("Cancel", lambda: dialog.submit(False))
            button(action, lambda: dialog.submit(True), kind="danger" if bad else "main")
    agreed = bool(await dialog)
    dialog.delete()
    return agreed


def ask(
    title: str,
    fields: Sequence[Field],
    submit: Callable[[dict[str, Any]], Awaitable[Outcome[Any]]],
    *,
    action: str = "Save",
    lead: str = "",
    wide: bool = False,
) -> None:
    """Open a form; `submit` gets the values by name, and what it finds wrong is shown in the form, which stays."""
    with (
        ui.dialog() as dialog,
        Element("form").classes("m-dialog m-dialog--wide" if wide else "m-dialog") as form,
    ):
        dialog.props["aria-label"] = title
        text(title, tag="h2")
        if lead:
            text(lead, tag="p").classes("m-muted")
        wrong = Element("div")
        inputs = {field.name: put_field(field) for field in fields}
        if fields and fields[0].kind in _WRITTEN:
            # whoever opens a form means to write
            inputs[fields[0].name].props["autofocus"] = True
        with Element("div").classes("m-dialog-foot"):
            button("Cancel", dialog.close).props["type"] = "button"
            send = button(action, kind="main")
            send.props["type"] = "submit"

    async def submitted() -> None:
        send.disable()
        outcome = await submit({name: found.value for name, found in inputs.items()})
        if outcome.ok:
            dialog.close()
        elif outcome.trouble is not None:
            trouble = outcome.trouble
            lines = [problem_line(problem) for problem in trouble.problems[:10]]
            words = [trouble.text, *([trouble.hint] if trouble.hint else []), *lines]

            def tell_wrong() -> None:
                for line in words:
                    note(line, bad=True).props["role"] = "alert"

            redraw(wrong, tell_wrong)
            send.enable()

    form.on("submit.prevent", submitted, [])
    dialog.on("hide", dialog.delete)
    dialog.open()


def put_field(field: Field) -> Any:
    """Put one field; its `value` is what people chose."""
    if field.kind == "yes":
        return ui.checkbox(field.label, value=bool(field.value))
    if field.kind in ("choice", "choices"):
        many = field.kind == "choices"
        options = dict(field.choices) if isinstance(field.choices, Mapping) else list(field.choices)
        made: Any = ui.select(
            options,
            label=field.label,
            value=field.value,
            multiple=many,
            with_input=len(options) > 12,
        )
        if many:
            made.props("use-chips")
    elif field.kind == "number":
        made = ui.number(field.label, value=field.value)
    elif field.kind == "area":
        made = ui.textarea(field.label, value=field.value or "")
        made.props["rows"] = field.rows
        made.props["input-class"] = "m-code-input"
        made.props["spellcheck"] = "false"
    else:
        made = ui.input(field.label, value=field.value or "", password=field.kind == "password")
        made.props["autocomplete"] = "new-password" if field.kind == "password" else "off"
    if field.hint:
        made.props["hint"] = field.hint
    return made
