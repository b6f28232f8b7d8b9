"""Turns schedules into runs: any number of schedulers may do it at once, and each instant gets one run.

What is due is decided by the database's clock, the next instant is written in the transaction that inserts the
run, and a unique constraint on segment and instant has the last word.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from muster_core.errors import InvalidInput
from muster_core.runs.state import Reason, RunState
from muster_core.schedules.cron import missed, next_due
from muster_core.schedules.schedule import read_schedule
from muster_core.storage.setting import SYSTEM_SCHEDULE, put_system_schedule

#: Segments planned in one transaction; all that are due at one instant are best seen together.
SEGMENTS_PER_TRANSACTION = 10_000
#: Missed instants of one segment that get a row of their own; older ones leave no trace.
MISFIRES_KEPT = 1_000
#: Rows inserted by one transaction, the last segment's own on top.
_ROWS_PER_TRANSACTION = 20_000

_PRIORITY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What one planning transaction did."""

    runs: int = 0
    misfires: int = 0
    #: Segments whose schedule cannot be computed; it is kept on the segment and stops only that one.
    broken: int = 0
    #: Whether more may be due already.
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemRefresh:
    """A refresh of everything that follows the system schedule."""

    id: int
    due_at: datetime
    runs: int


_DUE = text("""
SELECT id, schedule, next_due_at, clock_timestamp() AS now FROM segment
 WHERE next_due_at <= clock_timestamp() AND state = 'active' AND type <> 'static'
   AND deleted_at IS NULL
 ORDER BY next_due_at, id LIMIT :limit
   FOR NO KEY UPDATE SKIP LOCKED
""")

_INSERT_RUNS = text("""
WITH created AS (
    INSERT INTO refresh_run (segment_id, due_at, trigger, scheduler, state, reason, priority,
                             max_attempts, finished_at)
    SELECT p.segment_id, p.due_at, 'schedule', :scheduler, p.state, p.reason, :priority, :attempts,
           CASE WHEN p.state = 'skipped' THEN clock_timestamp() END
      FROM unnest(CAST(:segments AS bigint[]), CAST(:due AS timestamptz[]),
                  CAST(:states AS text[]), CAST(:reasons AS text[]))
           AS p(segment_id, due_at, state, reason)
    ON CONFLICT (segment_id, due_at) DO NOTHING
 RETURNING id, state, reason
), noted AS (
    INSERT INTO run_event (run_id, to_state, actor, reason)
    SELECT id, state, :scheduler, coalesce(reason, 'schedule') FROM created ORDER BY id
)
SELECT count(*) FILTER (WHERE state = 'pending') AS runs,
       count(*) FILTER (WHERE state = 'skipped') AS misfires
  FROM created
""")

_ADVANCE = text("""
UPDATE segment s SET next_due_at = p.due_at, schedule_error = p.error
  FROM unnest(CAST(:ids AS bigint[]), CAST(:due AS timestamptz[]), CAST(:errors AS text[]))
       AS p(id, due_at, error)
 WHERE s.id = p.id
""")

_LOCK_SYSTEM = text("""
SELECT value, clock_timestamp() AS now FROM setting
 WHERE name = :name AND (value->>'next_due_at')::timestamptz <= clock_timestamp()
   FOR UPDATE SKIP LOCKED
""")

_OPEN_REFRESH = text("""
INSERT INTO system_refresh (due_at, trigger, actor)
VALUES (coalesce(CAST(:due AS timestamptz), clock_timestamp()), :trigger, :actor)
ON CONFLICT (due_at) DO NOTHING RETURNING id, due_at
""")

_MISS_REFRESHES = text("""
INSERT INTO system_refresh (due_at, trigger, actor, state, reason, finished_at)
SELECT due, 'schedule', :actor, 'skipped', 'misfire', clock_timestamp()
  FROM unnest(CAST(:due AS timestamptz[])) AS due ORDER BY due
ON CONFLICT (due_at) DO NOTHING
""")

_SYSTEM_RUNS = text("""
WITH created AS (
    INSERT INTO refresh_run (segment_id, due_at, trigger, scheduler, system_refresh_id, priority,
                             max_attempts)
    SELECT id, CAST(:due AS timestamptz), 'system', :scheduler, :refresh, :priority, :attempts
      FROM segment
     WHERE schedule->>'kind' = 'system' AND state = 'active' AND type <> 'static'
       AND deleted_at IS NULL
     ORDER BY id
    ON CONFLICT (segment_id, due_at) DO NOTHING
 RETURNING id
), noted AS (
    INSERT INTO run_event (run_id, to_state, actor, reason)
    SELECT id, 'pending', :scheduler, 'system' FROM created ORDER BY id
)
SELECT count(*) FROM created
""")


def schedule_due(connection: Connection, scheduler: str, *, max_attempts: int = 5) -> Planned:
    """Plan what is due now, as the process `scheduler`, in the transaction of `connection`.

    Of instants that were missed the newest becomes a run; older ones become skipped rows, reason misfire.
    Call it again while `Planned.more` is true.
    """
    system = _schedule_system(connection, scheduler, max_attempts)
    due = connection.execute(_DUE, {"limit": SEGMENTS_PER_TRANSACTION}).all()
    if not due:
        return Planned(runs=system)
    plan = _Plan()
    for row in due:
        if len(plan.instants) >= _ROWS_PER_TRANSACTION:
            break
        plan.add(row.id, row.schedule, row.next_due_at, row.now)
    counts = plan.write(connection, scheduler, max_attempts)
    done = len(plan.advanced)
    return Planned(
        runs=system + counts.runs,
        misfires=counts.misfires,
        broken=sum(error is not None for _, _, error in plan.advanced),
        more=done < len(due) or len(due) == SEGMENTS_PER_TRANSACTION,
    )


def request_system_refresh(
    connection: Connection, *, actor: str, max_attempts: int = 5, trigger: str = "manual"
) -> SystemRefresh:
    """Queue a refresh now of every segment that follows the system schedule, over one snapshot."""
    opened = connection.execute(
        _OPEN_REFRESH, {"due": None, "trigger": trigger, "actor": actor}
    ).one()
    runs = _system_runs(connection, opened, actor, max_attempts)
    return SystemRefresh(id=opened.id, due_at=opened.due_at, runs=runs)


class _Plan:
    """Collects what one transaction inserts; equal schedules are computed once."""

    def __init__(self) -> None:
        self.instants: list[tuple[int, datetime, bool]] = []
        self.advanced: list[tuple[int, datetime | None, str | None]] = []
        self._known: dict[tuple[Any, ...], tuple[list[datetime], datetime | None]] = {}

    def add(
        self, segment_id: int, schedule: dict[str, str], first: datetime, now: datetime
    ) -> None:
        try:
            instants, following = self._compute(schedule, first, now)
        except InvalidInput as exc:
            error = "; ".join(str(problem) for problem in exc.problems)
            self.advanced.append((segment_id, None, error))
            return
        self.instants += [(segment_id, i, i != instants[-1]) for i in instants]
        self.advanced.append((segment_id, following, None))

    def _compute(
        self, schedule: dict[str, str], first: datetime, now: datetime
    ) -> tuple[list[datetime], datetime | None]:
        key = (schedule.get("cron"), schedule.get("timezone"), first)
        if key not in self._known:
            cron = read_schedule(schedule).times()
            self._known[key] = (
                ([first], None)
                if cron is None
                else (missed(cron, first, now, limit=MISFIRES_KEPT + 1), next_due(cron, now))
            )
        return self._known[key]

    def write(self, connection: Connection, scheduler: str, max_attempts: int) -> Any:
        counts = connection.execute(
            _INSERT_RUNS,
            {
                "segments": [s for s, _, _ in self.instants],
                "due": [at for _, at, _ in self.instants],
                "states": [
                    (RunState.SKIPPED if old else RunState.PENDING).value
                    for _, _, old in self.instants
                ],
                "reasons": [Reason.MISFIRE.value if old else None for _, _, old in self.instants],
                "scheduler": scheduler,
                "priority": _PRIORITY,
                "attempts": max_attempts,
            },
        ).one()
        ids, due, errors = zip(*self.advanced, strict=True)
        connection.execute(_ADVANCE, {"ids": list(ids), "due": list(due), "errors": list(errors)})
        return counts


def _schedule_system(connection: Connection, scheduler: str, max_attempts: int) -> int:
    row = connection.execute(_LOCK_SYSTEM, {"name": SYSTEM_SCHEDULE}).one_or_none()
    if row is None:
        return 0
    stored = row.value["schedule"]
    try:
        cron = read_schedule(stored).times()
    except InvalidInput as exc:
        put_system_schedule(connection, stored, None, str(exc.problems[0]))
        return 0
    if cron is None:
        put_system_schedule(connection, stored, None)
        return 0
    first = datetime.fromisoformat(row.value["next_due_at"])
    *older, newest = missed(cron, first, row.now, limit=MISFIRES_KEPT + 1)
    put_system_schedule(connection, stored, next_due(cron, row.now))
    if older:
        connection.execute(_MISS_REFRESHES, {"due": older, "actor": scheduler})
    opened = connection.execute(
        _OPEN_REFRESH, {"due": newest, "trigger": "schedule", "actor": scheduler}
    ).one_or_none()
    return 0 if opened is None else _system_runs(connection, opened, scheduler, max_attempts)


def _system_runs(connection: Connection, opened: Any, scheduler: str, max_attempts: int) -> int:
    created: int = connection.execute(
        _SYSTEM_RUNS,
        {
            "due": opened.due_at,
            "refresh": opened.id,
            "scheduler": scheduler,
            "priority": _PRIORITY,
            "attempts": max_attempts,
        },
    ).scalar_one()
    return created


_WAITING = text("""
SELECT EXISTS (SELECT 1 FROM refresh_run
                WHERE state = 'pending' AND available_at <= clock_timestamp()) AS runs,
       EXISTS (SELECT 1 FROM delivery
                WHERE state = 'pending' AND available_at <= clock_timestamp()) AS deliveries,
       least((SELECT min(next_due_at) FROM segment),
             (SELECT (value->>'next_due_at')::timestamptz FROM setting WHERE name = :name))
       - clock_timestamp() AS next_due_in
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingWork:
    """Whether anything could be claimed now, and how long until the next instant of any schedule."""

    runs: bool
    deliveries: bool
    next_due_in: timedelta | None


def waiting_work(connection: Connection) -> WaitingWork:
    """Look what waits, for the sweep that repeats lost hints."""
    return WaitingWork(**connection.execute(_WAITING, {"name": SYSTEM_SCHEDULE}).mappings().one())
