"""The members of a segment, a page at a time, with the columns people choose; every look is recorded."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from muster_console.operation.catalog import show_catalog
from muster_console.operation.member import MemberPage, look_at_members
from muster_console.operation.workspace import Workspace
from muster_console.web.component.markup import button, card, link, path_to, row, stack, text
from muster_console.web.component.table import Column, DataTable, Figure
from muster_console.web.editor.field import write
from muster_console.web.live import redraw
from muster_console.web.page.segment import segment_frame
from muster_console.web.policy import page
from muster_console.web.visit import Visit
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
    await _Members(visit, name, list(catalog.profile.columns), catalog.key).build()


class _Members:
    """What is shown: which columns, from which member on, and what is searched for."""

    def __init__(self, visit: Visit, name: str, columns: list[str], key: str) -> None:
        self._visit, self._name, self._key = visit, name, key
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
        await self._load()

    async def _searched(self, words: str) -> None:
        self._search, self._skip = words.strip(), 0
        await self._load()

    async def _chose(self, columns: list[str]) -> None:
        if columns != self._columns:
            self._columns = columns
            await self._load()

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
            text(f"Version {version.version} with")
            Figure(version.member_count)
            text("members, evaluated as of")
            Figure(version.as_of, "moment")
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
                link(f"{path_to('segments', self._name, 'why')}?key={key}", "Why is this one in?")


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)
