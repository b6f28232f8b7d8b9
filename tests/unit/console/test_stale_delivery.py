"""What `muster export deliveries` says of versions computed from members that were not fresh."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from muster_console.cli.delivery import delivery_json, print_deliveries
from muster_core.exports.state import DeliveryState
from muster_core.runs.freshness import NotFresh
from muster_core.runs.input import UsedSegment
from muster_core.storage.delivery_record import StoredDelivery

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STALE = UsedSegment(
    segment="old_one",
    policy="use_last",
    version=7,
    as_of=NOON,
    published_at=NOON,
    same_batch=False,
    age_seconds=90_000.4,
    reason=NotFresh.FAILED,
)
GONE = replace(
    STALE,
    segment="stopped",
    version=None,
    published_at=None,
    age_seconds=None,
    same_batch=True,
    reason=NotFresh.NOT_PUBLISHED,
)
DELIVERY = StoredDelivery(
    id=1,
    export="crm",
    segment="vip",
    version=2,
    state=DeliveryState.DELIVERED,
    reason=None,
    waits_for=None,
    attempt=1,
    max_attempts=5,
    rows=3,
    bytes=4,
    location="/srv/exports",
    error_class=None,
    error=None,
    exporter=None,
    created_at=NOON,
    started_at=NOON,
    finished_at=NOON,
    stale=(STALE, GONE),
)


def test_people_see_what_was_not_fresh_and_how_old_it_was(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_deliveries([DELIVERY])
    shown = " ".join(capsys.readouterr().out.split())
    assert "not fresh" in shown
    for word in ("old_one", "failed", "stopped", "not_published"):
        assert word in shown
    print_deliveries([replace(DELIVERY, stale=())])
    assert "not fresh" not in capsys.readouterr().out


def test_programs_find_segment_version_age_and_reason() -> None:
    found = delivery_json(DELIVERY)
    assert found["stale_references"] == [
        {
            "segment": "old_one",
            "version": 7,
            "published_at": NOON,
            "age_seconds": 90_000.4,
            "reason": "failed",
        },
        {
            "segment": "stopped",
            "version": None,
            "published_at": None,
            "age_seconds": None,
            "reason": "not_published",
        },
    ]
    assert "stale" not in found
