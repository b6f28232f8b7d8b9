"""Deliveries of versions that were computed from members of other segments, fresh or not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.exporter.test_exporter import content, manifest_of, run
from tests.integration.exporter.world import AS_OF

from muster_core.runs.freshness import NotFresh
from muster_core.runs.input import Inputs, UsedSegment
from muster_core.storage.database import transaction
from muster_core.storage.export_request import request_delivery

pytestmark = pytest.mark.integration


def test_what_was_computed_from_members_that_were_not_fresh_is_marked_with_their_age(world):
    used: dict[str, Any] = {"policy": "use_last", "as_of": AS_OF}
    inputs = Inputs(
        segments=(
            UsedSegment(
                **used,
                segment="broken",
                version=3,
                published_at=AS_OF,
                same_batch=False,
                age_seconds=90_000.5,
                reason=NotFresh.FAILED,
            ),
            UsedSegment(
                **used,
                segment="stopped",
                version=None,
                published_at=None,
                same_batch=True,
                run_id=1,
                reason=NotFresh.NOT_PUBLISHED,
            ),
            UsedSegment(**used, segment="fine", version=2, published_at=AS_OF, same_batch=False),
        )
    )
    version = world.publish("vip", inputs=inputs)
    world.export(segments=["vip"])
    world.queue("crm", "vip", version)

    (done,) = run(world)

    folder = world.folder("crm", "vip", version)
    assert json.loads((folder / "manifest.json").read_bytes())["stale_references"] == [
        {
            "segment": "broken",
            "version": 3,
            "published_at": "2026-01-31T12:00:00Z",
            "age_seconds": 90_000.5,
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
    assert [stale.segment for stale in done.stale] == ["broken", "stopped"]
    before = content(folder)
    with transaction(world.database) as connection:
        request_delivery(connection, "crm", actor="test")
    run(world)
    assert content(folder) == before


def test_what_was_computed_from_fresh_members_is_not_marked(world):
    fresh = UsedSegment(
        segment="fine",
        policy="skip",
        version=2,
        as_of=AS_OF,
        published_at=AS_OF,
        same_batch=False,
        age_seconds=1.0,
    )
    version = world.publish("vip", inputs=Inputs(segments=(fresh,)))
    world.export(segments=["vip"])
    world.queue("crm", "vip", version)

    (done,) = run(world)

    assert done.stale == ()
    assert manifest_of(world.folder("crm", "vip", version)).stale_references == []
