"""Refreshing when data arrives: what was seen of the sources last, and at most one start in every interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB

from muster_core.storage.definition_table import setting
from muster_core.storage.nearest import require_segments
from muster_core.storage.planning import request_system_refresh
from muster_core.storage.request import request_refresh

#: {"every_seconds", "segments": names or null, "polled_at", "seen", "started_at"}
ARRIVAL = "arrival"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalRule:
    """What is started when a source changed: these segments, or with None the system refresh."""

    every: timedelta
    segments: tuple[str, ...] | None
    polled_at: datetime | None
    started_at: datetime | None


_CLAIM = text("""
UPDATE setting SET value = value || jsonb_build_object('polled_at', clock_timestamp())
 WHERE name = :name
   AND coalesce((value->>'polled_at')::timestamptz, '-infinity')
       <= clock_timestamp() - CAST(:pause AS interval)
RETURNING value
""")

_SEEN = text("""
SELECT value, coalesce((value->>'started_at')::timestamptz, '-infinity')
       <= clock_timestamp() - make_interval(secs => (value->>'every_seconds')::float) AS ready
  FROM setting WHERE name = :name FOR UPDATE
""")

_NOTE = text("""
UPDATE setting SET value = value || CAST(:news AS jsonb)
                   || CASE WHEN :started THEN jsonb_build_object('started_at', clock_timestamp())
                           ELSE '{}'::jsonb END
 WHERE name = :name
""").bindparams(sa.bindparam("news", type_=JSONB))


def get_arrival(connection: Connection) -> ArrivalRule | None:
    """Return what is started when data arrives; None where nothing is."""
    value = connection.scalar(sa.select(setting.c.value).where(setting.c.name == ARRIVAL))
    return None if value is None else _rule(value)


def set_arrival(
    connection: Connection, *, every: timedelta, segments: Sequence[str] | None
) -> ArrivalRule:
    """Start these segments (None: the system refresh) when a source changed, at most once in `every`.

    What the sources are now is taken as known.

    Raises:
        NotFound: a segment does not exist.
    """
    if segments is not None:
        require_segments(connection, segments)
    unset_arrival(connection)
    value = {
        "every_seconds": every.total_seconds(),
        "segments": None if segments is None else sorted(set(segments)),
    }
    connection.execute(setting.insert().values(name=ARRIVAL, value=value))
    return _rule(value)


def unset_arrival(connection: Connection) -> None:
    """Start nothing any more when data arrives."""
    connection.execute(setting.delete().where(setting.c.name == ARRIVAL))


def claim_poll(connection: Connection, *, pause: timedelta) -> bool:
    """Return whether this process is to look at the sources now; of several, one is, once in `pause`."""
    return connection.execute(_CLAIM, {"name": ARRIVAL, "pause": pause}).one_or_none() is not None


def note_sources(
    connection: Connection, seen: Mapping[str, str | None], *, actor: str, max_attempts: int
) -> bool:
    """Keep what was `seen` of each table's source; return whether one had news, and work was started for them.

    None stands for a source nobody could look at: what is known of it stays. A table seen for the first time
    is no news. News within the interval are not kept, so that the next look after it finds them again.
    """
    row = connection.execute(_SEEN, {"name": ARRIVAL}).one_or_none()
    if row is None:
        return False
    before = row.value.get("seen")
    # a release before kept one digest of all sources
    known: dict[str, str] = before if isinstance(before, dict) else {}
    now = {
        table: known[table] if found is None else found
        for table, found in seen.items()
        if found is not None or table in known
    }
    news = any(table in known and known[table] != found for table, found in now.items())
    if news and not row.ready:
        return False
    if news:
        _start(connection, row.value["segments"], actor, max_attempts)
    if now != before:
        connection.execute(_NOTE, {"name": ARRIVAL, "news": {"seen": now}, "started": news})
    return news


def _start(
    connection: Connection, segments: list[str] | None, actor: str, max_attempts: int
) -> None:
    if segments is None:
        request_system_refresh(
            connection, actor=actor, max_attempts=max_attempts, trigger="arrival"
        )
        return
    active = connection.scalars(
        text(
            "SELECT name FROM segment WHERE name = ANY(:names) AND state = 'active'"
            " AND deleted_at IS NULL"
        ),
        {"names": segments},
    ).all()
    if active:
        request_refresh(connection, names=active, actor=actor, max_attempts=max_attempts)


def _rule(value: dict[str, Any]) -> ArrivalRule:
    def instant(name: str) -> datetime | None:
        found = value.get(name)
        return None if found is None else datetime.fromisoformat(found)

    segments = value["segments"]
    return ArrivalRule(
        every=timedelta(seconds=round(value["every_seconds"])),
        segments=None if segments is None else tuple(segments),
        polled_at=instant("polled_at"),
        started_at=instant("started_at"),
    )
