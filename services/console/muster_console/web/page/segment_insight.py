"""What sets the members of a segment apart from everybody, and what they share with other segments."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from nicegui.element import Element

from muster_console.operation.overlap import MOST_SEGMENTS, Apart, Overlap, apart, overlap
from muster_console.operation.segment import list_segments
from muster_console.operation.workspace import Workspace
from muster_console.web.component.markup import card, note, row, stack, text
from muster_console.web.component.spread import value_words
from muster_console.web.component.table import Column, DataTable, Figure
from muster_console.web.live import redraw
from muster_console.web.numeral import numerals
from muster_console.web.page.segment import segment_frame
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_console.web.words import Trouble
from muster_core.kernel.contrast import Bin, Contrasted
from muster_core.security.role import Permission

#: Columns shown with all of their values; the others are named.
_SHOWN = 8
_SHARED = (
    Column(name="segment", label="Segment", kind="link", href="/segments/{segment}", search=True),
    Column(name="members", label="Members", kind="number"),
    Column(name="both", label="In both", kind="number"),
    Column(name="of_this", label="% of this one", kind="number"),
    Column(name="of_other", label="% of the other", kind="number"),
)


@page("/segments/{name}/insights", permission=Permission.VIEW, title="Insights", section="segments")
async def segment_insight(visit: Visit, name: str) -> None:
    """Build the page; `with` in its address names segments it is held against at once."""
    found = await segment_frame(visit, name)
    if found.segment.version is None:
        with card("Insights"):
            text("It has not been published yet, so it has no members.", tag="p").classes("m-muted")
        return
    others = await visit.load(lambda workspace: _published(workspace, name))
    with card("What sets its members apart"):
        place = stack()
    with card("What it shares with other segments"):
        _Shared(visit, name, others).build()

    async def look() -> None:
        outcome = await visit.do(Permission.VIEW, lambda workspace: apart(workspace, name))
        trouble, told = outcome.trouble, outcome.value
        if place.is_deleted:
            return
        if told is not None:
            redraw(place, lambda: draw_apart(told))
        elif trouble is not None:
            redraw(place, lambda: _tell(trouble))

    with place:
        _busy("Looking at the members…")
    ui.timer(0.05, look, once=True)


def _published(workspace: Workspace, name: str) -> list[str]:
    return [s.name for s in list_segments(workspace) if s.version is not None and s.name != name]


def _tell(trouble: Trouble) -> None:
    note(trouble.line, bad=True)


def _busy(words: str) -> None:
    with row():
        ui.spinner(size="18px").props["aria-hidden"] = "true"
        text(words).classes("m-muted")


# --- apart


def draw_apart(found: Apart) -> None:
    """Put the columns in which members differ, the most different first."""
    with Element("div").classes("m-said m-muted"):
        text("Version")
        Figure(found.version)
        text(
            "against all customers; of each column the share of the members with a value beside that of everybody."
        )
        text("Personal columns are left out.")
    different = [column for column in found.columns if column.significant]
    if not different:
        text("No column tells its members from a random choice of customers.", tag="p")
    for column in different[:_SHOWN]:
        _contrast(column)
    rest = [column.column for column in different[_SHOWN:]]
    if rest:
        text(f"Also different: {', '.join(rest)}.", tag="p")
    alike = [column.column for column in found.columns if not column.significant]
    if alike:
        text(f"Not different: {', '.join(alike)}.", tag="p").classes("m-muted")


def _contrast(column: Contrasted) -> None:
    said = numerals()
    with Element("section").classes("m-contrast") as part:
        part.props["aria-label"] = column.column
        with row():
            text(column.column, tag="h3").classes("m-rule-name")
            text(
                f"{said.percent(column.distance)} of the members would need another value to be like everybody"
            )
        with Element("table").classes("m-contrast-table"):
            with Element("thead"), Element("tr"):
                for words in ("Value", "Members", "Everybody"):
                    text(words, tag="th").props["scope"] = "col"
            with Element("tbody"):
                most = max((max(b.members, b.everybody) for b in column.bins), default=1.0)
                for value in column.bins:
                    _bin(value, most)


def _bin(value: Bin, most: float) -> None:
    said = numerals()
    with Element("tr"):
        text(_bin_words(value), tag="th").props["scope"] = "row"
        for share, kind in ((value.members, "members"), (value.everybody, "everybody")):
            with Element("td"), Element("span").classes("m-share"):
                with Element("span").classes("m-bar-track"):
                    if share:
                        filled = Element("span").classes(f"m-bar-fill m-bar-fill--{kind}")
                        filled.style(f"width: {100 * share / max(0.01, most):.1f}%")
                text(f"{said.number(round(share, 1))} %").classes("m-count")


def _bin_words(value: Bin) -> str:
    if value.value is not None:
        return value.value
    low, high = value_words(value.low), value_words(value.high)
    return low if low == high else f"{low} to {high}"


# --- overlap


class _Shared:
    """The choice of other segments, and what each of them shares with this one."""

    def __init__(self, visit: Visit, name: str, others: list[str]) -> None:
        self._visit, self._name, self._others = visit, name, others
        self._chosen = [other for other in visit.every("with") if other in others]

    def build(self) -> None:
        """Put the card's content."""
        if not self._others:
            text("No other segment has members yet.", tag="p").classes("m-muted")
            return
        made = ui.select(
            self._others,
            value=list(self._chosen),
            multiple=True,
            label="other segments",
            with_input=True,
        )
        made.props(f"use-chips options-dense max-values={MOST_SEGMENTS - 1}")
        made.classes("m-field m-field--full")
        made.on("popup-hide", lambda: self._take(list(made.value or [])))
        self._place = stack()
        with self._place:
            text("Choose segments, and what they share appears here.", tag="p").classes("m-muted")
        if self._chosen:
            ui.timer(0.05, self._look, once=True)

    async def _take(self, chosen: list[str]) -> None:
        if chosen and chosen != self._chosen:
            self._chosen = chosen
            await self._look()

    async def _look(self) -> None:
        names = [self._name, *self._chosen]
        redraw(self._place, lambda: _busy("Counting…"))
        outcome = await self._visit.do(Permission.VIEW, lambda w: overlap(w, names))
        trouble, found = outcome.trouble, outcome.value
        if self._place.is_deleted:
            return
        if found is not None:
            redraw(self._place, lambda: self._draw(found))
        elif trouble is not None:
            redraw(self._place, lambda: _tell(trouble))

    def _draw(self, found: Overlap) -> None:
        sizes = {size.segment: size for size in found.segments}
        with Element("div").classes("m-said"):
            Figure(sizes[self._name].members)
            text("members, of whom")
            Figure(sizes[self._name].alone)
            text("belong to none of the others.")
            if len(sizes) > 2:
                Figure(found.all)
                text("customers belong to all of these segments,")
                Figure(found.any)
                text("to at least one.")
        DataTable(
            _SHARED,
            [self._line(pair, sizes) for pair in found.pairs if pair.first == self._name],
            row_key="segment",
            caption="What the segment shares with others",
            noun=("segment", "segments"),
            sort_by="both",
            sort_down=True,
        )

    def _line(self, pair: Any, sizes: dict[str, Any]) -> dict[str, Any]:
        return {
            "segment": pair.second,
            "members": sizes[pair.second].members,
            "both": pair.both,
            "of_this": pair.percent_of_first,
            "of_other": pair.percent_of_second,
        }
