"""The members of a segment, a page at a time, with the columns people choose; every look is recorded."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from nicegui.element import Element

from muster_console.operation.catalog import show_catalog
from muster_console.operation.history import Changes, changes
from muster_console.operation.member import MemberPage, look_at_members
from muster_console.operation.workspace import Workspace
from muster_console.web.component.markup import button, card, icon, link, path_to, row, stack, text
from muster_console.web.component.table import Column, DataTable, Figure
from muster_console.web.editor.field import write
from muster_console.web.live import redraw
from muster_console.web.page.segment import segment_frame
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.exports.document import Format
from muster_core.security.role import Permission

#: Members of one page.
SHOWN = 100


@page(
    "/segments/{name}/members", permission=Permission.MEMBERS, title="Members", section="segments"
)
async def segment_members(visit: Visit, name: str) -> None:
    """Build the page."""
    found = await segment_frame(visit, name)
    if found.segment.version is None:
        with card("Members"):
            text("It has not been published yet, so it has no members.", tag="p").classes("m-muted")
        return
    catalog = await visit.load(show_catalog)
    columns = list(catalog.profile.columns)
    await _Members(visit, name, columns, catalog.key, found.segment.version).build()


class _Members:
    """What is shown: which columns, from which member on, and what is searched for."""

    def __init__(
        self, visit: Visit, name: str, columns: list[str], key: str, versions: int
    ) -> None:
        self._visit, self._name, self._key = visit, name, key
        self._versions = versions
        self._offered = [column for column in columns if column != key]
        self._columns: list[str] = self._offered[:4]
        self._search = ""
        self._skip = 0

    async def build(self) -> None:
        """Put the page."""
        with card("Members"):
            with row():
                write("search by key", "", self._searched)
                chosen = ui.select(
                    self._offered,
                    value=list(self._columns),
                    multiple=True,
                    label="columns",
                    with_input=True,
                )
                chosen.props("use-chips options-dense").classes("m-field m-field--wide")
                chosen.on("popup-hide", lambda: self._chose(list(chosen.value or [])))
            self._place = stack()
        if self._versions > 1:
            with card("Who joined and left"):
                text(
                    "With the latest version, against the one before. Looking is recorded.", tag="p"
                ).classes("m-muted")
                self._changed = stack()
                with row():
                    button("Show who", self._look_at_changes, icon_name="compare_arrows")
        await self._load()

    async def _look_at_changes(self) -> None:
        outcome = await self._visit.do(
            Permission.MEMBERS, lambda workspace: changes(workspace, self._name, limit=SHOWN)
        )
        found = outcome.value
        if found is not None:
            redraw(self._changed, lambda: _draw_changes(found))

    async def _searched(self, words: str) -> None:
        self._search, self._skip = words.strip(), 0
        await self._load()

    async def _chose(self, columns: list[str]) -> None:
        if columns != self._columns:
            self._columns = columns
            await self._load()

    def _download(self, words: str, form: Format) -> None:
        """Put a link to a file of every member, with the columns that are shown."""
        columns = [("column", column) for column in self._columns]
        given = [("name", self._name), ("form", form.value), *columns]
        with link(f"/download?{urlencode(given)}").classes("m-plain"):
            icon("download")
            text(words)

    async def _turn(self, skip: int) -> None:
        self._skip = max(0, skip)
        await self._load()

    async def _load(self) -> None:
        def read(workspace: Workspace) -> MemberPage:
            return look_at_members(
                workspace,
                self._name,
                columns=self._columns,
                limit=SHOWN,
                skip=self._skip,
                search=self._search,
            )

        outcome = await self._visit.do(Permission.MEMBERS, read)
        if outcome.value is not None:
            shown = outcome.value
            redraw(self._place, lambda: self._draw(shown))

    def _draw(self, found: MemberPage) -> None:
        version = found.version
        with row().classes("m-muted"):
            with Element("div").classes("m-said"):
                text(f"Version {version.version} with")
                Figure(version.member_count)
                text("members, evaluated as of")
                Figure(version.as_of, "moment")
            Element("div").classes("m-grow")
            self._download("Download CSV", Format.CSV)
            self._download("Download Parquet", Format.PARQUET)
        rows = [
            {
                "_place": found.skipped + place + 1,
                **{f"c{i}": _cell(m[c]) for i, c in enumerate(found.columns)},
            }
            for place, m in enumerate(found.members)
        ]
        columns = [Column(name="_place", label="No.", kind="number")]
        columns += [
            Column(name=f"c{place}", label=column, kind="text")
            for place, column in enumerate(found.columns)
        ]
        DataTable(
            columns,
            rows,
            row_key="_place",
            caption="Members",
            noun=("member", "members"),
            page_size=SHOWN,
            empty="No member's key holds this." if self._search else "It has no members.",
        )
        with row():
            before = button(
                "Before", lambda: self._turn(self._skip - SHOWN), icon_name="chevron_left"
            )
            before.set_enabled(self._skip > 0)
            after = button(
                "Next", lambda: self._turn(self._skip + SHOWN), icon_name="chevron_right"
            )
            after.set_enabled(found.more)
            if self._search and len(found.members) == 1:
                key = str(found.members[0][found.columns[0]])
                link(_why(self._name, key), "Why is this one in?")


def _why(name: str, key: str) -> str:
    """Return the page that says why a customer is a member or not."""
    return f"{path_to('segments', name, 'why')}?{urlencode({'key': key})}"


def _draw_changes(found: Changes) -> None:
    """Put who joined and left; each leads to why."""
    for words, count, keys in (
        ("joined", found.joined, found.joined_keys),
        ("left", found.left, found.left_keys),
    ):
        with Element("div").classes("m-said"):
            Figure(count)
            text(f"{words} with version {found.to_version}.")
            if len(keys) < count:
                text(f"The first {len(keys)}:").classes("m-muted")
        with row():
            for key in keys:
                link(_why(found.segment, key), key)


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)
