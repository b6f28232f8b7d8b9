"""Doing one thing to many segments, with what happened to each."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui
from nicegui.element import Element

from muster_console.operation.action import Action, Options, act
from muster_console.operation.result import SegmentResult
from muster_console.web.component.markup import button, text
from muster_console.web.component.table import Column, DataTable
from muster_console.web.visit import Outcome, Visit
from muster_console.web.words import problem_line
from muster_core.security.role import Permission


async def act_on(
    visit: Visit,
    action: Action,
    names: Sequence[str],
    options: Options | None = None,
    *,
    permission: Permission = Permission.EDIT,
) -> Outcome[list[SegmentResult]]:
    """Do `action` to each of `names` and show what became of it; one that went well is told in a line."""
    outcome = await visit.do(permission, lambda w: act(w, action, names, options))
    results = outcome.value
    if results is None:
        return outcome
    if len(results) == 1 and not results[0].refused and not results[0].warnings:
        visit.tell(f"{results[0].name}: {_words(results[0])}")
    else:
        with visit.client:
            show_results(action.value.capitalize(), results)
    return outcome


def show_results(title: str, results: Sequence[SegmentResult]) -> None:
    """Show what happened to each."""
    done = sum(not result.refused for result in results)
    with ui.dialog() as dialog, Element("div").classes("m-dialog m-dialog--wide"):
        dialog.props["aria-label"] = title
        text(title, tag="h2")
        text(f"{done} of {len(results)} done.", tag="p")
        DataTable(
            (
                Column(name="name", label="Segment", search=True),
                Column(name="state", label="Result", kind="status", filter=True),
                Column(name="words", label="What happened"),
            ),
            [
                {
                    "name": result.name,
                    "state": "refused"
                    if result.refused
                    else "warning"
                    if result.warnings
                    else "ok",
                    "words": _words(result),
                }
                for result in results
            ],
            row_key="name",
            caption=title,
            noun=("segment", "segments"),
            page_size=20,
        )
        with Element("div").classes("m-dialog-foot"):
            button("Close", dialog.close, kind="main")
    dialog.on("hide", dialog.delete)
    dialog.open()


def _words(result: SegmentResult) -> str:
    """Return what became of a segment, in words."""
    what = result.message or result.outcome
    if result.run_id is not None:
        what = f"refresh asked for, run {result.run_id}"
    more = [problem_line(problem) for problem in (*result.problems, *result.warnings)]
    return "; ".join([what, *more])
