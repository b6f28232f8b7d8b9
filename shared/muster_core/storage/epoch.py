"""The epoch of fences: a PostgreSQL that lost commits must not give a fence that was given before.

The sequence of fences is advanced to the epoch's first number, so every fence, whoever takes it, is
``epoch << 40 | number``.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from muster_core.errors import EpochOutdated
from muster_core.telemetry import get_logger

EPOCH_BITS = 40

#: Versions of a segment begin at so many times the epoch, plus one: a restored database has forgotten which it gave
#: out, and destinations have not. An epoch stands for ten minutes, in which nobody publishes as often.
VERSIONS_PER_EPOCH = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which PostgreSQL this is: None where its user may not ask."""

    system: str | None
    #: Goes up at every promotion of a standby and every restore to a point in time.
    timeline: int | None


_ORIGIN = text("""
SELECT (SELECT system_identifier FROM pg_control_system())::text AS system,
       (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline
""")

_KNOWN = text("SELECT epoch, system, timeline FROM cluster WHERE id = 1")

_ADOPT = text("""
UPDATE cluster SET system = :system, timeline = :timeline, changed_at = clock_timestamp()
 WHERE id = 1 AND system IS NULL AND timeline IS NULL
""")

# Steps of ten minutes since 2026: two restores of one backup, which know the same old epoch, get two new ones.
_BUMP = text("""
UPDATE cluster
   SET epoch = greatest(epoch + 1, floor(extract(epoch FROM clock_timestamp()
                        - timestamptz '2026-01-01 00:00:00+00') / 600)::bigint),
       system = :system, timeline = :timeline, changed_at = clock_timestamp()
 WHERE id = 1 RETURNING epoch
""")

_ADVANCE = text("""
SELECT setval('fence_seq', greatest(CAST(:first AS bigint),
                                    (SELECT last_value FROM fence_seq) + 1))
""")


def check_epoch(connection: Connection) -> None:
    """Let a service start, and remember which PostgreSQL the epoch belongs to at the first start.

    Raises:
        EpochOutdated: the database was restored or failed over since the epoch was chosen.
    """
    origin = _origin(connection)
    known = connection.execute(_KNOWN).one()
    if known.system is None and known.timeline is None:
        connection.execute(_ADOPT, {"system": origin.system, "timeline": origin.timeline})
        return
    if origin.system is None:
        return
    if (origin.system, origin.timeline) != (known.system, known.timeline):
        raise EpochOutdated(
            f"PostgreSQL is another one than before (timeline {origin.timeline},"
            f" it was {known.timeline}): it was restored or failed over, and commits may be missing.",
            hint="Stop every worker and exporter, then run `muster admin bump-epoch`.",
        )


def bump_epoch(connection: Connection) -> int:
    """Begin a new epoch: every fence from now on is greater than any given before. Return it."""
    origin = _origin(connection)
    epoch: int = connection.execute(
        _BUMP, {"system": origin.system, "timeline": origin.timeline}
    ).scalar_one()
    connection.execute(_ADVANCE, {"first": epoch << EPOCH_BITS})
    return epoch


def _origin(connection: Connection) -> Origin:
    try:
        with connection.begin_nested():
            row = connection.execute(_ORIGIN).one()
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise
        # managed servers keep these functions to themselves; then the runbook alone says when to bump
        get_logger().warning("timeline cannot be read", cause=type(exc.orig).__name__)
        return Origin(system=None, timeline=None)
    return Origin(system=row.system, timeline=row.timeline)
