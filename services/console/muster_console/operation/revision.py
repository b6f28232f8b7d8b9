"""Revisions of what has no number of its own: the instant of its last change, in microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from muster_core.errors import ChangedMeanwhile

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def revision_of(changed_at: datetime) -> int:
    """Return the revision of a thing that was changed last at this instant."""
    return (changed_at - _BEGINNING) // timedelta(microseconds=1)


def require_revision(what: str, changed_at: datetime | None, expected: int) -> None:
    """Make sure that a thing is still at the revision a change is based on; 0 means it is not there.

    Raises:
        ChangedMeanwhile: it is not.
    """
    if expected != (0 if changed_at is None else revision_of(changed_at)):
        raise ChangedMeanwhile(
            f"{what} was changed by somebody else meanwhile.",
            hint="Read it again and repeat your change.",
        )
