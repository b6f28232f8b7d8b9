"""Whether the last published members of a referred segment are what a refresh of it now would give.

The answer is a reason, kept on the run that used the members, or None where they are fresh.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from muster_core.runs.state import RunState


class NotFresh(StrEnum):
    """Why the members of a referred segment are not as fresh as they should be."""

    NEVER_PUBLISHED = "never_published"
    DELETED = "deleted"
    DRAFT = "draft"
    INACTIVE = "inactive"
    FAILED = "failed"
    #: Its run was skipped for what it reads: a segment or a table that is not fresh.
    SKIPPED = "skipped"
    #: A run of it is due, or was cancelled, and has not published.
    STALE = "stale"
    #: Its run in the same batch gave the members, and was cancelled or superseded before they were published.
    NOT_PUBLISHED = "not_published"
    #: Its members were numbered by an earlier generation of the store and cannot be read any more.
    OTHER_STORE = "other_store"


#: Without members that can be read no policy helps.
UNUSABLE = frozenset({NotFresh.NEVER_PUBLISHED, NotFresh.OTHER_STORE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a segment stands that others refer to."""

    state: str
    type: str
    deleted: bool
    version: int | None
    published_due_at: datetime | None
    next_due_at: datetime | None
    #: Its newest run that did not end for another one's sake.
    run_state: str | None
    run_due_at: datetime | None
    #: Whether its members count customers as the store does now.
    readable: bool = True


def not_fresh(standing: Standing, *, due_at: datetime) -> NotFresh | None:
    """Return why the members are not fresh for a run due at `due_at`, or None where they are."""
    if standing.version is None:
        return NotFresh.NEVER_PUBLISHED
    if not standing.readable:
        return NotFresh.OTHER_STORE
    if standing.deleted:
        return NotFresh.DELETED
    if standing.state != "active":
        return NotFresh.DRAFT if standing.state == "draft" else NotFresh.INACTIVE
    if standing.run_state == RunState.FAILED:
        return NotFresh.FAILED
    if standing.type == "static":  # as fresh as somebody wants it to be
        return None
    owed = standing.next_due_at is not None and standing.next_due_at <= due_at
    overdue = _overdue(standing, due_at)
    if overdue and standing.run_state == RunState.SKIPPED:
        return NotFresh.SKIPPED
    return NotFresh.STALE if owed or overdue else None


def _overdue(standing: Standing, due_at: datetime) -> bool:
    if standing.run_due_at is None or standing.run_state == RunState.PUBLISHED:
        return False
    if standing.published_due_at is not None and standing.published_due_at >= standing.run_due_at:
        return False
    return standing.run_due_at <= due_at
