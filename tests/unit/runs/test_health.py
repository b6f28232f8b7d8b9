"""What is wrong with the deployment, from what its processes last said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from muster_core.storage.health import Health, _problems
from muster_core.storage.process import WAITING, WITHOUT_ENGINE, ProcessRecord

NOW = datetime(2026, 6, 30, tzinfo=UTC)
LEASE = timedelta(seconds=60)


def process(
    kind: str, doing: str | None, *, silent: float = 1, unhinted: float = 0, age: float = 0
) -> ProcessRecord:
    return ProcessRecord(
        name=f"{kind}@a:{doing}",
        kind=kind,
        host="a",
        pid=1,
        started_at=NOW - timedelta(seconds=age),
        seen_at=NOW,
        silent=timedelta(seconds=silent),
        doing=doing,
        unhinted=timedelta(seconds=unhinted),
    )


def problems(*workers: ProcessRecord, scheduler: float = 1) -> list[str]:
    health = Health(
        pending_runs=0,
        oldest_pending=None,
        pending_deliveries=0,
        oldest_pending_delivery=None,
        running=0,
        oldest_heartbeat=None,
        stale_segments=0,
        failed_runs_24h=0,
        failed_deliveries_24h=0,
        processes=[
            process("scheduler", WAITING, silent=scheduler),
            process("exporter", WAITING),
            *workers,
        ],
    )
    return _problems(health, LEASE)


def test_an_engine_that_no_worker_finds_is_told() -> None:
    (told,) = problems(process("worker", WITHOUT_ENGINE))
    assert told.startswith("No worker finds its engine")


def test_one_worker_that_finds_its_engine_is_enough() -> None:
    assert problems(process("worker", WITHOUT_ENGINE), process("worker", WAITING)) == []
    assert problems(process("worker", WITHOUT_ENGINE), process("worker", "batch 1 of 2 runs")) == []


def test_workers_that_are_silent_are_not_asked_about_their_engine() -> None:
    (told,) = problems(process("worker", WITHOUT_ENGINE, silent=61))
    assert told.startswith("No worker has been heard of")


def test_lost_hints_are_told_of_who_would_receive_them_while_somebody_sends_them() -> None:
    (told,) = problems(process("worker", WAITING, unhinted=40, age=100))
    assert told.startswith("No worker has received a hint")
    # one that stopped, or a scheduler that did, says nothing of Redis
    assert problems(process("worker", WAITING, silent=40, unhinted=40, age=100)) == []
    assert problems(process("worker", WAITING, unhinted=40, age=100), scheduler=40) == []
