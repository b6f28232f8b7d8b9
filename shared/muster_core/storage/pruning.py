"""Removing runs of long ago that published nothing; a segment's newest run and every version's run stay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection, Engine, text

from muster_core.storage.database import transaction

#: Runs removed by one transaction: few enough that nobody waits for its locks.
_SLICE = 5_000

# What somebody must still be told of stays.
_PRUNABLE = """
    SELECT r.id FROM refresh_run r
     WHERE r.state IN ('superseded', 'skipped', 'failed', 'cancelled')
       AND r.due_at < clock_timestamp() - CAST(:kept AS interval)
       AND EXISTS (SELECT 1 FROM refresh_run n
                    WHERE n.segment_id = r.segment_id AND n.due_at > r.due_at)
       AND NOT EXISTS (SELECT 1 FROM membership_version v WHERE v.run_id = r.id)
       AND NOT EXISTS (SELECT 1 FROM alert a WHERE a.run_id = r.id AND a.state = 'waiting')
"""

_COUNT = text(f"SELECT count(*) FROM ({_PRUNABLE}) old")  # noqa: S608 - a constant

_TAKE = text(f"""
CREATE TEMPORARY TABLE pruned ON COMMIT DROP AS
SELECT id FROM ({_PRUNABLE}) old ORDER BY id LIMIT :most
""")  # noqa: S608 - a constant

_REMOVE = (
    text("DELETE FROM alert a USING pruned p WHERE a.run_id = p.id"),
    text("DELETE FROM run_event e USING pruned p WHERE e.run_id = p.id"),
    text("DELETE FROM refresh_run r USING pruned p WHERE r.id = p.id"),
)

_BATCHES = text("""
DELETE FROM batch b
 WHERE b.state = 'finished' AND b.finished_at < clock_timestamp() - CAST(:kept AS interval)
   AND NOT EXISTS (SELECT 1 FROM refresh_run r WHERE r.batch_id = b.id)
""")


def prunable_runs(connection: Connection, kept: timedelta) -> int:
    """Return how many runs `prune_runs` would remove now."""
    count: int = connection.execute(_COUNT, {"kept": kept}).scalar_one()
    return count


def prune_runs(database: Engine, kept: timedelta, check: Callable[[], None]) -> int:
    """Remove the runs due longer ago than `kept` that published nothing, with their events; return how many.

    `check` is called before each transaction and raises where the caller may not go on.
    """
    removed = 0
    while True:
        check()
        with transaction(database) as connection:
            taken = connection.execute(_TAKE, {"kept": kept, "most": _SLICE}).rowcount
            for statement in _REMOVE:
                connection.execute(statement)
        removed += taken
        if taken < _SLICE:
            break
    with transaction(database) as connection:
        connection.execute(_BATCHES, {"kept": kept})
    return removed
