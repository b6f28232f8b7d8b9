"""What is wrong with the deployment, from what its processes last said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from muster_core.storage.health import Health, _problems
from muster_core.storage.process import WAITING, WITHOUT_ENGINE, ProcessRecord

NOW = datetime(2026, 6, 30, tzinfo=UTC)
LEASE = timedelta(seconds=60)
NOTHING = timedelta(0)


def process(kind: str, doing: str | None, *, silent: float = 1) -> ProcessRecord:
    return ProcessRecord(
        name=f"{kind}@a:{doing}",
        kind=kind,
        host="a",
        pid=1,
        started_at=NOW,
        seen_at=NOW,
        silent=timedelta(seconds=silent),
        doing=doing,
        unhinted=NOTHING,
    )


def problems(*workers: ProcessRecord) -> list[str]:
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
        processes=[process("scheduler", WAITING), process("exporter", WAITING), *workers],
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
