"""Refreshes and increments go on over what collections left of a store that a worker prepared."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.integration.worker.conftest import Bench
from tests.shop import LAST_ORDER, add_orders, in_country, ordered, segment, write_shop

from muster_core.collection.collect import Collection, collect
from muster_core.collection.keeping import Keeping
from muster_core.lake.location import Lake
from muster_core.lake.store import Store, verify
from muster_core.storage.database import transaction
from muster_core.storage.membership import published_membership
from muster_core.storage.snapshot import read_head

pytestmark = [pytest.mark.integration, pytest.mark.spark]

AT_ONCE = Keeping(snapshots=timedelta(0), versions=1, grace=timedelta(0))


def collected(bench: Bench) -> Collection:
    found = collect(
        bench.database,
        Lake(bench.settings.lake()),
        AT_ONCE,
        owner="test",
        lease=timedelta(minutes=1),
    )
    assert found is not None
    return found


@pytest.mark.long
def test_days_go_by_with_collections_between(bench: Bench, tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", customers=300, orders=2_000)
    keys = shop.frame("customers")["customer_id"].to_numpy(zero_copy_only=False)
    bench.apply_catalog(shop)
    bench.apply_segments(
        [
            segment("british", in_country("GB")),
            segment("regular", ordered(8)),
            segment("both", {"kind": "all", "of": [in_country("GB"), ordered(8)]}),
        ]
    )
    first = bench.refresh(as_of=LAST_ORDER)
    removed = 0
    for day in range(1, 4):
        add_orders(shop.folder, keys, 200, first=10_000 * day, random=np.random.default_rng(day))
        runs = bench.refresh("regular", "both", as_of=LAST_ORDER)
        assert {run["state"] for run in runs.values()} == {"published"}
        counts = dict(
            zip(
                *np.unique(shop.frame("orders")["customer_id"].to_pylist(), return_counts=True),
                strict=True,
            )
        )
        regular = sum(1 for count in counts.values() if count >= 8)
        assert runs["regular"]["member_count"] == regular
        collected(bench)
        removed += collected(bench).files_removed
    assert removed > 10
    lake = Lake(bench.settings.lake())
    with transaction(bench.database) as connection:
        head = read_head(connection).snapshot
        old = published_membership(connection, "british")
    assert head is not None
    manifest = Store.open(lake, head.manifest, head.manifest_sha256).manifest
    for file in (*manifest.profile, *manifest.tables["orders"].files):
        verify(lake, file)
    # of the segment that was refreshed on the first day only, everything is there
    assert (old.version, old.member_count) == (1, first["british"]["member_count"])
    assert Store.open(lake, old.snapshot, old.snapshot_sha256).manifest.customers == 300
    expired = bench.rows("SELECT count(*) AS n FROM snapshot WHERE expired_at IS NOT NULL")
    assert expired[0]["n"] == 2
