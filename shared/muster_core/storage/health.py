"""Health by work: whether what waits is taken, what runs is alive and hints are consumed, not whether processes exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection, text

from muster_core.storage.process import WAITING, WITHOUT_ENGINE, ProcessRecord, list_processes

#: Seconds between two hints the scheduler sends although nothing waits.
CANARY_SECONDS = 10.0
#: A canary not consumed for this long means that hints do not arrive.
CANARY_LOST = timedelta(seconds=30)
#: Whoever sends or receives hints was heard of at least this lately, or nothing is said of hints.
_HEARD_LATELY = CANARY_LOST / 2
#: Claimable work that nobody took for so long is stuck, or there are too few workers.
WAITING_LONG = timedelta(minutes=5)

_KINDS = ("scheduler", "worker", "exporter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the work goes; ages are by the database's clock and None where there is nothing."""

    pending_runs: int
    #: How long the run that has been claimable the longest waits.
    oldest_pending: timedelta | None
    pending_deliveries: int
    oldest_pending_delivery: timedelta | None
    running: int
    #: How long ago the quietest holder of runs or deliveries renewed its lease.
    oldest_heartbeat: timedelta | None
    #: Segments that were due more than a day ago and have not published since.
    stale_segments: int
    failed_runs_24h: int
    failed_deliveries_24h: int
    processes: Sequence[ProcessRecord]
    problems: Sequence[str] = field(default=())

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


_LOOK = text("""
SELECT (SELECT count(*) FROM refresh_run WHERE state = 'pending') AS pending_runs,
       (SELECT clock_timestamp() - min(greatest(available_at, due_at)) FROM refresh_run
         WHERE state = 'pending' AND available_at <= clock_timestamp()) AS oldest_pending,
       (SELECT count(*) FROM delivery WHERE state = 'pending') AS pending_deliveries,
       (SELECT clock_timestamp() - min(available_at) FROM delivery
         WHERE state = 'pending' AND available_at <= clock_timestamp()) AS oldest_pending_delivery,
       (SELECT count(*) FROM refresh_run WHERE state IN ('running', 'evaluated'))
       + (SELECT count(*) FROM delivery WHERE state = 'running') AS running,
       clock_timestamp() + CAST(:lease AS interval) - least(
         (SELECT min(lease_expires_at) FROM refresh_run WHERE state IN ('running', 'evaluated')),
         (SELECT min(lease_expires_at) FROM delivery WHERE state = 'running')) AS oldest_heartbeat,
       (SELECT count(*) FROM segment s
         WHERE s.state = 'active' AND s.deleted_at IS NULL AND EXISTS (
               SELECT 1 FROM refresh_run r WHERE r.segment_id = s.id
                  AND r.due_at < clock_timestamp() - interval '1 day'
                  AND r.due_at > coalesce(s.published_due_at, '-infinity'))) AS stale_segments,
       (SELECT count(*) FROM refresh_run WHERE state = 'failed'
           AND finished_at > clock_timestamp() - interval '1 day') AS failed_runs_24h,
       (SELECT count(*) FROM delivery WHERE state = 'failed'
           AND finished_at > clock_timestamp() - interval '1 day') AS failed_deliveries_24h
""")


def read_health(connection: Connection, *, lease: timedelta) -> Health:
    """Return how the work goes, for leases of this length."""
    row = connection.execute(_LOOK, {"lease": lease}).mappings().one()
    processes = list_processes(connection)
    found = Health(**row, processes=processes)
    return Health(**row, processes=processes, problems=tuple(_problems(found, lease)))


def _problems(health: Health, lease: timedelta) -> list[str]:
    problems = []
    # the scheduler sends the hints: while it is silent none arrive, whatever Redis does
    sent = any(p.kind == "scheduler" and p.silent <= _HEARD_LATELY for p in health.processes)
    for kind in _KINDS:
        alive = [p for p in health.processes if p.kind == kind and p.silent <= lease]
        if not alive:
            problems.append(f"No {kind} has been heard of for {_seconds(lease)}: start one.")
            continue
        if sent and kind != "scheduler" and _lost_hints(alive):
            problems.append(
                f"No {kind} has received a hint for {_seconds(CANARY_LOST)}: look at Redis."
                " Work goes on, found by looking every few seconds."
            )
        if all(p.doing == WITHOUT_ENGINE for p in alive):
            problems.append(
                "No worker finds its engine: start it. What is due is tried again by itself."
            )
    for name, age in (
        ("run", health.oldest_pending),
        ("delivery", health.oldest_pending_delivery),
    ):
        if age is not None and age > WAITING_LONG:
            problems.append(
                f"A {name} has waited {_seconds(age)} for somebody to take it:"
                " start more workers or exporters, or look at their logs."
            )
    if health.oldest_heartbeat is not None and health.oldest_heartbeat > lease:
        problems.append("A lease has ended and nobody took the work back: look at the scheduler.")
    return problems


def _lost_hints(alive: Sequence[ProcessRecord]) -> bool:
    """Whether no process of a kind receives hints, though one that waits for them is there long enough."""
    if any(p.unhinted is not None and p.unhinted <= CANARY_LOST for p in alive):
        return False
    # one at work looks for hints when it has done, and one that is silent may have ended
    idle = [
        p for p in alive if p.doing in (None, WAITING, WITHOUT_ENGINE) and p.silent <= _HEARD_LATELY
    ]
    return any(p.seen_at - p.started_at > CANARY_LOST for p in idle)


def _seconds(age: timedelta) -> str:
    return f"{age.total_seconds():,.0f} s"
