"""Deciding about a version that is held back: published once somebody has read what it changes, or rejected."""

from __future__ import annotations

from typing import Any

from muster_console.operation.run import approve_run, reject_run
from muster_console.web.component.dialog import Field, ask, confirm
from muster_console.web.numeral import numerals
from muster_console.web.visit import Outcome, Visit
from muster_core.runs.state import RunState
from muster_core.security.role import Permission
from muster_core.storage.record import RunRecord

#: What becomes of a held version that somebody approves.
_ENDED = {
    RunState.PUBLISHED: "The version is published.",
    RunState.SUPERSEDED: "It came too late: a newer version was published meanwhile.",
    RunState.CANCELLED: "Its segment is gone, so nothing was published.",
}


async def approve(visit: Visit, found: RunRecord) -> None:
    """Publish a held version, once somebody has read what it changes."""
    said = numerals()

    def counted(number: int | None) -> str:
        return "an unknown number" if number is None else said.number(number)

    words = (
        f"{found.segment} then has {counted(found.member_count)} members: {counted(found.joined)} join and "
        f"{counted(found.left)} leave. Exports that deliver after each refresh deliver it."
    )
    if not await confirm("Publish this version?", words, action="Publish"):
        return
    outcome = await visit.do(Permission.EDIT, lambda w: approve_run(w, found.run_id))
    if outcome.value is not None:
        visit.tell(_ENDED[outcome.value], bad=outcome.value is not RunState.PUBLISHED)


def ask_why(visit: Visit, run_id: int) -> None:
    """Ask for the reason a held version is rejected, and reject it."""

    async def submit(given: dict[str, Any]) -> Outcome[Any]:
        why = str(given["why"]).strip() or None
        return await visit.do(
            Permission.EDIT,
            lambda w: reject_run(w, run_id, why=why),
            said="The version is rejected; the last members stay.",
        )

    ask(
        "Reject this version?",
        [Field(name="why", label="Why (others read it)")],
        submit,
        action="Reject",
    )
