"""Doing one thing to many, one after the other, with what happened to each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nicegui import ui
from nicegui.element import Element

from muster_console.operation.workspace import Workspace
from muster_console.web.component.markup import button, text
from muster_console.web.component.table import Column, DataTable
from muster_console.web.visit import Visit
from muster_console.web.words import explain_error
from muster_core.errors import MusterError, TransientError
from muster_core.security.role import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one of many."""

    name: str
    done: bool
    words: str


async def do_to_each(
    visit: Visit,
    permission: Permission,
    names: Sequence[str],
    act: Callable[[Workspace, str], str],
    *,
    title: str,
) -> bool:
    """Do `act` to each of `names` and show what it returned, or why not; tell whether all went well.

    Where a part is gone the rest is not tried.
    """

    def work(workspace: Workspace) -> list[Result]:
        results = []
        for name in names:
            try:
                results.append(Result(name=name, done=True, words=act(workspace, name)))
            except TransientError as exc:
                results.append(Result(name=name, done=False, words=explain_error(exc).line))
                break
            except MusterError as exc:
                results.append(Result(name=name, done=False, words=explain_error(exc).line))
        return results

    outcome = await visit.do(permission, work)
    results = outcome.value
    if results is None:
        return False
    if len(results) == len(names) == 1 and results[0].done:
        visit.tell(f"{results[0].name}: {results[0].words}")
        return True
    with visit.client:
        show_results(title, results, asked=len(names))
    return len(results) == len(names) and all(result.done for result in results)


def show_results(title: str, results: Sequence[Result], *, asked: int) -> None:
    """Show what happened to each."""
    done = sum(result.done for result in results)
    with ui.dialog() as dialog, Element("div").classes("m-dialog m-dialog--wide"):
        dialog.props["aria-label"] = title
        text(title, tag="h2")
        left = asked - len(results)
        tried = f"; {left} not tried" if left else ""
        text(f"{done} of {asked} done{tried}.", tag="p")
        DataTable(
            (
                Column(name="name", label="Segment"),
                Column(name="state", label="Result", kind="status", filter=True),
                Column(name="words", label="What happened"),
            ),
            [
                {
                    "name": result.name,
                    "state": "ok" if result.done else "failed",
                    "words": result.words,
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
