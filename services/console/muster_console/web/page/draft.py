"""A draft whose form is wrong, so that the builder cannot show it: mended as text, with every problem beside it."""

from __future__ import annotations

from collections.abc import Sequence

import yaml
from nicegui import ui
from nicegui.element import Element

from muster_console.operation.building import open_broken_draft, save_draft_text
from muster_console.web.component.dialog import Field, put_field
from muster_console.web.component.markup import button, card, note, path_to, stack, text
from muster_console.web.frame import heading
from muster_console.web.leaving import Unsaved
from muster_console.web.live import redraw
from muster_console.web.visit import Visit
from muster_console.web.words import Trouble, placed_line
from muster_core.errors import Problem
from muster_core.security.role import Permission


async def mend_draft(visit: Visit, name: str) -> None:
    """Build the page in the place of the builder; it opens by itself once the form is right.

    Raises:
        NotFound: there is no such segment.
        UnreadableSegment: it is no draft.
    """
    found = await visit.load(lambda workspace: open_broken_draft(workspace, name))
    state = {"rev": found.rev}
    unsaved = Unsaved()
    ui.add_head_html('<link rel="stylesheet" href="/asset/builder.css">')

    async def save() -> None:
        written = str(area.value or "")
        outcome = await visit.do(
            Permission.EDIT,
            lambda workspace: save_draft_text(workspace, written, name, rev=state["rev"]),
            said=f"{name} is saved.",
        )
        trouble = outcome.trouble
        if trouble is not None:
            redraw(wrong, lambda: _refused(trouble))
        else:
            unsaved.tell(False)
            # the builder, where its form is right by now, else this page with what is left
            ui.navigate.to(path_to("segments", name, "edit"))

    with heading(f"Mend {name}", back=(path_to("segments", name), name)):
        button("Save as draft", save, icon_name="draw", kind="main")
    with Element("div").classes("m-builder"):
        with card("As it was written"):
            area = put_field(Field(name="definition", label="YAML", kind="area", rows=24))
            area.value = yaml.safe_dump(found.data, sort_keys=False, allow_unicode=True)
            area.on_value_change(lambda _: unsaved.tell(True))
        with Element("aside").classes("m-stack"), card("To mend"):
            words = "This draft is no segment yet. Once what is named here is mended, the builder opens it."
            text(words, tag="p").classes("m-muted")
            wrong = stack()
            wrong.props["role"] = "status"
            redraw(wrong, lambda: _tell(found.problems))


def _refused(trouble: Trouble) -> None:
    """Say why nothing was saved: what was written stays."""
    if not trouble.problems:
        note(trouble.line, bad=True)
    _tell(trouble.problems)


def _tell(problems: Sequence[Problem]) -> None:
    for problem in problems[:50]:
        note(placed_line(problem), bad=True)
