"""The instant at which a source is read: one exported snapshot that every connection looks through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from muster_core.errors import SourceDenied
from muster_core.extract.session import Session

_MOMENT = """
SELECT pg_export_snapshot(), pg_current_snapshot()::text,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint, now() AT TIME ZONE 'UTC'
"""

_SERVER = """
SELECT s.system_identifier || '/' || c.timeline_id || '/' || d.oid
FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d
WHERE d.datname = current_database()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A snapshot: its name for others, its transactions, and the server's clock."""

    exported: str
    snapshot: str
    #: Every transaction below was over; none from `newest` on had begun.
    horizon: int
    newest: int
    now: datetime
    #: System, timeline and database, which transaction numbers are relative to: after a restore to an earlier
    #: time the timeline is another one, and numbers are given out again. Empty: the server does not tell.
    server: str


def take_moment(session: Session) -> Moment:
    """Export the session's snapshot.

    Raises:
        MusterError: the server failed.
    """
    ((exported, snapshot, horizon, newest, now),) = session.rows(_MOMENT)
    return Moment(
        exported=exported,
        snapshot=snapshot,
        horizon=horizon,
        newest=newest,
        now=now,
        server=_server(session),
    )


def _server(session: Session) -> str:
    session.run("SAVEPOINT server")
    try:
        ((found,),) = session.rows(_SERVER)
    except SourceDenied:
        session.run("ROLLBACK TO SAVEPOINT server")
        return ""
    return str(found)
