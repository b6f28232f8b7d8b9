"""One segment: what it is, how its members developed, its runs and who uses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from nicegui import ui
from nicegui.element import Element

from muster_console.operation.history import HistoryPoint, Period, history
from muster_console.operation.life import Usage, show_usage
from muster_console.operation.segment import SegmentView, show_segment
from muster_console.operation.workspace import Workspace
from muster_console.web.component.markup import (
    button,
    card,
    facts,
    link,
    note,
    path_to,
    row,
    stack,
    tabs,
    text,
)
from muster_console.web.component.table import Column, DataTable, Figure, chip
from muster_console.web.component.trend import TrendPoint, trend_chart
from muster_console.web.frame import heading
from muster_console.web.live import Live, redraw
from muster_console.web.page.segment_action import segment_actions
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_console.web.words import schedule_words
from muster_core.runs.status import explain
from muster_core.schedules.schedule import ScheduleKind
from muster_core.security.role import Permission
from muster_core.storage.run import RunRecord

PERIODS = {
    Period.WEEK: "7 days",
    Period.MONTH: "30 days",
    Period.HALF_YEAR: "6 months",
    Period.ALL: "All",
}
_RUNS = (
    Column(name="run", label="Run", kind="link", href="/runs/{run}"),
    Column(name="status", label="Status", kind="status"),
    Column(name="trigger", label="Started by"),
    Column(name="began", label="Begun", kind="instant"),
    Column(name="seconds", label="Took", kind="duration"),
    Column(name="members", label="Members", kind="number"),
    Column(name="joined", label="Joined", kind="number"),
    Column(name="left", label="Left", kind="number"),
    Column(name="error", label="What happened"),
)


async def segment_frame(visit: Visit, name: str) -> SegmentView:
    """Put title, actions and parts of a segment's pages, and return the segment.

    Raises:
        NotFound: there is no such segment.
    """
    found = await visit.load(lambda workspace: show_segment(workspace, name))
    ui.add_head_html('<link rel="stylesheet" href="/asset/builder.css">')
    title = found.segment.display_name or name
    lead = str(found.document.get("description", ""))
    with heading(title, lead=lead, back=("/segments", "Segments")):
        if visit.allows(Permission.EDIT):
            segment_actions(visit, found)
    entries = [
        (path_to("segments", name), "Overview"),
        (path_to("segments", name, "rules"), "Rules"),
        (path_to("segments", name, "insights"), "Insights"),
        (path_to("segments", name, "versions"), "Versions"),
        (path_to("segments", name, "exports"), "Exports"),
    ]
    if visit.allows(Permission.MEMBERS):
        entries.insert(3, (path_to("segments", name, "members"), "Members"))
        entries.insert(4, (path_to("segments", name, "why"), "Why in or out"))
    tabs(entries, visit.path.partition("?")[0], "Parts of the segment")
    return found


@page("/segments/{name}", permission=Permission.VIEW, title="Segment")
async def segment(visit: Visit, name: str) -> None:
    """Build the overview."""
    opened = await segment_frame(visit, name)
    parts: dict[str, Any] = {}

    def show(found: tuple[SegmentView, Usage | None]) -> None:
        version = found[0].segment.version
        if "reload" in parts and version != parts["version"]:
            # a version that is published while somebody looks belongs to the picture
            ui.timer(0.05, parts["reload"], once=True)
        parts["version"] = version
        if "head" not in parts:
            parts["head"] = Element("div")
            parts["trend"] = card("Members over time")
            parts["runs"] = card("Runs")
        redraw(parts["head"], lambda: _facts(*found))
        _runs(parts, found[0].runs)

    def read(workspace: Workspace) -> tuple[SegmentView, Usage | None]:
        return show_segment(workspace, name), show_usage(workspace, name)

    # what the frame was drawn with shows at once; who uses it and the trend come when the page is there
    await Live(visit, read, show).start((opened, None))
    with parts["trend"]:
        parts["reload"] = _trend(visit, name)


def _facts(found: SegmentView, usage: Usage | None) -> None:
    line = found.segment
    with card():
        with row():
            chip(line.state)
            chip(line.status)
            if line.reason:
                text(line.reason).classes("m-muted")
            for tag in found.document.get("tags", []):
                text(tag).classes("m-tag")
        if line.problem:
            note(line.problem, bad=True)
        facts(
            [
                ("Members", lambda: Figure(line.members)),
                ("Name", line.name),
                ("Type", line.type),
                ("Last refreshed", lambda: Figure(line.refreshed_at, "instant")),
                ("Evaluated as of", lambda: Figure(line.as_of, "moment")),
                ("Schedule", schedule_words(line.type, line.schedule)),
                ("Next run", lambda: _next_run(found)),
                ("Owner", getattr(line, "owner", None)),
                ("Revision", line.rev),
                ("Used by", lambda: _used(usage)),
                (
                    "Refers to",
                    lambda: _listed(None if usage is None else usage.refers_to, "segments"),
                ),
                (
                    "Measures",
                    lambda: _listed(None if usage is None else usage.measures, "measures"),
                ),
            ]
        )
        if found.next_times:
            with Element("details"):
                with Element("summary"):
                    text("The next times")
                with Element("ul").classes("m-times"):
                    for at in found.next_times[:5]:
                        with Element("li"):
                            Figure(at, "moment")


def _next_run(found: SegmentView) -> None:
    """Put the next time; where it waits for times that nobody has set yet, say where they are set."""
    line = found.segment
    follows = line.schedule == ScheduleKind.SYSTEM and line.type != "static"
    if follows and line.state == "active" and line.next_due_at is None:
        link("/runs", "once the system refresh has times")
    else:
        Figure(line.next_due_at, "moment")


def _used(usage: Usage | None) -> None:
    if usage is None:
        text("…")
        return
    used = usage.used_by
    if not used.used and not used.drafts:
        text("nothing")
    _names(used.segments, "segments")
    _names(used.drafts, "segments", " (draft)")
    _names([*used.exports, *used.feeds], "exports")


def _listed(names: list[str] | None, section: str) -> None:
    if not names:
        text("…" if names is None else "nothing")
        return
    _names(names, section)


def _names(names: list[str], section: str, words: str = "") -> None:
    with Element("span").classes("m-tags"):
        for name in names:
            link(path_to(section, name), f"{name}{words}")


def _runs(parts: dict[str, Any], runs: list[RunRecord]) -> None:
    rows = [_run_row(run) for run in runs]
    if "table" not in parts:
        with parts["runs"]:
            parts["table"] = DataTable(
                _RUNS,
                row_key="run",
                caption="Runs of this segment",
                noun=("run", "runs"),
                sort_by="run",
                sort_down=True,
                empty="It has not run yet.",
            )
    parts["table"].set_rows(rows)


def _run_row(run: RunRecord) -> dict[str, Any]:
    status, code = explain(run.state, run.reason)
    took = None
    if run.started_at is not None and run.finished_at is not None:
        took = (run.finished_at - run.started_at).total_seconds()
    return {
        "run": run.run_id,
        "status": status,
        "status_note": code,
        "trigger": run.trigger,
        "began": run.started_at or run.created_at,
        "seconds": took,
        "members": run.member_count,
        "joined": run.joined,
        "left": run.left,
        "error": run.error or "",
    }


def _trend(visit: Visit, name: str) -> Callable[[], Awaitable[None]]:
    """Put the picture and the choice of its period; return what reads it anew."""
    state = {"period": Period.MONTH}
    with row().classes("m-periods") as choices:
        choices.props["role"] = "group"
        choices.props["aria-label"] = "How far back"
    place = stack()

    async def load(period: Period) -> None:
        state["period"] = period
        outcome = await visit.do(Permission.VIEW, lambda w: history(w, name, period))
        if outcome.value is None:
            redraw(place, untold)
            return
        found = outcome.value
        points = [_point(point) for point in found.points]
        before = None if found.before is None else _point(found.before)

        def draw() -> None:
            if points:
                trend_chart(points, before=before)
            else:
                text("No version was published in this time.", tag="p").classes("m-muted")

        redraw(place, draw)
        redraw(choices, offer)

    def untold() -> None:
        text("The trend could not be read. Choose how far back to try again.", tag="p")

    def offer() -> None:
        for period, words in PERIODS.items():
            made = button(words, partial(load, period), kind="plain")
            made.props["aria-pressed"] = "true" if period is state["period"] else "false"

    redraw(choices, offer)
    with place:
        text("Loading…", tag="p").classes("m-muted m-loading")
    ui.timer(0.05, partial(load, Period.MONTH), once=True)
    return lambda: load(state["period"])


def _point(point: HistoryPoint) -> TrendPoint:
    return TrendPoint(point.published_at, point.version, point.members, point.joined, point.left)
