"""The builder: a segment made or changed by choosing, counted while it changes, saved without losing anybody's work."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui import ui
from nicegui.element import Element

from muster_console.operation.building import Building, open_building, save_text, values_behind
from muster_console.operation.refresh import refresh_segments
from muster_console.web.arrival import bring_values
from muster_console.web.builder.choice import Choices
from muster_console.web.builder.draft import Draft
from muster_console.web.builder.spelling import plain_of, read_yaml, yaml_of
from muster_console.web.component.markup import button, card, icon, path_to, text
from muster_console.web.component.meeting import meet
from muster_console.web.editor.carried import Carried
from muster_console.web.editor.count import Counter
from muster_console.web.editor.field import choose, write
from muster_console.web.editor.insight import count_with, values_with
from muster_console.web.editor.listed import Listed
from muster_console.web.editor.side import count_card, problem_card, text_card
from muster_console.web.editor.state import Editor
from muster_console.web.editor.timing import schedule_fields
from muster_console.web.editor.tree import Tree
from muster_console.web.frame import heading
from muster_console.web.live import redraw
from muster_console.web.page.catalog import no_catalog
from muster_console.web.page.draft import mend_draft
from muster_console.web.policy import page
from muster_console.web.visit import Visit, tell
from muster_console.web.words import problem_line
from muster_core.errors import ChangedMeanwhile, Conflict, InvalidInput, UnreadableSegment
from muster_core.security.role import Permission

_EMPTY: dict[str, Any] = {"name": "new_segment"}
#: A browser on a busy machine answers late; one that does not within this time is gone.
_BROWSER_SECONDS = 60.0


@page("/new-segment", permission=Permission.EDIT, title="New segment", section="segments")
async def new_segment(visit: Visit) -> None:
    """Build the builder of a segment that does not exist yet."""
    try:
        ground = await visit.load(open_building)
    except Conflict as exc:
        with heading("New segment", back=("/segments", "Segments")):
            pass
        no_catalog(visit, exc)
        return
    await _Builder(visit, ground, _EMPTY).build()


@page("/segments/{name}/edit", permission=Permission.EDIT, title="Edit segment", section="segments")
async def edit_segment(visit: Visit, name: str) -> None:
    """Build the builder of a segment there is."""
    try:
        ground = await visit.load(lambda workspace: open_building(workspace, name))
    except UnreadableSegment:
        await mend_draft(visit, name)
        return
    assert ground.document is not None
    await _Builder(visit, ground, plain_of(ground.document)).build()


class _Builder:
    """One open builder with everything around the rules: names, saving, and what others did meanwhile."""

    def __init__(self, visit: Visit, ground: Building, document: dict[str, Any]) -> None:
        self._visit = visit
        self._saved = document
        self._kept = document
        self._shown: dict[str, Any] = {}
        self._client = ui.context.client
        self._new = ground.rev == 0
        measures = dict(ground.known.measures)
        self._editor = Editor(
            visit=visit,
            draft=Draft(document=document),
            choices=Choices(
                ground.catalog, measures=measures, segments=ground.known.segments or {}
            ),
            known=ground.known,
            values=values_with(visit),
            rev=ground.rev,
            hidden=dict(ground.hidden),
        )
        self._editor.judge()
        self._counter = Counter(self._editor, count_with(visit), self._text)

    @property
    def _memory(self) -> str:
        """Return under which name the browser keeps what is not saved yet: for whoever wrote it, nobody else."""
        name = "" if self._new else self._saved["name"]
        return f"muster.draft.{self._visit.principal.name}/{name}"

    def _text(self) -> str:
        return self._editor.written

    async def build(self) -> None:
        """Put the page."""
        editor = self._editor
        ui.add_head_html('<link rel="stylesheet" href="/asset/builder.css">')
        back = ("/segments", "Segments")
        if not self._new:
            name = editor.document["name"]
            back = (path_to("segments", name), editor.document.get("display_name") or name)
        with heading("New segment" if self._new else "Edit segment", back=back):
            self._buttons()
        self._banner = Element("div")
        with Element("div").classes("m-builder"):
            with Element("div").classes("m-stack"):
                self._names()
                with card("Rules"):
                    Tree(editor)
                with card("Columns carried along"):
                    Carried(editor)
                with card("Customers by hand"):
                    Listed(editor)
            with Element("aside").classes("m-stack m-beside") as beside:
                beside.props["aria-label"] = "Count, problems and text"
                count_card(editor, self._counter)
                problem_card(editor)
                text_card(editor)
        editor.on_text(self._counter.request)
        editor.on_text(self._remember)
        ui.keyboard(self._key, ignore=["input", "textarea", "select"])
        self._counter.request()
        await self._recall()

    # --- what stands above

    def _buttons(self) -> None:
        editor = self._editor
        undo = button("", self._undo, icon_name="undo", label="Undo", kind="quiet")
        redo = button("", self._redo, icon_name="redo", label="Redo", kind="quiet")
        if self._new:
            quick = button("Quick segment", icon_name="bolt", kind="quiet")
            quick.on("click", lambda: ui.navigate.to("/quick-segment"))
        button("Save as draft", partial(self._save, state="draft"), icon_name="draw")
        self._save_button = button("Save", self._save, icon_name="save").classes("m-save")
        run = partial(self._save, run=True)
        self._run_button = button("Save and run", run, icon_name="play_arrow", kind="main")

        def show() -> None:
            undo.set_enabled(bool(editor.draft.past))
            redo.set_enabled(bool(editor.draft.future))
            for made in (self._save_button, self._run_button):
                made.set_enabled(editor.judgement.fine)

        editor.on_text(show)
        show()

    def _names(self) -> None:
        """Put what the segment is called and when it is refreshed; it follows undoing, too."""
        part = card()
        with part:
            self._name_fields()

        def show() -> None:
            # typed here already, unless it was undone or came from elsewhere
            if self._named() != self._shown:
                redraw(part, self._name_fields)

        self._editor.on_shape(show)

    def _named(self) -> dict[str, Any]:
        """Return what the fields above the rules show."""
        others = ("rules", "project", "manual")
        return {n: value for n, value in self._editor.document.items() if n not in others}

    def _name_fields(self) -> None:
        self._shown = self._named()
        editor = self._editor

        def put(name: str) -> Callable[[str], None]:
            return lambda value: self._field(name, value)

        document = editor.document
        with Element("div").classes("m-names"):
            if self._new:
                made = write("name", document["name"], put("name"), most=100)
                made.props["hint"] = "small letters, digits and _; it stays"
            write("display name", document.get("display_name") or "", put("display_name"), most=200)
            write(
                "description",
                document.get("description", ""),
                put("description"),
                most=2_000,
            ).classes("m-wider")
            tags = write(
                "tags, separated by commas", ", ".join(document.get("tags", [])), self._tags
            )
            tags.props["autocomplete"] = "off"
            types = {"dynamic": "refreshed by schedule", "static": "refreshed by hand only"}
            kind = document.get("type", "dynamic")
            if kind in types:
                choose(
                    "type", types, kind, lambda v: editor.set_field("", "type", v, absent="dynamic")
                )
            schedule_fields(editor)

    def _field(self, name: str, value: str) -> None:
        if value or name == "name":
            self._editor.set_field("", name, value)
        else:
            self._editor.set_field("", name, None)

    def _tags(self, typed: str) -> None:
        tags = list(dict.fromkeys(t.strip() for t in typed.split(",") if t.strip()))
        self._editor.set_field("", "tags", tags[:20] or None)

    # --- undoing

    def _undo(self) -> None:
        self._editor.take(self._editor.draft.undone())

    def _redo(self) -> None:
        self._editor.take(self._editor.draft.redone())

    def _key(self, event: Any) -> None:
        if not event.action.keydown or not (event.modifiers.ctrl or event.modifiers.meta):
            return
        key = str(event.key).lower()
        if key == "z" and not event.modifiers.shift:
            self._undo()
        elif key == "y" or (key == "z" and event.modifiers.shift):
            self._redo()

    # --- saving

    async def _save(self, *, state: str | None = None, run: bool = False) -> None:
        document = {**self._editor.document}
        if state is not None:
            document["state"] = state
        elif document.get("state") == "draft":
            del document["state"]
        await self._write(document, run=run)

    async def _write(self, document: dict[str, Any], *, run: bool) -> None:
        editor = self._editor
        changed: list[ChangedMeanwhile] = []

        def save(workspace: Any) -> Any:
            try:
                return save_text(workspace, yaml_of(document), rev=editor.rev)
            except ChangedMeanwhile as exc:
                changed.append(exc)
                return None

        outcome = await self._visit.do(Permission.EDIT, save)
        if changed:
            await self._meet(document, run=run)
            return
        if not outcome.ok or outcome.value is None:
            return
        forget = f"localStorage.removeItem({json.dumps(self._memory)})"
        await ui.run_javascript(forget, timeout=_BROWSER_SECONDS)
        name = document["name"]
        for warning in outcome.value.warnings[:3]:
            tell(f"Mind: {problem_line(warning)}")
        if run:
            await self._visit.do(
                Permission.EDIT, lambda workspace: refresh_segments(workspace, [name])
            )
        ui.navigate.to(path_to("segments", name))

    async def _meet(self, document: dict[str, Any], *, run: bool) -> None:
        """Somebody else saved meanwhile: show both, and let people decide; nothing is lost either way."""
        name = document["name"]
        if self._new:
            tell(f"There is a segment {name} already: choose another name.", bad=True)
            return
        outcome = await self._visit.do(
            Permission.EDIT, lambda workspace: open_building(workspace, name)
        )
        theirs = outcome.value
        if theirs is None or theirs.document is None:
            return
        other = plain_of(theirs.document)
        chosen = await meet("segment", theirs=yaml_of(other), mine=yaml_of(document))
        if chosen == "theirs":
            self._editor.rev = theirs.rev
            self._editor.hidden.update(theirs.hidden)
            self._editor.change("take theirs", other)
        elif chosen == "mine":
            self._editor.rev = theirs.rev
            await self._write(document, run=run)

    # --- what is not saved outlives the page

    def _remember(self) -> None:
        document = self._editor.document
        if document is self._kept:
            return
        self._kept = document
        kept = json.dumps({"text": self._text(), "rev": self._editor.rev})
        script = f"localStorage.setItem({json.dumps(self._memory)}, {json.dumps(kept)})"
        # also called once a count is there, outside of what the page does
        self._client.run_javascript(script)

    async def _base_on(self, rev: int) -> None:
        """Take the revision a draft was begun with, and what is hidden in that."""
        name = self._saved["name"]
        outcome = await self._visit.do(
            Permission.EDIT, lambda workspace: values_behind(workspace, name, rev)
        )
        self._editor.rev = rev
        self._editor.hidden.update(outcome.value or {})

    async def _recall(self) -> None:
        # the browser gets the page while this waits
        await bring_values(self._client)
        await self._client.connected()
        recall = f"return localStorage.getItem({json.dumps(self._memory)})"
        kept = await ui.run_javascript(recall, timeout=_BROWSER_SECONDS)
        if not isinstance(kept, str):
            return
        try:
            found = json.loads(kept)
            document = read_yaml(found["text"], self._visit.workspace.settings.limits)
        except (ValueError, KeyError, TypeError, InvalidInput):
            return
        if document == self._editor.document:
            return
        with self._banner, Element("div").classes("m-banner") as banner:
            icon("restore")
            with Element("div").classes("m-row"):
                text("There are changes of yours here that were not saved.")

                async def restore() -> None:
                    banner.delete()
                    # what it was based on decides whether saving meets somebody else's change
                    if isinstance(found.get("rev"), int) and not self._new:
                        await self._base_on(found["rev"])
                    self._editor.change("restore", document)

                def forget() -> None:
                    banner.delete()
                    ui.run_javascript(f"localStorage.removeItem({json.dumps(self._memory)})")

                button("Restore them", restore)
                button("Forget them", forget, kind="quiet")
