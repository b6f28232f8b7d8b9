"""Two people changed the same thing: whoever saves second sees both, and decides; nothing is lost either way."""

from __future__ import annotations

import difflib
from typing import Literal

from nicegui import ui
from nicegui.element import Element

from muster_console.web.component.markup import button, text

Choice = Literal["stay", "theirs", "mine"]


async def meet(what: str, *, theirs: str, mine: str) -> Choice:
    """Show how two texts of `what`, such as a segment, differ; return what becomes of them.

    ``stay`` goes on editing, which Escape means, too; ``theirs`` gives up what was changed here; ``mine`` replaces
    what was saved meanwhile.
    """
    lines = difflib.unified_diff(
        theirs.splitlines(), mine.splitlines(), "theirs", "yours", n=2, lineterm=""
    )
    with ui.dialog() as dialog, Element("div").classes("m-dialog m-dialog--wide"):
        dialog.props["aria-label"] = "Changed by somebody else"
        text(f"Somebody else changed this {what} meanwhile", tag="h2")
        words = "Nothing is lost: yours is still here, theirs is saved. This is how yours differs."
        text(words, tag="p")
        text("\n".join(lines) or "They are equal.", tag="pre").classes("m-code")
        with Element("div").classes("m-dialog-foot"):
            button("Go on editing", lambda: dialog.submit("stay"))
            button("Take theirs", lambda: dialog.submit("theirs"))
            button("Save mine over theirs", lambda: dialog.submit("mine"), kind="danger")
    chosen = await dialog
    dialog.delete()
    if chosen == "theirs":
        return "theirs"
    return "mine" if chosen == "mine" else "stay"
