"""What people are told about a segment's refresh: one table from a run's state and reason to a status.

The page ``docs/run-states.md`` is made from it; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from muster_core.runs.state import Reason, RunState


class Status(StrEnum):
    """The status of a segment's latest refresh, as lists and commands show it."""

    NONE = "none"
    QUEUED = "queued"
    REFRESHING = "refreshing"
    SUCCESSFUL = "successful"
    SUCCESSFUL_WITH_WARNINGS = "successful with warnings"
    FAILED = "failed"
    FAILED_RETRYING = "failed, retrying"
    HELD = "held"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table; `reason` None is the state without one."""

    state: RunState
    reason: Reason | None
    status: Status
    #: The reason code shown with the status.
    code: str | None
    meaning: str


def _row(
    state: RunState, reason: Reason | None, status: Status, code: str | None, meaning: str
) -> Row:
    return Row(state=state, reason=reason, status=status, code=code, meaning=meaning)


_P, _R, _S = RunState, Reason, Status

TABLE: tuple[Row, ...] = (
    _row(_P.PENDING, None, _S.QUEUED, None, "Waits for a worker."),
    _row(_P.PENDING, _R.RELEASED, _S.QUEUED, None, "A worker that was stopped handed it back."),
    _row(
        _P.PENDING,
        _R.RETRY,
        _S.FAILED_RETRYING,
        "will retry",
        "An attempt failed in a way that may pass; tried again after a wait.",
    ),
    _row(
        _P.PENDING,
        _R.LEASE_LOST,
        _S.FAILED_RETRYING,
        "worker lost",
        "Its worker stopped answering; another one takes it.",
    ),
    _row(
        _P.PENDING,
        _R.ENGINE_AWAY,
        _S.QUEUED,
        "engine away",
        "The engine did not answer; tried again soon, and no attempt is counted.",
    ),
    _row(
        _P.PENDING,
        _R.TIMED_OUT,
        _S.FAILED_RETRYING,
        "took too long",
        "Its batch took longer than a run may; tried again in a smaller one.",
    ),
    _row(
        _P.PENDING, _R.REQUESTED, _S.QUEUED, None, "It had failed, and somebody asked to try again."
    ),
    _row(_P.RUNNING, None, _S.REFRESHING, None, "A worker evaluates it."),
    _row(_P.EVALUATED, None, _S.REFRESHING, None, "Its members are known, not yet published."),
    _row(_P.PUBLISHED, None, _S.SUCCESSFUL, None, "Its members are the segment's newest version."),
    _row(
        _P.SUPERSEDED,
        _R.NEWER_PUBLISHED,
        _S.SKIPPED,
        "superseded",
        "A run due later was published first.",
    ),
    _row(
        _P.SUPERSEDED,
        _R.NEWER_HELD,
        _S.SKIPPED,
        "superseded",
        "It was held, and a run due later is held in its place.",
    ),
    _row(_P.HELD, _R.GATE, _S.HELD, "delivery gate", "The change is too large to publish unseen."),
    _row(
        _P.SKIPPED,
        _R.OVERLAP,
        _S.SKIPPED,
        "overlap",
        "A newer run of the segment, for the same instant, was taken in its place.",
    ),
    _row(
        _P.SKIPPED,
        _R.MISFIRE,
        _S.SKIPPED,
        "misfire",
        "No scheduler ran at its time; the newest missed one ran instead.",
    ),
    _row(_P.SKIPPED, _R.INACTIVE, _S.SKIPPED, "inactive", "The segment was not active any more."),
    _row(
        _P.SKIPPED, _R.STATIC, _S.SKIPPED, "static", "Static segments are refreshed by hand only."
    ),
    _row(
        _P.SKIPPED,
        _R.REFERENCE_NOT_FRESH,
        _S.SKIPPED,
        "reference not fresh",
        "A segment it refers to is not fresh, and the reference says `policy: skip`.",
    ),
    _row(
        _P.SKIPPED,
        _R.UPSTREAM_FAILED,
        _S.SKIPPED,
        "upstream failed",
        "A segment it refers to failed at its last refresh, and the reference says `policy: skip`.",
    ),
    _row(
        _P.SKIPPED,
        _R.UPSTREAM_SKIPPED,
        _S.SKIPPED,
        "upstream skipped",
        "A segment it refers to was skipped at its last refresh, and the reference says `policy: skip`.",
    ),
    _row(
        _P.SKIPPED,
        _R.REFERENCE_NEVER_PUBLISHED,
        _S.SKIPPED,
        "reference never published",
        "A segment it refers to has no members yet; refresh that one first.",
    ),
    _row(
        _P.SKIPPED,
        _R.INPUT_NOT_FRESH,
        _S.SKIPPED,
        "input not fresh",
        "A table it reads is older or smaller than its freshness contract allows; the last members stay.",
    ),
    _row(
        _P.FAILED,
        _R.ERROR,
        _S.FAILED,
        "error",
        "It cannot succeed until somebody changes something; the error says what.",
    ),
    _row(
        _P.FAILED,
        _R.ATTEMPTS_EXHAUSTED,
        _S.FAILED,
        "attempts exhausted",
        "Every attempt failed; the last members stay.",
    ),
    _row(_P.CANCELLED, _R.REQUESTED, _S.CANCELLED, "requested", "Somebody cancelled it."),
    _row(
        _P.CANCELLED,
        _R.REJECTED,
        _S.CANCELLED,
        "rejected",
        "It was held, and somebody rejected it; the last members stay.",
    ),
    _row(
        _P.CANCELLED,
        _R.EXPIRED,
        _S.CANCELLED,
        "expired",
        "It was held, and nobody approved it in time; the last members stay.",
    ),
    _row(_P.CANCELLED, _R.DELETED, _S.CANCELLED, "deleted", "The segment was deleted."),
)

_INDEX = {(row.state, row.reason): row for row in TABLE}


def explain(
    state: str | None, reason: str | None = None, *, warned: bool = False
) -> tuple[Status, str | None]:
    """Return the status and reason code of a segment whose latest run has this state and reason.

    None for `state` means that it has no run. `warned` says that it used members that were not fresh. A reason the table does not know, which another release may
    have written, is shown as it stands.
    """
    if state is None:
        return Status.NONE, None
    if warned and state == RunState.PUBLISHED:
        return Status.SUCCESSFUL_WITH_WARNINGS, "reference not fresh"
    row = _find(RunState(state), reason)
    if row is not None:
        return row.status, row.code
    return next(r.status for r in TABLE if r.state == state), reason


def _find(state: RunState, reason: str | None) -> Row | None:
    known = reason is None or reason in set(Reason)
    return _INDEX.get((state, None if reason is None else Reason(reason))) if known else None


def render_page() -> str:
    """Return ``docs/run-states.md``."""
    lines = [
        "# Run states and what they are called",
        "",
        "Every refresh of a segment is a run.",
        "The control database keeps its state and reason; lists and commands show a status and a reason code.",
        "This page is made from `muster_core.runs.status`; a test compares them.",
        "",
        "| run state | reason | status | reason code | meaning |",
        "| --- | --- | --- | --- | --- |",
        "| no run | | `none` | | The segment was never refreshed. |",
    ]
    lines += [
        f"| `{row.state}` | {_code(row.reason)} | `{row.status}` | {row.code or ''} | {row.meaning} |"
        for row in TABLE
    ]
    lines += [
        "",
        "A run that used members of a segment that was not fresh is `successful with warnings`,",
        "reason code `reference not fresh`; `muster run show` names the segment, its version and its age.",
    ]
    return "\n".join(lines) + "\n"


def _code(reason: Reason | None) -> str:
    return "" if reason is None else f"`{reason}`"
